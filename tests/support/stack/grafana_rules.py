"""The rules of Grafana's dashboards. Each gives one sentence for each fault it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from rideshare.telemetry import TAGS_FROM_RESOURCE
from tests.support.repository import Json

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
TEMPO = {"type": "tempo", "uid": "tempo"}
PYROSCOPE = {"type": "grafana-pyroscope-datasource", "uid": "pyroscope"}

# What the profiles of the app have: the agent's name and tags, and what the span processor adds.
PROFILE_LABELS = {"service_name", "span_name", *TAGS_FROM_RESOURCE.values()}
# What its server spans have, with the scopes that TraceQL asks for them by.
SPAN_ATTRIBUTES = {"resource.service.name", "resource.region", "span.http.route", "span.pyroscope.profile.id"}
# Columns of a table of spans, as Grafana makes them of a search: its own, and the attributes without their scope.
SPAN_COLUMNS = {"traceIdHidden", "traceService", "traceName", "spanID", "time", "name", "kind", "duration"} | {
    attribute.partition(".")[2] for attribute in SPAN_ATTRIBUTES
}
# What the columns are called before anything renames them; those that are not here go by their own name.
DISPLAY_NAMES = {
    "traceService": "Trace Service",
    "traceName": "Trace Name",
    "spanID": "Span ID",
    "time": "Start time",
    "name": "Name",
    "duration": "Duration",
}
CORE_PANELS = {"flamegraph", "table", "text", "timeseries", "traces"}
# The last version of the classic schema; older ones are migrated each time they are opened.
SCHEMA_VERSION = 42

_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)")
_ATTRIBUTE = re.compile(r"\b(?:resource|span)(?:\.\w+)+")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_QUANTILE = re.compile(r"\|\s*quantile_over_time\(.*\)\s*by\s*\(([^)]+)\)")
# What the Tempo data source takes for a trace ID; the empty text as well, which its server side then refuses.
_TRACE_ID = re.compile(r"[0-9A-Fa-f]*")


def the_schema_is_the_current_one(dashboard: Json) -> Iterator[str]:
    if dashboard["schemaVersion"] != SCHEMA_VERSION:
        yield f"the schema is {dashboard['schemaVersion']}, not {SCHEMA_VERSION}"


def panels_are_of_grafanas_own_kinds(dashboard: Json) -> Iterator[str]:
    identifiers = [panel["id"] for panel in dashboard["panels"]]
    if len(set(identifiers)) != len(identifiers):
        yield "two panels have the same id"
    for panel in dashboard["panels"]:
        if panel["type"] not in CORE_PANELS:
            yield f"panel {panel['id']} is a {panel['type']}, which may be a plugin to download"


def queries_go_to_data_sources_that_are_provisioned(dashboard: Json) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for source in [panel.get("datasource"), *(target["datasource"] for target in panel.get("targets", []))]:
            if source not in (TEMPO, PYROSCOPE, None) or (source is None and panel["type"] != "text"):
                yield f"panel {panel['id']} asks {source}, which nobody provisions"


def profiles_are_asked_for_by_what_they_have(dashboard: Json) -> Iterator[str]:
    for target in _targets(dashboard, PYROSCOPE):
        if target["profileTypeId"] != CPU:
            yield f"{target['profileTypeId']} is not a type of profile that the app sends"
        if target["queryType"] not in {"profile", "metrics"}:
            yield f"{target['queryType']} is not a type of query for a panel"
        for label in [*_LABEL.findall(target["labelSelector"]), *target["groupBy"]]:
            if label not in PROFILE_LABELS:
                yield f"{label} is not a label of the app's profiles"
        if target.get("spanSelector") == []:
            yield "an empty span selector shows the whole service"
        for span in target.get("spanSelector", []):
            if "$" in span:
                yield f"the span selector {span} is sent as it stands: Grafana puts no variables into it"


def spans_are_asked_for_by_what_they_have(dashboard: Json) -> Iterator[str]:
    for target in _targets(dashboard, TEMPO):
        if target["queryType"] != "traceql":
            yield f"{target['queryType']} is not a type of query for a panel"
        for attribute in _ATTRIBUTE.findall(target["query"]):
            if attribute not in SPAN_ATTRIBUTES:
                yield f"{attribute} is not an attribute of the app's spans"


def columns_are_those_of_the_table(dashboard: Json) -> Iterator[str]:
    display_names = {DISPLAY_NAMES.get(column, column) for column in SPAN_COLUMNS}
    for panel in dashboard["panels"]:
        overrides = panel.get("fieldConfig", {}).get("overrides", [])
        named = [rule["matcher"]["options"] for rule in overrides if rule["matcher"]["id"] == "byName"]
        for transformation in panel.get("transformations", []):
            named += transformation["options"].get("excludeByName", [])
            for column in transformation["options"].get("indexByName", []):
                if column not in display_names:
                    yield f"panel {panel['id']} orders {column}, which goes by another name where columns are ordered"
        named += re.findall(r"\$\{__data\.fields\.(\w+)\}", _text(panel))
        for column in named:
            if column not in SPAN_COLUMNS:
                yield f"panel {panel['id']} has no column {column}"


def legends_name_what_differs(dashboard: Json) -> Iterator[str]:
    # A quantile has a label of its own beside what it is grouped by, and the data source then names a series by all of
    # its labels. That name is set already, so that a default does not count: it takes an override.
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            grouped = _QUANTILE.search(target.get("query", ""))
            wanted = {"id": "displayName", "value": f'${{__field.labels["{grouped[1].strip()}"]}}'} if grouped else None
            set_for_numbers = [
                setting
                for rule in panel["fieldConfig"]["overrides"]
                if rule["matcher"] == {"id": "byType", "options": "number"}
                for setting in rule["properties"]
            ]
            if wanted and wanted not in set_for_numbers:
                yield f"panel {panel['id']} shows all labels as its legend: no override names {wanted['value']}"


def a_trace_that_is_not_chosen_is_no_error(dashboard: Json) -> Iterator[str]:
    defaults = {variable["name"]: variable["current"]["value"] for variable in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []) if panel["type"] == "traces" else []:
            asked = _VARIABLE.sub(lambda found: defaults.get(found[1] or found[2], ""), target["query"])
            if _TRACE_ID.fullmatch(asked.strip()):
                yield f"panel {panel['id']} asks for the trace {asked!r} where none is chosen, and shows an error"


def variables_are_defined(dashboard: Json) -> Iterator[str]:
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    for first, second in _VARIABLE.findall(_text(dashboard["panels"])):
        name = first or second
        if name not in defined and not name.startswith("__"):
            yield f"the variable {name} is not defined"


Rule = Callable[[Json], Iterator[str]]

RULES: tuple[Rule, ...] = (
    the_schema_is_the_current_one,
    panels_are_of_grafanas_own_kinds,
    queries_go_to_data_sources_that_are_provisioned,
    profiles_are_asked_for_by_what_they_have,
    spans_are_asked_for_by_what_they_have,
    columns_are_those_of_the_table,
    legends_name_what_differs,
    a_trace_that_is_not_chosen_is_no_error,
    variables_are_defined,
)


def faults_of(dashboard: Json) -> list[str]:
    """Give all faults of a dashboard."""
    return [fault for rule in RULES for fault in rule(dashboard)]


def links_of(dashboard: Json) -> list[str]:
    """Give the addresses that panels and their fields link to, readable."""
    return [unquote(url) for url in re.findall(r"'url': '([^']+)'", str(dashboard["panels"]))]


def links_of_column(dashboard: Json, column: str) -> list[str]:
    """Give the addresses that a column's cells link to, readable, in their order."""
    return [
        unquote(link["url"])
        for panel in dashboard["panels"]
        for rule in panel["fieldConfig"]["overrides"]
        if rule["matcher"]["options"] == column
        for prop in rule["properties"]
        if prop["id"] == "links"
        for link in prop["value"]
    ]


def _targets(dashboard: Json, source: Json) -> Iterator[Json]:
    for panel in dashboard["panels"]:
        yield from (target for target in panel.get("targets", []) if target["datasource"] == source)


def _text(node: Any) -> str:
    """Give all texts within a JSON value, one below the other, addresses readable."""
    if isinstance(node, dict):
        return "\n".join(_text(value) for value in node.values())
    if isinstance(node, list):
        return "\n".join(_text(value) for value in node)
    return unquote(node) if isinstance(node, str) else ""
