"""What the Tempo data source of Grafana asks for, beyond what the recordings hold: it stops at what is left out."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.unit.embedded.conftest import NOW_NS, Applications, SpanFactory, attributes

PROTOBUF = {"Accept": "application/protobuf"}
TRACE_ID = "ab" * 16
NOW_S = NOW_NS // 10**9
DAY_S, HOUR_S = 86_400, 3_600
OLD_S = NOW_S - 5 * DAY_S


def _trace(applications: Applications) -> TracesData:
    """The trace as protobuf: the message itself, which the older API gives as it is."""
    response = applications.tempo.get(f"/api/traces/{TRACE_ID}", headers=PROTOBUF)
    assert response.status_code == 200
    return TracesData.FromString(response.data)


def test_in_protobuf_each_span_has_a_status_even_if_it_was_sent_without(applications: Applications) -> None:
    span = SpanFactory("ab")
    applications.export(span("bare"), span("failed", status={"code": 2}))
    bare, failed = _trace(applications).resource_spans[0].scope_spans[0].spans
    assert bare.HasField("status")
    assert bare.status.code == 0
    assert failed.status.code == 2


def test_in_protobuf_each_attribute_has_a_value_wherever_it_stands(applications: Applications) -> None:
    empty = [{"key": "empty"}]
    nested = [*empty, {"key": "list", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": empty}}]}}}]
    span = SpanFactory("ab")("bare", events=[{"attributes": empty}], links=[{"attributes": empty}])
    span["attributes"] = nested
    resource = {
        "resource": {"attributes": empty},
        "scopeSpans": [{"scope": {"attributes": empty}, "spans": [span]}],
    }
    assert applications.otlp.post("/v1/traces", json={"resourceSpans": [resource]}).status_code == 200
    (found,) = _trace(applications).resource_spans
    (scope_spans,) = found.scope_spans
    (stored,) = scope_spans.spans
    deepest = stored.attributes[1].value.array_value.values[0].kvlist_value.values[0]
    pairs = [deepest, found.resource.attributes[0], scope_spans.scope.attributes[0], stored.attributes[0]]
    pairs += [stored.events[0].attributes[0], stored.links[0].attributes[0]]
    assert all(pair.HasField("value") for pair in pairs)


def test_a_trace_in_protobuf_is_followed_by_metrics_even_if_there_is_none(applications: Applications) -> None:
    applications.export(SpanFactory("ab")("bare"))
    for trace_id in (TRACE_ID, "cd" * 16):
        response = applications.tempo.get(f"/api/v2/traces/{trace_id}", headers=PROTOBUF)
        assert response.data.endswith(b"\x12\x00")


@pytest.mark.parametrize(
    ("number", "shown"), [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"), (0.5, 0.5)]
)
def test_a_search_writes_infinities_as_protobuf_json_does(
    applications: Applications, number: float, shown: object
) -> None:
    span = SpanFactory("ab")("bare")
    written = number if math.isfinite(number) else shown
    span["attributes"] = [{"key": "size", "value": {"doubleValue": written}}]
    applications.export(span)
    answer = applications.tempo.get("/api/search", query_string={"q": "{ span.size != nil }"}).get_json()
    (found,) = answer["traces"][0]["spanSets"][0]["spans"]
    assert found["attributes"] == [{"key": "size", "value": {"doubleValue": shown}}]


@pytest.fixture
def of_two_days(applications: Applications) -> Applications:
    """Trace aa is of now, trace bb is five days old."""
    recent, old = SpanFactory("aa")("recent", values={"new": 1, "both": "n"}), SpanFactory("bb")("old")
    old |= {"startTimeUnixNano": str(OLD_S * 10**9), "endTimeUnixNano": str((OLD_S + 2) * 10**9)}
    old["attributes"] = attributes({"aged": 1, "both": "a"})
    applications.export(recent, resource={"service.name": "shop", "eu": "yes"})
    applications.export(old, resource={"service.name": "archive"})
    return applications


def _asked(applications: Applications, path: str, **parameters: Any) -> Any:
    response = applications.tempo.get(path, query_string=parameters)
    assert response.status_code == 200, response.text
    return response.get_json()


RECENT, AGED = {"start": NOW_S - HOUR_S, "end": NOW_S}, {"start": OLD_S - HOUR_S, "end": OLD_S + HOUR_S}
BETWEEN = {"start": OLD_S + HOUR_S, "end": OLD_S + 2 * HOUR_S}


@pytest.mark.parametrize(
    ("window", "names", "values", "services"),
    [
        ({}, {"new", "aged", "both"}, {"n", "a"}, {"shop", "archive"}),
        (RECENT, {"new", "both"}, {"n"}, {"shop"}),
        (AGED, {"aged", "both"}, {"a"}, {"archive"}),
        (BETWEEN, set(), set(), set()),
        ({"start": OLD_S + 2, "end": OLD_S + 2}, {"aged", "both"}, {"a"}, {"archive"}),
        ({"start": OLD_S * 10**9, "end": (OLD_S + 2) * 10**9}, {"aged", "both"}, {"a"}, {"archive"}),
    ],
)
def test_tags_and_their_values_are_those_of_the_traces_in_a_window(
    of_two_days: Applications, window: dict[str, int], names: set[str], values: set[str], services: set[str]
) -> None:
    scopes = _asked(of_two_days, "/api/v2/search/tags", scope="span", **window)["scopes"]
    assert {tag for scope in scopes for tag in scope["tags"]} == names
    plain = _asked(of_two_days, "/api/search/tags", scope="span", **window)["tagNames"]
    assert set(plain) == names
    found = _asked(of_two_days, "/api/v2/search/tag/span.both/values", **window)["tagValues"]
    assert {value["value"] for value in found} == values
    assert set(_asked(of_two_days, "/api/search/tag/both/values", **window)["tagValues"]) == values
    found = _asked(of_two_days, "/api/v2/search/tag/rootServiceName/values", **window)["tagValues"]
    assert {value["value"] for value in found} == services


def test_a_date_bounds_tags_as_a_number_does(of_two_days: Applications) -> None:
    start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in AGED.values())
    found = _asked(of_two_days, "/api/v2/search/tag/span.both/values", start=start, end=end)["tagValues"]
    assert [value["value"] for value in found] == ["a"]


def test_a_limit_counts_names_by_scope_and_values_by_all(of_two_days: Applications) -> None:
    scopes = {scope["name"]: scope["tags"] for scope in _asked(of_two_days, "/api/v2/search/tags", limit=1)["scopes"]}
    assert {name: len(tags) for name, tags in scopes.items() if name != "intrinsic"} == {"resource": 1, "span": 1}
    assert len(scopes["intrinsic"]) > 1
    assert len(_asked(of_two_days, "/api/search/tags", limit=2)["tagNames"]) == 2
    assert len(_asked(of_two_days, "/api/v2/search/tag/span.both/values", limit=1)["tagValues"]) == 1
    assert len(_asked(of_two_days, "/api/search/tag/both/values", limit=1)["tagValues"]) == 1
    assert len(_asked(of_two_days, "/api/v2/search/tag/kind/values", limit=4)["tagValues"]) == 4


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "99999999999"])
def test_a_limit_that_is_no_number_above_zero_is_none(of_two_days: Applications, limit: str) -> None:
    assert len(_asked(of_two_days, "/api/v2/search/tag/span.both/values", limit=limit)["tagValues"]) == 2


SEARCHED = ("/api/search", "/api/v2/search/tags", "/api/search/tags", "/api/v2/search/tag/name/values")


@pytest.mark.parametrize("path", SEARCHED)
@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ({"start": NOW_S - 168 * HOUR_S - 1, "end": NOW_S}, "exceeds 168h0m0s"),
        ({"start": 0, "end": NOW_S}, "exceeds 168h0m0s"),
        ({"end": NOW_S}, "must provide both or neither"),
        ({"start": NOW_S, "end": NOW_S - 1}, "received start="),
        ({"start": "x", "end": "y"}, 'parsing "x": invalid syntax'),
    ],
)
def test_a_window_that_the_real_server_refuses_is_refused(
    applications: Applications, path: str, window: dict[str, Any], reason: str
) -> None:
    response = applications.tempo.get(path, query_string=window)
    assert response.status_code == 400
    assert reason in response.text


@pytest.mark.parametrize("path", SEARCHED)
def test_a_window_of_a_week_is_the_longest_that_is_taken(applications: Applications, path: str) -> None:
    response = applications.tempo.get(path, query_string={"start": NOW_S - 168 * HOUR_S, "end": NOW_S})
    assert response.status_code == 200


def test_a_trace_by_its_id_may_be_asked_for_in_a_longer_window(applications: Applications) -> None:
    applications.export(SpanFactory("ab")("bare"))
    path = f"/api/v2/traces/{TRACE_ID}"
    response = applications.tempo.get(path, query_string={"start": NOW_S - 400 * HOUR_S, "end": NOW_S})
    assert response.get_json()["trace"]["resourceSpans"]


def test_the_build_names_the_version_of_tempo_that_is_stood_in_for(applications: Applications) -> None:
    build = applications.tempo.get("/api/status/buildinfo").get_json()
    assert build["version"] == "3.0.3"
    assert build["revision"] == "spanprofiles"
