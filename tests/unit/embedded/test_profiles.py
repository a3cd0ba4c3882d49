"""Profiles: pushed, split into series and spans, and asked for."""

from __future__ import annotations

import gzip
import io
import time
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanprofiles.embedded.proto import pyroscope_pb2
from spanprofiles.embedded.proto.pprof_pb2 import Profile
from tests.support.conformance.meaning import call_tree, stack_values
from tests.support.pprof_writer import pprof, push
from tests.unit.embedded.conftest import Applications

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
NOW_S = int(time.time())
SPAN, OTHER_SPAN, TRACE = "00000000000000a1", "00000000000000a2", "0000000000000000000000000000000b"
WINDOW = {"start": str((NOW_S - 3_000) * 1_000), "end": str((NOW_S + 600) * 1_000)}
EMPTY = {"flamegraph": {"names": ["total"], "levels": [{"values": ["0", "0", "0", "0"]}]}}


def sample(*stack: str, value: int = 10, **labels: str) -> dict[str, Any]:
    """A sample; its stack is leaf first."""
    return {"stack": stack, "values": [value], "labels": labels}


def profile(*samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"t": -60, "types": [["cpu", "nanoseconds"]], "samples": samples} | more


def pushed(applications: Applications, *profiles: dict[str, Any], **labels: str) -> int:
    """Push profiles of one series; gives the status."""
    series = {"labels": {"__name__": "process_cpu", "service_name": "shop"} | labels, "profiles": profiles}
    response = applications.pyroscope.post(
        "/push.v1.PusherService/Push",
        data=gzip.compress(push([series], NOW_S)),
        content_type="application/proto",
        headers={"Content-Encoding": "gzip"},
    )
    return response.status_code


def tree(applications: Applications, method: str = "SelectMergeSpanProfile", **more: Any) -> dict[str, tuple[int, int]]:
    """The call tree of a selection, without its root, as (total, self) of each path."""
    body = {"profileTypeID": CPU, "labelSelector": '{service_name="shop"}'} | WINDOW | more
    graph = applications.call(method, body)["flamegraph"]
    return {">".join(path[1:]): values for path, values in call_tree(graph["names"], graph["levels"]).items()}


@pytest.fixture
def shop(applications: Applications) -> Applications:
    samples = (
        sample("pick", "order", value=30, span_id=SPAN, trace_id=TRACE, span_name="GET"),
        sample("pack", "order", value=5, span_id=SPAN, trace_id=TRACE, span_name="GET"),
        sample("pick", "order", value=7, span_id=OTHER_SPAN, trace_id=TRACE, span_name="POST"),
        sample("idle", value=100),
    )
    assert pushed(applications, profile(*samples), region="eu") == 200
    return applications


def test_a_span_has_its_own_samples_and_no_others(shop: Applications) -> None:
    assert tree(shop, spanSelector=[SPAN]) == {
        "": (35, 0),
        "order": (35, 0),
        "order>pick": (30, 30),
        "order>pack": (5, 5),
    }
    assert tree(shop, spanSelector=[OTHER_SPAN])[""] == (7, 0)


def test_an_unknown_span_gives_an_empty_flamegraph_not_an_error(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "spanSelector": ["f" * 16]} | WINDOW
    assert shop.call("SelectMergeSpanProfile", body) == EMPTY


@pytest.mark.parametrize("selector", [{}, {"spanSelector": []}])
def test_no_span_selector_gives_the_whole_service(shop: Applications, selector: dict[str, Any]) -> None:
    assert tree(shop, **selector)[""] == (142, 0)


def test_a_trace_has_the_samples_of_its_spans(shop: Applications) -> None:
    assert tree(shop, "SelectMergeStacktraces", traceIdSelector=[TRACE])[""] == (42, 0)


def test_labels_of_samples_split_series_and_ids_do_not(shop: Applications) -> None:
    names = shop.call("LabelNames", WINDOW)["names"]
    assert {"span_name", "region"} <= set(names)
    assert not {"span_id", "trace_id"} & set(names)
    assert shop.call("LabelValues", {"name": "span_name"} | WINDOW)["names"] == ["GET", "POST"]
    assert tree(shop, labelSelector='{span_name="POST"}')[""] == (7, 0)


def test_the_old_name_of_the_span_label_is_taken(applications: Applications) -> None:
    assert pushed(applications, profile(sample("f", profile_id=SPAN))) == 200
    assert tree(applications, spanSelector=[SPAN]) == {"": (10, 0), "f": (10, 10)}


