"""A Locust run of 200 users whose slowest answered request is followed: user -> trace -> profile, as one path.

Locust (its own process, headless, bounded in time) loads three regions and writes down its slowest requests with their
trace IDs. The slowest one that got its answer is looked up by that ID alone: its trace must be in Tempo, its local root
spans must carry profile IDs, and most of their samples must run through the view of its route.

Not all: the agent's sampler hands stacks to another of its threads, which labels them when it gets them. On a machine
as overloaded as here that thread comes late, and a stack can get the labels of what its thread did next. How many of
the samples did is printed; ``attribution.py`` has the figure for a load the machine can bear.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.attribution import SAMPLE_NS
from bench.command import BenchError, Options, backend_named, circumstances, option_parser, run, tell
from bench.languages import PYTHON
from bench.regions import ROOT, all_regions, linker_of
from spanprofiles.backends import ManagedProcess
from spanprofiles.linking import LinkedSpan, Linker, LinkError, Waiting
from spanprofiles.model import FlameGraph, Span, SpanKind, Trace

USERS, SECONDS = 200, 20
_OVER_RUN_S = 60.0
_STOP_TIMEOUT_S = 20
_ALL_UPLOADED_S = 3.0
_CLOCK_MS = 5.0  # how much longer than the request its span may seem: they are timed by different clocks


@dataclass(frozen=True)
class Slow:
    """A request as Locust saw it.

    Attributes:
        response_ms: until the answer was there, ms.
        trace_id: the trace it began.
        name: its route in Locust's statistics.
    """

    response_ms: float
    trace_id: str
    name: str


@dataclass(frozen=True)
class Followed:
    """What the request led to.

    Attributes:
        request: as Locust saw it.
        trace: its trace.
        answering: the span that answered it.
        linked: the local root spans that did the work, in order of their start: of a forwarded ride there are two, of
            which the first only waits and may have no samples.
    """

    request: Slow
    trace: Trace
    answering: Span
    linked: tuple[LinkedSpan, ...]

    @property
    def flamegraph(self) -> FlameGraph:
        """The samples of all its spans together."""
        return sum((span.flamegraph for span in self.linked), FlameGraph())

    @property
    def samples(self) -> int:
        """How many samples that is."""
        return round(self.flamegraph.total / SAMPLE_NS)

    @property
    def foreign_samples(self) -> int:
        """How many of them run through a view that is not the ride's own."""
        stacks = self.flamegraph.stacks.items()
        return round(sum(ns for path, ns in stacks if PYTHON.foreign(path, self.request.name)) / SAMPLE_NS)


