"""Servers with a few answers for the doctor's collectors, which keep what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from spanprofiles.clients import FoundTrace, ProfileQuery, ProfileSeries, PyroscopeClient, SpanExemplar, TempoClient
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.question import Question
from spanprofiles.model import FlameGraph, Trace
from tests.support.doctor import MS, NOW_NS, SERVICE

QUESTION = Question(SERVICE, NOW_NS)
SAMPLES = FlameGraph([(("work",), 30 * MS)])


@dataclass
class Pyroscope:
    """A Pyroscope with a few answers; an error among them is raised."""

    samples: Callable[[ProfileQuery], FlameGraph] = lambda _: FlameGraph()
    services: Any = (SERVICE,)
    exemplars: Any = ()
    asked: list[ProfileQuery] = field(default_factory=list)
    asked_for_refusals: int = 0

    def span_profile(self, query: ProfileQuery, _: Sequence[str]) -> FlameGraph:
        self.asked.append(query)
        return self.samples(query)

    def merged_profile(self, query: ProfileQuery) -> FlameGraph:
        self.asked.append(query)
        return self.samples(query)

    def profile_types(self, *_: object) -> list[str]:
        return [QUESTION.profile_type]

    def series(self, *_: object) -> list[dict[str, str]]:
        return [{"__profile_type__": QUESTION.profile_type}]

    def totals(self, *_: object) -> list[ProfileSeries]:
        return []

    def label_values(self, *_: object) -> list[str]:
        return list(given(self.services))

    def span_exemplars(self, *_: object) -> list[SpanExemplar]:
        return list(given(self.exemplars))

    def refusals(self, *_: object) -> tuple[()]:
        self.asked_for_refusals += 1
        return ()


@dataclass
class Tempo:
    """A Tempo with a few answers; an error among them is raised."""

    found: Callable[[str], Any] = lambda _: []
    stored: Sequence[Trace] = ()

    def tag_values(self, _: str) -> list[str]:
        return [SERVICE]

    def search(self, query: str, **_: object) -> list[FoundTrace]:
        return list(given(self.found(query)))

    def trace(self, trace_id: str) -> Trace | None:
        return next((trace for trace in self.stored if trace.trace_id == trace_id), None)

    def refusals(self, *_: object) -> tuple[()]:
        return ()


def given(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def case_of(tempo: Tempo | None = None, pyroscope: Pyroscope | None = None) -> Case:
    return Case(cast(TempoClient, tempo or Tempo()), cast(PyroscopeClient, pyroscope or Pyroscope()), QUESTION)


def assert_about_the_service(pyroscope: Pyroscope) -> None:
    """Check that no question goes beyond the service and the type of profile that the examination is about."""
    assert pyroscope.asked
    assert all(query.selector.startswith(f'{{service_name="{SERVICE}"') for query in pyroscope.asked)
    assert {query.profile_type for query in pyroscope.asked} == {QUESTION.profile_type}
