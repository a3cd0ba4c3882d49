"""A recording reads back as the measurement it was written from, and a damaged one is refused with a reason."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from spanprofiles.model import FlameGraph, Measurement, MeasurementEnvironment, Precision
from spanprofiles.model import measurement_json as recording
from spanprofiles.model.measurement_json import MeasurementError, read_text, write_text
from tests.support.measurements import MS, a_measurement, a_request

ENVIRONMENT = MeasurementEnvironment(
    app_version="1.4.2", host="ci-7", machine="x86_64, 2 cores", runtime="CPython 3.12.3", agent="pyroscope-io 1.4.0",
    backend="embedded", seed=7, time_ns=1_700_000_000_000_000_000, upload_interval_s=1.0,
    processor_wait=0.25, spanprofiles="0.1.0",
)  # fmt: skip
PRECISION = Precision("the request's CPU to within 10 %", 0.1, 0.27, is_reached=False, requests_needed=21)
MEASUREMENT = a_measurement(
    [{"search": 40, "render": 20}, {}, {"search": 30, "naïve\ud800": 10}], environment=ENVIRONMENT, precision=PRECISION
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_text(MEASUREMENT))
    return found


@pytest.mark.parametrize(
    "measurement",
    [
        MEASUREMENT,
        a_measurement([{"f": 10}]),
        a_measurement([{}, {}]),
        Measurement("of nothing", "", (), FlameGraph()),
    ],
)
def test_what_is_read_is_what_was_written(measurement: Measurement) -> None:
    assert read_text(write_text(measurement, "it.pprof"), "it.json") == measurement


def test_the_kind_of_its_samples_is_read_back() -> None:
    wall = Measurement("waits", "shop", (), FlameGraph([], "wall:wall:nanoseconds:wall:nanoseconds"))
    assert read_text(write_text(wall), "it.json").flamegraph.profile_type == "wall:wall:nanoseconds:wall:nanoseconds"


@pytest.mark.parametrize("field", [each.name for each in fields(MeasurementEnvironment)])
def test_what_a_recording_does_not_know_of_its_environment_is_empty(field: str) -> None:
    found = document()
    del found["environment"][field]
    environment = read_text(json.dumps(found), "it.json").environment
    assert getattr(environment, field) == getattr(MeasurementEnvironment(), field)
    assert type(getattr(environment, field)) is type(getattr(MeasurementEnvironment(), field))


def test_a_precision_that_could_not_be_told_is_read_back() -> None:
    found = document()
    for field in ("half_width", "requests_needed", "unit"):
        del found["precision"][field]
    assert read_text(json.dumps(found), "it.json").precision == Precision(
        "the request's CPU to within 10 %", 0.1, None, is_reached=False
    )
    untold = a_measurement([{}], precision=Precision("30 requests", 30.0, None, is_reached=False))
    assert read_text(write_text(untold), "it.json") == untold


def test_the_least_and_the_most_that_a_field_can_say_is_read() -> None:
    found = document()
    found["environment"]["processor_wait"] = 0
    found["requests"][0]["start_ns"] = 2**63 - 1
    read = read_text(json.dumps(found), "it.json")
    assert read.environment.processor_wait == 0.0
    assert read.requests[0].start_ns == 2**63 - 1


def test_a_call_path_may_have_functions_that_no_request_names() -> None:
    whole = a_request(0, {"search": 10})
    unnamed = Measurement(
        "of one", "shop", (replace(whole, functions={}),), FlameGraph([(("handle", "search"), 10 * MS)])
    )
    read = read_text(write_text(unnamed), "it.json")
    assert read == unnamed
    assert read.flamegraph.functions == {"handle", "search"}


def test_it_names_the_profile_beside_it_if_there_is_one() -> None:
    assert json.loads(write_text(MEASUREMENT, "it.pprof"))["pprof"] == "it.pprof"
    assert document()["pprof"] == ""


def test_without_requests_its_lists_are_empty() -> None:
    text = write_text(Measurement("of nothing", "", (), FlameGraph()))
    assert '"requests": []' in text
    assert '"stacks": []' in text


def test_what_is_no_number_is_not_written() -> None:
    endless = a_measurement([{}], precision=Precision("10 %", 0.1, float("inf"), is_reached=False))
    with pytest.raises(ValueError, match="Out of range"):
        write_text(endless)


def test_it_describes_itself() -> None:
    found = document()
    assert found["format"] == "spanprofiles measurement"
    assert found["version"] == 1
    assert "self_ns" in found["description"]
    assert found["profile_type"] == MEASUREMENT.flamegraph.profile_type


def test_each_request_has_a_line_of_its_own() -> None:
    assert sum("trace_id" in line for line in write_text(MEASUREMENT).splitlines()) == 3


def test_fields_that_a_later_version_adds_are_left_out() -> None:
    found = document()
    found["colour"] = "red"
    found["environment"]["weather"] = "fair"
    found["requests"][0]["memory_bytes"] = 1
    assert read_text(json.dumps(found), "it.json") == MEASUREMENT


def test_a_later_version_of_the_format_asks_for_a_newer_package() -> None:
    with pytest.raises(MeasurementError, match=r"it\.json has version 2 of the format.*reads up to 1: install"):
        read_text(json.dumps(document() | {"version": 2}), "it.json")


def test_a_recording_that_was_cut_off_is_refused() -> None:
    text = write_text(MEASUREMENT)
    for length in range(0, len(text) - 2, 97):
        with pytest.raises(MeasurementError, match=r"it\.json is no JSON, perhaps cut off.*record it again"):
            read_text(text[:length], "it.json")


@pytest.mark.parametrize("text", ["[]", "7", "null", "{}", '{"format": "x"}', '{"version": 1}'])
def test_other_json_is_no_measurement(text: str) -> None:
    with pytest.raises(MeasurementError, match=r"it\.json is not a measurement: its field 'format'"):
        read_text(text, "it.json")


@pytest.mark.parametrize("text", [b"\xff\xfe", "[" * 100_000, '{"a": NaN}', '{"format": 1' + "0" * 5_000 + "}"])
def test_what_no_reader_of_json_takes_is_refused(text: str | bytes) -> None:
    with pytest.raises(MeasurementError, match=r"it\.json is no"):
        read_text(text, "it.json")


@pytest.mark.parametrize("number", ["NaN", "-Infinity"])
def test_a_number_that_json_does_not_have_is_named(number: str) -> None:
    with pytest.raises(
        MeasurementError, match=f"it.json is no JSON, perhaps cut off: {number} is not a number; record"
    ):
        read_text(f'{{"a": {number}}}', "it.json")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("version",), "1", "its version is"),
        (("version",), True, "its version is"),
        (("version",), 0, "its version is 0, where 1 is expected"),
        (("name",), None, "its name is null, where a text is expected"),
        (("requests",), {}, "its requests is {}, where a list"),
        (("requests", 0), 7, "its requests is 7, where an object"),
        (("requests", 0, "cpu_ns"), -1, "its cpu_ns is -1, where a whole number"),
        (("requests", 0, "cpu_ns"), 1.5, "its cpu_ns is 1.5"),
        (("requests", 0, "cpu_ns"), True, "its cpu_ns is true"),
        (("requests", 0, "cpu_ns"), 2**63, "its cpu_ns is 9223372036854775808"),
        (("requests", 0, "cpu_ns"), 70_000_000, "its stacks sum up to 100000000 ns, and its requests to 110000000 ns"),
        (("requests", 0, "trace_id"), "xyz", "'xyz' is not a trace ID"),
        (("requests", 0, "span_ids"), ["0" * 16], "all zeros"),
        (("requests", 0, "span_ids"), [7], "its span_ids is 7, where a text"),
        (("requests", 0, "functions"), [[9, 1, 1]], "it names function 9 of 4"),
        (("requests", 0, "functions"), [[4, 1, 1]], "it names function 4 of 4"),
        (("requests", 0, "functions"), [[0, 1]], "not enough values"),
        (("requests", 0, "functions"), 7, "its functions of a request is 7, where a list"),
        (("requests", 0, "functions"), [7], "its functions of a request is 7, where a list"),
        (("requests", 0, "functions"), [[0, -1, 1]], "its self_ns is -1, where a whole number"),
        (("requests", 0, "functions"), [[0, 1, -1]], "its total_ns is -1, where a whole number"),
        (("stacks", 0), [[-1], 1], "its place of a function is -1"),
        (("stacks", 0), 3, "its stacks is 3"),
        (("stacks", 0), [7, 1], "its stacks is 7, where a list"),
        (("stacks", 0), [[0], -1], "its value of a stack is -1, where a whole number"),
        (("environment",), [], r"its environment is \[\], where an object"),
        (("environment", "host"), 7, "its host is 7"),
        (("precision", "target"), "a", "its target is"),
        (("precision", "target"), -0.1, "its target is -0.1, where a number from 0"),
        (("precision", "target"), float("1e999"), "its target is Infinity, where a number from 0"),
        (("name",), ["na\u00efve"], r'its name is \["na\\u00efve"\], where a text'),
        (("precision", "is_reached"), 1, "its is_reached is 1"),
        (("functions", 0), 7, "its functions is 7, where a text"),
    ],
)
def test_a_damaged_recording_is_refused_with_the_reason(path: tuple[Any, ...], value: Any, reason: str) -> None:
    found = document()
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    text = json.dumps(found).replace("Infinity", "1e999")  # which is JSON
    with pytest.raises(MeasurementError, match=f"it.json is a damaged measurement: .*{reason}.*; record it again"):
        read_text(text, "it.json")


@pytest.mark.parametrize(("length", "is_whole"), [(138, True), (139, False), (100_000, False)])
def test_of_a_long_value_a_message_shows_the_beginning(length: int, is_whole: bool) -> None:
    reason = f'its name is ["{"x" * length}"], where a text is expected'
    with pytest.raises(MeasurementError) as refused:
        read_text(json.dumps(document() | {"name": ["x" * length]}), "it.json")
    shown = reason if is_whole else f"{reason[:180]}…"
    assert str(refused.value) == (
        f"it.json is a damaged measurement: {shown}; record it again with pytest --span-profiles-record"
    )


@pytest.mark.parametrize(
    ("part", "field"),
    [
        *(("environment", field.name) for field in fields(MeasurementEnvironment)),
        *(("precision", field.name) for field in fields(Precision)),
    ],
)
def test_a_damaged_field_is_named(part: str, field: str) -> None:
    found = document()
    found[part][field] = {}
    with pytest.raises(MeasurementError, match=f"its {field} is {{}}, where"):
        read_text(json.dumps(found), "it.json")


@pytest.mark.parametrize("field", ["trace_id", "span_ids", "start_ns", "duration_ns", "cpu_ns", "samples"])
def test_a_damaged_field_of_a_request_is_named(field: str) -> None:
    found = document()
    found["requests"][1][field] = {}
    with pytest.raises(MeasurementError, match=f"its {field} is {{}}, where"):
        read_text(json.dumps(found), "it.json")


@pytest.mark.parametrize(
    "field", ["name", "service", "profile_type", "environment", "precision", "functions", "requests", "stacks"]
)
def test_a_damaged_field_of_a_recording_is_named(field: str) -> None:
    with pytest.raises(MeasurementError, match=f"its {field} is 7, where"):
        read_text(json.dumps(document() | {field: 7}), "it.json")


@pytest.mark.parametrize("wait", [1, 1.5])
def test_threads_that_waited_all_the_time_ran_no_request(wait: float) -> None:
    found = document()
    found["environment"]["processor_wait"] = wait
    with pytest.raises(MeasurementError, match=f"processor_wait is {float(wait)}: a part from 0 to 1 is expected"):
        read_text(json.dumps(found), "it.json")


@pytest.mark.parametrize("field", ["name", "service", "requests", "stacks", "functions", "environment", "profile_type"])
def test_a_recording_without_one_of_its_fields_says_which(field: str) -> None:
    found = document()
    del found[field]
    with pytest.raises(MeasurementError, match=f"it has no field '{field}'"):
        read_text(json.dumps(found), "it.json")


def test_a_recording_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_text(MEASUREMENT)
    monkeypatch.setattr(recording, "LARGEST_RECORDING_BYTES", len(text))
    assert read_text(text, "it.json") == MEASUREMENT
    monkeypatch.setattr(recording, "LARGEST_RECORDING_BYTES", 2**20)
    with pytest.raises(MeasurementError, match=r"it\.json is larger than 1 MiB"):
        read_text(b" " * (2**20 + 1), "it.json")
