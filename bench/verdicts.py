"""Whether verdicts and intervals are right, on recorded rides of the demo: false alarms, changes found, truth covered.

Scooter rides of the demo are recorded, as the code is and with slow commits whose cost the threads' own CPU clocks
measured (:mod:`bench.slow_commits`). Then sides are drawn from them, with replacement, and compared.

- False alarms: both sides are of the code as it is. Any claim of any change counts, of the request or of any function.
- Found: the verdict on a ride that costs 50 or 20 % more CPU is a regression. In half of the comparisons the commit
  calls a new function, in the other half it makes an old one slower.
- Named first: the first function of the report is the one that the commit changed, of all comparisons of both growths.
- Coverage: how many of the 95 % intervals hold the truth. A measurement's intervals are of all rides, so the truth is
  that of all recorded rides. A flame graph's are of its own rides only, so the truth is what the clocks say of those.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import peer_stackgate
from bench.command import LARGEST_SAMPLE, BenchError, Options, option_parser, run, tell
from bench.estimates import share_interval
from bench.interval_coverage import Coverage, coverage_of, dispersion_by_waiting, telling_functions
from bench.ride_recording import BASE, VERSIONS, RecordedRide, Recording, Version, kept, record
from spanprofiles.model import Comparison, ComparisonVerdict
from spanprofiles.model.request_comparison import THRESHOLD, compare_requests

FALSE_ALARMS_AT_MOST, FOUND_AT_LEAST = 0.01, 0.95
COVERED = (0.93, 0.97)

#: Requests on each side for each growth, as the bars have it.
SIDES = {0.5: 30, 0.2: 150}

_CURVE = (6, 10, 20, 30, 60, 100, 150)
_LEAST_RIDES = 50
_SEED = 16

Sides = tuple[Sequence[RecordedRide], Sequence[RecordedRide]]


@dataclass(frozen=True)
class Report:
    """What either program says of two sides.

    Attributes:
        is_regression: whether it finds a regression.
        first: the function that it names first; empty if none.
        claims: whether it claims any change.
        verdict: in its own words.
    """

    is_regression: bool
    first: str
    claims: bool
    verdict: str

    @classmethod
    def of(cls, found: Comparison) -> Report:
        """Take it from a comparison of ours."""
        first = found.top_regression
        is_regression = found.verdict is ComparisonVerdict.REGRESSION
        claims = is_regression or found.request.is_significant or bool(found.changed)
        return cls(is_regression, first.name if first else "", claims, found.verdict.value)


Program = Callable[[Sides], Report]


@dataclass(frozen=True)
class Figures:
    """The bars, as shares from 0 to 1, and from how many comparisons they are."""

    false_alarms: float
    found_50: float
    found_20: float
    named_first: float
    coverage: float
    comparisons: int


def ours(sides: Sides) -> Report:
    """Compare by :func:`spanprofiles.compare_measurements`."""
    base, head = ([ride.measured for ride in side] for side in sides)
    return Report.of(compare_requests(base, head))


def peers(sides: Sides) -> Report:
    """Compare by stackgate."""
    found = peer_stackgate.compare(*sides, THRESHOLD)
    return Report(
        found.failed, found.named[0] if found.named else "", found.changed, "fail" if found.failed else "pass"
    )


def drawn(recording: Recording, head: Version, requests: int, count: int, seed: int = _SEED) -> Iterator[Sides]:
    """Yield so many pairs of sides, each of so many rides, drawn with replacement; the same ones every time."""
    chance = random.Random(f"{seed} {head.name} {requests}")  # a draw, no secret
    for _ in range(count):
        yield (
            chance.choices(recording.rides[BASE], k=requests),
            chance.choices(recording.rides[head], k=requests),
        )


def equal(recording: Recording, count: int, program: Program) -> dict[int, list[Report]]:
    """Compare the code as it is with itself, half of the comparisons with few requests and half with many."""
    sizes = sorted(SIDES.values())
    return {
        requests: [program(sides) for sides in drawn(recording, BASE, requests, count // len(sizes))]
        for requests in sizes
    }


def changed(
    recording: Recording, growth: float, requests: int, count: int, program: Program
) -> dict[str, list[Report]]:
    """Compare the code as it is with the slow commits of a growth, by the function that they changed."""
    versions = [version for version in VERSIONS if version.growth == growth]
    return {
        version.function: [program(sides) for sides in drawn(recording, version, requests, count // len(versions))]
        for version in versions
    }


def part(hits: int, trials: int) -> str:
    """Write a share with its sample size and interval: ``3 of 1000 (0.3 %, 0.1 to 0.9 %)``."""
    low, high = share_interval(hits, trials)
    return f"{hits} of {trials} ({hits / trials:.1%}, 95 % {low:.1%} to {high:.1%})"


def judged(
    recording: Recording, count: int, program: Program, name: str
) -> tuple[float, dict[float, float], float, int]:
    """Run and print the comparisons of one program.

    Returns:
        The share of false alarms, the share found for each growth, the share named first, and how many comparisons.
    """
    alike = equal(recording, count, program)
    everything = [report for reports in alike.values() for report in reports]
    alarms = sum(report.claims for report in everything)
    tell(f"{name}: false alarms in {part(alarms, len(everything))}; goal at most {FALSE_ALARMS_AT_MOST:.0%}")
    for requests, reports in alike.items():
        verdicts = Counter(report.verdict for report in reports)
        words = ", ".join(f"{verdict} {number}" for verdict, number in verdicts.most_common())
        tell(
            f"  {requests} requests on each side: {part(sum(report.claims for report in reports), len(reports))};"
            f" verdicts: {words}"
        )
    found, first, total = {}, 0, 0
    for growth, requests in SIDES.items():
        reports_by_function = changed(recording, growth, requests, count // 5, program)
        hits = sum(report.is_regression for reports in reports_by_function.values() for report in reports)
        trials = sum(map(len, reports_by_function.values()))
        found[growth] = hits / trials
        tell(
            f"{name}: {growth:+.0%} found in {part(hits, trials)}, {requests} requests each; goal {FOUND_AT_LEAST:.0%}"
        )
        for function, reports in reports_by_function.items():
            named = sum(report.first == function for report in reports)
            first, total = first + named, total + len(reports)
            tell(
                f"  {function}: found in {sum(report.is_regression for report in reports)} of {len(reports)},"
                f" named first in {named}"
            )
    tell(f"{name}: right function named first in {part(first, total)}; goal {FOUND_AT_LEAST:.0%}")
    return alarms / len(everything), found, first / total, len(everything) + total


def curve(recording: Recording, count: int) -> None:
    """Print how many changes are found with how many requests."""
    for growth in SIDES:
        for requests in _CURVE:
            by_function = changed(recording, growth, requests, count, ours)
            reports = [report for some in by_function.values() for report in some]
            named = sum(report.first == function for function, some in by_function.items() for report in some)
            tell(
                f"curve, {growth:+.0%}, {requests} requests each: found in"
                f" {part(sum(report.is_regression for report in reports), len(reports))}, named first in {named}"
            )


def described(recording: Recording) -> None:
    """Print what was recorded, by the clocks and by the samples."""
    base = recording.rides[BASE]
    plain = sum(ride.cpu_ns for ride in base) / len(base)
    tell(f"{recording.count} rides, recorded on {recording.circumstances}")
    for version, rides in recording.rides.items():
        cpu, wall = (sum(clock) / len(rides) for clock in zip(*((r.cpu_ns, r.wall_ns) for r in rides), strict=True))
        samples = sum(ride.samples for ride in rides) / len(rides)
        tell(
            f"  {version.name}: {len(rides)} rides, {cpu / 1e6:.1f} ms of CPU by the threads' clocks"
            f" ({cpu / plain - 1:+.1%}), {wall / 1e6:.1f} ms of wall clock, {samples:.1f} samples"
        )


def covered(rows: Sequence[Coverage]) -> float:
    """Print how often intervals hold the truth, and return the share of all."""
    hits, trials = sum(row.hits for row in rows), sum(row.trials for row in rows)
    for row in rows:
        tell(f"  {row.what}: {part(row.hits, row.trials)}")
    tell(f"coverage: {part(hits, trials)}; goal {COVERED[0]:.0%} to {COVERED[1]:.0%}")
    return hits / trials


def measure(recording: Recording, comparisons: int, *, with_curve: bool, of_peer: int) -> Figures:
    """Print everything and return the bars.

    Raises:
        BenchError: the recording is too small.
    """
    small = [version.name for version in VERSIONS if len(recording.rides.get(version, ())) < _LEAST_RIDES]
    if small:
        raise BenchError(f"fewer than {_LEAST_RIDES} rides are recorded of {', '.join(small)}: record more")
    described(recording)
    base = recording.rides[BASE]
    for line in dispersion_by_waiting(base, telling_functions(base)):
        tell(f"  {line}")
    coverage = covered(coverage_of(recording, comparisons))
    alarms, found, first, total = judged(recording, comparisons, ours, "spanprofiles")
    if with_curve:
        curve(recording, max(20, comparisons // 10))
    if of_peer:
        if peer_stackgate.is_installed():
            judged(recording, of_peer, peers, f"stackgate {peer_stackgate.version()}")
        else:
            tell("stackgate is not installed, so it is not compared: pip install stackgate")
    return Figures(alarms, found[0.5], found[0.2], first, coverage, total)


def main() -> None:
    parser = option_parser(__doc__, requests_default=2400)
    parser.add_argument("--comparisons", type=int, default=1000, help="of equal sides; a fifth for each growth (1000)")
    parser.add_argument("--recording", type=Path, help="keep the rides in this file, or take them from it")
    parser.add_argument("--curve", action="store_true", help="also: how much is found with how many requests")
    parser.add_argument("--peer", type=int, default=100, help="comparisons by stackgate, which takes its time (100)")
    parser.add_argument("--json", action="store_true", help="print the bars alone, as JSON")
    given = parser.parse_args()
    if not (500 <= given.requests <= LARGEST_SAMPLE and 20 <= given.comparisons <= LARGEST_SAMPLE):
        parser.error(f"--requests must be from 500 to {LARGEST_SAMPLE}, --comparisons from 20")
    if given.peer and not 20 <= given.peer <= LARGEST_SAMPLE:
        parser.error("--peer must be 0 or from 20")
    options = Options(given.requests, given.backend, given.processor)

    def measured() -> None:
        with redirect_stdout(sys.stderr if given.json else sys.stdout):  # the bars alone, for another program
            recording = kept(given.recording, lambda: record(options))
            figures = measure(recording, given.comparisons, with_curve=given.curve, of_peer=given.peer)
        if given.json:
            tell(json.dumps(asdict(figures)))

    run(measured)


if __name__ == "__main__":
    main()
