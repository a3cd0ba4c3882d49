"""What the collectors saw on the servers: plain data, one class for each kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from spanprofiles.clients import ProfileSeries, Refusal, SpanExemplar
from spanprofiles.clients.storage import NONE_FAILED, FailedWrites
from spanprofiles.doctor.processes import ProcessLabel
from spanprofiles.linking.grafana import GrafanaLink
from spanprofiles.model import CPU, Span, Trace, profilers
from spanprofiles.model.profilers import Profiler


@dataclass(frozen=True)
class ServerFacts:
    """One server.

    Attributes:
        name: Tempo or Pyroscope.
        url: its address.
        error: what went wrong, in a sentence; empty where it is ready.
        answers: whether it answered at all, if only "not ready".
        clock_ahead_s: its clock less this machine's, s; None where it does not tell the time.
        is_another: whether it is ready but is another kind of server.
        failed_writes: how often it reports that it could not write what it accepted.
    """

    name: str
    url: str
    error: str = ""
    answers: bool = True
    clock_ahead_s: float | None = None
    is_another: bool = False
    failed_writes: FailedWrites = NONE_FAILED


@dataclass(frozen=True)
class ProbedServer:
    """What became of the synthetic span, or of the synthetic profile.

    Attributes:
        server: Tempo or Pyroscope.
        url: where it was sent; empty where no address is known.
        sent: whether the server accepted it.
        came_back: whether the server gave it back and kept it.
        lost_after_s: seconds until the server lost it after giving it back, or None.
        error: why the server refused it, or could not give it back.
        waited_s: seconds until it came back, or until the time was up.
    """

    server: str
    url: str
    sent: bool = False
    came_back: bool = False
    lost_after_s: float | None = None
    error: str = ""
    waited_s: float = 0.0


@dataclass(frozen=True)
class TraceFacts:
    """Traces of the service.

    Attributes:
        services: all services that Tempo knows.
        traces: traces with spans of the service, newest first.
        by_samples: whether the search found none and the trace IDs on samples led to these.
        profiled: whether Pyroscope has profiles of the service; None where it was not asked.
        labelled: whether their samples carry span IDs; None where it was not asked.
        refused: what Tempo reports it refused, which may explain missing traces; asked for only where they are missing.
        refused_profiles: the same for Pyroscope; asked for only where it has no profile of the service either.
    """

    services: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()
    by_samples: bool = False
    profiled: bool | None = None
    labelled: bool | None = None
    refused: tuple[Refusal, ...] = ()
    refused_profiles: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class AroundSpans:
    """What the service's profiles hold in the time of some of its spans.

    Attributes:
        spans: how many spans.
        time_ns: how long at least one of them ran, ns.
        cpu_ns: CPU in the profiles of that time without imports of modules, ns; wall time where the service has
            profiles of it.
        exports_spans: whether these profiles show the export of spans, so that the agent runs in the spans' process.
    """

    spans: int
    time_ns: int
    cpu_ns: int
    exports_spans: bool


@dataclass(frozen=True)
class ProfileFacts:
    """Profiles of the service.

    Attributes:
        services: all services that Pyroscope has profiles of.
        series: the label sets of the service's profiles, without names that need quotes.
        signs: their labels that tell which profiler it is (:data:`spanprofiles.model.profilers.TELLING_LABELS`), and
            those with dots that tell which process.
        all_types: the profile types of all services.
        own_found: whether samples with the profile IDs of the newest spans are under the service's name.
        looked_at: the type of time that later hops look at: the one the user asks for, or its stand-in; empty for the
            first.
        carried_by: the other types whose samples carry those IDs, where samples of the type asked for do not.
        labelled: whether its samples carry other span IDs; asked for where they do not carry those of the newest spans.
        newest_ms: date of the newest profile of the service, ms since the epoch, or None.
        around: what its profiles hold around the newest spans; asked for where no sample carries a span ID.
        found_under: the other service names that have samples with these IDs.
        refused: what Pyroscope reports it refused; asked for where samples are missing.
    """

    services: tuple[str, ...] = ()
    series: tuple[Mapping[str, str], ...] = ()
    signs: tuple[Mapping[str, str], ...] = ()
    all_types: tuple[str, ...] = ()
    own_found: bool = False
    looked_at: str = ""
    carried_by: tuple[str, ...] = ()
    labelled: bool = False
    newest_ms: int | None = None
    around: AroundSpans | None = None
    found_under: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def has_span_names(self) -> bool:
        """Whether samples of the service carry the names of spans, which agents put beside their IDs."""
        return any("span_name" in labels for labels in self.series)

    @property
    def types(self) -> tuple[str, ...]:
        """The profile types of the service."""
        return tuple(sorted({labels["__profile_type__"] for labels in self.series if "__profile_type__" in labels}))

    @property
    def cannot_link(self) -> tuple[Profiler, ...]:
        """The profilers that took the profiles, where none of them can label samples by span; else none."""
        return profilers.cannot_link(self.signs or self.series)

    @property
    def foreign_labels(self) -> Mapping[str, str]:
        """Labels that another tracer put on samples, each with whose it is."""
        return profilers.foreign_labels((*self.series, *self.signs))


class Place(Enum):
    """How far the samples of a span are from where Grafana looks for them."""

    EMBEDDED = "within 30 s of the span"
    BUTTON = "within 60 s of the span"
    OUTSIDE = "more than 60 s from the span"
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class Link:
    """A local root span with a profile ID, and what it leads to.

    Attributes:
        span: the span.
        place: where its samples are.
        cpu_ns: their sum, ns; of wall time where they measure that, and 10 ms for each where they are counts.
        dated_ms: date of the profile that has them, ms since the epoch; known for some of those that lie outside.
        is_earlier: whether they lie before the span; None where they are within 30 s, or nowhere.
        profile_type: the type of profile that has them.
    """

    span: Span
    place: Place
    cpu_ns: int = 0
    dated_ms: int | None = None
    is_earlier: bool | None = None
    profile_type: str = CPU

    @property
    def is_linked(self) -> bool:
        """Whether the profile ID leads to samples, be it at an odd time."""
        return self.place is not Place.NOWHERE


@dataclass(frozen=True)
class LabelCheck:
    """A linked span whose samples were searched for labels that are not its own.

    Attributes:
        span: the span.
        late_ns: value of the samples with its ID in profiles that began well after it ended.
        foreign_ns: value of samples with its ID and the name of another span.
        own_ns: value of samples with its ID and its own name; asked for where there are foreign ones.
        neighbours: those of the foreign names that belong to spans that ran at the same time.
    """

    span: Span
    late_ns: int = 0
    foreign_ns: int = 0
    own_ns: int = 0
    neighbours: tuple[str, ...] = ()


GroupKey = tuple[str, str, bool]
"""What spans without samples are grouped by: their process, their name, and whether they are short."""


@dataclass(frozen=True)
class Functions:
    """Where CPU went.

    Attributes:
        top: functions with their own time, ns; the largest first, start-up left out.
        start_up_share: the share of start-up in what the program does, 0 to 1: imports of modules, and what the main
            program does beside the work of spans.
        working_ns: the rest, ns; None where only some of the spans were asked about.
        alike_share: the share of the rest that is on call paths of spans of other names, 0 to 1. A request that the
            tracer did not sample leaves CPU there, without a span ID.
        runtime_share: the share of the runtime's own threads in the whole, 0 to 1.
    """

    top: tuple[tuple[str, int], ...] = ()
    start_up_share: float = 0.0
    working_ns: int | None = None
    alike_share: float = 0.0
    runtime_share: float = 0.0


@dataclass(frozen=True)
class LinkFacts:
    """What the spans' profile IDs lead to.

    Attributes:
        links: the spans, newest first.
        exemplars: examples of spans that have samples of the service; None where the server cannot say.
        checks: the linked spans whose labels were checked.
        uploads: the sums of the profiles over time, by process where a label tells processes apart.
        unlabelled: the same for samples without a span ID; None where the server cannot tell.
        unlabelled_is_exact: whether all of that is known to carry no span ID.
        unlabelled_functions: the functions in it around spans without samples, by the group of spans.
        step_s: length of a step of time, s.
        process_label: the resource attribute and the label of profiles that both name the process, or None.
    """

    links: tuple[Link, ...] = ()
    exemplars: tuple[SpanExemplar, ...] | None = None
    checks: tuple[LabelCheck, ...] = ()
    uploads: tuple[ProfileSeries, ...] = ()
    unlabelled: tuple[ProfileSeries, ...] | None = None
    unlabelled_is_exact: bool = True
    unlabelled_functions: Mapping[GroupKey, Functions] = field(default_factory=dict)
    step_s: float = 1.0
    process_label: ProcessLabel | None = None


@dataclass(frozen=True)
class GrafanaCheck:
    """What Grafana makes of one linked span.

    Attributes:
        link: the button and its query, or why there is none.
        outcome: the result of the query, in a sentence; empty where there is no button.
        has_samples: whether the query found samples.
        embedded_is_drawn: whether Grafana draws the flame graph in the span's details; None where it does not try.
    """

    link: GrafanaLink
    outcome: str = ""
    has_samples: bool = False
    embedded_is_drawn: bool | None = None


@dataclass(frozen=True)
class GrafanaFacts:
    """Grafana's data sources, applied to some linked spans.

    Attributes:
        source: the Tempo data source, by UID.
        error: why its settings could not be read, or empty.
        is_silent: whether Grafana did not answer at all.
        checks: the spans.
    """

    source: str = ""
    error: str = ""
    is_silent: bool = False
    checks: tuple[GrafanaCheck, ...] = ()
