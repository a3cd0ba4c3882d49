"""OTLP profiles: exports as a collector sends them, their links to spans, their labels, and what is refused."""

from __future__ import annotations

import copy
import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceRequest
from werkzeug.test import TestResponse

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.series import signed
from tests.support.conformance.meaning import call_tree
from tests.support.embedded.otlp_profiles import PERIOD_NS, SPAN, TRACE, attribute, cpu_export, the_profile
from tests.unit.embedded.conftest import Applications

NOW_S = int(time.time())
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
WINDOW = {"start": str((NOW_S - 3_000) * 1_000), "end": str((NOW_S + 600) * 1_000)}
PATH = "/v1development/profiles"
PROTOBUF = "application/x-protobuf"
WHOLE = {"main>leaf": 7 * PERIOD_NS, "main>side": 3 * PERIOD_NS}
Change = Callable[[dict[str, Any]], object]


def export(applications: Applications, document: dict[str, Any]) -> TestResponse:
    return applications.pyroscope.post(PATH, data=json.dumps(document), content_type="application/json")


def changed(change: Change, service: str = "shop") -> dict[str, Any]:
    document = cpu_export(NOW_S, service)
    change(document)
    return document


def tree(applications: Applications, profile_type: str = CPU, selector: str = "{}", **more: Any) -> dict[str, int]:
    """The own value of each path."""
    body = {"profileTypeID": profile_type, "labelSelector": selector} | WINDOW | more
    graph = applications.call("SelectMergeStacktraces", body)["flamegraph"]
    paths = call_tree(graph["names"], graph["levels"])
    return {">".join(path[1:]): own for path, (_, own) in paths.items() if own}


def labels(applications: Applications) -> list[dict[str, str]]:
    found = applications.call("Series", WINDOW).get("labelsSet", [])
    return [{pair["name"]: pair["value"] for pair in series["labels"]} for series in found]


def test_what_a_collector_sends_shows_the_spans_own_flame_graph(applications: Applications) -> None:
    """The exporter `otlphttp` sends protobuf, compressed with gzip; the messages here are OpenTelemetry's own."""
    message = json_format.ParseDict(cpu_export(NOW_S), ExportProfilesServiceRequest())
    response = applications.pyroscope.post(
        PATH,
        data=gzip.compress(message.SerializeToString()),
        content_type=PROTOBUF,
        headers={"Content-Encoding": "gzip", "User-Agent": "OpenTelemetry Collector Contrib/0.148.0 (linux/amd64)"},
    )
    assert (response.status_code, response.data, response.content_type) == (200, b"", PROTOBUF)
    assert tree(applications) == WHOLE
    of_span = {"main>leaf": 7 * PERIOD_NS}
    assert tree(applications, spanSelector=[SPAN]) == of_span
    assert tree(applications, traceIdSelector=[TRACE]) == of_span
    assert tree(applications, spanSelector=["b" * 16]) == {}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 415),
        ("text/plain", 415),
        (PROTOBUF, 400),
        ("application/protobuf", 400),
    ],
)
def test_the_content_type_is_taken_as_it_is_written(applications: Applications, content_type: str, status: int) -> None:
    body = json.dumps(cpu_export(NOW_S))
    response = applications.pyroscope.post(PATH, data=body, headers={"Content-Type": content_type})
    assert response.status_code == status, response.text


def test_no_other_encoding_than_gzip_is_looked_at(applications: Applications) -> None:
    body = json.dumps(cpu_export(NOW_S)).encode()
    headers = {"Content-Type": "application/json"}
    statuses = {
        encoding: applications.pyroscope.post(
            PATH, data=data, headers=headers | {"Content-Encoding": encoding}
        ).status_code
        for encoding, data in {"GZIP": gzip.compress(body), "gzip": body, "br": body, "identity": body}.items()
    }
    assert statuses == {"GZIP": 200, "gzip": 400, "br": 200, "identity": 200}