def load(urls: Iterable[str], users: int, seconds: int, environment: Mapping[str, str] | None = None) -> list[Slow]:
    """Run Locust against the regions and return its slowest rides that were answered with 200, slowest first.

    Only orders of rides count: a receipt waits for its payment and a quote is too short, so neither need have samples.

    Args:
        urls: base URLs of the regions.
        users: how many ride at once.
        seconds: how long, s; requests under way then are awaited.
        environment: the process's environment; None for this one's.

    Raises:
        BenchError: Locust ended badly or reported no ride.
        ProcessFailedError: it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="spanprofiles-load-") as folder:
        report = Path(folder) / "slowest.json"
        everything = {**(os.environ if environment is None else environment), "LOADGEN_URLS": ",".join(urls)}
        everything |= {"LOADGEN_REPORT": str(report), "LOADGEN_SLOWEST": "1000"}
        command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadgen" / "locustfile.py"), "--headless"]
        command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s", "--only-summary"]
        command += ["--stop-timeout", str(_STOP_TIMEOUT_S), "--exit-code-on-error", "0", "--loglevel", "WARNING"]
        with ManagedProcess("the load", command, environment=everything, directory=ROOT) as process:
            for _ in Waiting(seconds + _OVER_RUN_S, longest_s=0.5).attempts():
                if not process.is_running:
                    break
            if not report.is_file():
                raise BenchError(str(process.failure("reported nothing")))
            found = json.loads(report.read_text())["slowest"]
    rides = [
        Slow(ride["response_ms"], ride["trace_id"], ride["name"])
        for ride in found
        if ride["status"] == 200 and ride["name"] in {"/bike", "/scooter", "/car"}
    ]
    if not rides:
        raise BenchError(f"none of the {len(found)} slowest requests is a ride that was answered")
    return rides


def _is_whole(trace: Trace) -> bool:
    """Tell whether the spans of all processes have arrived: one top, and the other end of every call."""
    called = {span.parent_id for span in trace.local_roots}
    calls = [span for span in trace.spans if span.kind is SpanKind.CLIENT]
    return bool(trace.linkable) and len(trace.tops) == 1 and all(call.span_id in called for call in calls)


def follow(linker: Linker, request: Slow) -> Followed:
    """Follow a ride by its trace ID to its flame graph, and check each step.

    Raises:
        LinkError: a step leads nowhere, or to something else; the message says which.
        ClientError: a server failed.
    """
    trace = linker.trace(request.trace_id, _is_whole)
    answering = linker.answering_span(request.trace_id)
    route = str(answering.attributes.get("http.route"))
    if route != request.name:
        raise LinkError(f"Locust asked for {request.name}, and the trace {request.trace_id} answers {route}")
    if answering.duration_ns / 1e6 > request.response_ms + _CLOCK_MS:
        raise LinkError(
            f"the span {answering.span_id} is longer than the request: {answering.duration_ns / 1e6:.0f} ms"
        )
    linked = []
    for span in trace.linkable:
        if span.profile_id != span.span_id:
            raise LinkError(f"the profile ID of the span {span.span_id} is another's: {span.profile_id}")
        if span is trace.linkable[-1]:  # the region that had the vehicle
            linked.append(linker.samples(span))
        else:
            linked.append(LinkedSpan(span, linker.flamegraph(span)))
    followed = Followed(request, trace, answering, tuple(linked))
    samples, foreign = followed.samples, followed.foreign_samples
    if 2 * foreign >= samples:
        raise LinkError(f"{foreign} of {samples} samples of {request.trace_id} ({route}) run through another view")
    if followed.flamegraph.share("find_nearest_vehicle") == 0:
        raise LinkError(f"the flame graph of the ride {request.trace_id} shows no search: {followed.flamegraph!r}")
    return followed


def measure(options: Options, users: int, seconds: int) -> None:
    """Load, follow the slowest, and print.

    Raises:
        BenchError: Locust reported no ride, or none of them leads to a flame graph.
    """
    with backend_named(options.backend) as endpoints, all_regions(endpoints, options.processor) as regions:
        tell(f"{users} users for {seconds} s on {len(regions)} regions")
        slowest = load([region.url for region in regions.values()], users, seconds)
        linker = linker_of(endpoints)
        chosen, found = slowest[: options.requests], []
        for number, ride in enumerate(chosen, 1):
            try:
                found.append(follow(linker, ride))
            except LinkError as error:
                tell(f"  number {number} of the slowest is not linked: {' '.join(str(error).split())[:200]}")
            linker.waiting = Waiting(_ALL_UPLOADED_S)  # what is not there after the first wait does not come
    if not found:
        raise BenchError(f"none of the {len(chosen)} slowest rides leads to a flame graph")
    followed = found[0]
    first = followed.request
    top = ", ".join(f"{row.name} {row.self / followed.flamegraph.total:.0%}" for row in followed.flamegraph.top(3))
    tell(
        f"slowest linked of {users} users: {first.name} after {first.response_ms / 1000:.2f} s, trace {first.trace_id}"
        f" of {len(followed.trace.spans)} spans, {followed.answering.duration_ns / 1e9:.2f} s in its span and"
        f" {followed.flamegraph.total / 1e9:.2f} s of CPU in its flame graph ({top})"
    )
    samples, foreign = sum(ride.samples for ride in found), sum(ride.foreign_samples for ride in found)
    tell(f"slowest of many: {len(found)} of the {len(chosen)} slowest rides lead to their own flame graph; goal all")
    tell(
        f"slowest of many: {foreign} of their {samples} samples run through another view ({foreign / samples:.2%});"
        " goal 0"
    )
    tell(f"  on {circumstances(options)}")


def main() -> None:
    parser = option_parser(__doc__, requests_default=50)
    parser.add_argument("--users", type=int, default=USERS, help=f"riders at once (default {USERS})")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"length of the run, s (default {SECONDS})")
    given = parser.parse_args()
    if not (1 <= given.requests <= 500 and 1 <= given.users <= 1000 and 1 <= given.seconds <= 600):
        parser.error("--requests must be from 1 to 500, --users from 1 to 1000, --seconds from 1 to 600")
    run(lambda: measure(Options(given.requests, given.backend, given.processor), given.users, given.seconds))


if __name__ == "__main__":
    main()
