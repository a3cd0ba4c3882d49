"""What a request to /ingest says, at the edges: times, labels, names, stacks in text, types and rates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Profile, ValueType
from spanprofiles.embedded.pyroscope import folded
from spanprofiles.embedded.pyroscope.appname import parse_name, time_ns
from spanprofiles.embedded.pyroscope.bounds import NEWEST_S, OLDEST_S, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.folded import CPU, KINDS, kind_of, profile_of, read_groups, read_lines
from spanprofiles.embedded.pyroscope.ingest import DISPLAYED, Upload, _rate, metric_name
from spanprofiles.embedded.pyroscope.labels import labels_text, merged_labels, time_text
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT
from spanprofiles.embedded.refusals import Reason

NOW_NS = 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("time_ns", "shown"),
    [
        (0, "1970-01-01 00:00:00 +0000 UTC"),
        (NOW_NS, "2023-11-14 22:13:20 +0000 UTC"),
        (NOW_NS + 500_000_000, "2023-11-14 22:13:20.5 +0000 UTC"),
        (NOW_NS + 50_999_999, "2023-11-14 22:13:20.05 +0000 UTC"),
        (NOW_NS + 123_456_789, "2023-11-14 22:13:20.123 +0000 UTC"),
        (2**63 - 1, "2262-04-11 23:47:16.854 +0000 UTC"),
        (10**30, "1000000000000000000000 s after 1970"),
    ],
)
def test_a_time_is_shown_to_the_millisecond_without_noughts(time_ns: int, shown: str) -> None:
    assert time_text(time_ns) == shown


@pytest.mark.parametrize(
    ("age_ns", "is_taken"),
    [
        (OLDEST_S * 10**9 - 1, True),
        (OLDEST_S * 10**9, False),
        (-NEWEST_S * 10**9 + 1, True),
        (-NEWEST_S * 10**9, False),
        (NOW_NS, True),
        (NOW_NS + 1, True),
        (NOW_NS - 1, False),
    ],
)
def test_a_profile_is_of_the_last_hour_or_of_no_time_at_all(age_ns: int, *, is_taken: bool) -> None:
    if is_taken:
        check_time("{}", NOW_NS - age_ns, NOW_NS)
        return
    with pytest.raises(ConnectError):
        check_time("{}", NOW_NS - age_ns, NOW_NS)


def test_labels_without_a_value_are_none_and_of_equal_ones_the_last_counts() -> None:
    assert merged_labels([("a", "1"), ("a", "2"), ("b", ""), ("service_name", "shop")]) == {
        "a": "2", "service_name": "shop",
    }  # fmt: skip
    assert merged_labels([("service_name", "")]) == {}
    assert merged_labels([]) == {"service_name": "unknown_service"}
    assert labels_text({"b": 'é"', "a": "x" * 5_000}) == f'{{a="{"x" * 4_096}", b="é\\""}}'


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("19010101", -2_177_452_800 * 10**9),
        ("19001231", 19_001_231 * 10**9),
        ("20260230", 20_260_230 * 10**9),
        ("2026131", 2_026_131 * 10**9),
        ("99999999999999999999999", 2**63 - 1),
        (" now - 1h ", NOW_NS - 3_600 * 10**9),
        ("now-1w2s", NOW_NS - 604_802 * 10**9),
        ("now-1y", NOW_NS - 31_536_000 * 10**9),
        ("now-1mon", NOW_NS - 2_592_000 * 10**9),
        ("now+1min", NOW_NS + 60 * 10**9),
        ("now+h", NOW_NS),
        ("now+999999999999y", 2**63 - 1),
        ("123456789012", 2**63 - 1),
        ("1234567890123", 1_234_567_890_123 * 10**6),
        ("12345678901234", 2**63 - 1),
    ],
)
def test_days_units_and_ways_from_the_present_are_times(text: str, expected_ns: int) -> None:
    assert time_ns(text, NOW_NS) == expected_ns


@pytest.mark.parametrize(
    ("text", "labels", "names_profile"),
    [
        ("shop{profile_id=x}", {"profile_id": "x"}, True),
        ("shop{profile_id=}", {"profile_id": ""}, False),
        ("shop{a=b}}", {"a": "b"}, False),
        ("shop{ __name__ = till ,a=b}", {"a": "b"}, False),
        ("shop{__other__=x,__session_id__=y}", {"__session_id__": "y"}, False),
    ],
)
def test_tags_are_read_up_to_the_first_that_is_none(text: str, labels: dict[str, str], *, names_profile: bool) -> None:
    name = parse_name(text)
    assert (name.labels, name.profile_id) == (labels, names_profile)
    assert name.service == ("till" if "till" in text else "shop")


def test_a_long_wrong_name_is_shown_from_its_beginning() -> None:
    with pytest.raises(ConnectError) as refused:
        parse_name("x" * 200 + "?")
    assert str(refused.value) == f"name: invalid service name: {'x' * 128}: character is not allowed: '?'"
    assert (refused.value.code, refused.value.reason) == ("invalid_argument", Reason.NAME)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"a;b 7", {("a", "b"): 7}),
        (b"a;b; 7\na;b +3\r\n", {("a", "b"): 10}),
        (b" 5", {(): 5}),
        (b"a\n\nb", {}),
        (b"a " + str(2**63 - 1).encode(), {("a",): 2**63 - 1}),
        (b"a -" + str(2**63 - 1).encode(), {("a",): -(2**63) + 1}),
        (b"a;;b 1", {("a", "", "b"): 1}),
        ("é 1".encode(), {("é",): 1}),
    ],
)
def test_stacks_of_a_text_are_read_from_the_root_on(body: bytes, values: dict[tuple[str, ...], int]) -> None:
    assert read_groups(body) == values


@pytest.mark.parametrize("number", [str(2**63), "-" + str(2**63), "0" * 20 + "1", "1.0", "", "+"])
def test_a_value_that_64_bits_do_not_hold_is_refused(number: str) -> None:
    with pytest.raises(ConnectError):
        read_groups(f"a {number}".encode())


def test_of_a_deep_text_the_outermost_frames_are_kept() -> None:
    names = [f"f{place}" for place in range(DEPTH_LIMIT + 5)]
    (stack,) = read_lines(";".join(names).encode())
    assert stack == tuple(names[:DEPTH_LIMIT])


def test_stacks_and_names_of_a_text_are_counted_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, "SAMPLES_LIMIT", 2)
    assert len(read_lines(b"a\nb\na\nb")) == 2
    with pytest.raises(ConnectError):
        read_lines(b"a\nb\nc")
    monkeypatch.setattr(folded, "SAMPLES_LIMIT", 100)
    monkeypatch.setattr(folded, "TABLE_LIMIT", 2)
    assert len(read_lines(b"a;b\nb;a\na\nb")) == 4
    with pytest.raises(ConnectError):
        read_lines(b"a;b\nc")


def test_a_text_becomes_a_whole_profile() -> None:
    profile = profile_of({("main", "leaf"): 3, ("main",): -4, ("leaf",): 2**62}, CPU, NOW_NS, 100)
    texts = list(profile.string_table)
    assert set(texts) == {"", "cpu", "nanoseconds", "main", "leaf"}
    assert texts[0] == ""
    kind, period = profile.sample_type[0], profile.period_type
    assert [texts[number] for number in (kind.type, kind.unit, period.type, period.unit)] == ["cpu", "nanoseconds"] * 2
    assert (profile.period, profile.time_nanos) == (10**7, NOW_NS)
    names = {function.id: texts[function.name] for function in profile.function}
    assert [texts[function.system_name] for function in profile.function] == list(names.values())
    lines = {location.id: names[location.line[0].function_id] for location in profile.location}
    assert [([lines[number] for number in sample.location_id], list(sample.value)) for sample in profile.sample] == [
        (["leaf", "main"], [3 * 10**7]),
        (["main"], [-4 * 10**7]),
        (["leaf"], [2**63 - 1]),
    ]
    assert profile_of({}, CPU, -5, 100).time_nanos == 0
    assert profile_of({("a",): -(2**62)}, CPU, 0, 100).sample[0].value[0] == -(2**63) + 1


@pytest.mark.parametrize(
    ("name", "rate", "kind", "period"),
    [
        ("shop.cpu", 100, ("cpu", "nanoseconds"), 10**7),
        ("shop.wall", 50, ("wall", "nanoseconds"), 2 * 10**7),
        ("shop.cpu", 0, ("samples", "count"), 0),
        ("shop.cpu", 2 * 10**9, ("cpu", "nanoseconds"), 0),
        ("shop.inuse_space", 100, ("inuse_space", "bytes"), 0),
        ("shop.alloc_in_new_tlab_bytes", 100, ("alloc_in_new_tlab_bytes", "bytes"), 0),
        ("shop.live", 100, ("live", "count"), 0),
    ],
)
def test_only_times_have_a_period(name: str, rate: int, kind: tuple[str, str], period: int) -> None:
    profile = profile_of({("a",): 1}, kind_of(name)[1], 0, rate)
    texts = profile.string_table
    assert (texts[profile.sample_type[0].type], texts[profile.sample_type[0].unit]) == kind
    assert (profile.period, profile.HasField("period_type")) == (period, period > 0)


def test_the_ends_of_names_are_those_of_the_agents() -> None:
    kinds = {name: (kind.metric, kind.sample_type, kind.unit) for name, kind in KINDS.items()}
    assert {name for name, kind in kinds.items() if kind == ("wall", "samples", "count")} == {
        "wall", "seconds", "milliseconds", "microseconds", "nanoseconds",
    }  # fmt: skip
    assert (kinds["lock_duration"], kinds["mutex_duration"]) == (
        ("block", "delay", "nanoseconds"), ("mutex", "delay", "nanoseconds"),
    )  # fmt: skip
    assert kinds["bytes"] == ("memory", "samples", "bytes")
    assert kind_of("a.b.cpu") == ("a.b", CPU)


def _typed(*names: str) -> Profile:
    kinds = [ValueType(type=99), ValueType(type=-1), *(ValueType(type=place) for place in range(1, len(names) + 1))]
    return Profile(string_table=["", *names], sample_type=kinds)


@pytest.mark.parametrize(
    ("kinds", "displayed", "metric"),
    [
        (("samples", "cpu"), DISPLAYED, "process_cpu"),
        (("wall", "cpu"), DISPLAYED, "wall"),
        (("inuse_space",), DISPLAYED, "memory"),
        (("alloc_objects",), {}, "memory"),
        (("objects",), {}, "memory"),
        (("space",), {}, "memory"),
        (("contentions",), DISPLAYED, "mutex"),
        (("delay",), DISPLAYED, "mutex"),
        (("delay",), {"delay": "block_duration"}, "block"),
        (("goroutine",), DISPLAYED, "goroutines"),
        (("first", "last"), {}, "last"),
        (("first", "last"), {"last": ""}, "last"),
        ((), {}, ""),
    ],
)
def test_the_name_of_a_profile_follows_from_its_types(
    kinds: tuple[str, ...], displayed: dict[str, str], metric: str
) -> None:
    assert metric_name(_typed(*kinds), displayed) == metric


@pytest.mark.parametrize(
    ("configuration", "displayed", "configured"),
    [
        ({"cpu": {"Display-Name": "busy", "units": None, "other": 5}}, {"cpu": "busy"}, {"cpu"}),
        ({"cpu": {"display-name": None}, "wall": None}, {"cpu": "", "wall": ""}, {"cpu"}),
        ({"cpu": {"sampled": True, "cumulative": False, "aggregation": "sum"}}, {"cpu": ""}, {"cpu"}),
    ],
)
def test_a_configuration_names_types_in_any_case(
    configuration: dict[str, Any], displayed: dict[str, str], configured: set[str]
) -> None:
    upload = Upload(b"data", json.dumps(configuration).encode())
    assert (upload.data, upload.displayed, set(upload.configured)) == (b"data", displayed, configured)


def test_without_a_configuration_types_have_their_usual_names() -> None:
    for upload in (Upload(b"x"), Upload(b"x", b"null"), Upload.of_files({"profile": b"x"})):
        assert (upload.data, upload.displayed, upload.configured) == (b"x", DISPLAYED, frozenset())
    assert Upload.of_files({}).data == b""


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50", 50), ("+50", 50), ("", 100), ("-5", 100), ("x", 100), (str(2**32 + 7), 7), ("9" * 20, 100)],
)
def test_a_rate_is_a_number_of_32_bits_or_the_usual_one(text: str, rate: int) -> None:
    assert _rate(text) == rate
