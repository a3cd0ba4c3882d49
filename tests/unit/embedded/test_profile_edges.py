"""Profiles at the edges: what is just kept, just told apart, or just left out, in plain data."""

from __future__ import annotations

import gzip
import itertools
import json
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from werkzeug.wrappers import Request

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import IN_MEMORY_BYTES, WAITING_BODIES_BYTES
from spanprofiles.embedded.proto.pprof_pb2 import Function, Label, Line, Location, Mapping, Profile, Sample, ValueType
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    FlameGraph,
    LabelNamesRequest,
    LabelNamesResponse,
    LabelPair,
    Point,
    PushRequest,
    PushResponse,
    SelectMergeStacktracesResponse,
    SelectSeriesResponse,
    Series,
)
from spanprofiles.embedded.pyroscope import folded, forms, merged_profile, pprof, shape
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.appname import parse_name, time_ns
from spanprofiles.embedded.pyroscope.bounds import NEWEST_S, OLDEST_S, check_time
from spanprofiles.embedded.pyroscope.connect import STATUS, ConnectError, _decode, message_json, unary
from spanprofiles.embedded.pyroscope.flamegraph import (
    Node,
    build,
    difference,
    everything_below,
    flamegraph,
    fold_smallest,
    kept_children,
    largest,
    least_value,
    tree_bytes,
)
from spanprofiles.embedded.pyroscope.folded import CPU, KINDS, kind_of, profile_of, read_groups, read_lines
from spanprofiles.embedded.pyroscope.ingest import DISPLAYED, Upload, _rate, metric_name
from spanprofiles.embedded.pyroscope.label_queries import profile_type
from spanprofiles.embedded.pyroscope.labels import labels_text, merged_labels, time_text
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, SAMPLE_LABELS_LIMIT, SYMBOL_LENGTH_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.otlp.messages import decode_json
from spanprofiles.embedded.pyroscope.queries import bad_id, check_profile_type, profile_numbers, profile_uuid
from spanprofiles.embedded.pyroscope.sample_parts import parts_of, serialized_samples
from spanprofiles.embedded.pyroscope.samples import SeriesLabels
from spanprofiles.embedded.pyroscope.selector import SelectorError, parse_selector
from spanprofiles.embedded.pyroscope.series import group_of
from spanprofiles.embedded.pyroscope.shape import ShapeError
from spanprofiles.embedded.pyroscope.timeseries import _Uploads, step_of
from spanprofiles.embedded.pyroscope.totals import OTHER_STACK, Kind, StackTotals
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.spool import Spool
from spanprofiles.embedded.web import TICKET
from tests.support.pprof_writer import block

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


STACKS = [(("main", "a"), 50), (("main", "b"), 30), (("main", "c"), 15), (("other",), 5)]


def tree() -> Node:
    return build(STACKS)


def test_a_flame_graph_of_so_many_nodes_keeps_those_that_are_as_large() -> None:
    assert [least_value(tree(), count) for count in (0, -1, 1, 2, 3, 4, 5, 6, 7)] == [0, 0, 100, 95, 50, 30, 15, 0, 0]
    assert [largest([3, 9, 5], count) for count in (0, 1, 2, 3, 4)] == [0, 9, 5, 0, 0]
    assert {node.name for node in everything_below(tree())} == {"main", "a", "b", "c", "other"}


def test_what_is_too_small_is_one_child_at_the_end() -> None:
    main = tree().children["main"]
    assert [(node.name, node.total, node.own) for node in kept_children(main, 30)] == [
        ("a", 50, 50), ("b", 30, 30), ("other", 15, 15),
    ]  # fmt: skip
    assert [node.name for node in kept_children(main, 0)] == ["a", "b", "c"]
    assert [node.name for node in kept_children(tree(), 0)] == ["main", "other"]


def test_every_form_of_a_tree_is_cut_alike() -> None:
    graph = flamegraph(tree(), 4)
    assert set(graph.names) == {"total", "main", "a", "b", "other"}
    assert (graph.total, graph.max_self) == (100, 50)
    data = tree_bytes(tree(), 4)
    assert all(name in data for name in (b"main", b"\x01a", b"\x01b", b"other"))
    assert b"\x01c" not in data
    assert b"\x01c" in tree_bytes(tree())
    diff = difference(tree(), build([(("main", "c"), 40)]), 3)
    assert (diff.total, diff.max_self, diff.leftTicks, diff.rightTicks) == (140, 50, 100, 40)