def _of_services(document: dict[str, Any]) -> None:
    tables = document["dictionary"]
    tables["stringTable"] += ["service.name", "thread"]
    tables["attributeTable"] += [
        {"keyStrindex": 9, "value": {"stringValue": "till"}},
        {"keyStrindex": 10, "value": {"intValue": "5"}},
    ]
    the_profile(document)["samples"][0]["attributeIndices"] = [1, 2]


def test_samples_that_name_a_service_become_its_profile(applications: Applications) -> None:
    assert export(applications, changed(_of_services)).status_code == 200
    assert {(found["service_name"], found.get("thread")) for found in labels(applications)} == {
        ("shop", None),
        ("till", "5"),
    }
    assert tree(applications, selector='{service_name="till"}') == {"main>leaf": 7 * PERIOD_NS}


def test_attributes_become_labels_and_of_one_key_the_resources_counts(applications: Applications) -> None:
    document = cpu_export(NOW_S)
    group = document["resourceProfiles"][0]
    group["resource"]["attributes"] += [
        attribute("region", stringValue="eu"),
        attribute("one", arrayValue={"values": [{"stringValue": "x"}]}),
        attribute("two", arrayValue={"values": [{"stringValue": "x"}, {"stringValue": "y"}]}),
        attribute("true", boolValue=True),
        attribute("__name__", stringValue="mine"),
    ]
    group["scopeProfiles"][0]["scope"]["attributes"] = [
        attribute("region", stringValue="us"),
        attribute("scope", intValue="-1"),
    ]
    assert export(applications, document).status_code == 200
    (found,) = labels(applications)
    assert {name: value for name, value in found.items() if name not in {"__period_type__", "__period_unit__"}} == {
        "__name__": "process_cpu",
        "__otel__": "true",
        "__profile_type__": CPU,
        "__service_name__": "shop",
        "__type__": "cpu",
        "__unit__": "nanoseconds",
        "one": "x",
        "region": "eu",
        "scope": "-1",
        "service_name": "shop",
    }


@pytest.mark.parametrize(
    ("attributes", "service"),
    [
        ([], "unknown_service"),
        ([attribute("process.executable.name", stringValue="till")], "unknown_service:till"),
        ([attribute("service.name", stringValue="")], "unknown_service"),
        ([attribute("service.name", stringValue="shop"), attribute("process.executable.name")], "shop"),
    ],
)
def test_a_resource_without_a_name_is_called_by_its_program(
    applications: Applications, attributes: list[dict[str, Any]], service: str
) -> None:
    document = cpu_export(NOW_S)
    document["resourceProfiles"][0]["resource"]["attributes"] = attributes
    assert export(applications, document).status_code == 200
    assert {found["service_name"] for found in labels(applications)} == {service}


def _kind(value: tuple[str, str], period: tuple[str, str] | None, period_length: int = 1) -> Change:
    def change(document: dict[str, Any]) -> None:
        profile = the_profile(document)
        texts = document["dictionary"]["stringTable"]
        texts += [*value, *(period or ())]
        profile["sampleType"] = {"typeStrindex": 9, "unitStrindex": 10}
        profile.pop("periodType")
        if period:
            profile["periodType"] = {"typeStrindex": 11, "unitStrindex": 12}
        profile["period"] = str(period_length)

    return change


@pytest.mark.parametrize(
    ("change", "profile_type", "value"),
    [
        (_kind(("samples", "count"), ("cpu", "nanoseconds"), 5), CPU, 35),
        (_kind(("wall", "nanoseconds"), ("wall", "nanoseconds")), "wall:wall:nanoseconds:wall:nanoseconds", 7),
        (_kind(("a", "b"), ("c", "d")), "c:a:b:c:d", 7),
        (_kind(("off_cpu", "nanoseconds"), None), "off_cpu:off_cpu:nanoseconds::", 7),
    ],
)
def test_the_type_of_a_profile_is_made_of_its_values_and_its_period(
    applications: Applications, change: Change, profile_type: str, value: int
) -> None:
    assert export(applications, changed(change)).status_code == 200
    assert tree(applications, profile_type)["main>leaf"] == value


