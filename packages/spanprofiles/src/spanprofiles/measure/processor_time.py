"""How long an app's threads ran, and how long they were ready to run but waited for a processor.

Python's agent samples by the clock: a thread that waits for a processor looks as if it computed. On a busy machine the
same request therefore seems to cost more. Linux counts both times for each thread, in ns (``schedstat`` of its
``proc(5)``), so a comparison can leave the waiting out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from spanprofiles.model import Measurement

_PROC = Path("/proc")
_MOST_PROCESSES = 1_000

#: The agent that samples by the clock.
_BY_THE_CLOCK = "pyroscope-io"

# A thread that ran so much less than the busiest one was not there for the requests.
_LEAST_WORK = 0.15

# Threads that have ended took their counts along. What is left must be most of what the samples saw.
_LEAST_SEEN = 0.6


@dataclass(frozen=True)
class ProcessorTime:
    """The times of some processes' threads so far.

    Attributes:
        threads: by process and thread: how long it ran, and how long it waited for a processor, ns.
    """

    threads: Mapping[tuple[int, int], tuple[int, int]]

    @classmethod
    def of(cls, pids: Iterable[int]) -> ProcessorTime:
        """Return the times of processes and of all that they have started; of none where the system does not tell."""
        threads: dict[tuple[int, int], tuple[int, int]] = {}
        waiting = [pid for pid in pids if pid]
        known = set(waiting)
        while waiting and len(known) < _MOST_PROCESSES:
            pid = waiting.pop()
            for folder in _threads(pid):
                with suppress(OSError, ValueError):  # it has ended meanwhile
                    ran, waited, _ = map(int, (folder / "schedstat").read_text(encoding="ascii").split())
                    threads[pid, int(folder.name)] = (ran, waited)
                with suppress(OSError, ValueError):
                    children = set(map(int, (folder / "children").read_text(encoding="ascii").split())) - known
                    known |= children
                    waiting += children
        return cls(threads)

    def since(self, before: ProcessorTime) -> tuple[int, int]:
        """Return how long the threads that computed ran and waited since then, ns.

        Those that hardly ran are left out: the agent's own wakes a hundred times a second, and waits each time.
        """
        spent = []
        for thread, (now_ran, now_waited) in self.threads.items():
            then_ran, then_waited = before.threads.get(thread, (0, 0))
            spent.append((now_ran - then_ran, now_waited - then_waited))
        least = _LEAST_WORK * max((ran for ran, _ in spent), default=0)
        computing = [(ran, waited) for ran, waited in spent if ran >= least]
        return sum(ran for ran, _ in computing), sum(waited for _, waited in computing)


def with_processor_wait(measurement: Measurement, before: ProcessorTime, after: ProcessorTime) -> Measurement:
    """Note in a measurement which part of its CPU was waiting for a processor.

    Nothing is noted where it is not known: another agent, another system, or threads that ended with their requests.

    Args:
        measurement: what was measured in between.
        before: the times of the app's threads before it.
        after: the same after it.
    """
    ran_ns, waited_ns = after.since(before)
    sampled_ns = sum(measurement.cpu_values)
    is_by_the_clock = measurement.environment.agent.startswith(_BY_THE_CLOCK)
    if not (is_by_the_clock and sampled_ns) or ran_ns + waited_ns < _LEAST_SEEN * sampled_ns:
        return measurement
    part = round(waited_ns / (ran_ns + waited_ns), 4)
    return replace(measurement, environment=replace(measurement.environment, processor_wait=part))


def _threads(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []
