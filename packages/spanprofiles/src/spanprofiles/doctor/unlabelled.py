"""CPU without a span ID beside spans without samples: did the spans wait, or did their labels not follow their work?

Spans are grouped by process and name, because each alone has too few samples to tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from spanprofiles.doctor.observations import Functions, GroupKey, Link, LinkFacts, Place
from spanprofiles.doctor.processes import process_of
from spanprofiles.doctor.uploads import Arrival, Uploads
from spanprofiles.model import Span, Trace
from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS, is_too_short
from spanprofiles.model.unlabelled import (
    Explains,
    Interval,
    Timeline,
    UnlabelledCpu,
    length_ms,
    merged,
    unlabelled_cpu,
)

_NS_PER_MS = 1_000_000

# How long after a short span its process may still work for it, ms; and the least it must spend on each, ns.
_AFTERWARDS_MS = 2_000
_EACH_NS = MANY_PERIODS * SAMPLE_PERIOD_NS

# Linked spans count where their samples leave this share of their time open.
_OPEN_SHARE = 0.5

# This share of the time around short spans is more than it takes to answer requests.
_BUSY_SHARE = 0.3

# So much of the CPU lies in one burst if it may come from one or two requests.
_BURST_SHARE = 0.7

# The share of start-up in the CPU of a process that starts.
_MOSTLY_START_UP = 0.5


@dataclass(frozen=True)
class Group:
    """Spans of one name and process that have no samples of their own.

    Attributes:
        process: what tells the process from others.
        name: the spans' name.
        links: the spans.
        outlasting: by span ID, the spans below that go on after the span has ended.
        are_short: whether each of them, with what goes on after it, is so short that it may have no sample by chance.
        cpu: the CPU without a span ID around them; None where it is unknown.
        functions: where that CPU went.
        has_labels: whether any sample of the service is labelled. Where none is, the process's other CPU may be work of
            spans too.
    """

    process: str
    name: str
    links: tuple[Link, ...]
    outlasting: Mapping[str, tuple[Span, ...]]
    are_short: bool
    cpu: UnlabelledCpu | None
    functions: Functions = field(default_factory=Functions)
    has_labels: bool = True

    @property
    def explains(self) -> Explains:
        """Whether that CPU explains what the spans did."""
        if self.cpu is None:
            return Explains.PERHAPS
        if self.is_starting and self.cpu.explains is not Explains.YES:
            return Explains.PERHAPS  # the start may be what they did
        if not self.has_labels and self.cpu.explains is Explains.NO and not self.cpu.is_next_to_none:
            return Explains.PERHAPS
        if self.are_short and (
            self.cpu.usual_ns is None or self.cpu.cpu_ns - self.cpu.usual_ns < _EACH_NS * len(self.links)
        ):
            return Explains.PERHAPS
        if self.cpu.explains is Explains.YES and self.may_be_unsampled:
            return Explains.PERHAPS
        return self.cpu.explains

    @property
    def may_be_unsampled(self) -> bool:
        """Whether a request or two that the tracer did not sample explain that CPU as well.

        It then comes in one burst, on the call paths of spans of other names, and the rest is too little to be these
        spans' work.
        """
        if self.cpu is None or self.cpu.burst_share < _BURST_SHARE or not self.functions.alike_share:
            return False
        rest = replace(self.cpu, cpu_ns=self.cpu.cpu_ns * (1 - self.functions.alike_share))
        return rest.explains is not Explains.YES

    @property
    def is_undecided(self) -> bool:
        """Whether short spans have much CPU around them, and the process was never idle to compare it with."""
        cpu = self.cpu
        if not self.are_short or cpu is None or cpu.usual_ns is not None or self.is_starting:
            return False
        return cpu.cpu_ns >= max(_EACH_NS * len(self.links), _BUSY_SHARE * cpu.looked_at_ns)

    @property
    def is_starting(self) -> bool:
        """Whether most of that CPU is imports of modules, and other work of a main program that starts."""
        return self.functions.start_up_share >= _MOSTLY_START_UP

    @property
    def key(self) -> GroupKey:
        """What tells it from other groups."""
        return self.process, self.name, self.are_short

    def profiles_ms(self, span: Span, uploads: Uploads) -> Interval:
        """Return between which dates the profiles of one of its spans are, ms since the epoch."""
        return uploads.timeline_frame().profiles_of(*_busy(span, self.outlasting.get(span.span_id, ()), self.are_short))


def groups(
    found: LinkFacts, uploads: Uploads, outlasting: Mapping[str, tuple[Span, ...]], *, has_span_names: bool = False
) -> list[Group]:
    """Group the spans without samples by process, name and length, with the CPU around them.

    Spans whose upload may still come are left out.

    Args:
        found: what the spans' profile IDs lead to.
        uploads: when their processes uploaded.
        outlasting: by span ID, the spans below that go on after the span has ended.
        has_span_names: whether samples of the service carry the names of spans.
    """
    grouped: dict[GroupKey, list[Link]] = defaultdict(list)
    for link in found.links:
        if not link.is_linked and uploads.arrival(link.span) is not Arrival.AWAITED:
            are_short = is_too_short(lasts_ns(link.span, outlasting.get(link.span.span_id, ())))
            grouped[process_of(link.span), link.span.name, are_short].append(link)
    busy = {
        key: [_busy(link.span, outlasting.get(link.span.span_id, ()), key[2]) for link in links]
        for key, links in grouped.items()
    }
    has_labels = has_span_names or bool(found.exemplars) or any(link.is_linked for link in found.links)
    made = []
    for key, links in grouped.items():
        others = [interval for other, intervals in busy.items() if other != key for interval in intervals]
        cpu = _cpu_around(found, uploads, links, busy[key], others)
        if cpu is not None and key[2]:  # their own time explains next to nothing
            cpu = replace(cpu, open_ns=2.0 * _EACH_NS * len(links))
        later = {link.span.span_id: outlasting.get(link.span.span_id, ()) for link in links}
        functions = found.unlabelled_functions.get(key, Functions())
        if cpu is not None:
            cpu = replace(cpu, cpu_ns=_working_ns(cpu.cpu_ns, functions))
        made.append(Group(key[0], key[1], tuple(links), later, key[2], cpu, functions, has_labels))
    return made


def _working_ns(cpu_ns: float, functions: Functions) -> float:
    """Return the CPU without start-up, the runtime's own, and what the edges of time steps added, ns."""
    working_ns = cpu_ns * (1 - functions.runtime_share) * (1 - functions.start_up_share)
    return working_ns if functions.working_ns is None else min(working_ns, functions.working_ns)


