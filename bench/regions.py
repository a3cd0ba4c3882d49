"""What the benches measure: regions of the demo app, bounded load, and each request followed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import requests

from bench.clocked import CPU_HEADER, WALL_HEADER
from bench.command import BenchError, tell
from bench.languages import EVERY_ORDER, PYTHON, Language
from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Linker, TracedSession, Waiting, await_answer
from spanprofiles.model import Endpoints, FlameGraph, Span, TraceContext

ROOT = Path(__file__).parents[1]
SERVICE = "ride-sharing-app"
NEIGHBOURS = {"eu-north": "us-east", "us-east": "ap-south", "ap-south": "eu-north"}
WAITING = Waiting(60.0)

WARM_UP_ROUNDS = 20
"""How often each kind of ride is ordered before the measurement: virtual machines compile what runs often."""

_START_S = 60.0
_BUSY = 4  # as much longer may a start take, for benches are run on busy machines too
_NEIGHBOUR_S = 60  # likewise: an order that is given up has its work done and no answer
_OWN_PREFIXES = ("OTEL_", "PYROSCOPE_", "RIDESHARE_", "LOADGEN_")
_CPU_CLOCK = 2  # CPUCLOCK_SCHED, <linux/posix-timers.h>


@dataclass(frozen=True)
class RunningRegion:
    """One region.

    Attributes:
        name: as in ``RIDESHARE_REGION``.
        url: its address.
        process: what was started: in Python gunicorn.
        language: what it is written in.
    """

    name: str
    url: str
    process: ManagedProcess
    language: Language = PYTHON

    @property
    def worker_pid(self) -> int:
        """The process that serves the requests.

        Raises:
            BenchError: there is none.
        """
        if self.language.fleet is not None:
            return self.process.pid
        children = psutil.Process(self.process.pid).children()
        if len(children) != 1:
            raise BenchError(f"region {self.name} has {len(children)} workers instead of one")
        pid: int = children[0].pid
        return pid

    def cpu_ns(self) -> int:
        """CPU the worker has used in all its threads, ns, by the kernel's clock of that process (Linux)."""
        return time.clock_gettime_ns((~self.worker_pid << 3) | _CPU_CLOCK)

    def clocks_ns(self) -> dict[str, int]:
        """Return the clocks of its threads for requests, ns, by their IDs (Linux).

        Where the language has no such threads, it is the one clock of the process.
        """
        if not self.language.request_threads:
            return {"": self.cpu_ns()}
        clocks = {}
        for task in Path(f"/proc/{self.worker_pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                if (task / "comm").read_text().startswith(self.language.request_threads):
                    clocks[task.name] = int((task / "schedstat").read_text().split()[0])
        return clocks


@dataclass(frozen=True)
class Sent:
    """One request that was sent.

    Attributes:
        region: where to.
        path: what for.
        context: its trace.
        status: the HTTP status; 0 where there was no answer.
        seconds: until the answer was there, s.
        ended_s: when the answer was there, s since the epoch.
        cpu_ns: CPU of the thread that answered, ns; 0 where the app has no clock.
        wall_ns: the wall-clock time of the same, ns; 0 where the app has no clock.
    """

    region: str
    path: str
    context: TraceContext
    status: int
    seconds: float
    ended_s: float
    cpu_ns: int = 0
    wall_ns: int = 0


@contextmanager
def running_region(
    endpoints: Endpoints,
    name: str,
    port: int,
    processor: str,
    *,
    clocked: bool = False,
    factory: str = "",
    changes: Mapping[str, str] | None = None,
    niceness: int = 0,
    language: Language = PYTHON,
) -> Iterator[RunningRegion]:
    """Run one region until the block ends.

    Args:
        endpoints: where its telemetry goes.
        name: which region.
        port: where it listens on 127.0.0.1.
        processor: ``RIDESHARE_PROCESSOR``.
        clocked: whether answers say how much CPU they took (:mod:`bench.clocked`); in Python only.
        factory: what makes the app, where it is neither the app's own factory nor that with the clock.
        changes: further environment variables.
        niceness: how far it stands back for other processes, 0 to 19.
        language: what it is written in; other than Python it is warmed up.

    Raises:
        BenchError: it does not answer, or what it takes to build it is not there.
        DemoError: it cannot be built.
    """
    fleet = language.build()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_OWN_PREFIXES)}
    environment = {
        **inherited,
        **(fleet.environment(endpoints, SERVICE) if fleet else endpoints.environment()),
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_RESOURCE_ATTRIBUTES": f"region={name},host.name=rideshare-{name}",
        "RIDESHARE_REGION": name,
        "RIDESHARE_BIND": f"127.0.0.1:{port}",
        "RIDESHARE_PROCESSOR": processor,
        **(changes or {}),
    }
    environment.update(labels_of_its_own(environment, name))
    factory = factory or ("bench.clocked:create_app()" if clocked else "rideshare.app:create_app()")
    command = ["nice", "-n", str(niceness)] if niceness else []
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:rideshare.gunicorn_config", factory]
    command += fleet.command if fleet else gunicorn
    start_s = _BUSY * fleet.start_s if fleet else _START_S
    with ManagedProcess(f"region {name}", command, environment=environment, directory=ROOT) as process:
        url = f"http://127.0.0.1:{port}"
        with TracedSession(url) as session:
            if not await_answer(session, "/health", start_s, lambda: process.is_running):
                raise BenchError(str(process.failure("does not answer")))
        region = RunningRegion(name, url, process, language)
        if fleet:
            warm_up(region)
        yield region


