"""Seconds from the end of a request to its trace, its first samples, and its whole flame graph.

Requests are sent one after the other at random moments of the agent's upload interval (1 s here; its default is 10), as
that is what decides how long the samples take. The whole flame graph is there when an upload that began after the
request's end has brought samples, or an interval has passed: what the harness waits for.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from threading import Event

from bench.command import BenchError, Options, backend_named, circumstances, command_line, run, tell
from bench.estimates import percentile
from bench.languages import LANGUAGES
from bench.regions import RunningRegion, linker_of, one_region, send
from spanprofiles.linking import Linker, Waiting
from spanprofiles.model.endpoints import UPLOAD_INTERVAL_S

PATHS = ("/scooter", "/car")
"""Long enough to have samples: of bikes, one in 150 has none to wait for."""

LOOK_EVERY_S = 0.02


def delays(linker: Linker, region: RunningRegion, path: str) -> tuple[float, float, float]:
    """Send one request and return the seconds from its answer to trace, first samples, and whole flame graph.

    Raises:
        BenchError: the request was not answered, or nothing came by the deadline.
        LinkError: its span carries no profile ID.
        ClientError: a server failed.
    """
    sent = send(region, path)
    if sent.status != 200:
        raise BenchError(f"{path} was answered with {sent.status}")
    span = linker.answering_span(sent.context)
    trace_s = time.time() - sent.ended_s
    for _ in linker.waiting.attempts():
        if not linker.flamegraph(span).is_empty:
            break
    else:
        raise BenchError(f"the samples of {path} did not come in {linker.waiting.timeout_s:g} s")
    first_s = time.time() - sent.ended_s
    linker.samples(span)
    return trace_s, first_s, time.time() - sent.ended_s


def shown(name: str, seconds: Sequence[float]) -> str:
    """Return a line with the median and the 95th percentile."""
    middle, late = statistics.median(seconds), percentile(seconds, 0.95)
    return (
        f"freshness, {name}: median {middle:.2f} s, 95th percentile {late:.2f} s"
        f" ({len(seconds)} requests, worst {max(seconds):.2f} s)"
    )


def measure(options: Options) -> None:
    """Send, wait, print."""
    chance = random.Random(1)  # moments, no secret
    found = []
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, language=LANGUAGES[options.language]) as region,
    ):
        linker = linker_of(endpoints)
        linker.waiting = Waiting(60.0, first_s=LOOK_EVERY_S, longest_s=LOOK_EVERY_S)
        tell(f"sending {options.requests} requests one after the other")
        for number in range(options.requests):
            Event().wait(chance.uniform(0, UPLOAD_INTERVAL_S))  # the moment within the upload interval
            found.append(delays(linker, region, PATHS[number % len(PATHS)]))
            if (number + 1) % 10 == 0:
                tell(f"  {number + 1} of {options.requests} followed")
    for name, seconds in zip(("trace", "first samples", "whole flame graph"), zip(*found, strict=True), strict=True):
        tell(shown(name, seconds))
    tell(f"  upload interval {UPLOAD_INTERVAL_S} s, looked every {LOOK_EVERY_S * 1000:.0f} ms")
    tell(f"  on {circumstances(options)}")


def main() -> None:
    options = command_line(__doc__, requests_default=50, least=10, languages=list(LANGUAGES))
    run(lambda: measure(options))


if __name__ == "__main__":
    main()
