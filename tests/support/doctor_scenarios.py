"""Situations that the doctor judges, and what it says of each, word for word.

    python -m tests.support.doctor_scenarios

writes what it says into ``tests/unit/doctor/said.yaml``: look at the difference before you commit it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import yaml

from spanprofiles.clients import Refusal, SpanExemplar
from spanprofiles.clients.storage import FailedWrites
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import ORDER
from spanprofiles.doctor.observations import (
    AroundSpans,
    Functions,
    GrafanaCheck,
    GrafanaFacts,
    LabelCheck,
    Link,
    Place,
    ProbedServer,
    ServerFacts,
    TraceFacts,
)
from spanprofiles.doctor.processes import ProcessLabel
from spanprofiles.doctor.question import Question
from spanprofiles.linking.grafana import DataSource, GrafanaLink, SpanProfileQuery
from spanprofiles.model import CPU, Span, SpanKind
from tests.support.doctor import (
    MS,
    NOW_NS,
    OWN,
    SERVICE,
    a_span,
    cpu_at,
    facts,
    linked,
    profiled,
    traced,
    unlinked,
    uploads,
)

SAID = Path(__file__).parents[1] / "unit" / "doctor" / "said.yaml"
_MADE = "5a5a5a5a"
WALL = "wall:wall:nanoseconds:wall:nanoseconds"
MEMORY = "memory:alloc_space:bytes:space:bytes"
TEMPO, PYROSCOPE = ServerFacts("Tempo", "http://t"), ServerFacts("Pyroscope", "http://p")
LATELY = Refusal("Pyroscope", 9, "profile upload", "not_in_ingestion_window", "too old", "", "h1", 4, 995.0, 0.0, 998.0)
EXPORTS = Refusal("Tempo", 12, "export", "unsupported_content_encoding", "no br", "", "h1", 12, 995.0, 0.0, 998.0)
SPAN_BACK = ProbedServer("Tempo", "http://o", sent=True, came_back=True, waited_s=0.1)
PROFILE_BACK = ProbedServer("Pyroscope", "http://p", sent=True, came_back=True, waited_s=0.2)
HOSTS = ProcessLabel("host.name", "hostname")


def asked(service: str = SERVICE, *, trace_id: str = "", profile_type: str = CPU, **known: Any) -> Facts:
    return Facts(Question(service, NOW_NS, trace_id=trace_id, profile_type=profile_type), **known)


def child_of(span: Span, **more: Any) -> Span:
    options = {"parent_id": span.span_id, "kind": SpanKind.INTERNAL, "profile_id": None, "trace_id": span.trace_id}
    return a_span("search", **{**options, **more})


def away(ago_s: float, by_s: float, place: Place) -> Link:
    span = a_span(ago_s=ago_s)
    return linked(span, place=place, is_earlier=by_s < 0, dated_ms=span.start_ns // MS + int(by_s * 1000))


def button(link: Link, *, asks: str = CPU, selector: str = '{job="rides"}', **found: Any) -> GrafanaCheck:
    query = SpanProfileQuery("pyroscope", selector, (link.span.span_id,), asks, 0, 1) if selector else None
    made = GrafanaLink(link.span, cast(DataSource, None), query, explanation="" if query else "it has no button")
    return GrafanaCheck(made, **found)


def bikes(count: int = 10, **more: Any) -> list[Link]:
    return [linked(a_span(ago_s=60 + index, **more)) for index in range(count)]


def situations() -> dict[str, Facts]:
    """Return the situations; each name begins with the hop that judges it."""
    found: dict[str, Facts] = {}
    add_servers(found)
    add_traces_and_profiles(found)
    add_identifiers(found)
    add_labels(found)
    add_links(found)
    add_times_and_grafana(found)
    return found


def add_servers(found: dict[str, Facts]) -> None:
    starting = replace(PYROSCOPE, error="Pyroscope is not ready at http://p: 503 starting")
    silent = replace(TEMPO, error="Tempo does not answer at http://t", answers=False)
    other = replace(TEMPO, error="the server at http://t is ready, but is not Tempo", answers=False, is_another=True)
    full = replace(TEMPO, failed_writes=FailedWrites("Tempo", 3, 600))
    again = replace(full, failed_writes=FailedWrites("Tempo", 3, 600, goes_on=False))
    for name, servers in {
        "both are ready": (TEMPO, PYROSCOPE),
        "one is not ready": (TEMPO, starting),
        "one does not answer": (silent, PYROSCOPE),
        "one is another server": (other, PYROSCOPE),
        "both are other servers": (other, replace(other, name="Pyroscope")),
        "one cannot write": (full, PYROSCOPE),
        "one writes again": (again, PYROSCOPE),
    }.items():
        found[f"servers: {name}"] = asked(servers=servers)
    found["probe: not asked for"] = asked()
    for name, probed in {
        "both come back": (SPAN_BACK, PROFILE_BACK),
        "the profile is refused": (SPAN_BACK, ProbedServer("Pyroscope", "http://p", error="500")),
        "the profile is dropped": (SPAN_BACK, ProbedServer("Pyroscope", "http://p", sent=True, waited_s=10)),
        "the span is dropped with an error": (
            ProbedServer("Tempo", "http://o", sent=True, error="502", waited_s=9),
            PROFILE_BACK,
        ),
        "the span is lost": (ProbedServer("Tempo", "http://o", sent=True, lost_after_s=1.4, waited_s=3), PROFILE_BACK),
        "no address for spans": (ProbedServer("Tempo", ""), PROFILE_BACK),
    }.items():
        found[f"probe: {name}"] = asked(probed=probed)


def add_traces_and_profiles(found: dict[str, Facts]) -> None:
    root = a_span()
    found["traces: one with a child"] = asked(traces=traced(root, child_of(root)))
    found["traces: found by samples"] = asked(traces=replace(traced(root), by_samples=True))
    found["traces: child spans alone"] = asked(traces=traced(child_of(root)))
    found["traces: nothing at all"] = asked("", traces=TraceFacts(profiled=False))
    found["traces: nothing, and exports were refused"] = asked(traces=TraceFacts(refused=(EXPORTS,)))
    found["traces: another spelling"] = asked("ride_sharing", traces=TraceFacts(("ride-sharing", "ride-shares")))
    found["traces: unknown service"] = asked("x", traces=TraceFacts(("shop",), profiled=True, labelled=True))
    found["traces: none of late, unsampled"] = asked(traces=TraceFacts((SERVICE,), profiled=True, labelled=False))
    found["traces: none of late"] = asked(traces=TraceFacts((SERVICE,), profiled=True))
    trace_id = "ab" * 16
    other = a_span(service="shop", trace_id=trace_id)
    found["traces: the trace is not there"] = asked(trace_id=trace_id, traces=TraceFacts((SERVICE,)))
    found["traces: the trace is of others"] = asked(
        trace_id=trace_id, traces=replace(traced(other), services=(SERVICE, "shop"))
    )
    spans = traced(*(a_span(ago_s=60 + index, ms=400) for index in range(12)))
    none = profiled(own_found=False, looked_at=CPU)
    found["profiles: there are some"] = asked(profiles=profiled())
    found["profiles: none of any service"] = asked(traces=spans, profiles=profiled(services=()))
    found["profiles: of others, and some were refused"] = asked(
        traces=spans, profiles=profiled(services=("shop", "ridez"), series=(), refused=(LATELY,))
    )
    found["profiles: under another name"] = asked(profiles=profiled(services=("shop",), found_under=("shop",)))
    for name, around in {
        "the agent runs in the parent": AroundSpans(12, 4_800 * MS, 9 * MS, exports_spans=False),
        "it exports spans": AroundSpans(12, 4_800 * MS, 9 * MS, exports_spans=True),
        "too few spans": AroundSpans(4, 4_800 * MS, 9 * MS, exports_spans=False),
        "too short spans": AroundSpans(12, 999 * MS, 9 * MS, exports_spans=False),
        "too much CPU": AroundSpans(12, 4_800 * MS, 481 * MS, exports_spans=False),
    }.items():
        found[f"profiles: {name}"] = asked(traces=spans, profiles=replace(none, around=around))
    found["service name: the same"] = asked(profiles=profiled())
    found["service name: another"] = asked(
        traces=spans, profiles=profiled(services=("shop",), own_found=False, found_under=("shop",))
    )
    found["service name: both names"] = asked(traces=spans, profiles=profiled(found_under=("shop", "other")))
    found["service name: spelled otherwise"] = asked("ride.app", profiles=profiled(services=("ride_app",)))
    memory = {"service_name": SERVICE, "__profile_type__": MEMORY}
    wall = {"service_name": SERVICE, "__profile_type__": WALL}
    cpu = {"service_name": SERVICE, "__profile_type__": CPU}
    found["profile type: the one asked for"] = asked(profiles=profiled())
    found["profile type: memory alone"] = asked(profiles=profiled(series=(memory,)))
    found["profile type: memory alone, and IDs on it"] = asked(
        profiles=profiled(series=(memory,), carried_by=(MEMORY,), all_types=(MEMORY,))
    )
    found["profile type: another was asked for"] = asked(
        profile_type=MEMORY, profiles=profiled(carried_by=(CPU,), all_types=(CPU, MEMORY))
    )
    found["profile type: asked for, and IDs on another"] = asked(
        profile_type=MEMORY, profiles=profiled(series=(memory, cpu), carried_by=(CPU,))
    )
    found["profile type: wall time in place of CPU"] = asked(
        profiles=profiled(series=(wall,), looked_at=WALL, carried_by=(WALL,))
    )
    found["profile type: wall time beside CPU"] = asked(
        profiles=profiled(series=(wall, cpu), looked_at=WALL, carried_by=(WALL,))
    )
    found["profile type: wall time without IDs"] = asked(profiles=profiled(series=(wall,), looked_at=WALL))


def add_identifiers(found: dict[str, Facts]) -> None:
    root, copied = a_span(), a_span("GET /car")
    python, go = ({"telemetry.sdk.language": name, "telemetry.sdk.name": "opentelemetry"} for name in ("python", "go"))
    no_agent = "no agent in this process"
    bare = a_span(profile_id=None, resource=go)
    for name, spans in {
        "each has one": (root, child_of(root), child_of(root, profile_id="its own")),
        "no local root": (child_of(root),),
        "none has one": (a_span(profile_id=None, resource=go), a_span("GET /car", profile_id=None, resource=python)),
        "child spans alone have one": (bare, *(child_of(bare, profile_id=OWN, resource=go) for _ in range(2))),
        "one process without": (a_span(host="h1"), a_span(host="h2", profile_id=None)),
        "now and then": (a_span(host="h1"), a_span(host="h1", profile_id=None)),
        "withheld now and then": (a_span(), a_span(profile_id=None, missing=no_agent, resource=python)),
        "withheld": tuple(a_span(profile_id=None, missing=no_agent, resource=python) for _ in range(2)),
        "withheld here, missing there": (
            a_span(host="h1", profile_id=None, missing=no_agent, resource=python),
            a_span(host="h2", profile_id=None, resource=python),
        ),
        "traced from outside": (a_span(profile_id=None, resource={"telemetry.distro.name": "beyla", **go}),),
    }.items():
        found[f"profile ID: {name}"] = asked(traces=traced(*spans))
    for name, spans in {
        "each its own": (root, copied),
        "none": (a_span(profile_id=None),),
        "another span's": (root, a_span(profile_id=root.span_id)),
        "a stranger's": (root, a_span(profile_id="00000000000000ff")),
        "malformed": (root, a_span(profile_id="tomorrow"), a_span(profile_id="0" * 16)),
    }.items():
        found[f"own ID: {name}"] = asked(traces=traced(*spans))
    late, foreign = LabelCheck(root, late_ns=30 * MS), LabelCheck(root, foreign_ns=20 * MS)
    mixed = LabelCheck(root, foreign_ns=20 * MS, own_ns=80 * MS, neighbours=("GET /car",))
    for name, checks in {
        "in order": (LabelCheck(root), LabelCheck(copied)),
        "nothing to check": (),
        "samples after the end": (late, LabelCheck(copied)),
        "a neighbour's name": (mixed, LabelCheck(copied)),
        "another name": (foreign, replace(mixed, own_ns=0)),
    }.items():
        found[f"one span a sample: {name}"] = facts(
            linked(root), found={"checks": checks}, profiles=profiled(refused=(LATELY,))
        )


def add_labels(found: dict[str, Facts]) -> None:
    exemplar = SpanExemplar("00000000000000ab", NOW_NS // MS, 10 * MS)
    lost = [unlinked(a_span("GET /report", ago_s=60 - 8 * index, ms=400)) for index in range(3)]
    burst = cpu_at((110, 10), *((59.5 - 8 * index, 360) for index in range(3)))
    key = ("the only process that its resource names", "GET /report", False)
    where = {"unlabelled": (burst,), "unlabelled_functions": {key: Functions((("search", 300 * MS),))}}
    waiting = [unlinked(a_span("GET /receipt", ago_s=60 + index, ms=400)) for index in range(3)]
    found["sample labels: all linked"] = facts(*bikes(3))
    found["sample labels: work elsewhere"] = facts(*bikes(3), *lost, found=where, upload_interval_s=1.0)
    found["sample labels: work elsewhere, of one in many"] = facts(
        *bikes(60), *lost, found=where, upload_interval_s=1.0
    )
    found["sample labels: nothing labelled"] = facts(
        *lost, found={**where, "exemplars": ()}, profiles=profiled(own_found=False, refused=(LATELY,))
    )
    found["sample labels: other IDs"] = facts(*waiting, found={"exemplars": (exemplar,)})
    found["sample labels: too young"] = facts(unlinked(a_span(ago_s=1)), series=[], found={"exemplars": ()})
    found["sample labels: too little to tell"] = facts(
        *(unlinked(a_span(ms=5)) for _ in range(2)), series=[uploads(cpu_ms=1)], found={"exemplars": ()}
    )
    found["sample labels: a profiler that cannot"] = facts(
        *waiting, found={"exemplars": ()}, profiles=profiled(own_found=False, signs=({"pyroscope_spy": "ebpfspy"},))
    )
    wall = {"service_name": SERVICE, "__profile_type__": WALL}
    found["sample labels: wall time without IDs"] = facts(
        *(unlinked(a_span(ms=900, ago_s=60 + index)) for index in range(3)),
        found={"exemplars": (), "unlabelled": None},
        profiles=profiled(own_found=False, series=(wall,), looked_at=WALL),
    )
    half = [linked(a_span("GET /mixed", ago_s=60 - 8 * index, ms=400), cpu_ms=40) for index in range(3)]
    found["sample labels: half of it elsewhere"] = facts(*half, found={"unlabelled": (burst,)}, upload_interval_s=1.0)
    busy = cpu_at(*((3.0 + 0.5 * index, 450) for index in range(14)))
    short = [unlinked(a_span("GET /stream", ago_s=4 + index, ms=2)) for index in range(6)]
    found["sample labels: never idle"] = facts(
        *short, found={"unlabelled": (busy,), "exemplars": None}, upload_interval_s=1.0
    )


def add_links(found: dict[str, Facts]) -> None:
    exemplar = SpanExemplar("00000000000000ab", 0, 1)
    receipts = [unlinked(a_span("GET /receipt", ago_s=60 + index, ms=400)) for index in range(4)]
    found["link: all linked"] = facts(*bikes())
    found["link: short and waiting"] = facts(*bikes(), unlinked(a_span("GET /quote", ms=20)), *receipts)
    found["link: waited, as far as one can see"] = facts(unlinked(a_span(ms=400)), series=[uploads(cpu_ms=1)])
    found["link: too little to tell"] = facts(unlinked(a_span(ms=400)), found={"unlabelled": (uploads(),)})
    found["link: too young"] = facts(*(unlinked(a_span(ago_s=1)) for _ in range(3)), series=[uploads(until_s=2)])
    found["link: others have samples"] = facts(*bikes(), *(unlinked(a_span(ago_s=60 + index)) for index in range(4)))
    found["link: one in ten"] = facts(*bikes(), unlinked(a_span()))
    found["link: lost uploads"] = facts(
        *(linked(a_span(ago_s=100 - index)) for index in range(10)),
        *(unlinked(a_span(ago_s=50 - index)) for index in range(5)),
        series=[uploads(until_s=60)],
        profiles=profiled(refused=(LATELY,)),
    )
    dead = [unlinked(a_span(host="h2", ago_s=60 + index)) for index in range(8)]
    found["link: a dead process"] = facts(*bikes(8, host="h1"), *dead)
    found["link: a dead process without profiles"] = facts(
        *bikes(8, host="h1"),
        *dead[:2],
        process_label=HOSTS,
        series=[uploads(hostname="h1")],
        profiles=profiled(refused=(LATELY,)),
    )
    strangers = [unlinked(a_span(f"GET /{index}", ms=800)) for index in range(4)]
    found["link: strange IDs"] = facts(*strangers, found={"exemplars": (exemplar,)})
    found["link: strange IDs that are not listed"] = facts(*strangers, found={"exemplars": None})
    found["link: far away"] = facts(away(90, -300, Place.OUTSIDE), away(60, 40, Place.BUTTON))
    wall = {"service_name": SERVICE, "__profile_type__": WALL}
    found["link: no wall time"] = facts(
        *(unlinked(a_span(ms=400, ago_s=60 + index)) for index in range(3)),
        found={"unlabelled": None},
        profiles=profiled(series=(wall,), looked_at=WALL),
    )


def add_times_and_grafana(found: dict[str, Facts]) -> None:
    caller = a_span(ago_s=60)
    callee = a_span(ago_s=70, parent_id=caller.span_id, parent_is_remote=True, trace_id=caller.trace_id)
    off = (replace(TEMPO, clock_ahead_s=30.04), replace(PYROSCOPE, clock_ahead_s=-7.0))
    near = (replace(TEMPO, clock_ahead_s=0.44),)
    minute = [away(60, -35, Place.BUTTON), away(50, -45, Place.BUTTON), away(40, -65, Place.OUTSIDE)]
    found["clocks: agreed"] = facts(*bikes(2), servers=near)
    found["clocks: samples before"] = facts(away(90, -300, Place.OUTSIDE), away(60, -300, Place.OUTSIDE))
    found["clocks: samples after"] = facts(away(90, 100, Place.OUTSIDE), away(60, 100, Place.OUTSIDE))
    found["clocks: a span of the future"] = facts(linked(a_span(ago_s=-30)))
    found["clocks: servers off"] = facts(linked(a_span(ago_s=-30)), servers=off)
    found["clocks: before its caller"] = facts(linked(caller), linked(callee))
    for interval_s in (14.0, 15.0, 60.0):
        found[f"clocks: uploads every {interval_s:g} s"] = facts(*minute[:1], series=[uploads(interval_s)])
    found["clocks: too far for the uploads"] = facts(away(60, -35, Place.BUTTON), series=[uploads(30.0)])
    found["clocks: as far as the uploads"] = facts(away(60, -32, Place.BUTTON), series=[uploads(30.0)])
    found["window: near"] = facts(*bikes(2))
    found["window: near, of an unknown interval"] = facts(*bikes(2), series=[])
    found["window: missed"] = facts(*bikes(1), *minute, series=[uploads(60.0)])
    found["window: missed, of an unknown interval"] = facts(*minute, series=[])
    found["window: nothing linked"] = facts(unlinked(a_span()))
    link, wall = linked(a_span()), linked(a_span(), profile_type=WALL)
    for name, known in {
        "no settings": None,
        "refused": GrafanaFacts(error="Grafana refused it with 403"),
        "away": GrafanaFacts(error="Grafana does not answer", is_silent=True),
        "no linked span": GrafanaFacts("tempo"),
        "samples": GrafanaFacts("tempo", checks=(button(link, has_samples=True, embedded_is_drawn=True),)),
        "an empty picture": GrafanaFacts("tempo", checks=(button(link, has_samples=True, embedded_is_drawn=False),)),
        "other labels": GrafanaFacts("tempo", checks=(button(link, outcome="no samples"),)),
        "no button": GrafanaFacts("tempo", checks=(button(link, selector=""),)),
        "another type": GrafanaFacts("tempo", checks=(button(wall, outcome="no samples"),)),
    }.items():
        found[f"Grafana: {name}"] = facts(link, wall, grafana=known)


def numbered(finding: dict[str, Any]) -> dict[str, Any]:
    """Number the IDs that were made for a situation from 1 on: those of others are no matter of it."""
    known: dict[str, str] = {}

    def short(made: re.Match[str]) -> str:
        return known.setdefault(made[0], f"<{'trace' if len(made[0]) > 16 else 'span'} {len(known) + 1}>")

    return dict(json.loads(re.sub(f"({_MADE}){{1,3}}[0-9a-f]{{8}}", short, json.dumps(finding))))


@cache
def prepared() -> dict[str, Facts]:
    """Return the situations, with IDs that are the same each time."""
    numbers = itertools.count(1)
    counted: Mapping[str, Callable[[], str]] = {
        "new_span_id": lambda: f"{_MADE}{next(numbers):08x}",
        "new_trace_id": lambda: f"{_MADE * 3}{next(numbers):08x}",
    }
    with patch.multiple("tests.support.doctor", **cast(Any, counted)):
        return situations()


def said_of(name: str) -> dict[str, Any]:
    """Return what the doctor says of a situation: the finding of its hop, and why spans have no samples."""
    known = replace(prepared()[name])  # a copy, of which nothing is concluded yet
    hop = next(hop for hop in ORDER if hop.name == name.partition(":")[0])
    finding = hop.judge(known).as_json()
    del finding["hop"]
    if hop.name != "link":
        return numbered(finding)
    why = {
        f"{item.span.name} {item.span.span_id}": f"{item.cause.name}: {item.sentence}" for item in known.explanations
    }
    return numbered({**finding, **({"why": why} if why else {})})


def said() -> dict[str, Any]:
    """Return what the doctor says of all situations."""
    return {name: said_of(name) for name in prepared()}


if __name__ == "__main__":
    SAID.write_text(yaml.safe_dump(said(), sort_keys=False, width=118, allow_unicode=True), encoding="utf-8")
