"""Nanoseconds that a span processor adds to the start and end of a span: the official one's and ours, in one run.

The real agent runs (its uploads go to a closed port of this machine) and a tracer of the real SDK makes the spans. The
variants take turns, so that whatever else the machine does hits them alike; a figure is the difference of each turn
to the same turn without a processor, with its 95 % interval.

    python bench/processor_overhead.py --turns 200
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable

import pyroscope
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer
from pyroscope.otel import PyroscopeSpanProcessor

from spanprofiles.processor import SpanProfileProcessor

SPANS_A_TURN = 200
WARM_UP_TURNS = 3
VARIANTS: dict[str, Callable[[], SpanProcessor] | None] = {
    "none": None,
    "official": PyroscopeSpanProcessor,
    "ours": SpanProfileProcessor,
}


def tracer_with(make: Callable[[], SpanProcessor] | None) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    if make is not None:
        provider.add_span_processor(make())
    return provider.get_tracer("bench")


def roots(tracer: Tracer) -> float:
    start = time.perf_counter_ns()
    for _ in range(SPANS_A_TURN):
        tracer.start_span("order").end()
    return (time.perf_counter_ns() - start) / SPANS_A_TURN


def children(tracer: Tracer) -> float:
    with tracer.start_as_current_span("order"):
        return roots(tracer)


async def _roots_on_a_loop(tracer: Tracer) -> float:
    return roots(tracer)


async def _switches(tracer: Tracer) -> float:
    with tracer.start_as_current_span("order"):
        start = time.perf_counter_ns()
        for _ in range(SPANS_A_TURN):
            await asyncio.sleep(0)
        return (time.perf_counter_ns() - start) / SPANS_A_TURN


def figures(measure: Callable[[Tracer], float], turns: int) -> dict[str, list[float]]:
    """The nanoseconds of each turn of each variant; who goes first changes from turn to turn."""
    tracers = {name: tracer_with(make) for name, make in VARIANTS.items()}
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for turn in range(-WARM_UP_TURNS, turns):
        names = list(VARIANTS)
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            nanoseconds = measure(tracers[name])
            if turn >= 0:
                found[name].append(nanoseconds)
    return found


def on_loop(run: Callable[[Tracer], object]) -> Callable[[Tracer], float]:
    """A measure that runs a coroutine on a loop of its variant's own: once followed, a loop stays followed."""
    loops: dict[int, asyncio.AbstractEventLoop] = {}

    def measure(tracer: Tracer) -> float:
        loop = loops.setdefault(id(tracer), asyncio.new_event_loop())
        result: float = loop.run_until_complete(run(tracer))  # type: ignore[arg-type] # a coroutine function
        return result

    return measure


def interval(differences: list[float]) -> str:
    """The median of some differences and the 95 % interval of the median, by rank."""
    ordered = sorted(differences)
    count = len(ordered)
    reach = 0.98 * count**0.5
    low, high = ordered[max(0, int(count / 2 - reach))], ordered[min(count - 1, int(count / 2 + reach))]
    return f"{statistics.median(ordered):6.0f} ns ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=200, help=f"turns of {SPANS_A_TURN} spans (default 200)")
    turns = parser.parse_args().turns
    if turns < 20:
        parser.error("--turns must be 20 or more")
    if not pyroscope.configure(application_name="bench", server_address="http://127.0.0.1:9", upload_interval=60):
        raise SystemExit("the profiling agent did not start: is another one running in this process?")
    cases: list[tuple[str, Callable[[Tracer], float]]] = [
        ("local root span, start and end", roots),
        ("child span, start and end", children),
        ("local root span on an event loop", on_loop(_roots_on_a_loop)),
        ("one step of a task inside a span", on_loop(_switches)),
    ]
    gc.disable()
    print(f"added to each, median of {turns} turns of {SPANS_A_TURN}, 95 % interval")
    for title, measure in cases:
        found = figures(measure, turns)
        gc.collect()
        base = found["none"]
        added = {name: [a - b for a, b in zip(found[name], base, strict=True)] for name in ("official", "ours")}
        ours_more = [a - b for a, b in zip(found["ours"], found["official"], strict=True)]
        print(f"{title} (without a processor {statistics.median(base):.0f} ns)")
        print(f"  official {interval(added['official'])}")
        print(f"  ours     {interval(added['ours'])}")
        print(f"  ours - official {interval(ours_more)}")
    pyroscope.shutdown()


if __name__ == "__main__":
    main()
