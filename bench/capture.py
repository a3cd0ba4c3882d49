"""Share of spans of 10, 20, 50, 100 and 200 ms that have at least one sample, against what the sample rate predicts.

The agent's sampler (py-spy, ``src/timer.rs``) looks 100 times a second on average, but not every 10 ms: the time from
one look to the next is drawn from an exponential distribution, so that it cannot fall into step with the program. A
span of d ms is then seen with the probability 1 - exp(-d/10): two of three spans of 10 ms, nearly all of 50 ms. The
prediction is averaged over the lengths the spans really had, by the threads' own CPU clocks and by the wall clock. The
second is what the agent goes by: it samples whoever holds the interpreter's lock, running or waiting for a processor.

In Go and Java, where the length of a span cannot be asked for, these are quotes and rides of each kind. Their agents
look after each 10 ms of CPU, so a span that uses d ms of CPU is seen with the probability d/10, and always from 10 on.
The clocks there know the CPU of the whole request. What the server does before the span begins and after it has ended,
such as accepting the connection, is in no span. So a span has no more CPU than the clocks say, and no more than the
time that it lasted: the lesser of the two gives the prediction, which is an upper bound.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable

from bench.command import BenchError, Options, backend_named, circumstances, command_line, run, tell
from bench.estimates import share_interval
from bench.languages import EVERY_ORDER, LANGUAGES, Language
from bench.regions import (
    RunningRegion,
    await_uploads,
    follow,
    linker_of,
    one_region,
    refused,
    send,
    send_all,
    send_clocked,
)

LENGTHS_MS = (10, 20, 50, 100, 200)
SAMPLE_NS = 10_000_000
QUOTE = "/quote?vehicle=bike"
_TRIALS, _TRIAL_VEHICLES = 15, 1000


def vehicles_a_millisecond(region: RunningRegion) -> float:
    """Return how many vehicles a request must look at to use 1 ms of CPU, by some that look at 1,000.

    Raises:
        BenchError: they were not answered.
    """
    trials = [send(region, f"/search/{_TRIAL_VEHICLES}") for _ in range(_TRIALS)]
    if refused(trials):
        raise BenchError("the region refuses to search, so the length of its spans cannot be set")
    return _TRIAL_VEHICLES / (statistics.median(request.cpu_ns for request in trials) / 1e6)


def most_captured(spans: Iterable[tuple[int, int]]) -> float:
    """Return the greatest share of spans that can be expected to have a sample, 0 to 1, at one for each 10 ms of CPU.

    Args:
        spans: of each the CPU of its whole request by the clocks, ns, and how long it lasted, ns.
    """
    return statistics.mean(min(1.0, min(cpu_ns, duration_ns) / SAMPLE_NS) for cpu_ns, duration_ns in spans)


def measure_rides(options: Options, language: Language) -> None:
    """Send quotes and rides of each kind in random order, one at a time, and print how many have samples.

    Raises:
        BenchError: a request was not answered.
    """
    paths = [path for path in (QUOTE, *EVERY_ORDER) for _ in range(options.requests)]
    random.Random(10).shuffle(paths)  # an order, no secret
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, language=language) as region,
    ):
        linker = linker_of(endpoints)
        tell(f"sending {options.requests} of each of {', '.join((QUOTE, *EVERY_ORDER))}")
        sent = [send_clocked(region, path) for path in paths]
        if refused(sent):
            raise BenchError(f"{len(refused(sent))} of {len(sent)} requests were not answered with 200")
        await_uploads(linker, [region])
        followed = {request: follow(linker, request) for request in sent}
    for path in (QUOTE, *EVERY_ORDER):
        those = [request for request in sent if request.path == path]
        seen = sum(not followed[request][1].is_empty for request in those)
        low, high = share_interval(seen, len(those))
        durations_ns = [followed[request][0].duration_ns for request in those]
        predicted = most_captured(zip((request.cpu_ns for request in those), durations_ns, strict=True))
        lasts_ms = statistics.median(durations_ns) / 1e6
        cpu_ms = statistics.median(request.cpu_ns for request in those) / 1e6
        tell(
            f"capture, {path}: {seen / len(those):.1%} of spans have a sample (95 % {low:.1%} to {high:.1%}),"
            f" at most {predicted:.1%} predicted; {len(those)} spans, median {lasts_ms:.1f} ms, of requests with a"
            f" median of {cpu_ms:.1f} ms of CPU"
        )
    tell(f"  on {circumstances(options)}")


def measure(options: Options) -> None:
    """Send spans of each length in random order, one at a time, and print how many have samples.

    Raises:
        BenchError: a request was not answered.
    """
    language = LANGUAGES[options.language]
    if language.fleet is not None:
        measure_rides(options, language)
        return
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, clocked=True) as region,
    ):
        linker = linker_of(endpoints)
        rate = vehicles_a_millisecond(region)
        tell(f"{rate:.1f} vehicles are searched in 1 ms; sending {options.requests} spans of each of {LENGTHS_MS} ms")
        lengths = [length for length in LENGTHS_MS for _ in range(options.requests)]
        random.Random(10).shuffle(lengths)  # an order, no secret
        sent = send_all([(region, f"/search/{max(1, round(rate * length))}") for length in lengths], 1)
        if refused(sent):
            raise BenchError(f"{len(refused(sent))} of {len(sent)} requests were not answered with 200")
        await_uploads(linker, [region])
        captured = [not follow(linker, request)[1].is_empty for request in sent]
    for length in LENGTHS_MS:
        those = [
            (request, seen) for request, seen, wanted in zip(sent, captured, lengths, strict=True) if wanted == length
        ]
        seen = sum(seen for _, seen in those)
        by_cpu, by_wall = (
            statistics.mean(1 - math.exp(-length_ns / SAMPLE_NS) for length_ns in lengths_ns)
            for lengths_ns in ([request.cpu_ns for request, _ in those], [request.wall_ns for request, _ in those])
        )
        low, high = share_interval(seen, len(those))
        real_ms = statistics.median(request.cpu_ns for request, _ in those) / 1e6
        tell(
            f"capture, {length} ms: {seen / len(those):.1%} of spans have a sample (95 % {low:.1%} to {high:.1%}),"
            f" {by_wall:.1%} predicted by the wall clock and {by_cpu:.1%} by the CPU clock;"
            f" {len(those)} spans, median {real_ms:.1f} ms of CPU"
        )
    tell(f"  on {circumstances(options)}")


def main() -> None:
    options = command_line(__doc__, requests_default=100, least=10, languages=list(LANGUAGES))
    run(lambda: measure(options))


if __name__ == "__main__":
    main()
