"""Recorded rides of the demo: the samples of each, by the version of the code that answered it.

Rides of all versions are sent in random order, one at a time, and followed to their samples. A recording can be kept in
a file, gzip'd JSON, outside of the repository.
"""

from __future__ import annotations

import gzip
import json
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.command import BenchError, Options, backend_named, circumstances, tell
from bench.regions import RunningRegion, await_uploads, follow, linker_of, one_region, refused, send
from bench.slow_commits import COMMIT_HEADER, NEW_FUNCTION, OLD_FUNCTION
from spanprofiles.model import FlameGraph, FunctionCpu, MeasuredRequest
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS

ROUTE = "/scooter"

#: Trials of each version by which its work is set; the median of their CPU clocks counts.
_TRIALS = 15

# Work of the trials: about a ride's worth for the one, half for the other.
_TRIAL_WORK = {NEW_FUNCTION: 1200, OLD_FUNCTION: 800}

# CPU grows with this power of the work.
_POWERS = {NEW_FUNCTION: 2, OLD_FUNCTION: 1}

_FORMAT = "spanprofiles recorded rides"
_VERSION = 1


@dataclass(frozen=True)
class Version:
    """A version of the code.

    Attributes:
        function: the function that its commit made slow; empty for the code as it is.
        growth: how much more CPU it was meant to cost, as a part of a ride's.
    """

    function: str = ""
    growth: float = 0.0

    @property
    def name(self) -> str:
        """Its name, such as ``smoothed_position +20%``."""
        return f"{self.function} {self.growth:+.0%}" if self.function else "as it is"


BASE = Version()
VERSIONS = (BASE, *(Version(name, growth) for name in (NEW_FUNCTION, OLD_FUNCTION) for growth in (0.5, 0.2)))

#: How many of ten rides each version gets: half of them the code as it is.
_SHARES = (6, 1, 1, 1, 1)


@dataclass(frozen=True)
class RecordedRide:
    """A ride.

    Attributes:
        cpu_ns: CPU of the thread that answered, by its own clock, ns.
        wall_ns: the wall-clock time of the same, ns.
        stacks: call path, outermost function first, and the value of its samples, ns.
    """

    cpu_ns: int
    wall_ns: int
    stacks: Mapping[tuple[str, ...], int]

    @cached_property
    def flamegraph(self) -> FlameGraph:
        """Its samples."""
        return FlameGraph(self.stacks)

    @cached_property
    def samples(self) -> int:
        """How many samples it has."""
        return round(sum(self.stacks.values()) / SAMPLE_PERIOD_NS)

    @cached_property
    def measured(self) -> MeasuredRequest:
        """The same as a measurement has it."""
        functions = {name: FunctionCpu(row.self, row.total) for name, row in self.flamegraph.by_function.items()}
        total = self.flamegraph.total
        return MeasuredRequest("0" * 32, (), 0, self.wall_ns, total, self.samples, functions)