def test_a_tree_that_is_full_tells_new_functions_apart_and_not_what_they_call() -> None:
    root = build([(("a",), 9), (("b",), 8), (("c", "d", "e"), 7), (("f",), 6), (("a", "g", "h"), 5)], limit=2)
    found = {node.name: (node.total, node.own) for node in everything_below(root) if node.name != "other"}
    assert root.total == 35
    assert found["a"][0] == 14
    assert "d" not in found
    assert "h" not in found


def test_folding_keeps_the_largest_and_gives_the_rest_to_their_caller() -> None:
    root = tree()
    assert fold_smallest(root, 2) == 4
    main = root.children["main"]
    assert {child.name: child.total for child in main.children.values()} == {"a": 50, "other": 45}
    assert {child.name: (child.total, child.own) for child in root.children.values()} == {
        "main": (95, 0), "other": (5, 5),
    }  # fmt: skip


def test_children_are_in_the_order_of_their_names() -> None:
    root = build([((name,), 1) for name in ("b", "é", "a")])
    assert [child.name for child in root.in_order()] == ["a", "b", "é"]
    assert [list(level.values) for level in flamegraph(root).levels][1] == [0, 1, 1, 3, 0, 1, 1, 2, 0, 1, 1, 1]


def test_names_of_profiles_are_their_numbers() -> None:
    assert profile_uuid(5) == "00000000-0000-4000-8000-000000000005"
    assert profile_numbers([profile_uuid(5), profile_uuid(2**63 - 1), "0" * 32, profile_uuid(0)]) == (5, -1, -1, -1)
    assert profile_numbers([profile_uuid(2**63 - 2), "ffffffff-ffff-4fff-8fff-ffffffffffff"]) == (2**63 - 2, -1)
    assert bad_id("span", "0123456789abcdeg", 16) is not None


def test_the_parts_of_a_profile_type_are_named() -> None:
    text = "memory:inuse_space:bytes:space:bytes"
    assert [str(value) for _, value in profile_type(text).ListFields()] == [text, *text.split(":")]
    assert [str(value) for _, value in profile_type("memory:inuse_space").ListFields()][2:] == ["inuse_space"]


@pytest.mark.parametrize(
    ("time_ms", "end_ms"), [(900, 1_000), (1_000, 1_000), (1_001, 1_030), (1_030, 1_030), (1_031, 1_060)]
)
def test_a_step_ends_at_its_last_moment(time_ms: int, end_ms: int) -> None:
    assert step_of(time_ms, 1_000, 30) == end_ms


def test_of_very_many_uploads_the_largest_of_each_point_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.timeseries.CELLS_LIMIT", 4)
    uploads = _Uploads({"region"})
    labels = {"region": "eu", "zone": "a"}
    for number, (point, total) in enumerate(itertools.product((1, 2), (10, 30, 20, 5, 7))):
        uploads.add(((), point), labels, 1_000 + number, number.to_bytes(8, "big"), total)
    for point in (1, 2):
        (exemplar,) = uploads.exemplars(((), point))
        assert (exemplar.value, exemplar.profile_id) == (30, profile_uuid(1 if point == 1 else 6))
        assert [(pair.name, pair.value) for pair in exemplar.labels] == [("zone", "a")]
        assert exemplar.timestamp == (1_001 if point == 1 else 1_006)
    assert uploads.exemplars(((), 3)) == []
    assert sum(map(len, uploads._cells.values())) <= 8


def split(profile: Profile) -> list[Any]:
    pairs = [("__name__", "process_cpu"), ("service_name", "shop")]
    return pprof.split(profile, serialized_samples(profile), pairs, NOW_NS)


