"""Spans, links and facts as plain data for the judgements; rides with profiles for examinations of a real pair."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanprofiles.clients import ProfileSeries, PyroscopeClient, TempoClient
from spanprofiles.doctor import HOPS, Examination, Verdict
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import Link, LinkFacts, Place, ProfileFacts, TraceFacts
from spanprofiles.doctor.question import Question
from spanprofiles.linking import Linker, Waiting
from spanprofiles.model import CPU, AttributeValue, Endpoints, Span, SpanKind, Trace, new_span_id, new_trace_id
from tests.unit.conftest import otlp_span, push_profiles, push_spans, resource_spans

NOW_NS = 1_700_000_000_000_000_000
MS = 1_000_000
S = 1_000_000_000
SERVICE = "rides"
OWN = "its own"
QUIET = {Verdict.OK, Verdict.NOT_CHECKED}


def a_span(
    name: str = "GET /bike",
    *,
    ago_s: float = 60.0,
    ms: float = 100.0,
    host: str = "",
    profile_id: str | None = OWN,
    missing: str = "",
    kind: SpanKind = SpanKind.SERVER,
    parent_id: str | None = None,
    parent_is_remote: bool | None = None,
    service: str = SERVICE,
    trace_id: str = "",
    resource: Mapping[str, AttributeValue] | None = None,
) -> Span:
    """A span that began ``ago_s`` before NOW_NS."""
    span_id = new_span_id()
    start_ns = NOW_NS - int(ago_s * S)
    shown = span_id if profile_id == OWN else profile_id
    return Span(
        trace_id=trace_id or new_trace_id(),
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=start_ns + int(ms * MS),
        attributes={
            **({} if shown is None else {"pyroscope.profile.id": shown}),
            **({"pyroscope.profile.missing": missing} if missing else {}),
        },
        resource={"service.name": service, **({"host.name": host} if host else {}), **(resource or {})},
        parent_is_remote=parent_is_remote,
    )


def traced(*spans: Span) -> TraceFacts:
    """Each span in a trace of its own, unless they say otherwise."""
    grouped: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        grouped[span.trace_id].append(span)
    return TraceFacts((SERVICE,), tuple(Trace.of(trace_id, found) for trace_id, found in grouped.items()))


def linked(span: Span, cpu_ms: float = 100.0, place: Place = Place.EMBEDDED, **more: Any) -> Link:
    return Link(span, place, int(cpu_ms * MS), **more)


def unlinked(span: Span) -> Link:
    return Link(span, Place.NOWHERE)


def uploads(every_s: float = 1.0, *, until_s: float = 0.0, cpu_ms: float = 500.0, **labels: str) -> ProfileSeries:
    """Profiles of the last two minutes, up to so many seconds before NOW_NS."""
    count = int((120 - until_s) / every_s)
    last_ms = NOW_NS // MS - int(until_s * 1000)
    points = tuple((last_ms - int(index * every_s * 1000), cpu_ms * MS) for index in reversed(range(count)))
    return ProfileSeries(labels, points)


def cpu_at(*moments: tuple[float, float], **labels: str) -> ProfileSeries:
    """Profiles at some moments: so many seconds before NOW_NS, with so many ms of CPU each."""
    points = sorted((NOW_NS // MS - int(ago_s * 1000), cpu_ms * MS) for ago_s, cpu_ms in moments)
    return ProfileSeries(labels, tuple(points))


def facts(*links: Link, series: Sequence[ProfileSeries] | None = None, **more: Any) -> Facts:
    """What is known of some links, with uploads every second, which carry no span ID where no span is linked."""
    shown = (uploads(),) if series is None else tuple(series)
    unlabelled = () if any(link.is_linked for link in links) else shown
    known_of_links = {"unlabelled": unlabelled, **more.pop("found", {})}
    found = LinkFacts(links, uploads=shown, process_label=more.pop("process_label", None), **known_of_links)
    asked = {name: more.pop(name) for name in ("trace_id", "upload_interval_s") if name in more}
    known = {"traces": traced(*(link.span for link in links)), "profiles": profiled(), **more}
    return Facts(Question(SERVICE, NOW_NS, **asked), links=found, **known)


def profiled(**changes: Any) -> ProfileFacts:
    """Profiles of the service, under its name."""
    labels = {"service_name": SERVICE, "__profile_type__": CPU}
    known: dict[str, Any] = {"services": (SERVICE,), "series": (labels,), "all_types": (CPU,), "own_found": True}
    return ProfileFacts(**{**known, **changes})


@dataclass
class Ride:
    """One request, and what became of it.

    Attributes:
        ms: how long its span lasted.
        child_ms: how long its child span lasted.
        sampled_name: the span's name when its labels were made, where that is another.
    """

    name: str = "GET /bike"
    ago_s: float = 20.0
    ms: float = 100.0
    cpu_ms: float | None = None
    host: str = "h1"
    profile_id: str | None = OWN
    label: str = OWN
    child_ms: float | None = None
    sampled_name: str = ""
    trace_id: str = field(default_factory=new_trace_id)
    span_id: str = field(default_factory=new_span_id)


def rides(count: int = 12, **same: Any) -> list[Ride]:
    """Rides one after the other, the last of them 8 s ago."""
    return [Ride(ago_s=8.0 + index, **same) for index in range(count)]


def tell(
    pair: Endpoints,
    service: str,
    told: Sequence[Ride],
    *,
    agent_name: str | None = "",
    upload_s: float = 1.0,
    profiles_later_s: float = 0.0,
    tag: str = "hostname",
    idle_ms: float = 10.0,
    now_ns: int | None = None,
) -> None:
    """Send the rides' traces and profiles to a pair.

    Args:
        pair: where to.
        service: the tracer's service.name.
        told: the rides.
        agent_name: the agent's name for it; empty for the same, None for no agent.
        upload_s: the agent's upload interval, s; a profile is dated by its start.
        profiles_later_s: how far the agent's clock is ahead of the tracer's, s.
        tag: the agent's label for the host; empty for none.
        idle_ms: CPU outside of spans in each upload, ms.
        now_ns: the moment to count back from, ns since the epoch; by default this one.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    samples: dict[tuple[str, int], list[tuple[tuple[str, ...], int, Mapping[str, str]]]] = defaultdict(list)
    for ride in told:
        start_ns = now_ns - int(ride.ago_s * S)
        end_ns = start_ns + int(ride.ms * MS)
        own = ride.span_id if ride.profile_id == OWN else ride.profile_id
        root = otlp_span(ride.trace_id, ride.span_id, ride.name, profile_id=own, start_ns=start_ns, end_ns=end_ns)
        child = otlp_span(
            ride.trace_id,
            new_span_id(),
            "search",
            parent_id=ride.span_id,
            kind=1,
            start_ns=start_ns,
            end_ns=end_ns if ride.child_ms is None else start_ns + int(ride.child_ms * MS),
        )
        groups[ride.host] += [root, child]
        window = int(math.floor(start_ns / S / upload_s) * upload_s + profiles_later_s) * S
        host = {tag: ride.host} if tag else {}
        cpu_ns = int((ride.ms if ride.cpu_ms is None else ride.cpu_ms) * MS)
        label = ride.span_id if ride.label == OWN else ride.label
        labels = (
            {"span_id": label, "span_name": ride.sampled_name or ride.name, "trace_id": ride.trace_id} if label else {}
        )
        if cpu_ns:
            samples[ride.host, window].append((("serve", "search"), cpu_ns, {**host, **labels}))
        if idle_ms:
            samples[ride.host, window].append((("serve", "wait"), int(idle_ms * MS), host))
    push_spans(pair, *(_process(service, host, spans) for host, spans in groups.items()))
    if agent_name is not None and samples:
        push_profiles(pair, agent_name or service, ((found, window) for (_, window), found in samples.items()))


def _process(service: str, host: str, spans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    group = resource_spans(service, *spans)
    for key, value in (("host.name", host), ("telemetry.sdk.language", "python")):
        group["resource"]["attributes"].append({"key": key, "value": {"stringValue": value}})
    return group


def assert_silent(examination: Examination) -> None:
    """Check that the doctor finds nothing to say."""
    assert {finding.hop: finding.evidence for finding in examination.findings if finding.verdict not in QUIET} == {}
    assert examination.verdict is Verdict.OK
    assert examination.broken is None


def assert_broken(examination: Examination, hop: str, says: str) -> None:
    """Check which hop is broken, what is said of it, and that nothing is guessed after it."""
    assert examination.broken is not None, examination.lines()
    assert examination.broken.hop == hop, examination.lines()
    assert re.search(says, " ".join([*examination.broken.evidence, examination.broken.advice]))
    after = examination.findings[HOPS.index(hop) + 1 :]
    assert {finding.verdict for finding in after} <= {Verdict.NOT_CHECKED}, "it goes on guessing"


def linker_of(pair: Endpoints) -> Linker:
    """Return a linker of a pair that looks once."""
    return Linker(TempoClient(pair.tempo), PyroscopeClient(pair.pyroscope), waiting=Waiting(0))
