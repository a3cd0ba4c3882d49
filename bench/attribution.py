"""Whether each sample's stack belongs to the route of its span, over many concurrent requests to all routes.

Requests of all kinds go to three regions at once, forwarded cars among them. Then the flame graph of every local root
span is fetched by its profile ID, and every stack in it is judged: a stack belongs to its span if it runs inside the
app's request handling and passes through no other route's view. In Go and Java it must not pass through a function of
the app that this route does not call.

Python's agent reads a thread's stack, and looks up the thread's labels later, in another of its own threads. A sample
taken as a span begins or ends can have the stack of just before or just after it: these are the samples in no request.
They are counted as misattributed, and shown apart from those in another route's code, which come on an overloaded
machine.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from bench.command import LARGEST_SAMPLE, BenchError, Options, backend_named, circumstances, option_parser, run, tell
from bench.languages import LANGUAGES, Language
from bench.regions import WAITING, RunningRegion, Sent, all_regions, await_uploads, refused, send_all
from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import Linker, TracedSession
from spanprofiles.model import FlameGraph, Span

AT_ONCE, MOST_AT_ONCE = 12, 24
SAMPLE_NS = 10_000_000
_MIX = (("/bike", 30), ("/scooter", 14), ("/car", 8), ("/quote?vehicle=bike", 26), ("receipt", 12), ("forwarded", 10))


@dataclass
class Verdict:
    """What was found.

    Attributes:
        samples: samples of each route's spans.
        foreign: samples that passed through another route's view: (route, what).
        outside: samples taken outside of any request's handling: (route, what).
        without: spans without any sample, by route.
        spans: local root spans looked at, by route.
        searching: samples of each route's spans in the function that looks at each vehicle.
        language: what the regions are written in.
    """

    language: Language
    samples: Counter[str] = field(default_factory=Counter)
    foreign: Counter[tuple[str, str]] = field(default_factory=Counter)
    outside: Counter[tuple[str, str]] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    searching: Counter[str] = field(default_factory=Counter)

    def add(self, route: str, flamegraph: FlameGraph) -> None:
        """Judge the samples of one span."""
        self.spans[route] += 1
        self.without[route] += flamegraph.is_empty
        for path, value in flamegraph.stacks.items():
            count = round(value / SAMPLE_NS)
            self.samples[route] += count
            self.searching[route] += count * (self.language.search in path)
            culprit = self.language.foreign(path, route)
            if culprit:
                self.foreign[route, culprit] += count
            elif not self.language.in_a_request(path):
                self.outside[route, f"{path[0]} > ... ({len(path)} frames) > {path[-1]}"] += count


def targets(regions: dict[str, RunningRegion], count: int) -> list[tuple[RunningRegion, str]]:
    """Draw requests of all kinds, the same for each run but for the receipts' IDs.

    Raises:
        BenchError: a region gives no ride to have a receipt of.
    """
    chance = random.Random(6)  # variety, not a secret
    receipts = {}
    for name, region in regions.items():
        with TracedSession(region.url) as session:
            answer = session.get("/bike")
        if not answer.ok:
            raise BenchError(f"region {name} answered {answer.status_code} to an order")
        receipts[name] = f"/receipt/{answer.json()['ride_id']}"
    kinds, weights = zip(*_MIX, strict=True)
    found = []
    for kind in chance.choices(kinds, weights, k=count):
        name = "ap-south" if kind == "forwarded" else chance.choice(["eu-north", "us-east"])
        path = {"receipt": receipts[name], "forwarded": "/car"}.get(kind, kind)
        found.append((regions[name], path))
    return found


def route_of(span: Span) -> str:
    """Return a span's route: some instrumentations have it in its name alone, behind the method."""
    return str(span.attributes.get("http.route") or span.name.rpartition(" ")[2])


