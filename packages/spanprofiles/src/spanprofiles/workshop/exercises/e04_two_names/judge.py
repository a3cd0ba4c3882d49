"""Judges the cinema: tracer and agent must call the program by one name."""

from __future__ import annotations

import time

from spanprofiles.linking import Evidence, NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "cinema.py")
SERVICE = "cinema"
WORK = "best_view"
SEAT = "/seat?row=7"
_ALL_IN_PLACE = "what the cinema had already: its traces, its span processor and its agent all stay"


def judge(bench: Workbench) -> Judgement:
    """Buy a seat and look for its flame graph."""
    since_ns = time.time_ns()
    cinema = bench.start(COMMAND, service=bench.service_name(SERVICE))
    bench.tell("buying a seat")
    answer = cinema.get(SEAT)
    if not answer.ok:
        return Judgement.fails(f"GET {SEAT} was answered with {answer.status_code}", "the seat: leave its route be")
    try:
        linked = bench.linked_span(answer, cinema)
    except TraceNotFoundError:
        return Judgement.fails("the seat was sold, and Tempo has no span of it", _ALL_IN_PLACE)
    except NoProfileIdError:
        return Judgement.fails("the seat's span carries no pyroscope.profile.id", _ALL_IN_PLACE)
    except NoSamplesError as error:
        return _without_samples(bench, since_ns, error.evidence)
    if not linked.flamegraph.total_of(WORK):
        return Judgement.fails(
            f"the seat's flame graph has {linked.amount}, and none of it in {WORK}",
            f"the work of the seat: leave {WORK} in it",
        )
    return Judgement.passes(
        [
            f"traces and samples are both of {linked.service!r}",
            f"the span {linked.name!r} leads to {linked.amount}, {linked.flamegraph.share(WORK):.0%} of it in {WORK}",
        ]
    )


def _without_samples(bench: Workbench, since_ns: int, evidence: Evidence | None) -> Judgement:
    roots = evidence.trace.local_roots if evidence and evidence.trace else ()
    traced = next((span.service for span in roots), "")
    span = f"the seat's span carries a profile ID; Tempo has it as a span of {traced!r}"
    sampled = bench.services_with_samples(since_ns, WORK)
    is_sampled = not bench.samples_of(traced, since_ns).is_empty
    if not sampled and not is_sampled:
        return Judgement.fails([span, "Pyroscope has no sample of the program"], _ALL_IN_PLACE)
    if is_sampled:
        return Judgement.fails(
            [span, f"Pyroscope has samples of {traced!r} too, but none with this ID"],
            "samples with the span's ID: agent and span processor must both run before the first request comes",
        )
    names = ", ".join(repr(name) for name in sampled)
    return Judgement.fails(
        [
            span,
            f"Pyroscope has the program's samples under {names}",
            f"so the query for service_name={traced!r} and this span ID finds nothing",
        ],
        f"one name: the tracer says {traced!r} and the agent says {names}, and the two names must be equal to the"
        " letter",
        hint=1,
    )