def test_the_values_of_time_off_the_cpu_are_added_up(applications: Applications) -> None:
    document = changed(_kind(("off_cpu", "nanoseconds"), None))
    the_profile(document)["samples"][0]["values"] = ["1", "2", "4"]
    assert export(applications, document).status_code == 200
    assert tree(applications, "off_cpu:off_cpu:nanoseconds::") == {"main>leaf": 7, "main>side": 3}


def test_time_stamps_without_values_count_as_one_each(applications: Applications) -> None:
    document = cpu_export(NOW_S)
    the_profile(document)["samples"] = [{"stackIndex": 1, "timestampsUnixNano": ["1", "2", "3"]}]
    assert export(applications, document).status_code == 200
    assert tree(applications) == {"main>leaf": 3 * PERIOD_NS}


def _sample(**fields: Any) -> Change:
    return lambda document: the_profile(document)["samples"][0].update(fields)


def _profile(**fields: Any) -> Change:
    return lambda document: the_profile(document).update(fields)


def _table(name: str, place: int, row: Any) -> Change:
    return lambda document: document["dictionary"][name].__setitem__(place, row)


def _without_dictionary(document: dict[str, Any]) -> None:
    del document["dictionary"]


def _twice_named(document: dict[str, Any]) -> None:
    document["resourceProfiles"][0]["resource"]["attributes"].append(attribute("service_name"))


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda document: document.clear(), 500, "missing profile metadata dictionary"),
        (_without_dictionary, 500, "missing profile metadata dictionary"),
        (lambda document: document["resourceProfiles"].clear(), 500, "missing resource profiles"),
        (_sample(linkIndex=9), 500, "could not access link at index 9"),
        (_sample(linkIndex=-1), 500, "could not access link at index -1"),
        (_sample(stackIndex=9), 500, "could not access stack: index 9"),
        (_sample(values=[]), 500, "sample value is required"),
        (_sample(values=["1", "2"]), 500, "sample values length mismatch 2 1"),
        (_profile(sampleType=None), 500, "sample type is missing"),
        (_profile(sampleType={"typeStrindex": 99}), 500, "could not access type string"),
        (_table("stackTable", 1, {"locationIndices": [1, 9]}), 500, "could not access location at index 9"),
        (_table("locationTable", 2, {"mappingIndex": 9}), 500, "could not access mapping at index 9"),
        (_table("locationTable", 2, {"lines": [{"functionIndex": 9}]}), 500, "could not access function"),
        (_table("functionTable", 2, {"nameStrindex": 99}), 500, "could not access function name string"),
        (_table("mappingTable", 1, {"filenameStrindex": 99}), 500, "could not access mapping file name"),
        (_profile(timeUnixNano="1"), 400, "outside of ingestion window"),
        (_profile(period="0"), 400, "invalid metric name"),
        (_kind(("in-use", "bytes"), ("c", "d")), 400, "sample type contains -"),
        (_twice_named, 400, "duplicate label name: 'service_name'"),
        (lambda document: document.update(nope=1), 400, "Failed to parse JSON request"),
    ],
)
def test_an_export_that_is_refused_says_why_and_leaves_nothing(
    applications: Applications, change: Change, status: int, says: str
) -> None:
    response = export(applications, changed(change))
    assert (response.status_code, says in response.text) == (status, True), response.text
    assert labels(applications) == []
    (refusal,) = applications.pyroscope.get("/spanprofiles/refused").get_json()["refused"]
    assert (refusal["way"], says in refusal["message"]) == ("OTLP over HTTP", True)