def whole(*samples: Sample, **more: Any) -> Profile:
    parts: dict[str, Any] = {
        "string_table": ["", "cpu", "nanoseconds", "f", "g", "span_id", "00000000000000a1", "region", "eu"],
        "sample_type": [ValueType(type=1, unit=2)],
        "period_type": ValueType(type=1, unit=2),
        "function": [Function(id=1, name=3), Function(id=2, name=4, system_name=3, filename=4)],
        "location": [
            Location(id=1, line=[Line(function_id=1, line=5)]),
            Location(id=2, line=[Line(function_id=2, line=6), Line(function_id=1, line=7)]),
            Location(id=3, address=77),
            Location(id=4),
            Location(id=5, mapping_id=9, line=[Line(function_id=1)]),
            Location(id=6, line=[Line(function_id=9)]),
            Location(id=7, line=[Line(function_id=1), Line(function_id=9)]),
            Location(id=8, mapping_id=3, line=[Line(function_id=1)]),
        ],
        "mapping": [Mapping(id=3)],
    } | more
    return Profile(sample=samples, **parts)


@pytest.mark.parametrize(
    ("location", "frames"),
    [
        (1, [(0, 5)]),
        (2, [(0, 7), (1, 6)]),
        (3, []),
        (4, None),
        (5, None),
        (6, None),
        (7, None),
        (8, [(0, 0)]),
        (99, None),
    ],
)
def test_a_location_is_its_lines_or_an_address_or_nothing(location: int, frames: list[tuple[int, int]] | None) -> None:
    made = split(whole(Sample(location_id=[location], value=[7])))
    if frames is None:
        assert made == []
        return
    (profile,) = made
    names = [name for name, *_ in profile.table.functions]
    found = [("fg".index(names[function]), line) for function, line in profile.table.frames]
    stack = list(profile.table.stacks[0])
    assert [found[place - 1] for place in stack] == frames
    assert list(profile.values.values()) == [7]


def test_functions_have_all_their_names_each_cut_to_its_end() -> None:
    texts = ["", "cpu", "nanoseconds", *(letter * SYMBOL_LENGTH_LIMIT + "end" for letter in "nsf")]
    functions = [
        Function(id=1, name=3, system_name=4, filename=5),
        Function(id=2, name=-3, system_name=-1, filename=-9),
    ]
    samples = [Sample(location_id=[1], value=[1]), Sample(location_id=[2], value=[1])]
    (profile,) = split(whole(*samples, string_table=texts, function=functions))
    assert list(profile.table.functions) == [tuple(text[-SYMBOL_LENGTH_LIMIT:] for text in texts[3:]), ("", "", "")]


