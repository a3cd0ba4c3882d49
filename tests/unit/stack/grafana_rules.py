"""The rules of Grafana's dashboards. Each gives one sentence for each fault it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from rideshare.telemetry import TAGS_FROM_RESOURCE
from tests.unit.stack.reading import Json

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
CORE_PANELS = {"flamegraph", "table", "text", "timeseries", "traces"}

_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)")
_ATTRIBUTE = re.compile(r"\b(?:resource|span)(?:\.\w+)+")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


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
            yield f"{target['profileTypeId']} is no type of profile that the app sends"
        if target["queryType"] not in {"profile", "metrics"}:
            yield f"{target['queryType']} is not a type of query for a panel"
        for label in [*_LABEL.findall(target["labelSelector"]), *target["groupBy"]]:
            if label not in PROFILE_LABELS:
                yield f"{label} is no label of the app's profiles"
        if target.get("spanSelector") == []:
            yield "an empty span selector shows the whole service"


def spans_are_asked_for_by_what_they_have(dashboard: Json) -> Iterator[str]:
    for target in _targets(dashboard, TEMPO):
        if target["queryType"] != "traceql":
            yield f"{target['queryType']} is not a type of query for a panel"
        for attribute in _ATTRIBUTE.findall(target["query"]):
            if attribute not in SPAN_ATTRIBUTES:
                yield f"{attribute} is no attribute of the app's spans"


def columns_are_those_of_the_table(dashboard: Json) -> Iterator[str]:
    for panel in dashboard["panels"]:
        named = [rule["matcher"]["options"] for rule in panel.get("fieldConfig", {}).get("overrides", [])]
        for transformation in panel.get("transformations", []):
            named += [*transformation["options"]["excludeByName"], *transformation["options"]["indexByName"]]
        named += re.findall(r"\$\{__data\.fields\.(\w+)\}", _text(panel))
        for column in named:
            if column not in SPAN_COLUMNS:
                yield f"panel {panel['id']} has no column {column}"


def variables_are_defined(dashboard: Json) -> Iterator[str]:
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    for first, second in _VARIABLE.findall(_text(dashboard["panels"])):
        name = first or second
        if name not in defined and not name.startswith("__"):
            yield f"the variable {name} is not defined"


Rule = Callable[[Json], Iterator[str]]

RULES: tuple[Rule, ...] = (
    panels_are_of_grafanas_own_kinds,
    queries_go_to_data_sources_that_are_provisioned,
    profiles_are_asked_for_by_what_they_have,
    spans_are_asked_for_by_what_they_have,
    columns_are_those_of_the_table,
    variables_are_defined,
)


def faults_of(dashboard: Json) -> list[str]:
    """Give all faults of a dashboard."""
    return [fault for rule in RULES for fault in rule(dashboard)]


def links_of(dashboard: Json) -> list[str]:
    """Give the addresses that panels and their fields link to, readable."""
    return [unquote(url) for url in re.findall(r"'url': '([^']+)'", str(dashboard["panels"]))]


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
