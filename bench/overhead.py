"""What span profiles cost: rides/s and CPU a ride with and without processor and agent, interleaved in one run.

Two regions run side by side, the same but for that: both trace and export, one profiles and links as well. Blocks of
rides go to the one and to the other in turn, each pair in random order, so that what else the machine does hits both
alike. CPU is the whole worker's (agent, exporter and all), by the kernel's clock of that process, while its block
lasts. The overhead is the median of the pairs' ratios, with its 95 % interval.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.estimates import median_interval
from bench.regions import (
    LARGEST_SAMPLE,
    BenchError,
    Options,
    RunningRegion,
    backend_named,
    circumstances,
    one_region,
    option_parser,
    refused,
    run,
    send,
    tell,
)

PATHS = ("/bike", "/scooter", "/bike", "/quote?vehicle=bike")
RIDES_A_BLOCK = 4
WARM_UP_BLOCKS = 3
GOAL = 0.02
WITHOUT = {"RIDESHARE_FAULTS": "no-processor,no-agent"}


@dataclass(frozen=True)
class Block:
    """Some rides, one after the other: seconds and CPU a ride."""

    seconds: float
    cpu_ns: float


def block(region: RunningRegion) -> Block:
    """Send a block of rides and measure it.

    Raises:
        BenchError: a ride was not answered.
    """
    cpu_ns, start = region.cpu_ns(), time.perf_counter()
    sent = [send(region, PATHS[number % len(PATHS)]) for number in range(RIDES_A_BLOCK)]
    seconds, cpu_ns = time.perf_counter() - start, region.cpu_ns() - cpu_ns
    if refused(sent):
        raise BenchError(f"{refused(sent)[0].path} was answered with {refused(sent)[0].status}")
    return Block(seconds / RIDES_A_BLOCK, cpu_ns / RIDES_A_BLOCK)


def added(ratios: Sequence[float]) -> str:
    """Return the median of the ratios less one, with its 95 % interval."""
    middle, low, high = median_interval(ratios)
    return f"{middle - 1:+.1%} (95 % {low - 1:+.1%} to {high - 1:+.1%})"


def measure(options: Options, upload_interval_s: int) -> None:
    """Send blocks in turn, and print what the one has more than the other."""
    chance = random.Random(2)  # noqa: S311  # an order, no secret
    pairs: list[tuple[Block, Block]] = []
    interval = {"PYROSCOPE_UPLOAD_INTERVAL": str(upload_interval_s)}
    count = math.ceil(options.requests / (2 * RIDES_A_BLOCK))
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, changes=interval) as profiled,
        one_region(endpoints, options.processor, changes=WITHOUT) as plain,
    ):
        tell(f"sending {count} pairs of blocks of {RIDES_A_BLOCK} rides")
        for number in range(-WARM_UP_BLOCKS, count):
            regions = [profiled, plain]
            chance.shuffle(regions)
            found = {region.url: block(region) for region in regions}
            if number >= 0:
                pairs.append((found[profiled.url], found[plain.url]))
                if (number + 1) % max(1, count // 5) == 0:
                    tell(f"  {number + 1} of {count} pairs")
    cpu = [one.cpu_ns / other.cpu_ns for one, other in pairs]
    speed = [other.seconds / one.seconds for one, other in pairs]
    with_ms, without_ms = (statistics.median(pair[place].cpu_ns for pair in pairs) / 1e6 for place in (0, 1))
    with_rate, without_rate = (1 / statistics.median(pair[place].seconds for pair in pairs) for place in (0, 1))
    size = f"{len(pairs)} pairs of {RIDES_A_BLOCK} rides"
    tell(
        f"overhead, CPU a ride: {added(cpu)}, {with_ms:.2f} ms with and {without_ms:.2f} ms without;"
        f" {size}; goal under {GOAL:.0%}"
    )
    tell(
        f"overhead, rides/s: {added(speed)}, {with_rate:.1f} with and {without_rate:.1f} without;"
        f" {size}; goal above -{GOAL:.0%}"
    )
    tell(f"  upload interval {upload_interval_s} s, on {circumstances(options)}")


def main() -> None:
    parser = option_parser(__doc__, requests_default=1200)
    parser.add_argument(
        "--upload-interval", type=int, default=10, help="seconds between uploads (default 10, the agent's own)"
    )
    given = parser.parse_args()
    if not (80 <= given.requests <= LARGEST_SAMPLE and 1 <= given.upload_interval <= 60):
        parser.error(f"--requests must be from 80 to {LARGEST_SAMPLE}, --upload-interval from 1 to 60")
    options = Options(given.requests, given.backend, given.processor)
    run(lambda: measure(options, given.upload_interval))


if __name__ == "__main__":
    main()