def test_labels_of_samples_split_series_and_spans_have_their_own_sums() -> None:
    span, region = Label(key=5, str=6), Label(key=7, str=8)
    numbered = Label(key=7, num=5)
    samples = [
        Sample(location_id=[1], value=[1], label=[span]),
        Sample(location_id=[1], value=[2], label=[region, span]),
        Sample(location_id=[1], value=[4], label=[numbered]),
        Sample(location_id=[1], value=[0], label=[region]),
        Sample(location_id=[1], value=[-9], label=[region]),
    ]
    first, second = split(whole(*samples))
    owner = (bytes.fromhex("00000000000000a1"), None)
    assert ("region" in first.labels, second.labels["region"]) == (False, "eu")
    assert (first.values, dict(first.parts)) == ({0: 5}, {owner: {0: 1}})
    assert (second.values, dict(second.parts)) == ({0: 2}, {owner: {0: 2}})
    assert (first.profile_type, first.time_ms) == ("process_cpu:cpu:nanoseconds:cpu:nanoseconds", NOW_NS // 10**6)


def test_an_id_is_hexadecimal_and_of_its_length() -> None:
    span, trace = "00000000000000A1", "0" * 31 + "b"
    assert group_of([("profile_id", span), ("trace_id", trace)]) == ((), (bytes.fromhex(span), bytes.fromhex(trace)))
    assert group_of([("span_id", "a1"), ("trace_id", span), ("z", "1"), ("a", "2")]) == (
        (("a", "2"), ("z", "1")), (None, None),
    )  # fmt: skip
    assert group_of([("span_id", "g" * 16), ("trace_id", "é" * 32)]) == ((), (None, None))
    assert group_of([("span_id", span), ("profile_id", "")])[1] == (None, None)


def test_a_profile_is_decoded_packed_or_not_and_counted() -> None:
    data = whole(Sample(location_id=[1], value=[7])).SerializeToString()
    for raw in (data, gzip.compress(data)):
        allowance = Allowance()
        left = {quantity: allowance.left(quantity) for quantity in Quantity}
        profile, size = pprof.decode(raw, allowance)
        assert (profile.SerializeToString(), size) == (data, len(data))
        assert left[Quantity.BYTES] - allowance.left(Quantity.BYTES) == len(data)
    assert pprof.decode(b"") == (Profile(), 0)
    with pytest.raises(ConnectError) as refused:
        pprof.decode(b"\xff" * 10)
    assert str(refused.value).startswith("the profile is not valid pprof: Error parsing message")
    assert (refused.value.code, refused.value.reason) == ("invalid_argument", Reason.UNDECODED)


@pytest.mark.parametrize(("labels", "is_taken"), [(SAMPLE_LABELS_LIMIT, True), (SAMPLE_LABELS_LIMIT + 1, False)])
def test_labels_of_a_sample_are_counted_however_short_they_are(labels: int, *, is_taken: bool) -> None:
    profile = whole(Sample(location_id=[1], value=[1], label=[Label()] * labels))
    samples = serialized_samples(profile)
    assert pprof._most_labels(profile, samples) == labels
    if not is_taken:
        with pytest.raises(ConnectError, match=r"max_profile_stacktrace_sample_labels, actual: 101"):
            pprof.check(profile, samples, 1, {}, NOW_NS)


def test_errors_have_the_statuses_of_connect_and_say_when_to_come_again() -> None:
    assert STATUS == {
        "canceled": 499, "invalid_argument": 400, "not_found": 404, "resource_exhausted": 429, "unavailable": 503,
        "unimplemented": 501, "unknown": 500, "internal": 500, "deadline_exceeded": 504,
    }  # fmt: skip
    for code, status in STATUS.items():
        response = ConnectError("why", code).response()
        assert (response.status_code, response.get_json()) == (status, {"code": code, "message": "why"})
        assert response.headers.get("Retry-After") == ("5" if code == "unavailable" else None)
    error = ConnectError("why")
    assert (error.code, error.reason, error.service, error.profiles) == ("invalid_argument", Reason.OTHER, "", 0)


def test_a_selector_is_as_long_and_has_as_many_comparisons_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.selector.SELECTOR_LENGTH_LIMIT", 20)
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.selector.MATCHERS_LIMIT", 2)
    assert len(parse_selector('{a="1",b="2"}'.ljust(20)).matchers) == 2
    for wrong, words in (
        ('{a="1",b="2"}'.ljust(21), "the selector is longer than 20 characters"),
        ("{a='1',b='2',c='3'}", "the selector has more than 2 comparisons"),
    ):
        with pytest.raises(SelectorError) as refused:
            parse_selector(wrong)
        assert str(refused.value) == words


def test_edges_of_forms_are_where_they_are_written() -> None:
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n'
    assert forms.read_files(kind, part + b"one\r\n--x-- \t\r\nmore") == {"a": b"one"}
    assert forms.read_files(kind, part + b"one\r\n--x \t\r\nX: y\r\n\r\ntwo\r\n--x--") == {"a": b"one"}
    assert forms.read_files(kind, part + b"--x--") == {"a": b""}
    assert forms.read_files(f"multipart/form-data; boundary={'e' * 200}", b"--" + b"e" * 200 + b"--") == {}
    unnamed = b'--x\r\nContent-Disposition: form-data; filename="f"\r\n\r\none\r\n--x--'
    assert forms.read_files(kind, unnamed) == {}


def test_a_spool_is_full_to_the_byte() -> None:
    small = Spool(10)
    assert small.take(10, IN_MEMORY_BYTES + 1)
    assert not small.take(1, IN_MEMORY_BYTES + 1)
    assert (small.held, small.take(1, IN_MEMORY_BYTES)) == (10, True)
    small.give_back(11)
    assert (small.held, Spool()._limit) == (0, WAITING_BODIES_BYTES)


def test_the_fields_of_a_sample_may_be_of_any_length() -> None:
    for count in (100, 20_000, 3_000_000):
        locations, values = block(1, bytes(count)), block(2, b"\x05")
        assert parts_of(locations + values) == (locations, values, b"")


def test_series_of_any_size_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "PROFILES_LIMIT", 2)
    for size in (5, 200, 70_000):
        profile = block(2, bytes(size))
        shape.check_push_shape(block(1, profile * 2))
        for beyond in (block(1, profile * 3), block(1, profile) * 3):
            with pytest.raises(ShapeError):
                shape.check_push_shape(beyond)


DEEP = b'{"a":' * 100_000 + rb'"\ud800"'


