"""Most pushes are certain to be taken, which is told without reading them: those, and no push that is refused."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Label, Line, Location, Profile, Sample
from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, LINES_LIMIT, Quantity
from spanprofiles.embedded.pyroscope.push import profiles_of
from spanprofiles.embedded.pyroscope.quick_check import is_surely_taken
from spanprofiles.embedded.pyroscope.series import MADE_HERE
from tests.support.pprof_writer import push
from tests.unit.embedded.test_profiles import SPAN, TRACE, profile, sample

NOW_NS = time.time_ns()
NOW_S = NOW_NS // 10**9
SHOP = {"__name__": "process_cpu", "service_name": "shop"}


def labelled(**labels: str) -> PushRequest:
    """A push of a sample with these labels."""
    return request(profile({"stack": ["leaf"], "values": [1], "labels": labels}))


def request(*profiles: dict[str, Any], labels: Mapping[str, str] = SHOP) -> PushRequest:
    return PushRequest.FromString(push([{"labels": labels, "profiles": profiles}], NOW_S))


def is_taken(asked: PushRequest) -> bool:
    """Whether a push is taken, told by reading it."""
    try:
        profiles_of(asked, NOW_NS)
    except ConnectError:
        return False
    return True


def changed(asked: PushRequest, **fields: Any) -> PushRequest:
    """The push with other fields in its first profile."""
    raw = Profile.FromString(asked.series[0].samples[0].raw_profile)
    for name, value in fields.items():
        if isinstance(value, list):
            raw.ClearField(name)
            getattr(raw, name).extend(value)
        else:
            setattr(raw, name, value)
    asked.series[0].samples[0].raw_profile = raw.SerializeToString()
    return asked


SAMPLES = [
    sample(
        f"leaf {number % 7}", "main", value=number + 1, span_id=f"{number % 5:016x}", trace_id=TRACE, span_name="GET"
    )
    for number in range(400)
]
USUAL = profile(*SAMPLES)


@pytest.mark.parametrize(
    "asked",
    [
        request(USUAL),
        request(USUAL, USUAL),
        request(profile(sample("leaf"))),
        request(profile()),
        request(profile(sample("leaf", value=0), sample("leaf", value=-1))),
        request({"t": 0, "types": [["a", "b"], ["c", "d"]], "samples": [{"stack": ["leaf"], "values": [1, 2**40]}]}),
        request(profile(sample("función \u2028", region="größer", span_id="none"))),
    ],
    ids=["of the agent", "two profiles", "one sample", "no sample", "no value", "two types", "other letters"],
)
def test_a_push_as_agents_send_it_is_certain_to_be_taken(asked: PushRequest) -> None:
    assert is_surely_taken(asked, NOW_NS)
    assert is_taken(asked)


WRONG = {
    "no name of what is measured": request(USUAL, labels={"service_name": "shop"}),
    "too many labels": request(USUAL, labels=SHOP | {f"label {number}": "x" for number in range(29)}),
    "too long a label": request(USUAL, labels=SHOP | {"region": "x" * 2_049}),
    "too many labels of a sample": labelled(**{f"l{number}": "x" for number in range(29)}),
    "too long a label of a sample": request(profile(sample("leaf", region="x" * 2_049))),
    "too long a name of a label of a sample": labelled(**{"x" * 1_025: "x"}),
    "a label of a sample without a name": labelled(**{"": "x"}),
    "too many series": request(profile(*(sample("leaf", region=str(number)) for number in range(5_001)))),
    "an old profile": request(USUAL | {"t": -4_000}),
    "no type": changed(request(USUAL), sample_type=[]),
    "a value too few": changed(request(USUAL), sample=[Sample(location_id=[1])]),
    "a value too many": changed(request(USUAL), sample=[Sample(location_id=[1], value=[1, 300])]),
    "a label beyond the texts": changed(
        request(USUAL), sample=[Sample(location_id=[1], value=[1], label=[Label(key=1_000, str=1)])]
    ),
    "a label before the texts": changed(
        request(USUAL), sample=[Sample(location_id=[1], value=[1], label=[Label(key=1, str=-1)])]
    ),
    "a location's number that is zero": changed(request(USUAL), location=[Location(id=0)]),
}


@pytest.mark.parametrize("asked", WRONG.values(), ids=WRONG)
def test_a_push_that_is_refused_is_not_certain_to_be_taken(asked: PushRequest) -> None:
    assert not is_surely_taken(asked, NOW_NS)
    assert not is_taken(asked)


def with_lines(count: int) -> PushRequest:
    """A push with so many lines at one location."""
    asked = request(profile(sample("leaf")))
    raw = Profile.FromString(asked.series[0].samples[0].raw_profile)
    for line in range(1, count):
        raw.location[0].line.add(function_id=1, line=line)
    asked.series[0].samples[0].raw_profile = raw.SerializeToString()
    return asked


def test_of_lines_at_one_location_so_many_are_certain_and_more_are_refused() -> None:
    assert is_surely_taken(with_lines(LINES_LIMIT), NOW_NS)
    assert not is_surely_taken(with_lines(LINES_LIMIT + 1), NOW_NS)
    assert not is_taken(with_lines(LINES_LIMIT + 1))


def test_long_names_on_many_lines_are_not_certain_to_be_taken() -> None:
    lines = [Location(id=line, line=[Line(function_id=1, line=line)]) for line in range(1, 1_001)]
    samples = [Sample(location_id=range(1, 1_001), value=[1])]
    asked = changed(request(profile(sample("x" * 2_000))), location=lines, sample=samples)
    assert not is_surely_taken(asked, NOW_NS)
    assert not is_taken(asked)


@pytest.mark.parametrize(("letter", "is_certain"), [("x", True), ("é", False), ("\x01", False)])
def test_names_are_counted_as_long_as_they_may_be_written(letter: str, is_certain: bool) -> None:
    lines = [Location(id=line, line=[Line(function_id=1, line=line)]) for line in range(1, 71)]
    samples = [Sample(location_id=range(1, 71), value=[1])]
    asked = changed(request(profile(sample(letter * 1_000))), location=lines, sample=samples)
    assert is_surely_taken(asked, NOW_NS) is is_certain
    assert is_taken(asked)


def test_an_empty_push_is_not_certain_to_be_taken() -> None:
    assert not is_surely_taken(PushRequest(), NOW_NS)


def test_whatever_the_profile_what_is_certain_is_taken() -> None:
    """Profiles are changed at random, a field or a byte at a time."""
    dice = random.Random(5)
    base = request(profile(*SAMPLES[:20], sample("leaf", span_id=SPAN, region="eu")))
    certain = 0
    for _ in range(400):
        asked = PushRequest()
        asked.CopyFrom(base)
        raw = bytearray(asked.series[0].samples[0].raw_profile)
        for _ in range(dice.choice((1, 1, 2, 4))):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        asked.series[0].samples[0].raw_profile = bytes(raw)
        if is_surely_taken(asked, NOW_NS):
            certain += 1
            assert is_taken(asked)
    assert certain > 20


class Noted(Allowance):
    """Notes how much is taken of it."""

    taken: ClassVar[dict[Quantity, int]] = {}

    def take(self, quantity: Quantity, count: int) -> None:
        self.taken[quantity] = self.taken.get(quantity, 0) + count
        super().take(quantity, count)


def test_as_much_is_counted_as_a_push_may_bring_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Noted, "taken", {})
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.quick_check.Allowance", Noted)
    one = profile(
        sample("leaf", "main", region="eu", span_id=SPAN, trace_id=TRACE),
        sample("main", region="north", zone="a"),
        sample("main", value=3, region="eu"),
    )
    asked = request(one)
    raw = asked.series[0].samples[0].raw_profile
    texts = Profile.FromString(raw).string_table
    assert is_surely_taken(asked, NOW_NS)
    longest = max(len(text) for text in texts)
    assert longest > len("nanoseconds") == 11  # a name of a label, or an ID
    own = len("__name__process_cpuservice_nameshop")
    made = sum(len(name) + own + 5 * (1 + longest) for name in MADE_HERE)
    of_one = own + len("regionnorth") + len("zonea") + made
    # two regions or none, and one zone or none, make six series; there are no more than samples
    assert Noted.taken == {
        Quantity.BYTES: len(raw),
        Quantity.FRAMES: 3 * DEPTH_LIMIT,
        Quantity.VALUES: 3,
        Quantity.NAMES: 2 * 3 * longest,
        Quantity.SERIES: 3,
        Quantity.LABELS: 3 * of_one,
    }


def test_two_types_are_counted_twice_and_few_labels_make_few_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Noted, "taken", {})
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.quick_check.Allowance", Noted)
    samples = [{"stack": ["f"], "values": [number, 5], "labels": {"region": "eu"}} for number in range(1, 8)]
    assert is_surely_taken(request({"t": 0, "types": [["a", "b"], ["c", "d"]], "samples": samples}), NOW_NS)
    assert (Noted.taken[Quantity.VALUES], Noted.taken[Quantity.SERIES]) == (14, 4)


@pytest.mark.parametrize(("count", "is_certain"), [(28, True), (29, False)])
def test_labels_of_samples_are_counted_with_those_of_the_series(count: int, is_certain: bool) -> None:
    assert is_surely_taken(labelled(**{f"l{number}": "x" for number in range(count)}), NOW_NS) is is_certain