def test_the_profiles_beside_a_refused_one_are_kept(applications: Applications) -> None:
    document = cpu_export(NOW_S)
    old = copy.deepcopy(document["resourceProfiles"][0])
    old["scopeProfiles"][0]["profiles"][0]["timeUnixNano"] = "1"
    document["resourceProfiles"].insert(0, old)
    assert export(applications, document).status_code == 400
    assert tree(applications) == WHOLE


def test_a_profile_whose_samples_have_unknown_attributes_is_left_out(applications: Applications) -> None:
    assert export(applications, changed(_sample(attributeIndices=[9]))).status_code == 200
    assert labels(applications) == []


def test_a_location_that_says_nothing_takes_its_sample_with_it(applications: Applications) -> None:
    assert export(applications, changed(_table("locationTable", 2, {"mappingIndex": 1}))).status_code == 200
    assert tree(applications) == {"main>side": 3 * PERIOD_NS}


def test_functions_inlined_in_a_location_are_frames_of_their_own(applications: Applications) -> None:
    inlined = {"lines": [{"functionIndex": 2}, {"functionIndex": 3}]}
    assert export(applications, changed(_table("locationTable", 2, inlined))).status_code == 200
    assert tree(applications) == {"main>side>leaf": 7 * PERIOD_NS, "main>side": 3 * PERIOD_NS}


def test_a_deep_stack_is_cut_to_its_outermost_frames(applications: Applications) -> None:
    deep = {"locationIndices": [3, *[2] * (DEPTH_LIMIT - 1), 1]}
    assert export(applications, changed(_table("stackTable", 1, deep))).status_code == 200
    (path,) = set(tree(applications)) - {"main>side"}
    assert path.split(">") == ["main", *["leaf"] * (DEPTH_LIMIT - 1)]


def test_a_dictionary_that_would_become_many_frames_is_refused(applications: Applications) -> None:
    """A few bytes for each stack, and a thousand inlined functions at the one location that all of them have."""
    document = cpu_export(NOW_S)
    tables = document["dictionary"]
    tables["locationTable"].append({"lines": [{"functionIndex": 1}] * 1_000})
    count = Quantity.FRAMES.limit // 1_000 + 1
    tables["stackTable"] += [{"locationIndices": [4]} for _ in range(count)]
    the_profile(document)["samples"] = [{"stackIndex": 3 + number, "values": ["1"]} for number in range(count)]
    response = export(applications, document)
    assert (response.status_code, "frames in its different stacks" in response.text) == (400, True), response.text
    assert labels(applications) == []


def test_an_export_of_too_many_messages_is_a_413(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.message_counter.JSON_VALUES", 10)
    assert export(applications, {"resourceProfiles": [{}] * 11}).status_code == 413
    monkeypatch.setattr("spanprofiles.embedded.message_counter.MESSAGES", 10)
    assert applications.pyroscope.post(PATH, data=b"\x0a\x00" * 11, content_type=PROTOBUF).status_code == 413


@pytest.mark.parametrize(("limit", "says"), [("SAMPLES_LIMIT", "samples count"), ("SAMPLE_LABELS_LIMIT", "labels")])
def test_a_profile_of_too_many_samples_or_labels_is_refused(
    applications: Applications, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    monkeypatch.setattr(f"spanprofiles.embedded.pyroscope.bounds.{limit}", 1)
    response = export(applications, cpu_export(NOW_S))
    assert (response.status_code, f"{says} limit" in response.text) == (400, True), response.text


@pytest.mark.parametrize(("number", "kept"), [(5, 5), (2**63, -(2**63)), (2**64 + 1, 1), (-1, -1)])
def test_numbers_wrap_around_as_64_bits_do(number: int, kept: int) -> None:
    assert signed(number) == kept


def test_a_store_that_cannot_write_is_a_503(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConnectError("the profiles could not be stored: disk", "unavailable")

    monkeypatch.setattr("spanprofiles.embedded.pyroscope.push.Pusher.store", fail)
    response = export(applications, cpu_export(NOW_S))
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
