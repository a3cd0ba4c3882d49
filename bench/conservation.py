"""Whether span profiles hold the CPU the requests used, by their threads' own clocks, and grow as the work does.

Conservation: the CPU in the span profiles of rides, summed up, against what the threads' CPU clocks say of the same
rides; one ride at a time, then several at once. Proportion: spans that search 1, 2, 4 and 8 times as many vehicles.

The agent samples whoever holds the interpreter's lock, by the wall clock: on a machine that is busy with other things a
thread waits for a processor with the lock in its hands, and that wait is sampled too. The wall-clock time of the rides
that were alone is printed beside, and the figure of those rides that had a processor nearly all the time: both clocks
choose them, the profile has no say.

Regions in Go and Java are compared with the clocks of their process: :mod:`bench.whole_process`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from bench import whole_process
from bench.command import LARGEST_SAMPLE, BenchError, Options, backend_named, circumstances, option_parser, run, tell
from bench.estimates import counted_ratio_reach, ratio_interval
from bench.languages import EVERY_ORDER, LANGUAGES
from bench.regions import WAITING, RunningRegion, Sent, await_uploads, follow, one_region, send_all
from spanprofiles.linking import Linker

ROUTES = ("/bike", "/scooter", "/bike", "/car")
FACTORS = (1, 2, 4, 8)
BASE_VEHICLES = 1000
AT_ONCE = 4
SAMPLE_NS = 10_000_000
DISTURBED = 0.02
CONSERVED_WITHIN, PROPORTIONAL_WITHIN = 0.05, 0.10


def profiled_ns(linker: Linker, region: RunningRegion, sent: Sequence[Sent]) -> list[int]:
    """Return the CPU in each request's span profile, ns, all uploads awaited.

    Raises:
        BenchError: a request was not answered.
        LinkError: one left no span with a profile ID.
        ClientError: a server failed.
    """
    for ride in sent:
        if ride.status != 200:
            raise BenchError(f"{ride.path} was answered with {ride.status}")
    await_uploads(linker, [region])
    return [follow(linker, ride)[1].total for ride in sent]


def conservation(linker: Linker, region: RunningRegion, count: int, at_once: int) -> None:
    """Send rides and print their CPU in span profiles by that of their threads' clocks."""
    sent = send_all([(region, ROUTES[number % len(ROUTES)]) for number in range(count)], at_once)
    profiled = profiled_ns(linker, region, sent)
    ratio, low, high = ratio_interval([(ns, ride.cpu_ns) for ns, ride in zip(profiled, sent, strict=True)])
    clocks, walls = sum(ride.cpu_ns for ride in sent), sum(ride.wall_ns for ride in sent)
    tell(
        f"conservation, {at_once} at once: {sum(profiled) / 1e9:.2f} s in span profiles for {clocks / 1e9:.2f} s by the"
        f" threads' clocks: {ratio - 1:+.1%} (95 % {low - 1:+.1%} to {high - 1:+.1%}), {count} rides;"
        f" goal within {CONSERVED_WITHIN:.0%}"
    )
    if at_once == 1:
        whole, low, high = ratio_interval([(ns, ride.wall_ns) for ns, ride in zip(profiled, sent, strict=True)])
        tell(
            f"  of {walls / 1e9:.2f} s on the wall clock it is {whole - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%});"
            f" {1 - clocks / walls:.1%} of that time the rides waited for a processor"
        )
        undisturbed = [
            (float(ns), float(ride.cpu_ns))
            for ns, ride in zip(profiled, sent, strict=True)
            if ride.cpu_ns >= (1 - DISTURBED) * ride.wall_ns
        ]
        if len(undisturbed) >= 2:
            ratio, low, high = ratio_interval(undisturbed)
            tell(
                f"conservation, undisturbed: {ratio - 1:+.1%} (95 % {low - 1:+.1%} to {high - 1:+.1%}) over the"
                f" {len(undisturbed)} rides that waited less than {DISTURBED:.0%} of their time;"
                f" goal within {CONSERVED_WITHIN:.0%}"
            )