def half_labelled(
    focus: Sequence[Link],
    found: LinkFacts,
    uploads: Uploads,
    outlasting: Mapping[str, tuple[Span, ...]],
    without: Sequence[Group],
) -> list[Group]:
    """Group linked spans whose own samples leave most of their time open, where CPU without a span ID fills it.

    Args:
        focus: the spans in question.
        found: what all spans' profile IDs lead to.
        uploads: when their processes uploaded.
        outlasting: by span ID, the spans below that go on after the span has ended.
        without: the groups of spans without samples; spans that ran beside those are left out.
    """
    frame = uploads.timeline_frame()
    elsewhere = merged(group.profiles_ms(link.span, uploads) for group in without for link in group.links)
    grouped: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in focus:
        if link.place is Place.EMBEDDED:
            start_ms, end_ms = frame.profiles_of(*_busy(link.span, outlasting.get(link.span.span_id, ()), False))
            if not any(start <= end_ms and start_ms <= end for start, end in elsewhere):
                grouped[process_of(link.span), link.span.name].append(link)
    made = []
    for (process, name), links in grouped.items():
        busy = [_busy(link.span, outlasting.get(link.span.span_id, ()), False) for link in links]
        cpu = _cpu_around(found, uploads, links, busy, elsewhere)
        if cpu is None or cpu.open_ns < _OPEN_SHARE * length_ms(merged(busy)) * _NS_PER_MS:
            continue
        later = {link.span.span_id: outlasting.get(link.span.span_id, ()) for link in links}
        group = Group(process, name, tuple(links), later, False, cpu)
        if group.explains is Explains.YES:
            made.append(group)
    return made


def outlasting_spans(links: Sequence[Link], traces: Sequence[Trace]) -> dict[str, tuple[Span, ...]]:
    """Return, by the ID of a span with a profile ID, the spans below it that go on after it has ended."""
    by_id = {trace.trace_id: trace for trace in traces}
    return {
        link.span.span_id: by_id[link.span.trace_id].outlasting(link.span)
        for link in links
        if link.span.trace_id in by_id
    }


def _cpu_around(
    found: LinkFacts, uploads: Uploads, links: Sequence[Link], busy: Sequence[Interval], others: Sequence[Interval]
) -> UnlabelledCpu | None:
    timeline = _timeline(found, uploads, links[0].span)
    if timeline is None:
        return None
    explained_ns = sum(link.cpu_ns for link in links)
    process = process_of(links[0].span)
    requests = [_busy(link.span, (), False) for link in found.links if process_of(link.span) == process]
    return unlabelled_cpu(busy, timeline, others=others, explained_ns=explained_ns, requests=requests)


def is_half_open(link: Link) -> bool:
    """Tell whether a linked span's own samples leave most of its time open."""
    return link.is_linked and link.cpu_ns < (1 - _OPEN_SHARE) * link.span.duration_ns


def lasts_ns(span: Span, outlasting: Sequence[Span]) -> int:
    """Return how long a span lasts with what goes on after it, ns."""
    return max([span.end_ns, *(later.end_ns for later in outlasting)]) - span.start_ns


def _busy(span: Span, outlasting: Sequence[Span], is_short: bool) -> Interval:
    end_ns = span.start_ns + lasts_ns(span, outlasting)
    afterwards_ms = _AFTERWARDS_MS if is_short else 0
    return span.start_ns // _NS_PER_MS, -(-end_ns // _NS_PER_MS) + afterwards_ms


def _timeline(found: LinkFacts, uploads: Uploads, span: Span) -> Timeline | None:
    if found.unlabelled is None:
        return None
    series = found.unlabelled
    label = found.process_label
    if label is not None:
        if not uploads.has_process(span):  # nothing is known of a process without profiles
            return None
        series = tuple(samples for samples in series if samples.labels.get(label.label, "") == label.value(span))
    summed: dict[int, float] = defaultdict(float)
    for samples in series:
        for time_ms, value in samples.points:
            summed[time_ms] += value
    frame = uploads.timeline_frame()
    points = tuple(sorted(summed.items()))
    return replace(frame, points=points, until_ms=uploads.now_ns / _NS_PER_MS, is_exact=found.unlabelled_is_exact)
