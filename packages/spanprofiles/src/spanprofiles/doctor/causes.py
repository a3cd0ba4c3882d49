"""Why a span with a profile ID leads to no samples: each span on its own, compared with its siblings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from spanprofiles.doctor.observations import Link, Place
from spanprofiles.doctor.process_links import ProcessLinks, is_long, rates_by_name
from spanprofiles.doctor.processes import process_of
from spanprofiles.doctor.unlabelled import Group, lasts_ns
from spanprofiles.doctor.uploads import USUAL_INTERVAL_S, Arrival, Uploads
from spanprofiles.model import Span, languages
from spanprofiles.model.profile_types import Kind
from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS, is_too_short
from spanprofiles.model.unlabelled import Explains

_MOSTLY = 0.5


class Cause(Enum):
    """Why a span has no samples, or none where Grafana looks."""

    TOO_SHORT = "shorter than a few sample periods"
    WAITING = "waited instead of computing"
    NOT_ARRIVED = "its upload has not arrived yet"
    LOST = "no upload covers its time: lost or refused"
    UNLABELLED = "its CPU carries no span ID"
    OUTLASTED = "its work goes on after it has ended, and carries no span ID"
    DEAD_PROCESS = "nothing of its process is linked"
    UNEXPLAINED = "others like it have samples"
    UNCLEAR = "waited, or computed without its label: there is too little CPU to tell"
    FAR_AWAY = "its samples are dated where Grafana does not look"


#: Causes that come with sampling: nothing is wrong.
HARMLESS = frozenset({Cause.TOO_SHORT, Cause.WAITING, Cause.NOT_ARRIVED})


@dataclass(frozen=True)
class Explanation:
    """Why one span has no samples, or none where Grafana looks.

    Attributes:
        span: the span.
        cause: why.
        sentence: the cause with this span's figures.
    """

    span: Span
    cause: Cause
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as a JSON object."""
        return {
            "trace_id": self.span.trace_id,
            "span_id": self.span.span_id,
            "profile_id": self.span.profile_id,
            "name": self.span.name,
            "process": process_of(self.span),
            "duration_ns": self.span.duration_ns,
            "cause": self.cause.name.lower(),
            "sentence": self.sentence,
        }


def explain(
    focus: Sequence[Link],
    links: Sequence[Link],
    *,
    uploads: Uploads,
    outlasting: Mapping[str, Sequence[Span]],
    groups: Sequence[Group],
    processes: Sequence[ProcessLinks],
    kind: Kind,
) -> list[Explanation]:
    """Explain each span in question that leads to no samples, or to samples far from it.

    Args:
        focus: the spans in question.
        links: these spans and their siblings, to compare with.
        uploads: when their processes uploaded.
        outlasting: by span ID, the spans below that go on after the span has ended.
        groups: the spans without samples, with the CPU around them.
        processes: the processes of all these spans.
        kind: what the samples measure.
    """
    dead = {process.name for process in processes if process.is_dead}
    grouped = {link.span.span_id: group for group in groups for link in group.links}
    living = [link for link in links if is_long(link.span) and process_of(link.span) not in dead]
    explained = []
    for link in focus:
        if link.place is Place.EMBEDDED:
            continue
        if link.place is not Place.NOWHERE:
            explained.append(Explanation(link.span, Cause.FAR_AWAY, f"its samples are {_distance(link)} it"))
            continue
        later = outlasting.get(link.span.span_id, ())
        group = grouped.get(link.span.span_id)
        if group is not None and group.explains is Explains.YES and process_of(link.span) not in dead:
            explained.append(_unlabelled(link.span, group))
        elif kind is Kind.WALL and _is_late_of_wall(link.span, later, uploads):
            explained.append(_without_wall_time(link.span, later, uploads))
        else:
            name = link.span.name
            alike = (sibling for sibling in living if sibling.span.name == name and sibling is not link)
            rate, cpu_ns = rates_by_name(alike).get(name, (None, 0.0))
            explained.append(_explain(link.span, later, uploads, rate, cpu_ns, dead, group))
    return explained


def _unlabelled(span: Span, group: Group) -> Explanation:
    outlasting = group.outlasting.get(span.span_id, ())
    cause = Cause.OUTLASTED if outlasting else Cause.UNLABELLED
    return Explanation(span, cause, f"{_lasted(span, outlasting)}, and {cpu_without_id(group)}")


def _lasted(span: Span, outlasting: Sequence[Span]) -> str:
    lasted = f"it lasted {span.duration_ns / 1e6:.0f} ms"
    if not outlasting:
        return lasted
    last = max(outlasting, key=lambda span: span.end_ns)
    return f"{lasted}, {last.name!r} below it ran on for {(last.end_ns - span.end_ns) / 1e6:.0f} ms more"


