"""Judges the bakery: an order must lead to its own flame graph, with the function that did the work."""

from __future__ import annotations

import time

from spanprofiles.linking import NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

COMMAND = ("{python}", "bakery.py")
SERVICE = "bakery"
WORK = "arrange_cherries"
ORDER = "/cake?guests=18"


def judge(bench: Workbench) -> Judgement:
    """Order a cake and look for its flame graph."""
    since_ns = time.time_ns()
    bakery = bench.start(COMMAND, service=bench.service_name(SERVICE))
    bench.tell("ordering a cake")
    answer = bakery.get(ORDER)
    if not answer.ok:
        return Judgement.fails(
            f"GET {ORDER} was answered with {answer.status_code}", "the cake: leave its route as it was"
        )
    try:
        linked = bench.linked_span(answer, bakery)
    except TraceNotFoundError:
        return Judgement.fails(
            "the order was answered, and Tempo has no span of it",
            "the trace, which the bakery sent before: BatchSpanProcessor and FlaskInstrumentor must stay",
        )
    except NoProfileIdError:
        return _without_profile_id(bench, since_ns)
    except NoSamplesError as error:
        return _without_samples(bench, since_ns, str(error))
    if not linked.flamegraph.total_of(WORK):
        return Judgement.fails(
            f"the order's flame graph has {linked.amount}, and none of it in {WORK}",
            f"the work of the order: leave {WORK} in it, and let the span last until it is done",
        )
    share = linked.flamegraph.share(WORK)
    return Judgement.passes(
        [
            f"the span {linked.name!r} carries the profile ID {linked.profile_id}, and so do its samples",
            f"the order used {linked.amount}, {share:.0%} of it in {WORK}: that is the function to look at",
        ]
    )


def _without_profile_id(bench: Workbench, since_ns: int) -> Judgement:
    service = bench.service_name(SERVICE)
    trace = "the order's trace is in Tempo, and its span carries no pyroscope.profile.id"
    samples = bench.samples_of(service, since_ns)
    others = bench.services_with_samples(since_ns, WORK) if samples.is_empty else []
    if others:
        return Judgement.fails(
            [trace, f"Pyroscope has no sample of {service!r}, and has some of {', '.join(others)}: the agent runs"],
            [
                f"one name: the agent must call itself {service!r}, as the traces do (OTEL_SERVICE_NAME)",
                "the span processor, which writes the span's ID on the span and on the samples",
            ],
            hint=1,
        )
    if samples.is_empty:
        return Judgement.fails(
            [trace, f"Pyroscope has no sample of {service!r}"],
            [
                "the agent, which samples the program",
                "the span processor, which writes the span's ID on the span and on the samples",
            ],
            hint=1,
        )
    return Judgement.fails(
        [trace, f"Pyroscope has {samples.amount} of {service!r}: the agent runs"],
        "the span processor, which writes the span's ID on the span and on the samples",
        hint=2,
    )


def _without_samples(bench: Workbench, since_ns: int, reason: str) -> Judgement:
    service = bench.service_name(SERVICE)
    carries = "the order's span carries a profile ID: the span processor works"
    services = bench.services_with_samples(since_ns, WORK)
    is_sampled = not bench.samples_of(service, since_ns).is_empty
    if not services and not is_sampled:
        return Judgement.fails(
            [carries, "Pyroscope has no sample of the program"],
            "the agent, which samples the program: it must run, and send to PYROSCOPE_SERVER_ADDRESS",
            hint=1,
        )
    if not is_sampled:
        return Judgement.fails(
            [carries, f"Pyroscope has no sample of {service!r}, and has some of {', '.join(services)}"],
            f"one name: the agent must call itself {service!r}, as the traces do (OTEL_SERVICE_NAME)",
            hint=1,
        )
    return Judgement.fails(
        [carries, f"Pyroscope has samples of {service!r}, and none with this ID", reason],
        "the span's ID on the samples: the agent must run before the first request comes",
        hint=3,
    )