@dataclass(frozen=True)
class Recording:
    """Rides of all versions.

    Attributes:
        circumstances: on what they were recorded, in words.
        rides: the rides of each version, in the order in which they were sent.
    """

    circumstances: str
    rides: Mapping[Version, Sequence[RecordedRide]]

    @property
    def count(self) -> int:
        """How many rides there are."""
        return sum(map(len, self.rides.values()))

    def write(self, path: Path) -> None:
        """Keep it in a file.

        Raises:
            OSError: the file cannot be written.
        """
        names: dict[str, int] = {}
        rides = [
            {
                "function": version.function,
                "growth": version.growth,
                "cpu_ns": ride.cpu_ns,
                "wall_ns": ride.wall_ns,
                "stacks": [
                    [[names.setdefault(name, len(names)) for name in stack], value]
                    for stack, value in ride.stacks.items()
                ],
            }
            for version, recorded in self.rides.items()
            for ride in recorded
        ]
        document = {"format": _FORMAT, "version": _VERSION, "circumstances": self.circumstances}
        text = json.dumps({**document, "functions": list(names), "rides": rides})
        path.write_bytes(gzip.compress(text.encode(), mtime=0))

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read it from a file.

        Raises:
            BenchError: the file holds no recording.
            OSError: it cannot be read.
        """
        try:
            document = json.loads(gzip.decompress(path.read_bytes()))
            if (document["format"], document["version"]) != (_FORMAT, _VERSION):
                raise BenchError(f"{path} is not a recording of this version: record again, into another file")
            names = document["functions"]
            rides: dict[Version, list[RecordedRide]] = defaultdict(list)
            for ride in document["rides"]:
                stacks = {tuple(names[place] for place in stack): value for stack, value in ride["stacks"]}
                recorded = RecordedRide(ride["cpu_ns"], ride["wall_ns"], stacks)
                rides[Version(ride["function"], ride["growth"])].append(recorded)
            return cls(document["circumstances"], dict(rides))
        except (ValueError, KeyError, TypeError, IndexError, EOFError, gzip.BadGzipFile) as error:
            raise BenchError(f"{path} is not a recording of rides: record again, into another file") from error


def record(options: Options) -> Recording:
    """Send rides of all versions in random order and follow each to its samples.

    Raises:
        BenchError: a ride was not answered.
        LinkError: one left no span with a profile ID.
        ClientError: a server failed.
    """
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, factory="bench.slow_commits:create_app()") as region,
    ):
        headers = {version: _header(region, version) for version in VERSIONS}
        order = [version for version, share in zip(VERSIONS, _SHARES, strict=True) for _ in range(share)]
        order *= -(-options.requests // len(order))
        random.Random(16).shuffle(order)  # an order, no secret
        tell(f"sending {len(order)} rides of {len(VERSIONS)} versions, one at a time")
        sent = []
        for number, version in enumerate(order, 1):
            sent.append(send(region, ROUTE, headers=headers[version]))
            if number % max(1, len(order) // 10) == 0:
                tell(f"  {number} of {len(order)} rides answered")
        if refused(sent):
            raise BenchError(f"{len(refused(sent))} of {len(sent)} rides were not answered with 200")
        linker = linker_of(endpoints)
        await_uploads(linker, [region])
        rides: dict[Version, list[RecordedRide]] = defaultdict(list)
        for version, request in zip(order, sent, strict=True):
            stacks = follow(linker, request)[1].stacks
            rides[version].append(RecordedRide(request.cpu_ns, request.wall_ns, stacks))
    return Recording(circumstances(options), {version: rides[version] for version in VERSIONS})


def _header(region: RunningRegion, version: Version) -> dict[str, str]:
    """Return the header that makes a ride cost so much more, found by trials and their threads' CPU clocks."""
    if not version.function:
        return {}

    def extra(work: int) -> float:
        """Return how much more CPU a ride takes, as a part; both kinds take turns."""
        pairs = [(_cpu_ns(region, {}), _cpu_ns(region, _commit(version, work))) for _ in range(_TRIALS)]
        plain, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
        return float(slow / plain) - 1

    work = _TRIAL_WORK[version.function]
    for _ in range(2):
        work = max(1, round(work * (version.growth / max(extra(work), 0.01)) ** (1 / _POWERS[version.function])))
    tell(f"  {version.name}: work {work}")
    return _commit(version, work)


def _commit(version: Version, work: int) -> dict[str, str]:
    return {COMMIT_HEADER: f"{version.function} {work}"}


def _cpu_ns(region: RunningRegion, headers: Mapping[str, str]) -> int:
    sent = send(region, ROUTE, headers=headers)
    if sent.status != 200:
        raise BenchError(f"a ride was answered with {sent.status}")
    return sent.cpu_ns


def kept(path: Path | None, make: Callable[[], Recording]) -> Recording:
    """Return the recording in a file if it is there, else a new one, which is kept there.

    Raises:
        BenchError: the file holds no recording.
        OSError: it can be neither read nor written.
    """
    if path is not None and path.exists():
        return Recording.read(path)
    recording = make()
    if path is not None:
        recording.write(path)
    return recording
