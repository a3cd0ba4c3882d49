"""Grafana's dashboards ask what the servers can answer: each query of each panel, sent as Grafana sends it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

import pytest
import requests

from spanprofiles.clients import FoundSpan, ProfileQuery, ProfileSeries
from spanprofiles.linking import LinkedSpan, TracedSession, Waiting
from spanprofiles.pytest_plugin import SpanProfiles
from tests.support.repository import dashboards
from tests.support.stack.grafana_rules import links_of_column

ROUTES = ("/car", "/bike", "/scooter")
_METRIC = re.compile(r"\|\s*(rate|quantile_over_time)\(")

Target = tuple[str, Mapping[str, Any]]
_Found = TypeVar("_Found")


def targets(kind: str) -> list[Any]:
    """Give the targets of all panels of a kind of data source, with the dashboard's name."""
    return [
        pytest.param((name, target), id=f"{name}: {panel['title']}")
        for name, dashboard in dashboards().items()
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        if target["datasource"]["type"] == kind
    ]


def choices(dashboard: str, span_profiles: SpanProfiles) -> Iterator[dict[str, str]]:
    """Give each value of the dashboard's variable, or nothing once where it has none."""
    variables = dashboards()[dashboard]["templating"]["list"]
    if not variables:
        yield {}
    for variable in variables:
        if variable["type"] == "query":
            asked = profiles("{}", variable["query"]["profileTypeId"])
            label = variable["query"]["labelName"]

            def look(asked: ProfileQuery = asked, label: str = label) -> list[str]:
                return span_profiles.pyroscope.label_values(label, asked.start_ms, asked.end_ms)

            found = eventually(look)
            assert found, f"no profile has the label {label}"
            yield from ({variable["name"]: value} for value in found)
            continue
        for option in variable["options"]:
            yield {variable["name"]: option["value"]}


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put the values of variables in."""
    return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], text)


def profiles(selector: str, profile_type: str) -> ProfileQuery:
    now_ms = time.time_ns() // 1_000_000
    return ProfileQuery(selector, now_ms - 3_600_000, now_ms + 60_000, profile_type)


def eventually(look: Callable[[], Sequence[_Found]]) -> Sequence[_Found]:
    """Look until something is found: spans and samples are on their way for a while."""
    found: Sequence[_Found] = ()
    for _ in Waiting(30.0).attempts():
        found = look()
        if found:
            break
    return found


@pytest.fixture(scope="module")
def rides(regions: dict[str, TracedSession]) -> list[requests.Response]:
    """A ride of each kind ordered in each region, the first one by car in a region that has cars."""
    return [region.get(route) for region in regions.values() for route in ROUTES]


@pytest.fixture
def ride(rides: list[requests.Response], span_profiles: SpanProfiles) -> LinkedSpan:
    """One of them, with its samples uploaded."""
    return span_profiles.linked_span(rides[0])


@pytest.mark.usefixtures("rides")
@pytest.mark.parametrize("target", targets("tempo"))
def test_tempo_is_asked_what_finds_the_rides(target: Target, span_profiles: SpanProfiles) -> None:
    name, query = target
    for values in choices(name, span_profiles):
        asked = filled(query["query"], values)
        # metrics are made of spans: those that are chosen, and what they are grouped by
        selected, _, computed = asked.partition(" | ") if _METRIC.search(asked) else (asked, "", "")
        by = computed.rpartition(" by (")[2].rstrip(")")
        sent = f"{selected} | select({by})" if by else selected

        def look(sent: str = sent) -> list[FoundSpan]:
            return [span for trace in span_profiles.tempo.search(sent, limit=50, spans=5) for span in trace.spans]

        if "${trace}" in query["query"]:
            assert look() == [], "where no ride is chosen, none is found, and it is no error"
            continue
        found = eventually(look)
        assert found, sent
        for attribute in [by] if by else ["span.http.route", "resource.region", "span.pyroscope.profile.id"]:
            column = attribute.partition(".")[2]
            assert all(span.attributes.get(column) for span in found), f"{column} of {found}"
        if computed:
            now_s = int(time.time())
            series = span_profiles.tempo.metrics(asked, start_s=now_s - 600, end_s=now_s + 15, step_s=15)
            assert {line.labels[by] for line in series} >= {span.attributes[by.partition(".")[2]] for span in found}
            assert all(any(line.values.values()) for line in series), series


@pytest.mark.usefixtures("rides")
@pytest.mark.parametrize("target", targets("grafana-pyroscope-datasource"))
def test_pyroscope_is_asked_what_finds_samples(target: Target, span_profiles: SpanProfiles) -> None:
    name, query = target
    pyroscope = span_profiles.pyroscope
    for values in choices(name, span_profiles):
        asked = profiles(filled(query["labelSelector"], values), query["profileTypeId"])

        def functions(asked: ProfileQuery = asked) -> list[str]:
            return sorted(pyroscope.merged_profile(asked).functions)

        def look(asked: ProfileQuery = asked) -> list[ProfileSeries]:
            return pyroscope.totals(asked, 1.0, query["groupBy"])

        if query["queryType"] == "profile":
            assert eventually(functions), asked
            continue

        # there may have been no CPU outside requests: then it is enough that it may be asked for
        series = look() if 'span_name=""' in asked.selector else eventually(look)
        assert series or 'span_name=""' in asked.selector, asked
        assert all(set(query["groupBy"]) <= line.labels.keys() for line in series), series


@pytest.mark.parametrize("column", ["spanID", "traceIdHidden"])
def test_the_first_link_of_a_ride_leads_to_its_trace_and_its_own_flame_graph(
    column: str, ride: LinkedSpan, span_profiles: SpanProfiles
) -> None:
    row = {
        "__data.fields.traceIdHidden": ride.span.trace_id,
        "__data.fields.spanID": ride.span_id,
        "__from": str(time.time_ns() // 1_000_000 - 3_600_000),
        "__to": str(time.time_ns() // 1_000_000 + 60_000),
    }
    link = unquote(filled(links_of_column(dashboards()["rides"], column)[0], row))
    panes = json.loads(link.partition("panes=")[2])
    (profile,) = panes["profile"]["queries"]
    window = panes["profile"]["range"]
    asked = ProfileQuery(profile["labelSelector"], int(window["from"]), int(window["to"]), profile["profileTypeId"])

    trace = span_profiles.tempo.trace(panes["trace"]["queries"][0]["query"])
    assert trace is not None
    assert trace.span(panes["trace"]["panelsState"]["trace"]["spanId"]) == ride.span
    assert span_profiles.pyroscope.span_profile(asked, profile["spanSelector"]) == ride.flamegraph


def test_a_ride_that_is_chosen_is_asked_for_by_its_id(ride: LinkedSpan, span_profiles: SpanProfiles) -> None:
    (panel,) = (panel for panel in dashboards()["ride"]["panels"] if panel["type"] == "traces")

    asked = filled(panel["targets"][0]["query"], {"trace": ride.span.trace_id})

    assert asked == ride.span.trace_id
    assert span_profiles.tempo.trace(asked) is not None