def test_both_ends_of_the_window_count(shop: Applications) -> None:
    at = (NOW_S - 60) * 1_000
    for start, end, total in ((at, at, 142), (at + 1, at + 9, 0), (at - 9, at - 1, 0), (at - 9, at, 142)):
        assert tree(shop, start=str(start), end=str(end))[""] == (total, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"t": -7_200},
        {"t": 12_000},
        {"types": []},
        {"types": [["cpu", "nanoseconds"], ["cpu", "count"]]},
        {"types": [["c-pu", "nanoseconds"]]},
    ],
    ids=["too old", "too far ahead", "no types", "too few values", "a dash"],
)
def test_a_profile_that_is_not_whole_or_not_of_the_hour_is_refused(
    applications: Applications, change: dict[str, Any]
) -> None:
    assert pushed(applications, profile(sample("good")), profile(sample("bad")) | change) == 400
    assert tree(applications) == {"": (0, 0)}


@pytest.mark.parametrize(
    "labels",
    [{f"l{number}": "x" for number in range(29)}, {"a" * 1_025: "x"}, {"a": "x" * 2_049}, {"__name__": ""}, {"": "x"}],
    ids=["too many", "a long name", "a long value", "no type", "no name"],
)
def test_labels_beyond_the_limits_are_refused(applications: Applications, labels: dict[str, str]) -> None:
    assert pushed(applications, profile(sample("f")), **labels) == 400
    assert applications.call("ProfileTypes") == {}


def test_more_than_a_hundred_labels_on_a_sample_are_refused(applications: Applications) -> None:
    labels = [["span_id", f"{number:016x}"] for number in range(101)]
    crowded = {"stack": ["f"], "values": [1], "labels": labels}
    assert pushed(applications, profile(crowded)) == 400
    assert pushed(applications, profile({**crowded, "labels": labels[:100]})) == 200


def message_of(description: dict[str, Any]) -> Any:
    return Profile.FromString(pprof(description, NOW_S))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a text that is not there", lambda profile: setattr(profile.sample[0].label.add(), "key", 99)),
        ("a text before the first", lambda profile: setattr(profile.sample[0].label.add(str=1), "key", -2)),
        ("a function's text that is not there", lambda profile: setattr(profile.function[0], "name", 99)),
        ("a location without a number", lambda profile: profile.location.add()),
        ("no texts", lambda profile: profile.string_table.__delitem__(slice(None))),
        ("a type's text that is not there", lambda profile: setattr(profile.sample_type[0], "unit", -1)),
    ],
)
def test_a_profile_that_refers_to_nothing_is_refused(applications: Applications, name: str, change: Any) -> None:
    broken = message_of(profile(sample("f")))
    change(broken)
    response = applications.pyroscope.post("/ingest?name=shop&format=pprof", data=broken.SerializeToString())
    assert response.status_code == 422, name
    assert response.get_json()["code"] == "unknown"


def _no_mapping(profile: Any) -> None:
    profile.location[1].mapping_id = 44


def _no_function(profile: Any) -> None:
    profile.location[1].line[0].function_id = 44


def _nothing_said(profile: Any) -> None:
    profile.location[1].ClearField("line")


@pytest.mark.parametrize(
    "change",
    [
        lambda profile: profile.sample[1].location_id.append(99),
        lambda profile: profile.sample[1].value.__setitem__(0, -7),
        _no_mapping,
        _no_function,
        _nothing_said,
    ],
    ids=["no location", "a value below zero", "no mapping", "no function", "neither line nor address"],
)
def test_a_sample_without_meaning_is_left_out_and_the_others_stay(applications: Applications, change: Any) -> None:
    broken = message_of(profile(sample("f"), sample("g")))
    change(broken)
    response = applications.pyroscope.post("/ingest?name=shop&format=pprof", data=broken.SerializeToString())
    assert response.status_code == 200
    assert tree(applications) == {"": (10, 0), "f": (10, 10)}


def test_an_address_without_a_name_is_no_frame(applications: Applications) -> None:
    unnamed = message_of(profile(sample("g", "f")))
    leaf = unnamed.location[0]
    leaf.ClearField("line")
    leaf.address = 4200
    response = applications.pyroscope.post("/ingest?name=shop&format=pprof", data=unnamed.SerializeToString())
    assert response.status_code == 200
    assert tree(applications) == {"": (10, 0), "f": (10, 10)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), length=st.integers(0, 5_000))
def test_a_damaged_profile_is_taken_or_refused_and_nothing_breaks(
    applications: Applications, position: int, byte: int, length: int
) -> None:
    whole = bytearray(pprof(profile(sample("f", "g", span_id=SPAN), sample("h", value=3)), NOW_S))
    whole[position % len(whole)] = byte
    data = bytes(whole[: length or None])
    response = applications.pyroscope.post("/ingest?name=shop&format=pprof", data=data)
    assert response.status_code in {200, 422}
    assert applications.pyroscope.get("/ready").status_code == 200


