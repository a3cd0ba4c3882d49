"""What a profile in pprof says, at the edges: locations, functions, labels, IDs and fields."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Function, Label, Line, Location, Mapping, Profile, Sample, ValueType
from spanprofiles.embedded.pyroscope import pprof
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, SAMPLE_LABELS_LIMIT, SYMBOL_LENGTH_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.sample_parts import parts_of, serialized_samples
from spanprofiles.embedded.pyroscope.series import group_of
from spanprofiles.embedded.refusals import Reason
from tests.support.pprof_writer import block

NOW_NS = 1_700_000_000 * 10**9


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


def test_the_fields_of_a_sample_may_be_of_any_length() -> None:
    for count in (100, 20_000, 3_000_000):
        locations, values = block(1, bytes(count)), block(2, b"\x05")
        assert parts_of(locations + values) == (locations, values, b"")


def test_deep_stacks_are_told_apart_by_their_outermost_frames() -> None:
    deep = [Sample(location_id=[leaf] * DEPTH_LIMIT + [root] * 2, value=[1]) for leaf, root in ((1, 8), (8, 1), (1, 1))]
    (profile,) = split(whole(*deep, Sample(location_id=[3, *[1] * DEPTH_LIMIT, 8, 8], value=[1])))
    assert profile.values == {0: 2, 1: 1, 2: 1}
    assert [len(stack) for stack in profile.table.stacks] == [DEPTH_LIMIT] * 3


def test_a_location_that_looks_like_the_next_field_is_none() -> None:
    locations, values = block(1, b"\x02\x05\x12\x01"), block(2, b"\x07")
    assert parts_of(locations + values) == (locations, values, b"")
