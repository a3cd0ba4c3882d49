"""Judges the ferry: the agent must run in the worker that sells the ticket."""

from __future__ import annotations

import time

from spanprofiles.linking import NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.model import FlameGraph
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "-m", "gunicorn", "-c", "gunicorn.conf.py", "ferry:app")
SERVICE = "ferry"
WORK = "load_cars"
LOADED = "draw_timetable"  # while the app is loaded, by whichever process does that
TICKET = "/ticket?cars=12"
_IN_WORKER = "spawn_worker"  # in every stack of a worker: gunicorn forks there
_ALL_IN_PLACE = "what the ferry had already: its traces, its span processor and its agent all stay"


def judge(bench: Workbench) -> Judgement:
    """Buy a ticket and look for its flame graph."""
    since_ns = time.time_ns()
    ferry = bench.start(COMMAND, service=bench.service_name(SERVICE))
    bench.tell("buying a ticket")
    answer = ferry.get(TICKET)
    if not answer.ok:
        return Judgement.fails(f"GET {TICKET} was answered with {answer.status_code}", "the ticket: leave its route be")
    try:
        linked = bench.linked_span(answer, ferry)
    except TraceNotFoundError:
        return Judgement.fails("the ticket was sold, and Tempo has no span of it", _ALL_IN_PLACE)
    except NoProfileIdError:
        return Judgement.fails("the ticket's span carries no pyroscope.profile.id", _ALL_IN_PLACE)
    except NoSamplesError as error:
        return _without_samples(bench, since_ns, str(error))
    if not linked.flamegraph.total_of(WORK):
        return Judgement.fails(
            f"the ticket's flame graph has {linked.amount}, and none of it in {WORK}",
            f"the work of the ticket: leave {WORK} in it",
        )
    seen = f"the span {linked.name!r} leads to {linked.amount}, {linked.flamegraph.share(WORK):.0%} of it in {WORK}"
    if _master_is_sampled(bench.samples_of(bench.service_name(SERVICE), since_ns)):
        return Judgement.passes(
            [
                seen,
                "so an agent runs in the worker, which does the work",
                "a second one runs in the master, which answers no request: that is solved, and at work you would start"
                " the agent in the worker alone",
            ]
        )
    return Judgement.passes([seen, "so the agent runs in the worker, which does the work, and not in the master"])


def _master_is_sampled(samples: FlameGraph) -> bool:
    """Tell whether there are samples of the app being loaded by gunicorn's master, which forks no worker for it."""
    return any(LOADED in stack and not any(_IN_WORKER in frame for frame in stack) for stack in samples.stacks)


def _without_samples(bench: Workbench, since_ns: int, reason: str) -> Judgement:
    service = bench.service_name(SERVICE)
    carries = "the ticket's span carries a profile ID, and no sample has it"
    services = bench.services_with_samples(since_ns, WORK)
    if services and service not in services:
        return Judgement.fails([carries, reason], "one name for traces and samples: OTEL_SERVICE_NAME")
    samples = bench.samples_of(service, since_ns)
    if samples.total_of(WORK):
        return Judgement.fails(
            [carries, f"Pyroscope has {samples.amount} of {service!r}, {WORK} among it, without the span's ID"],
            "the span's ID on the samples: in the worker, agent and span processor must both be there before the"
            " request starts",
            hint=2,
        )
    if samples.is_empty:
        return Judgement.fails(
            [carries, f"Pyroscope has no sample of {service!r}"],
            "an agent in the worker: the process that answers requests has none, even if another process has one",
            hint=2,
        )
    busiest = " and ".join(row.name for row in samples.top(2))
    return Judgement.fails(
        [
            carries,
            f"Pyroscope has {samples.amount} of {service!r}, and none of it in {WORK}; it is in {busiest}",
            f"so the agent saw the process that ran this, and not the one that ran {WORK}",
        ],
        "an agent in the worker, the process that answers requests: it is a thread, and a fork copies no threads",
        hint=1,
    )