def judge(linker: Linker, sent: list[Sent], language: Language) -> tuple[Verdict, list[Span]]:
    """Fetch the flame graphs of all local root spans of all requests, and judge each.

    Raises:
        LinkError: a trace is not there.
        ClientError: a server failed.
    """
    verdict, spans = Verdict(language), []
    for number, request in enumerate(sent, 1):
        count = 2 if request.region == "ap-south" else 1
        trace = linker.trace(request.context, lambda seen, count=count: len(seen.linkable) >= count)  # type: ignore[misc] # count is bound on purpose
        for span in trace.linkable:
            verdict.add(route_of(span), linker.flamegraph(span))
            spans.append(span)
        if number % max(1, len(sent) // 5) == 0:
            tell(f"  {number} of {len(sent)} traces followed")
    return verdict, spans


def shared_samples(linker: Linker, spans: list[Span], own: int) -> int:
    """Return how many samples are counted for more than one span: the sum of each less all asked for together."""
    query = ProfileQuery.around_all(spans, linker.margin_ms)
    whole = linker.pyroscope.span_profile(query, [span.span_id for span in spans])
    return own - round(whole.total / SAMPLE_NS)


def measure(options: Options, at_once: int, upload_interval_s: int) -> None:
    """Send, follow, judge, print.

    Raises:
        BenchError: there were no samples to judge.
    """
    language = LANGUAGES[options.language]
    interval = {"PYROSCOPE_UPLOAD_INTERVAL": language.interval(upload_interval_s)}
    with (
        backend_named(options.backend) as endpoints,
        all_regions(endpoints, options.processor, interval, language=language) as regions,
    ):
        linker = Linker.of(endpoints, waiting=WAITING, upload_interval_s=upload_interval_s)
        tell(f"sending {options.requests} requests to all routes, {at_once} at once")
        sent = send_all(targets(regions, options.requests), at_once)
        answered = [request for request in sent if request.status == 200]
        await_uploads(linker, list(regions.values()))
        verdict, spans = judge(linker, answered, language)
        samples = sum(verdict.samples.values())
        foreign, outside = sum(verdict.foreign.values()), sum(verdict.outside.values())
        if not samples:
            raise BenchError("no span has any sample")
        twice = shared_samples(linker, spans, samples)
    for route in sorted(verdict.spans):
        tell(
            f"  {route}: {verdict.spans[route]} spans, {verdict.samples[route]} samples,"
            f" {verdict.without[route]} spans without any, {verdict.searching[route]} samples in {language.search}"
        )
    for (route, what), count in verdict.foreign.most_common(10):
        tell(f"  in another route: {count} samples of {route} in {what}")
    for (route, what), count in verdict.outside.most_common(10):
        tell(f"  in no request: {count} samples of {route} in {what}")
    wrong = foreign + outside
    bound = f"{wrong / samples:.3%}" if wrong else f"below {3 / samples:.3%} with 95 % confidence"
    tell(
        f"attribution: {wrong} misattributed of {samples} samples ({bound}): {foreign} in another route's code,"
        f" {outside} in no request's; {twice} counted for two spans; {len(spans)} spans of {len(answered)} requests"
        f" ({len(refused(sent))} not answered with 200); goal 0"
    )
    tell(f"  upload interval {upload_interval_s} s, on {circumstances(options)}")


def main() -> None:
    parser = option_parser(__doc__, requests_default=1200, languages=list(LANGUAGES))
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"requests at the same time ({AT_ONCE})")
    parser.add_argument("--upload-interval", type=int, default=1, help="seconds between uploads (1)")
    given = parser.parse_args()
    if not (20 <= given.requests <= LARGEST_SAMPLE and 1 <= given.at_once <= MOST_AT_ONCE):
        parser.error(f"--requests must be from 20 to {LARGEST_SAMPLE}, --at-once from 1 to {MOST_AT_ONCE}")
    if not 1 <= given.upload_interval <= 15:
        parser.error("--upload-interval must be from 1 to 15")
    options = Options(given.requests, given.backend, given.processor, given.language)
    run(lambda: measure(options, given.at_once, given.upload_interval))


if __name__ == "__main__":
    main()