def proportion(linker: Linker, region: RunningRegion, count: int) -> None:
    """Send searches of 1, 2, 4 and 8 times the work, in random order, and print how their profiles grow."""
    factors = [factor for factor in FACTORS for _ in range(count)]
    random.Random(8).shuffle(factors)  # an order, no secret
    sent = send_all([(region, f"/search/{BASE_VEHICLES * factor}") for factor in factors], 1)
    profiles, clocks = defaultdict(list), defaultdict(list)
    for factor, ride, ns in zip(factors, sent, profiled_ns(linker, region, sent), strict=True):
        profiles[factor].append(ns)
        clocks[factor].append(ride.cpu_ns)
    base, base_clock = sum(profiles[1]), sum(clocks[1])
    if base < SAMPLE_NS:
        raise BenchError("the searches of the least work have no samples: there is nothing to compare with")
    for factor in FACTORS[1:]:
        ratio = sum(profiles[factor]) / base
        reach = counted_ratio_reach(base // SAMPLE_NS, sum(profiles[factor]) // SAMPLE_NS)
        tell(
            f"proportion: {factor} times the work has {ratio:.2f} times the CPU in span profiles"
            f" ({ratio / factor - 1:+.1%}, 95 % within {reach:.1%};"
            f" threads' clocks {sum(clocks[factor]) / base_clock:.2f} times),"
            f" {count} spans each; goal within {PROPORTIONAL_WITHIN:.0%}"
        )


def measure_rides(options: Options, linker: Linker, region: RunningRegion) -> None:
    """Measure both by the clocks of each request's thread, and print."""
    for at_once in (1, AT_ONCE):
        tell(f"sending {options.requests} rides, {at_once} at once")
        conservation(linker, region, options.requests, at_once)
    each = max(5, options.requests * 3 // 10)
    tell(f"sending {each * len(FACTORS)} searches, one at a time")
    proportion(linker, region, each)


def measure_process(options: Options, linker: Linker, region: RunningRegion) -> None:
    """Measure both in another language, where requests have no clocks of their own, and print."""
    paths = [EVERY_ORDER[number % len(EVERY_ORDER)] for number in range(options.requests)]
    for at_once in (1, AT_ONCE):
        tell(f"sending {options.requests} rides, {at_once} at once")
        graphs = whole_process.conservation(linker, region, paths, at_once)
        if at_once == 1:
            whole_process.proportion(region, paths, graphs)


def measure(options: Options, upload_interval_s: int, *, every_span: bool) -> None:
    """Measure both, and print."""
    language = LANGUAGES[options.language]
    has_clocks = language.fleet is None
    changes = {"PYROSCOPE_UPLOAD_INTERVAL": language.interval(upload_interval_s)}
    if every_span:
        changes["OTEL_PYROSCOPE_ROOT_SPAN_ONLY"] = "false"
    with (
        backend_named(options.backend) as endpoints,
        one_region(endpoints, options.processor, clocked=has_clocks, changes=changes, language=language) as region,
    ):
        linker = Linker.of(endpoints, waiting=WAITING, upload_interval_s=upload_interval_s)
        (measure_rides if has_clocks else measure_process)(options, linker, region)
    profiled = ", a profile ID for every span" if every_span else ""
    tell(f"  upload interval {upload_interval_s} s{profiled}, on {circumstances(options)}")


def main() -> None:
    parser = option_parser(__doc__, requests_default=200, languages=list(LANGUAGES))
    parser.add_argument("--upload-interval", type=int, default=1, help="seconds between uploads (1)")
    parser.add_argument(
        "--every-span", action="store_true", help="give child spans profile IDs of their own (--language java)"
    )
    given = parser.parse_args()
    if given.every_span and given.language != "java":
        parser.error("--every-span goes with --language java")
    if not 20 <= given.requests <= LARGEST_SAMPLE:
        parser.error(f"--requests must be from 20 to {LARGEST_SAMPLE}")
    if not 1 <= given.upload_interval <= 15:
        parser.error("--upload-interval must be from 1 to 15")
    options = Options(given.requests, given.backend, given.processor, given.language)
    run(lambda: measure(options, given.upload_interval, every_span=given.every_span))


if __name__ == "__main__":
    main()