def test_gos_client_sends_a_form_with_a_compressed_profile(applications: Applications) -> None:
    data = {"profile": (io.BytesIO(gzip.compress(pprof(profile(sample("main.work", span_id=SPAN)), NOW_S))), "p.pprof")}
    start, end = (NOW_S - 60) * 10**9, (NOW_S - 45) * 10**9
    name = "shop{region=eu,__session_id__=5,otel.scope.name=x}"
    response = applications.pyroscope.post(
        "/ingest", data=data, query_string={"name": name, "from": start, "until": end, "spyName": "gospy"}
    )
    assert response.status_code == 200, response.text
    selector = '{service_name="shop", region="eu", pyroscope_spy="gospy", "otel.scope.name"="x"}'
    assert tree(applications, labelSelector=selector, spanSelector=[SPAN])["main.work"] == (10, 10)


@pytest.mark.parametrize(
    "query", ["", "name={a=b}", "name=shop{a-b=c}", "name=my+shop", "name=shop&format=trie", "name=shop.nothing"]
)
def test_what_cannot_be_ingested_is_refused(applications: Applications, query: str) -> None:
    response = applications.pyroscope.post(f"/ingest?{query}", data=b"x")
    assert response.status_code == 400
    assert response.get_json()["message"]


def test_a_merge_as_pprof_has_every_stack_with_its_lines(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
    merged = shop.call("SelectMergeProfile", body)
    stacks = stack_values(merged)["stacks"]
    assert stacks == {("idle",): [100], ("order", "pack"): [5], ("order", "pick"): [37]}
    assert {line["line"] for location in merged["location"] for line in location["line"]} == {"11", "12", "13", "14"}


@pytest.mark.parametrize(("name", "period"), [("process_cpu", 10**9), ("memory", 512 * 1024), ("block", 1)])
def test_a_merge_as_pprof_has_the_period_of_its_kind_or_1(applications: Applications, name: str, period: int) -> None:
    assert pushed(applications, profile(sample("work")), __name__=name) == 200
    body = {"profileTypeID": CPU.replace("process_cpu", name), "labelSelector": "{}"} | WINDOW
    assert applications.call("SelectMergeProfile", body)["period"] == str(period)


def test_a_span_as_pprof_has_its_own_stacks_alone_with_their_lines(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "spanSelector": [SPAN], "format": "PROFILE_FORMAT_PPROF"}
    answer = shop.call("SelectMergeStacktraces", body | WINDOW)["pprof"]["profile"]
    whole = tree(shop, "SelectMergeStacktraces", spanSelector=[SPAN])[""][0]
    stacks = stack_values(answer)["stacks"]
    assert sum(value for (value,) in stacks.values()) == whole
    assert ("idle",) not in stacks
    assert all(line["line"] for location in answer["location"] for line in location["line"])
    nobody = shop.call("SelectMergeStacktraces", body | WINDOW | {"spanSelector": ["f" * 16]})
    assert nobody == {"pprof": {"profile": {}}}


@pytest.mark.parametrize("method", ["SelectMergeSpanProfile", "SelectMergeStacktraces"])
def test_every_method_speaks_protobuf_too(shop: Applications, method: str) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "spanSelector": [SPAN]} | WINDOW
    request = json_format.ParseDict(body, getattr(pyroscope_pb2, f"{method}Request")())
    response = shop.pyroscope.post(
        f"/querier.v1.QuerierService/{method}", data=request.SerializeToString(), content_type="application/proto"
    )
    answer = getattr(pyroscope_pb2, f"{method}Response").FromString(response.data)
    assert json_format.MessageToDict(answer) == shop.call(method, body)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"profileTypeID": "cpu"}, 400),
        ({"labelSelector": ""}, 400),
        ({"labelSelector": "{a.b=1}"}, 400),
        ({"start": "0", "end": "0"}, 400),
        ({"start": WINDOW["end"], "end": WINDOW["start"]}, 400),
        ({"end": str((NOW_S + 90_000) * 1_000)}, 400),
        ({"start": "x"}, 400),
        ({"spanSelector": "x" * 16}, 400),
        ({"spanSelector": ["z" * 16]}, 500),
        ({"spanSelector": ["a" * 15]}, 500),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_as_by_the_real_server(
    shop: Applications, change: dict[str, Any], status: int
) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW | change
    answer = shop.call("SelectMergeSpanProfile", body, status)
    assert answer["code"] == ("unknown" if status == 500 else "invalid_argument")
    assert answer["message"]


def test_sums_that_are_remembered_are_those_of_what_is_there(applications: Applications) -> None:
    for number in range(70):
        assert pushed(applications, profile(sample("leaf", "main", value=1), t=-60 - number)) == 200
    for _ in range(2):
        assert tree(applications, "SelectMergeStacktraces")["main>leaf"] == (70, 70)
    half = {"start": str((NOW_S - 94) * 1_000), "end": WINDOW["end"]}
    assert tree(applications, "SelectMergeStacktraces", **half)["main>leaf"] == (35, 35)
    assert pushed(applications, profile(sample("leaf", "main", value=5))) == 200
    assert tree(applications, "SelectMergeStacktraces")["main>leaf"] == (75, 75)
