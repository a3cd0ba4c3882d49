"""Whether profiles hold the CPU that a region in Go or Java used, by the kernel's clocks.

Rides go to one region, one at a time and then several at once, between pauses in which it has nothing to do. Compared
are the span profiles of the rides, summed up; the whole profile of the process in that time, with and without labels;
the clock of the process; and, where a language has threads that do nothing but answer requests, the clocks of these.
Proportion: a scooter and a car are searched among 2.03 and 3.13 times as many vehicles as a bike.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from threading import Event

from bench.command import BenchError, tell
from bench.estimates import counted_ratio_reach, ratio_interval
from bench.regions import SERVICE, RunningRegion, Sent, await_uploads, follow, send_all, send_clocked, used_ns
from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import Linker
from spanprofiles.model import FlameGraph
from spanprofiles.model.selector import service_selector

SAMPLE_NS = 10_000_000
CONSERVED_WITHIN, PROPORTIONAL_WITHIN = 0.05, 0.10
_AT_A_STRETCH = 20  # rides: a pool ends threads that were idle for a while, and their clocks with them
_QUIET_INTERVALS = 2.5  # of uploads: one of them holds nothing but quiet


def conservation(linker: Linker, region: RunningRegion, paths: Sequence[str], at_once: int) -> list[FlameGraph]:
    """Send rides, print their CPU in profiles by that of the clocks, and return their flame graphs.

    Raises:
        BenchError: a ride was not answered with 200.
        LinkError: one left no span with a profile ID.
        ClientError: a server failed.
    """
    _let_rest(linker)
    start_ms, start_ns = time.time_ns() // 1_000_000, region.cpu_ns()
    _let_rest(linker)  # an upload is dated by its start: that of the first ride begins after this moment
    sent, clocks_ns = _send(region, paths, at_once)
    _let_rest(linker)
    process_ns, end_ms = region.cpu_ns() - start_ns, time.time_ns() // 1_000_000
    _let_rest(linker)
    graphs = _flamegraphs(linker, region, sent)
    query = ProfileQuery(service_selector(SERVICE), start_ms, end_ms)
    whole = linker.pyroscope.merged_profile(query)
    spans_ns = sum(graph.total for graph in graphs)
    if at_once == 1:
        pairs = [(float(graph.total), float(ride.cpu_ns)) for graph, ride in zip(graphs, sent, strict=True)]
        ratio, low, high = ratio_interval(pairs)
        compared = f"{ratio - 1:+.1%} (95 % {low - 1:+.1%} to {high - 1:+.1%})"
    else:
        compared = f"{spans_ns / clocks_ns - 1:+.1%}"
    whose = "its threads for requests" if region.language.request_threads else "the process"
    tell(
        f"conservation, {at_once} at once: {spans_ns / 1e9:.2f} s in span profiles for {clocks_ns / 1e9:.2f} s by the"
        f" clocks of {whose}: {compared}, {len(sent)} rides; goal within {CONSERVED_WITHIN:.0%}"
    )
    tell(
        f"  the whole profile has {whole.total / 1e9:.2f} s for {process_ns / 1e9:.2f} s by the clock of the process:"
        f" {whole.total / process_ns - 1:+.1%}; {spans_ns / max(1, whole.total):.1%} of it is in span profiles;"
        f" {max(0, _inside_ns(region, whole) - spans_ns) / 1e9:.2f} s are of requests and in none; outside of requests:"
        f" {_outside(region, whole)}"
    )
    return graphs


def proportion(region: RunningRegion, paths: Sequence[str], graphs: Sequence[FlameGraph]) -> None:
    """Print how the CPU of the search grows with the number of vehicles.

    Raises:
        BenchError: there are no samples to compare with.
    """
    language = region.language
    found = defaultdict(list)
    for path, graph in zip(paths, graphs, strict=True):
        found[path].append(graph.total_of(language.search))
    base, *others = language.vehicles
    base_ns = sum(found[base])
    if base_ns < SAMPLE_NS:
        raise BenchError(f"the searches of {base} have no samples: there is nothing to compare with")
    for path in others:
        work = language.vehicles[path] / language.vehicles[base]
        ratio = (sum(found[path]) / len(found[path])) / (base_ns / len(found[base]))
        reach = counted_ratio_reach(base_ns // SAMPLE_NS, max(1, sum(found[path]) // SAMPLE_NS))
        tell(
            f"proportion: {path} searches among {work:.2f} times the vehicles of {base}, and has {ratio:.2f} times the"
            f" CPU in the search ({ratio / work - 1:+.1%}, 95 % within {reach:.1%}), {len(found[base])} and"
            f" {len(found[path])} spans; goal within {PROPORTIONAL_WITHIN:.0%}"
        )


def _send(region: RunningRegion, paths: Sequence[str], at_once: int) -> tuple[list[Sent], int]:
    """Send rides, and return them with the CPU that the region's clocks say they used, ns."""
    if at_once == 1:
        sent = [send_clocked(region, path) for path in paths]
        return sent, sum(ride.cpu_ns for ride in sent)
    sent, clocks_ns = [], 0
    for start in range(0, len(paths), _AT_A_STRETCH):
        before = region.clocks_ns()
        sent += send_all([(region, path) for path in paths[start : start + _AT_A_STRETCH]], at_once)
        clocks_ns += used_ns(before, region.clocks_ns())
    return sent, clocks_ns


def _flamegraphs(linker: Linker, region: RunningRegion, sent: Sequence[Sent]) -> list[FlameGraph]:
    for ride in sent:
        if ride.status != 200:
            raise BenchError(f"{ride.path} was answered with {ride.status}")
    await_uploads(linker, [region])
    return [follow(linker, ride)[1] for ride in sent]


def _inside_ns(region: RunningRegion, whole: FlameGraph) -> int:
    """Return the CPU of the handling of requests, with and without a label, ns."""
    return sum(value for path, value in whole.stacks.items() if region.language.in_a_request(path))


def _outside(region: RunningRegion, whole: FlameGraph) -> str:
    """Return what is most of the CPU that is in no request's handling, by the function that a thread begins with."""
    found: Counter[str] = Counter()
    for path, value in whole.stacks.items():
        if not region.language.in_a_request(path):
            found[path[0]] += value
    return ", ".join(f"{value / 1e9:.2f} s in {name}" for name, value in found.most_common(3)) or "nothing"


def _let_rest(linker: Linker) -> None:
    Event().wait(_QUIET_INTERVALS * linker.upload_interval_s)
