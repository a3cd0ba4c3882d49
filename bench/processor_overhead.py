"""Nanoseconds that a span processor adds to a span, a task's step and a whole request: the official one's and ours.

The real agent runs (its uploads go to a closed port of this machine) and a tracer of the real SDK makes the spans; the
requests are calls of a Flask and of a FastAPI app with OpenTelemetry's instrumentation, without a network. The variants
take turns, so that whatever else the machine does hits them alike; a figure is the difference of each turn to the same
turn without a processor, with its 95 % interval.

    python -m bench.processor_overhead --turns 200
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import pyroscope
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer
from pyroscope.otel import PyroscopeSpanProcessor

from bench.apps import AT_ONCE, fastapi_request, flask_request
from spanprofiles_processor import SpanProfileProcessor

SPANS_A_TURN = 200
REQUESTS_A_TURN = 160
WARM_UP_TURNS = 3
VARIANTS: dict[str, Callable[[], SpanProcessor] | None] = {
    "none": None,
    "official": PyroscopeSpanProcessor,
    "ours": SpanProfileProcessor,
}

Turn = Callable[[], float]
"""One turn: does its work, and returns the nanoseconds each unit of it took."""


def tracer_of(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("bench")


def spans(tracer: Tracer) -> float:
    start = time.perf_counter_ns()
    for _ in range(SPANS_A_TURN):
        tracer.start_span("order").end()
    return (time.perf_counter_ns() - start) / SPANS_A_TURN


def roots(provider: TracerProvider) -> Turn:
    tracer = tracer_of(provider)
    return lambda: spans(tracer)


def children(provider: TracerProvider) -> Turn:
    tracer = tracer_of(provider)

    def turn() -> float:
        with tracer.start_as_current_span("order"):
            return spans(tracer)

    return turn


def on_loop(work: Callable[[], Coroutine[Any, Any, float]]) -> Turn:
    """Return a turn that runs a coroutine on a loop of its variant's own: once followed, a loop stays followed."""
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(work())


def roots_on_a_loop(provider: TracerProvider) -> Turn:
    tracer = tracer_of(provider)

    async def work() -> float:
        return spans(tracer)

    return on_loop(work)


def steps(provider: TracerProvider) -> Turn:
    tracer = tracer_of(provider)

    async def work() -> float:
        with tracer.start_as_current_span("order"):
            start = time.perf_counter_ns()
            for _ in range(SPANS_A_TURN):
                await asyncio.sleep(0)
            return (time.perf_counter_ns() - start) / SPANS_A_TURN

    return on_loop(work)


def flask_requests(provider: TracerProvider) -> Turn:
    request = flask_request(provider)

    def turn() -> float:
        start = time.perf_counter_ns()
        for _ in range(REQUESTS_A_TURN):
            request()
        return (time.perf_counter_ns() - start) / REQUESTS_A_TURN

    return turn


def fastapi_requests(at_once: int, waits: int) -> Callable[[TracerProvider], Turn]:
    def case(provider: TracerProvider) -> Turn:
        request = fastapi_request(provider, waits=waits)

        async def work() -> float:
            start = time.perf_counter_ns()
            for _ in range(REQUESTS_A_TURN // at_once):
                await asyncio.gather(*[request() for _ in range(at_once)])
            return (time.perf_counter_ns() - start) / REQUESTS_A_TURN

        return on_loop(work)

    return case


CASES: dict[str, Callable[[TracerProvider], Turn]] = {
    "local root span, start and end": roots,
    "child span, start and end": children,
    "local root span on an event loop": roots_on_a_loop,
    "one step of a task inside a span": steps,
    "request to a Flask app": flask_requests,
    "request to a FastAPI app, one at a time": fastapi_requests(1, waits=1),
    f"request to a FastAPI app, {AT_ONCE} at once that wait 3 times": fastapi_requests(AT_ONCE, waits=3),
}


def provider_with(make: Callable[[], SpanProcessor] | None) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    if make is not None:
        provider.add_span_processor(make())
    return provider


def figures(case: Callable[[TracerProvider], Turn], turns: int) -> dict[str, list[float]]:
    """Measure the nanoseconds of each turn of each variant; who goes first changes from turn to turn."""
    variants = {name: case(provider_with(make)) for name, make in VARIANTS.items()}
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for turn in range(-WARM_UP_TURNS, turns):
        names = list(VARIANTS)
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            nanoseconds = variants[name]()
            if turn >= 0:
                found[name].append(nanoseconds)
        gc.collect(0)
    return found


def interval(differences: list[float]) -> str:
    """Return the median of some differences and the 95 % interval of the median, by rank."""
    ordered = sorted(differences)
    count = len(ordered)
    reach = 0.98 * count**0.5
    low, high = ordered[max(0, int(count / 2 - reach))], ordered[min(count - 1, int(count / 2 + reach))]
    return f"{statistics.median(ordered):6.0f} ns ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=200, help="turns of each case (default 200)")
    turns = parser.parse_args().turns
    if turns < 20:
        parser.error("--turns must be 20 or more")
    if not pyroscope.configure(application_name="bench", server_address="http://127.0.0.1:9", upload_interval=60):
        raise SystemExit("the profiling agent did not start: is another one running in this process?")
    gc.disable()
    print(f"added to each, median of {turns} turns, 95 % interval")
    for title, case in CASES.items():
        # In a context of its own, as a server's requests are: in this one a span of the case before may linger.
        found = Context().run(figures, case, turns)
        gc.collect()
        base = found["none"]
        middle = statistics.median(base)
        print(f"{title} (without a processor {middle:.0f} ns)")
        for name in ("official", "ours"):
            print(f"  {name:8} {interval([a - b for a, b in zip(found[name], base, strict=True)])}")
        ours_more = [a - b for a, b in zip(found["ours"], found["official"], strict=True)]
        share = statistics.median(ours_more) / statistics.median(found["official"])
        print(f"  ours - official {interval(ours_more)}, {share:+.2%} of the whole")
    pyroscope.shutdown()


if __name__ == "__main__":
    main()
