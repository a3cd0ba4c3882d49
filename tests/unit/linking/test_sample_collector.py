"""When samples are complete, and how often the types of profiles are asked for; with a clock of the tests' own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from spanprofiles.clients import ProfileQuery, PyroscopeClient
from spanprofiles.linking import sample_collector
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.model import CPU, FlameGraph
from spanprofiles.waiting import Waiting
from tests.support.doctor import NOW_NS, S

WALL = "wall:wall:nanoseconds:wall:nanoseconds"
QUERY = ProfileQuery('{service_name="rides"}', 0, 1, CPU)


@dataclass
class Clock:
    """Both clocks, which stand still unless they are moved."""

    now_s: float = NOW_NS / S

    def time(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sample_collector, "time", clock)
    return clock


@dataclass
class Pyroscope:
    """A Pyroscope that has wall time alone, and counts how often it is asked for its types."""

    asked_for_types: list[str] = field(default_factory=list)

    def series(self, _start_ms: int, _end_ms: int, selectors: Sequence[str], _: object) -> list[dict[str, str]]:
        self.asked_for_types += selectors
        return [{"__profile_type__": WALL}]

    def span_profile(self, query: ProfileQuery, _: Sequence[str]) -> FlameGraph:
        return FlameGraph([(("wait",), 1)] if query.profile_type == WALL else [])


def collector(pyroscope: Pyroscope, **options: float) -> SampleCollector:
    return SampleCollector(cast(PyroscopeClient, pyroscope), **options)  # type: ignore[arg-type] # floats alone


@pytest.mark.parametrize(
    ("ago_s", "is_long"),
    [(0.0, False), (12.2, False), (12.3, True), (3600.0, True)],
)
def test_a_span_has_ended_long_ago_once_its_upload_must_be_there_by_any_clock(ago_s: float, is_long: bool) -> None:
    collected = collector(Pyroscope(), upload_interval_s=10.0, queryable_after_s=1.0)  # 0.25 s under way, clocks 1 s

    assert collected._has_ended_long_ago(NOW_NS - int(ago_s * S)) is is_long


def waiting(clock: Clock) -> Waiting:
    def sleep(seconds: float) -> None:
        clock.now_s += seconds

    return Waiting(0.0, first_s=0.5, longest_s=0.5, clock=clock.monotonic, sleep=sleep)


def test_a_span_is_asked_about_for_as_long_as_its_samples_can_take(clock: Clock) -> None:
    collected = collector(Pyroscope(), upload_interval_s=2.0, queryable_after_s=1.0)  # and 0.25 s under way
    answers: list[float] = []

    def ask() -> FlameGraph:
        answers.append(clock.now_s - NOW_NS / S)
        return FlameGraph([(("wait",), 10 * len(answers))])

    last = collected.await_uploads(ask, NOW_NS, waiting(clock), math.inf)

    assert answers == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.25]
    assert last.total == 80


@pytest.mark.parametrize(("enough_ns", "looks"), [(19, 2), (20, 3)])
def test_a_span_is_asked_about_no_more_once_it_has_more_than_is_enough(
    clock: Clock, enough_ns: float, looks: int
) -> None:
    graphs = [FlameGraph([(("wait",), 10 * (number + 1))]) for number in range(3)]
    left = iter(graphs)

    last = collector(Pyroscope()).await_uploads(lambda: next(left), NOW_NS, waiting(clock), enough_ns)

    assert last is graphs[looks - 1]


def test_a_span_that_ended_long_ago_is_asked_about_once(clock: Clock) -> None:
    only = FlameGraph()

    found = collector(Pyroscope()).await_uploads(iter([only]).__next__, NOW_NS - 3600 * S, waiting(clock), math.inf)

    assert found is only


def test_the_types_of_a_service_are_asked_for_once_a_second(clock: Clock) -> None:
    pyroscope = Pyroscope()
    collected = collector(pyroscope)
    asked = [(QUERY, ["1" * 16])]

    for moved_s in (0.0, 0.9, 0.2, 0.9):
        clock.now_s += moved_s
        assert not collected.ask(asked).is_empty

    assert pyroscope.asked_for_types == [QUERY.selector] * 2


def test_types_are_asked_for_again_after_a_second_whenever_the_clock_began(clock: Clock) -> None:
    pyroscope = Pyroscope()
    collected = collector(pyroscope)
    clock.now_s = -100.0
    times = [-100.0, -99.5, -99.0, -98.5, -98.0]

    for clock.now_s in times:
        assert not collected.ask([(QUERY, ["1" * 16])]).is_empty

    assert len(pyroscope.asked_for_types) == 3


def test_the_types_of_each_selector_are_asked_for() -> None:
    pyroscope = Pyroscope()
    collected = collector(pyroscope)
    others = ProfileQuery('{service_name="shop"}', 0, 1, CPU)

    for query in (QUERY, others, QUERY):
        assert not collected.ask([(query, ["1" * 16])]).is_empty

    assert pyroscope.asked_for_types == [QUERY.selector, others.selector]