def labels_of_its_own(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the variable by which a region's agent labels its profiles as its own; none where it is not set.

    Of two profiles with the same labels and the same time a real Pyroscope keeps one, and Java's agent dates its
    uploads by whole seconds.

    Args:
        environment: the region's variables.
        name: which region.
    """
    if "PYROSCOPE_LABELS" not in environment:
        return {}
    return {"PYROSCOPE_LABELS": f"region={name},hostname=rideshare-{name}"}


@contextmanager
def one_region(
    endpoints: Endpoints,
    processor: str,
    *,
    clocked: bool = False,
    factory: str = "",
    changes: Mapping[str, str] | None = None,
    language: Language = PYTHON,
) -> Iterator[RunningRegion]:
    """Run the region that has every kind of vehicle, on a free port.

    Raises:
        BenchError, DemoError: as :func:`running_region`.
    """
    (port,) = free_ports(1)
    with running_region(
        endpoints, "eu-north", port, processor, clocked=clocked, factory=factory, changes=changes, language=language
    ) as region:
        yield region


@contextmanager
def all_regions(
    endpoints: Endpoints,
    processor: str,
    changes: Mapping[str, str] | None = None,
    niceness: int = 0,
    language: Language = PYTHON,
) -> Iterator[dict[str, RunningRegion]]:
    """Run the three regions, each knowing its neighbour.

    Raises:
        BenchError, DemoError: as :func:`running_region`.
    """
    ports = dict(zip(NEIGHBOURS, free_ports(len(NEIGHBOURS)), strict=True))
    with ExitStack() as stack:
        found = {}
        for name, port in ports.items():
            own = {
                "RIDESHARE_NEIGHBOUR_URL": f"http://127.0.0.1:{ports[NEIGHBOURS[name]]}",
                "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS": str(_NEIGHBOUR_S),
                **(changes or {}),
            }
            started = running_region(
                endpoints, name, port, processor, changes=own, niceness=niceness, language=language
            )
            found[name] = stack.enter_context(started)
        yield found


def warm_up(region: RunningRegion) -> None:
    """Order rides of each kind, which are not measured.

    Raises:
        BenchError: the region refuses one that it should have.
    """
    rides = [send(region, path) for _ in range(WARM_UP_ROUNDS) for path in EVERY_ORDER]
    if len(refused(rides)) > WARM_UP_ROUNDS:  # a region may have no vehicle of one kind
        raise BenchError(f"region {region.name} answered {refused(rides)[0].status} to an order")


def send(region: RunningRegion, path: str, timeout_s: float = 60.0, headers: Mapping[str, str] | None = None) -> Sent:
    """Send one request with a trace of its own. No answer is a status of 0, not an error."""
    context = TraceContext.new()
    start = time.perf_counter()
    cpu_ns = wall_ns = status = 0
    try:
        with TracedSession(region.url, (5.0, timeout_s)) as session:
            answer = session.get(path, headers={**(headers or {}), "traceparent": context.traceparent})
        status = answer.status_code
        cpu_ns, wall_ns = (int(answer.headers.get(name, "0")) for name in (CPU_HEADER, WALL_HEADER))
    except requests.RequestException:
        pass  # status 0 says it
    return Sent(region.name, path, context, status, time.perf_counter() - start, time.time(), cpu_ns, wall_ns)


def send_clocked(region: RunningRegion, path: str) -> Sent:
    """Send one request while no other is sent, and note what the clocks of the region say of it.

    They are those of its threads for requests, or of the process: see :meth:`RunningRegion.clocks_ns`.
    """
    before = region.clocks_ns()
    sent = send(region, path)
    return replace(sent, cpu_ns=used_ns(before, region.clocks_ns()), wall_ns=round(sent.seconds * 1e9))


def used_ns(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return how much clocks have advanced, ns. Those of threads that have ended in between, idle, do not count."""
    return sum(clock_ns - before.get(thread, 0) for thread, clock_ns in after.items())


def send_all(targets: Sequence[tuple[RunningRegion, str]], at_once: int) -> list[Sent]:
    """Send requests, so many at once, and tell how far it is; answers come in the order of the targets."""
    found = []
    with ThreadPoolExecutor(at_once) as pool:
        for number, sent in enumerate(pool.map(lambda target: send(*target), targets), 1):
            found.append(sent)
            if number % max(1, len(targets) // 5) == 0:
                tell(f"  {number} of {len(targets)} requests answered")
    return found


def await_uploads(linker: Linker, regions: Sequence[RunningRegion]) -> None:
    """Wait until all that was sent to the regions so far is stored: until a later ride's samples are complete.

    Raises:
        LinkError: the later ride is not linked.
        ClientError: a server failed.
    """
    for region in regions:
        linker.linked_span(send(region, "/scooter").context)


def follow(linker: Linker, sent: Sent) -> tuple[Span, FlameGraph]:
    """Return the span that answered a request, and the samples it has; await its upload before.

    Raises:
        LinkError: there is no such span, or it carries no profile ID.
        ClientError: a server failed.
    """
    span = linker.answering_span(sent.context)
    return span, linker.flamegraph(span)


def linker_of(endpoints: Endpoints) -> Linker:
    """Return a linker that waits for as long as a busy machine may need."""
    return Linker.of(endpoints, waiting=WAITING)


def refused(sent: Sequence[Sent], expected: int = 200) -> list[Sent]:
    """Return the requests that were not answered with the expected status."""
    return [request for request in sent if request.status != expected]