def cpu_without_id(group: Group) -> str:
    """Say how much CPU without a span ID there is around a group of spans, and where it went."""
    cpu_ns = group.cpu.cpu_ns if group.cpu else 0.0
    named = _named(group)
    around = f"around the {len(group.links)} span(s) like it" if len(group.links) > 1 else "around it"
    spent = f"its process used {cpu_ns / 1e6:.0f} ms of CPU without a span ID {around}"
    return f"{spent}: {named}" if named else spent


def _is_late_of_wall(span: Span, outlasting: Sequence[Span], uploads: Uploads) -> bool:
    is_awaited = uploads.arrival(span) is Arrival.AWAITED
    return not is_awaited and not is_too_short(lasts_ns(span, outlasting))


def _without_wall_time(span: Span, outlasting: Sequence[Span], uploads: Uploads) -> Explanation:
    wall_ns = uploads.cpu_around_ns(span)
    return Explanation(
        span,
        Cause.UNCLEAR,
        f"{_lasted(span, outlasting)}, its process has {wall_ns / 1e6:.0f} ms of wall time in that time; wall"
        " time is sampled while a span waits, too: its samples carry no span ID, or its thread was not sampled",
    )


def _named(group: Group) -> str:
    return ", ".join(f"{name} {own_ns / 1e6:.0f} ms" for name, own_ns in group.functions.top)


def _explain(
    span: Span,
    outlasting: Sequence[Span],
    uploads: Uploads,
    rate: float | None,
    cpu_ns: float,
    dead: set[str],
    group: Group | None,
) -> Explanation:
    lasted = _lasted(span, outlasting)
    if process_of(span) in dead:
        return Explanation(span, Cause.DEAD_PROCESS, f"no span of its process is linked ({process_of(span)})")
    if is_too_short(lasts_ns(span, outlasting)):
        periods = span.duration_ns / SAMPLE_PERIOD_NS
        return Explanation(span, Cause.TOO_SHORT, f"{lasted}, {periods:.1f} sample periods of 10 ms")
    arrival = uploads.arrival(span)
    if arrival is Arrival.AWAITED:
        interval_s = uploads.interval_s or USUAL_INTERVAL_S
        ago_s = (uploads.now_ns - span.end_ns) / 1e9
        return Explanation(
            span, Cause.NOT_ARRIVED, f"it ended {ago_s:.1f} s ago, and uploads come every {interval_s:g} s or so"
        )
    is_computing = rate is not None and rate >= _MOSTLY and cpu_ns >= MANY_PERIODS * SAMPLE_PERIOD_NS
    around_ns = uploads.cpu_around_ns(span)
    if is_computing and (arrival is Arrival.MISSING or not around_ns):
        return Explanation(
            span,
            Cause.LOST,
            f"no profile covers its time, though others named {span.name!r} have {cpu_ns / 1e6:.0f} ms of CPU: the"
            " agent stopped, or its upload was lost or refused",
        )
    if is_computing:
        return Explanation(
            span,
            Cause.UNEXPLAINED,
            f"{lasted}, and {rate:.0%} of the others named {span.name!r} have samples, {cpu_ns / 1e6:.0f} ms of CPU"
            " each",
        )
    cpu = group.cpu if group is not None else None
    if group is not None and cpu is not None and group.explains is Explains.NO:
        spent = f"{cpu.cpu_ns / 1e6:.0f} ms of CPU without a span ID"
        others = f" around the {len(group.links)} span(s) like it" if group and len(group.links) > 1 else " around it"
        return Explanation(span, Cause.WAITING, f"{lasted}, and its process used {spent}{others}{_unseen(span)}")
    if cpu is None and around_ns <= SAMPLE_PERIOD_NS:  # so little cannot have been its work, whoever it belongs to
        return Explanation(span, Cause.WAITING, f"{lasted}, and its process used no CPU in that time{_unseen(span)}")
    compared = f"{rate:.0%} of the others named {span.name!r} have samples" if rate is not None else ""
    spent_ns = around_ns if cpu is None else cpu.cpu_ns
    whose = "" if cpu is None or not cpu.is_exact else " without a span ID"
    where = f" ({_named(group)})" if group is not None and group.functions.top else ""
    words = [lasted, f"its process used {spent_ns / 1e6:.0f} ms of CPU{whose} in that time{where}", compared]
    unsampled = group is not None and group.may_be_unsampled
    other = ", and that CPU is of a request that the tracer did not sample" if unsampled else ""
    return Explanation(
        span,
        Cause.UNCLEAR,
        f"{', '.join(word for word in words if word)}; it waited{other}, or its work carries no span ID",
    )


def _unseen(span: Span) -> str:
    """Say which work looks like waiting because the language's agent does not see it."""
    unseen = languages.of_resource(span.resource).unseen
    return f" ({unseen} would look the same)" if unseen else ""


def _distance(link: Link) -> str:
    side = "before" if link.is_earlier else "after"
    if link.dated_ms is None:
        return f"{'30 to 60 s' if link.place is Place.BUTTON else 'more than 60 s'} {side}"
    return f"{abs(link.span.start_ns / 1e6 - link.dated_ms) / 1000:.0f} s {side}"
