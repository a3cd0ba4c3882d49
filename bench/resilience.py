"""What a ride notices of a server that is stopped, killed or hung under load and comes back, and when links resume.

Rides arrive at a steady rate, whatever becomes of those before. For each server and each way, as many rides as asked
for are sent while it is away, then more while it comes back; none must fail, and none may wait for it. Each ride has a
twin: the same order at the same moment to a region that sends no telemetry to anybody. What a ride takes longer than
its twin is what it waits for, whatever else the machine is doing. Once the server is coming back, rides are sent until
one of them leads to its flame graph.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event

from bench.command import BenchError, Options, circumstances, command_line, run, tell
from bench.estimates import median_interval
from bench.regions import RunningRegion, Sent, one_region, refused, send
from bench.servers import Server, two_servers
from spanprofiles.clients.errors import ClientError
from spanprofiles.linking import Linker, LinkError, Waiting

RIDES_A_SECOND = 6.0
PATHS = ("/quote?vehicle=bike", "/bike")
SENDERS = 32
LINKED_WITHIN_S = 120.0
_PROBE_EVERY_S = 0.5

Way = tuple[str, Callable[[Server], None], Callable[[Server], None]]
WAYS: tuple[Way, ...] = (
    ("stopped", Server.stop, Server.start),
    ("killed", Server.kill, Server.start),
    ("hung", Server.hang, Server.resume),
)
"""What is done to a server, and what brings it back."""


@dataclass(frozen=True)
class Regions:
    """The region that sends its telemetry to the servers, and its twin that sends to nobody."""

    linked: RunningRegion
    silent: RunningRegion


Pair = tuple[Sent, Sent]
"""A ride and its twin."""


def steady_rides(regions: Regions, count: int, meanwhile: Callable[[], None]) -> list[Pair]:
    """Send rides with their twins at a steady rate, and do something at the first.

    Raises:
        BenchError, ProcessFailedError: what was done meanwhile failed.
    """
    start = time.monotonic()
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        deed = pool.submit(meanwhile)
        rides: list[tuple[Future[Sent], Future[Sent]]] = []
        for number in range(count):
            Event().wait(max(0.0, start + number / RIDES_A_SECOND - time.monotonic()))
            path = PATHS[number % len(PATHS)]
            rides.append((pool.submit(send, regions.linked, path), pool.submit(send, regions.silent, path)))
        deed.result()
        return [(ride.result(), twin.result()) for ride, twin in rides]


def seconds_until_linked(linker: Linker, region: RunningRegion, start: float) -> float:
    """Send a ride every half second until one leads to its flame graph.

    Args:
        linker: follows them.
        region: where they are sent.
        start: when the server began to come back, by the monotonic clock.

    Raises:
        BenchError: none did by the deadline.
    """
    rides: list[Sent] = []
    next_ride = time.monotonic()
    for _ in Waiting(LINKED_WITHIN_S, longest_s=0.1).attempts():
        if time.monotonic() >= next_ride:
            rides.append(send(region, "/bike"))
            next_ride = time.monotonic() + _PROBE_EVERY_S
        for ride in rides[-20:]:
            if is_linked(linker, ride):
                return time.monotonic() - start
    raise BenchError(f"no ride of {len(rides)} was linked {LINKED_WITHIN_S:g} s after the server had come back")


def is_linked(linker: Linker, ride: Sent) -> bool:
    """Look once whether a ride leads to samples."""
    try:
        trace = linker.tempo.trace(ride.context.trace_id)
        return trace is not None and any(not linker.flamegraph(span).is_empty for span in trace.linkable)
    except (ClientError, LinkError):
        return False


def waited(pairs: Sequence[Pair]) -> str:
    """Return what rides took longer than their twins: the median with its interval, and the longest ride and twin."""
    middle, low, high = median_interval([(ride.seconds - twin.seconds) * 1000 for ride, twin in pairs])
    longest, longest_twin = max(ride.seconds for ride, _ in pairs), max(twin.seconds for _, twin in pairs)
    return (
        f"{middle:+.1f} ms against their twins (95 % {low:+.1f} to {high:+.1f}), longest {longest * 1000:.0f} ms"
        f" (twins {longest_twin * 1000:.0f} ms)"
    )


def failures(pairs: Sequence[Pair]) -> int:
    """Return how many rides failed."""
    return len(refused([ride for ride, _ in pairs]))


def measure(options: Options) -> None:
    """Take each server away in each way, and print what the rides noticed.

    Raises:
        BenchError: a server did not come back, or no ride was linked after it had.
    """
    everything: list[Pair] = []
    until_linked_s = []
    silent = {"OTEL_SDK_DISABLED": "true", "PYROSCOPE_SERVER_ADDRESS": ""}
    with (
        two_servers(options.backend) as (endpoints, servers),
        one_region(endpoints, options.processor) as region,
        one_region(endpoints, options.processor, changes=silent) as twin,
    ):
        linker, regions = Linker.of(endpoints, waiting=Waiting(0.0)), Regions(region, twin)
        seconds_until_linked(linker, region, time.monotonic())
        before = steady_rides(regions, options.requests, lambda: None)
        tell(f"  both servers there: {len(before)} rides, {failures(before)} failed, {waited(before)}")
        for server in servers.values():
            for name, take_away, bring_back in WAYS:
                pairs = steady_rides(regions, options.requests, partial(take_away, server))
                with ThreadPoolExecutor(1) as beside:
                    start = time.monotonic()
                    more = beside.submit(steady_rides, regions, options.requests // 3, partial(bring_back, server))
                    linked_s = seconds_until_linked(linker, region, start)
                    pairs += more.result()
                everything += pairs
                until_linked_s.append(linked_s)
                tell(
                    f"resilience, {server.name} {name}: {len(pairs)} rides, {failures(pairs)} failed, {waited(pairs)};"
                    f" linked again {linked_s:.1f} s after it began to come back"
                )
    tell(f"resilience: {failures(everything)} of {len(everything)} rides failed, {waited(everything)}; goal 0, no wait")
    tell(
        f"resilience: linked again after {statistics.median(until_linked_s):.1f} s (median),"
        f" {max(until_linked_s):.1f} s (longest), {len(until_linked_s)} times"
    )
    tell(f"  on {circumstances(options)}")


def main() -> None:
    options = command_line(__doc__, requests_default=72, least=10)
    run(lambda: measure(options))


if __name__ == "__main__":
    main()
