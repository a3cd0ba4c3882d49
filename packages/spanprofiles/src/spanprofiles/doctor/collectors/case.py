"""The case: what the collectors ask, and whom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from spanprofiles.clients import ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor.observations import ProfileFacts
from spanprofiles.doctor.question import Question
from spanprofiles.linking.grafana import DataSources
from spanprofiles.model import CPU, Credentials, Span
from spanprofiles.model.profile_types import stand_ins

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_AT_ONCE = 6

_MARGIN_S = 120
_FAR_MARGIN_S = 3600


@dataclass(frozen=True)
class Case:
    """One examination: its question, the servers to ask, and how much to ask them.

    Attributes:
        tempo: where traces are.
        pyroscope: where profiles are.
        question: what is asked; the facts hold the same one.
        stand_ins: the other types of time to ask for where a span has no samples of the question's type.
        most_traces: traces at most.
        most_spans: spans at most, each asked for its samples.
        deadline: when to stop asking span by span, in seconds of the monotonic clock.
        probe: whether to send a synthetic span and profile.
        otlp_http: where to send traces, or empty.
        credentials: for what is sent.
        probe_timeout_s: how long to wait for the probe to come back, s.
        sources: Grafana's data sources where the user gave them.
        grafana: the Grafana to ask for its data sources, where they were not given.
        tempo_uid: which of the Tempo data sources, where there are several.
    """

    tempo: TempoClient
    pyroscope: PyroscopeClient
    question: Question
    stand_ins: tuple[str, ...] = ()
    most_traces: int = 120
    most_spans: int = 200
    deadline: float = float("inf")
    probe: bool = False
    otlp_http: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    probe_timeout_s: float = 10.0
    sources: DataSources | None = None
    grafana: GrafanaClient | None = None
    tempo_uid: str | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    @property
    def service(self) -> str:
        """The service; empty where none is known."""
        return self.question.service

    @property
    def profile_type(self) -> str:
        """The type of profile to ask for."""
        return self.question.profile_type

    @property
    def selector(self) -> str:
        """The selector of the service's profiles."""
        return self.question.selector

    def window(self, selector: str | None = None) -> ProfileQuery:
        """Return a query for the whole time and a margin before it: profiles are dated by the start of their upload."""
        first, last = self.question.window_s
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

    def about(self, question: Question) -> Case:
        """Return the same case with another question."""
        return replace(self, question=question)

    def of_type(self, profile_type: str) -> Case:
        """Return the same case about profiles of a type."""
        if profile_type == self.profile_type:
            return self
        return replace(self, question=replace(self.question, profile_type=profile_type), stand_ins=())

    def looking_at(self, found: ProfileFacts) -> Case:
        """Return the same case about the type of profile that was found to have the spans' samples."""
        if not found.looked_at:
            return self
        others = stand_ins(found.types, found.looked_at) if self.profile_type == CPU else ()
        return replace(self.of_type(found.looked_at), stand_ins=others)

    @property
    def each_type(self) -> list[Case]:
        """The same case about each type of profile that may have a span's samples, the first one first."""
        return [self.of_type(profile_type) for profile_type in (self.profile_type, *self.stand_ins)]

    def each(self, ask: Callable[[_Asked], _Answer | None], asked: Sequence[_Asked]) -> list[_Answer]:
        """Ask about several items, a few at a time; leave out those without an answer, and those after the deadline.

        Raises:
            ClientError: a server failed.
        """
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
            answers = pool.map(lambda item: ask(item) if time.monotonic() < self.deadline else None, asked)
            return [answer for answer in answers if answer is not None]
