"""What is asked, and of whom: what all collectors have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from spanprofiles.clients import ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.model import CPU, Credentials, Span
from spanprofiles.model.selector import service_selector

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_AT_ONCE = 6

#: Pyroscope takes profiles up to 10 min ahead of its clock; spans may be as far ahead.
AHEAD_S = 600

_MARGIN_S = 120
_FAR_MARGIN_S = 3600
_MOST_STEPS = 2000

# of one trace, on either side: Pyroscope answers no window of more than 24 h
_MOST_BESIDE_S = 10 * 3600


@dataclass(frozen=True)
class Case:
    """One examination's question.

    Attributes:
        tempo: where traces are.
        pyroscope: where profiles are.
        service: the service; empty where none is known.
        now_ns: when, ns since the epoch.
        since_s: how far back, s.
        trace_id: look at this trace alone, or an empty text.
        profile_type: which profiles.
        stand_ins: the other types of time that are asked for a span without samples of that type.
        most_traces: traces at most.
        most_spans: spans at most, each asked for its samples.
        otlp_http: where traces are sent to, or empty.
        credentials: for what is sent.
        probe_timeout_s: how long to wait for the probe to come back, s.
        around_ns: start and end of the one trace, ns since the epoch.
        deadline: when to stop asking span by span, in seconds of the monotonic clock.
    """

    tempo: TempoClient
    pyroscope: PyroscopeClient
    service: str
    now_ns: int
    since_s: float = 900.0
    trace_id: str = ""
    profile_type: str = CPU
    stand_ins: tuple[str, ...] = ()
    most_traces: int = 120
    most_spans: int = 200
    otlp_http: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    probe_timeout_s: float = 10.0
    around_ns: tuple[int, int] | None = None
    deadline: float = float("inf")

    @property
    def window_s(self) -> tuple[float, float]:
        """The time that is looked at, s since the epoch: the last while, or as long before and after the one trace."""
        if self.around_ns is not None:
            first, last = self.around_ns
            margin_s = min(self.since_s, _MOST_BESIDE_S)
            return first / 1e9 - margin_s, min(last / 1e9 + margin_s, self.now_ns / 1e9 + AHEAD_S)
        return self.now_ns / 1e9 - self.since_s, self.now_ns / 1e9 + AHEAD_S

    @property
    def step_s(self) -> float:
        """The length of a step when that time is looked at by steps, s."""
        first, last = self.window_s
        return max(1.0, (last - first) / _MOST_STEPS)

    @property
    def selector(self) -> str:
        """The selector of the service's profiles."""
        return service_selector(self.service)

    def window(self, selector: str | None = None) -> ProfileQuery:
        """Return a query for the whole time; a bit more of it, since profiles are dated by the start of uploads."""
        first, last = self.window_s
        return ProfileQuery(
            self.selector if selector is None else selector,
            int((first - _MARGIN_S) * 1000),
            int(last * 1000),
            self.profile_type,
        )

    def around(self, span: Span, margin_s: float, selector: str | None = None) -> ProfileQuery:
        """Return a query for the time of a span, as Grafana makes it with that margin."""
        selector = self.selector if selector is None else selector
        return ProfileQuery.around(span, int(margin_s * 1000), selector=selector, profile_type=self.profile_type)

    def far_around(self, spans: Iterable[Span]) -> ProfileQuery:
        """Return a query for an hour on either side of some spans."""
        margin_ms = _FAR_MARGIN_S * 1000
        return ProfileQuery.around_all(spans, margin_ms, selector=self.selector, profile_type=self.profile_type)

    def of_type(self, profile_type: str) -> Case:
        """Return the same question about profiles of a type."""
        return self if profile_type == self.profile_type else replace(self, profile_type=profile_type, stand_ins=())

    @property
    def each_type(self) -> list[Case]:
        """The same question about each type of profile that may have a span's samples, the first one first."""
        return [self.of_type(one) for one in (self.profile_type, *self.stand_ins)]

    def each(self, ask: Callable[[_Asked], _Answer | None], asked: Sequence[_Asked]) -> list[_Answer]:
        """Ask the same of several, a few at once; leave out those that have no answer, or come after the deadline.

        Raises:
            ClientError: a server failed.
        """
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
            answers = pool.map(lambda one: ask(one) if time.monotonic() < self.deadline else None, asked)
            return [one for one in answers if one is not None]
