"""What span profiles cost: rides/s and CPU a ride with and without processor and agent, interleaved in one run.

Three regions run side by side, the same but for that: all trace and export; one has the agent as well, and one the
agent and the processor. Blocks of rides go to each in turn, every round in random order, so that what else the machine
does hits all alike. CPU is the whole worker's (agent, uploads, exporter and all), by the kernel's clock of that
process: while its blocks last, and over the whole stretch, the two thirds of it included in which the others have
theirs and it waits. The region with the agent alone shows whose the overhead is.

Two processes of the same program differ by a few per cent for as long as they live (where their memory lies, how their
hashes fall). So the regions are started again and again, in random order. The overhead is the ratio of the sums over
all starts, since an upload comes once in many blocks and a median would leave it out; its 95 % interval is that of the
starts.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.command import LARGEST_SAMPLE, BenchError, Options, backend_named, circumstances, option_parser, run, tell
from bench.estimates import ratio_interval
from bench.regions import RunningRegion, one_region, refused, send
from spanprofiles.model import Endpoints

PATHS = ("/bike", "/scooter", "/bike", "/quote?vehicle=bike")
RIDES_A_BLOCK = 4
WARM_UP_ROUNDS = 3
GOAL = 0.02
WHOLE, AGENT, NEITHER = "with processor and agent", "with the agent alone", "with neither"
FAULTS = {WHOLE: "", AGENT: "no-processor", NEITHER: "no-processor,no-agent"}


@dataclass(frozen=True)
class Took:
    """What one region took in one start, for all its rides.

    Attributes:
        seconds: of its blocks.
        cpu_ns: of its worker, in its blocks.
        whole_cpu_ns: of its worker, from the first block of any region to the last.
    """

    seconds: float
    cpu_ns: int
    whole_cpu_ns: int


Start = dict[str, Took]


def block(region: RunningRegion) -> tuple[float, int]:
    """Send a block of rides and return the seconds and the CPU, in ns.

    Raises:
        BenchError: a ride was not answered.
    """
    cpu_ns, start = region.cpu_ns(), time.perf_counter()
    sent = [send(region, PATHS[number % len(PATHS)]) for number in range(RIDES_A_BLOCK)]
    seconds, cpu_ns = time.perf_counter() - start, region.cpu_ns() - cpu_ns
    if refused(sent):
        raise BenchError(f"{refused(sent)[0].path} was answered with {refused(sent)[0].status}")
    return seconds, cpu_ns


def one_start(
    endpoints: Endpoints, options: Options, upload_interval_s: int, rounds: int, chance: random.Random
) -> Start:
    """Start the regions, and send each the same number of blocks.

    Raises:
        BenchError: a region does not answer, or a ride was not answered.
    """
    with ExitStack() as stack:
        regions = {}
        for name, faults in chance.sample(sorted(FAULTS.items()), len(FAULTS)):
            changes = {"PYROSCOPE_UPLOAD_INTERVAL": str(upload_interval_s), "RIDESHARE_FAULTS": faults}
            regions[name] = stack.enter_context(one_region(endpoints, options.processor, changes=changes))
        blocks: dict[str, list[tuple[float, int]]] = {name: [] for name in regions}
        for number in range(-WARM_UP_ROUNDS, rounds):
            if number == 0:
                before_ns = {name: region.cpu_ns() for name, region in regions.items()}
            order = list(regions)
            chance.shuffle(order)
            for name in order:
                took = block(regions[name])
                if number >= 0:
                    blocks[name].append(took)
        return {
            name: Took(
                sum(seconds for seconds, _ in blocks[name]),
                sum(cpu_ns for _, cpu_ns in blocks[name]),
                region.cpu_ns() - before_ns[name],
            )
            for name, region in regions.items()
        }


def added(pairs: Sequence[tuple[float, float]]) -> str:
    """Return by how much the first sum is more than the second, with its 95 % interval."""
    ratio, low, high = ratio_interval(pairs)
    return f"{ratio - 1:+.1%} (95 % {low - 1:+.1%} to {high - 1:+.1%})"


def measure(options: Options, upload_interval_s: int, starts: int) -> None:
    """Send blocks in turn, and print what those with more take more."""
    chance = random.Random(2)  # an order, no secret
    rounds = math.ceil(options.requests / (len(FAULTS) * RIDES_A_BLOCK * starts))
    tell(f"{starts} starts of three regions, {rounds} rounds of {RIDES_A_BLOCK} rides to each")
    found: list[Start] = []
    with backend_named(options.backend) as endpoints:
        for number in range(1, starts + 1):
            found.append(one_start(endpoints, options, upload_interval_s, rounds, chance))
            tell(f"  {number} of {starts} starts")
    rides = rounds * RIDES_A_BLOCK * starts
    for name in FAULTS:
        cpu_ms, whole_ms, seconds = (
            sum(turn[name].cpu_ns for turn in found) / 1e6,
            sum(turn[name].whole_cpu_ns for turn in found) / 1e6,
            sum(turn[name].seconds for turn in found),
        )
        tell(
            f"  {name}: {cpu_ms / rides:.2f} ms of CPU a ride, {whole_ms / rides:.2f} ms with what it takes while it"
            f" waits; {rides / seconds:.1f} rides/s"
        )
    for title, more, less in (
        ("overhead", WHOLE, NEITHER),
        ("  of which the agent's", AGENT, NEITHER),
        ("  of which the processor's and the labels'", WHOLE, AGENT),
    ):
        cpu = added([(turn[more].cpu_ns, turn[less].cpu_ns) for turn in found])
        whole = added([(turn[more].whole_cpu_ns, turn[less].whole_cpu_ns) for turn in found])
        speed = added([(turn[less].seconds, turn[more].seconds) for turn in found])
        tell(f"{title}: CPU a ride {cpu}, with waiting {whole}; rides/s {speed}")
    tell(
        f"  {starts} starts, {rides} rides each; goal under {GOAL:.0%} of both;"
        f" upload interval {upload_interval_s} s, on {circumstances(options)}"
    )


def main() -> None:
    parser = option_parser(__doc__, requests_default=1200)
    parser.add_argument(
        "--upload-interval", type=int, default=10, help="seconds between uploads (default 10, the agent's own)"
    )
    parser.add_argument("--starts", type=int, default=12, help="how often the regions are started (default 12)")
    given = parser.parse_args()
    if not (80 <= given.requests <= LARGEST_SAMPLE and 1 <= given.upload_interval <= 60 and 6 <= given.starts <= 100):
        parser.error(
            f"--requests must be from 80 to {LARGEST_SAMPLE}, --upload-interval from 1 to 60, --starts from 6 to 100"
        )
    options = Options(given.requests, given.backend, given.processor)
    run(lambda: measure(options, given.upload_interval, given.starts))


if __name__ == "__main__":
    main()