def test_json_that_is_nested_too_deeply_is_refused_in_words() -> None:
    with pytest.raises(ExportError) as refused:
        decode_json(DEEP, lambda _: None)
    assert str(refused.value) == "Failed to parse JSON request: it is nested too deeply"
    with pytest.raises(ConnectError) as error:
        _decode(DEEP, LabelNamesRequest, is_json=True)
    assert str(error.value) == "unmarshal message: unmarshal into LabelNamesRequest: nested too deeply"
    assert (error.value.code, error.value.reason) == ("invalid_argument", Reason.MALFORMED_REQUEST)


@pytest.mark.parametrize(
    ("body", "is_json", "words"),
    [
        (b"\xff", False, "unmarshal message: proto: Error parsing message"),
        (b"{", True, "unmarshal message: unmarshal into LabelNamesRequest: "),
        (b"\xff", True, "unmarshal message: unmarshal into LabelNamesRequest: "),
        (b'{"start": "x"}', True, "unmarshal message: unmarshal into LabelNamesRequest: "),
    ],
    ids=["no protobuf", "no JSON", "no text", "no number"],
)
def test_a_question_that_cannot_be_read_is_told_as_what(body: bytes, words: str, *, is_json: bool) -> None:
    with pytest.raises(ConnectError) as error:
        _decode(body, LabelNamesRequest, is_json=is_json)
    assert str(error.value).startswith(words)
    assert (error.value.code, error.value.reason) == ("invalid_argument", Reason.MALFORMED_REQUEST)


def test_an_empty_question_is_one_and_unknown_members_are_ignored() -> None:
    for body in (b"", b" ", b"{}", b'{"unknown": 5}'):
        assert _decode(body, LabelNamesRequest, is_json=True) == LabelNamesRequest()
    assert _decode(b"", LabelNamesRequest, is_json=False) == LabelNamesRequest()


def test_a_push_of_too_much_is_told_as_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "PROFILES_LIMIT", 2)
    monkeypatch.setattr(shape, "JSON_VALUES_LIMIT", 2)
    for body, is_json, words in (
        (block(1, b"") * 3, False, "unmarshal message: there are more than 2 series in a push"),
        (b"{,,}", True, "unmarshal message: there are more than 2 values in the JSON"),
    ):
        with pytest.raises(ConnectError) as error:
            _decode(body, PushRequest, is_json=is_json)
        assert (str(error.value), error.value.reason) == (words, Reason.BODY_SIZE)
    assert len(_decode(b"\x0a\x00" * 3, PushResponse, is_json=False).SerializeToString()) == 6


@pytest.mark.parametrize("messages", [1, 15, 16, 17, 500])
def test_a_large_answer_in_json_is_the_same_as_a_small_one(messages: int) -> None:
    series = [
        Series(labels=[LabelPair(name="n", value="é" * (place % 40))], points=[Point(value=0.5, timestamp=place)])
        for place in range(messages)
    ]
    for message in (
        SelectSeriesResponse(series=series),
        LabelNamesResponse(names=[f"name {place}" for place in range(messages)]),
        SelectMergeStacktracesResponse(flamegraph=FlameGraph(names=["x" * messages] * 30, total=5, max_self=2**60)),
    ):
        written = JsonWriter(NO_DEADLINE).written(message_json(message))
        assert json.loads(written) == json_format.MessageToDict(message)


def test_deep_stacks_are_told_apart_by_their_outermost_frames() -> None:
    deep = [Sample(location_id=[leaf] * DEPTH_LIMIT + [root] * 2, value=[1]) for leaf, root in ((1, 8), (8, 1), (1, 1))]
    (profile,) = split(whole(*deep, Sample(location_id=[3, *[1] * DEPTH_LIMIT, 8, 8], value=[1])))
    assert profile.values == {0: 2, 1: 1, 2: 1}
    assert [len(stack) for stack in profile.table.stacks] == [DEPTH_LIMIT] * 3


def test_a_type_of_profile_may_say_that_its_values_are_differences() -> None:
    check_profile_type("a:b:c:d:e:delta")
    check_profile_type("a:b:c:d:e")
    check_profile_type("a:b:c::")
    for wrong in ("a:b:c:d", "a:b:c:d:e:DELTA", "a:b:c:d:e:delta:x"):
        with pytest.raises(ConnectError):
            check_profile_type(wrong)


def test_what_a_merge_did_not_tell_apart_is_one_sample_of_other() -> None:
    totals = StackTotals(Kind.STACKS)
    totals._values[OTHER_STACK] = 7
    nothing = SimpleNamespace(fetchall=list)
    connection: Any = SimpleNamespace(deadline=NO_DEADLINE, execute=lambda *_: nothing)
    numbers: dict[tuple[int, int], int] = {}
    (sample,) = merged_profile._samples(connection, totals, numbers)
    assert (list(sample.location_id), list(sample.value), numbers) == ([1], [7], {merged_profile.OTHER_FRAME: 1})
    functions = list(merged_profile._functions(connection, [merged_profile.OTHER_FUNCTION]))
    assert functions == [(merged_profile.OTHER_FUNCTION, "other", "other", "")]
    assert list(merged_profile._functions(connection, [])) == []


def test_the_sums_of_many_stacks_are_cut_to_the_largest() -> None:
    totals = StackTotals(Kind.STACKS, limit=2)
    places = [(number, (9, number, 1)) for number in range(10, 15)]
    entries = array("q", [part for place in range(5) for part in (place << 32 | 77, place + 1)]).tobytes()
    totals.add_stacks(entries, places)
    assert list(totals.items()) == [(OTHER_STACK, 1 + 2 + 3), (14, 5), (13, 4)]
    assert (len(totals), totals.places) == (3, {14: (9, 14, 1), 13: (9, 13, 1)})
    totals.add_stacks(entries[:16], places)
    assert dict(totals.items()) == {OTHER_STACK: 6, 14: 5, 13: 4, 10: 1}
    assert dict(totals.kept({13, 10}).items()) == {13: 4, 10: 1}
    paths = StackTotals(Kind.PATHS)
    paths.add_entries(entries)
    assert dict(paths.items()) == {77: 15}


def test_a_sum_beyond_64_bits_ends_the_list() -> None:
    totals = StackTotals(Kind.PATHS)
    totals._values.update({1: 2**63 - 5, 2: 10, 3: 1})
    assert list(totals.items()) == [(1, 2**63 - 5), (2, 4)]


def test_a_location_that_looks_like_the_next_field_is_none() -> None:
    locations, values = block(1, b"\x02\x05\x12\x01"), block(2, b"\x07")
    assert parts_of(locations + values) == (locations, values, b"")


def test_labels_of_a_series_are_read_once() -> None:
    asked: list[Any] = []

    def execute(select: str, arguments: Any) -> Any:
        asked.append((select, arguments))
        return SimpleNamespace(fetchone=lambda: ('[["a", "b"]]', "cpu"))

    connection: Any = SimpleNamespace(execute=execute)
    series = SeriesLabels()
    assert [series.get(connection, 7) for _ in range(3)] == [("cpu", {"a": "b"})] * 3
    assert asked == [("SELECT labels, profile_type FROM series WHERE id = ?", (7,))]


@pytest.mark.parametrize(
    ("kind", "status"), [("application/json", 400), ("application/proto", 400), ("text/plain", 415)]
)
def test_a_call_of_another_type_is_told_which_are_taken(kind: str, status: int) -> None:
    noted: list[ConnectError] = []

    def refuse(_: Any) -> Any:
        raise ConnectError("why")

    request = Request.from_values(
        method="POST", data=b"", content_type=kind, environ_overrides={TICKET: SimpleNamespace(expect=lambda _: None)}
    )
    response = unary(request, 10, LabelNamesRequest, refuse, NO_DEADLINE, lambda _, error: noted.append(error))
    assert response.status_code == status
    (error,) = noted
    if status == 415:
        assert response.headers["Accept-Post"] == "application/json, application/proto"
        assert str(error) == "unsupported media type, supported: [application/json, application/proto]"
        assert (error.reason, response.data) == (Reason.MEDIA_TYPE, b"")
    else:
        assert response.get_json() == {"code": "invalid_argument", "message": "why"}


def test_a_name_alone_in_a_selector_is_that_of_the_metric() -> None:
    for selector in ('{"process_cpu"}', "process_cpu", "process_cpu{}"):
        (matcher,) = parse_selector(selector).matchers
        assert (matcher.name, matcher.operator, matcher.value) == ("__name__", "=", "process_cpu")
