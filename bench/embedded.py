"""What the embedded pair takes in and how quickly it answers, beside the real pair where its programs are given.

The load: 20,000 spans in 4,000 traces of 5; 200 profiles of 400 samples, 20 for each trace, on stacks 23 deep. With
``--scale`` the pair then takes in more, up to 1,000,000 spans and 200,000 profiled ones, and is asked the same again;
``--samples 50`` makes that 10,000,000 samples.
Real servers are started where ``SPAN_PROFILES_TEMPO`` and ``SPAN_PROFILES_PYROSCOPE`` name their programs.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.backends.base import Backend
from spanprofiles.backends.embedded import EmbeddedBackend
from spanprofiles.backends.native import NativeBackend
from spanprofiles.embedded.proto.pprof_pb2 import Profile, ValueType
from spanprofiles.embedded.proto.pyroscope_pb2 import LabelPair, PushRequest, RawProfileSeries
from spanprofiles.waiting import Waiting

TRACES_IN_GROUP, SPANS_IN_TRACE, SAMPLES_OF_TRACE, GROUPS_IN_EXPORT = 20, 5, 20, 5
FUNCTIONS, CALL_PATHS, DEPTH = 300, 300, 23
LINES = 40
"""On so many lines a function is sampled: as in real profiles few stacks are alike to the line, many in functions."""
KINDS_OF_GROUP = 200
"""So many groups differ in their profiles; those after them repeat theirs."""
GROUPS, SCALED_GROUPS = 200, 10_000
CONNECTIONS = 8
QUESTIONS, MERGES = 200, 20
PROFILE_NS = 10**6
"""So long after the profile of a group comes that of the next, ns."""
IDLE_S = 1.0
VISIBLE_S = 30.0
ANSWER_S = 300.0
"""How long an answer may take: a merge of 10,000,000 samples takes longer than a query usually may."""
# A group is made once; the numbers of its spans and traces are made of these bytes and replaced for each group.
MARK = bytes.fromhex("fedcba98")
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
NAMES = ("GET /bike", "find_nearest_vehicle", "plan_route", "price", "check_driver")

ROWS: tuple[tuple[str, str, float, float, bool], ...] = (
    ("ready after", "s", 1, 0.5, False),
    ("resident idle", "MB", 90, 60, False),
    ("resident after the load", "MB", 200, 120, False),
    ("on disk after the load", "MB", math.inf, math.inf, False),
    ("trace by ID, median", "ms", 5, 2, False),
    ("span flame graph, median", "ms", 8, 3, False),
    ("search by profile ID, median", "ms", 8, 3, False),
    ("search of linked spans of a service, median", "ms", 14, 4, False),
    ("merge of everything, first", "ms", 220, 35, False),
    ("merge of everything, median", "ms", 60, 10, False),
    ("spans/s taken in", "", 15_000, 60_000, True),
    ("profile samples/s taken in", "", 40_000, 150_000, True),
)
"""What is measured: name, unit, bar, aim, and whether more is better."""


@dataclass(frozen=True)
class Target:
    """A running pair, and the processes that make it up."""

    urls: dict[str, str]
    processes: list[psutil.Process]

    def resident_mb(self) -> float:
        """Return what all processes hold in memory."""
        resident: int = sum(process.memory_info().rss for process in self.processes)
        return resident / 1e6


@dataclass
class Load:
    """Makes groups of 20 traces and the profile of each group: the same for every run.

    Attributes:
        start_ns: when the spans begin, and the first profile, ns since the epoch.
        samples: how many of each profiled span.
    """

    start_ns: int
    samples: int = SAMPLES_OF_TRACE
    spans: bytes = b""
    paths: list[list[int]] = field(default_factory=list)
    profiles: dict[int, bytes] = field(default_factory=dict)
    randomness: random.Random = field(default_factory=lambda: random.Random(1))  # a load, no secret

    def __post_init__(self) -> None:
        self.spans = self._spans()
        self.paths = [[*self.randomness.choices(range(2, FUNCTIONS + 1), k=DEPTH - 1), 1] for _ in range(CALL_PATHS)]

    @staticmethod
    def trace_id(trace: int) -> bytes:
        """Of a trace within its group, the group's number still to be put in."""
        return MARK + b"\x00" * 8 + trace.to_bytes(4, "big")

    @staticmethod
    def span_id(trace: int, span: int = 0) -> bytes:
        """Return the same of a span within its trace; 0 is the root, which is profiled."""
        return MARK + trace.to_bytes(2, "big") + span.to_bytes(2, "big")

    def _spans(self) -> bytes:
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        for key, text in (("service.name", "ride"), ("region", "eu"), ("host.name", "h1"), ("sdk", "python")):
            resource_spans.resource.attributes.add(key=key).value.string_value = text
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "flask"
        for trace in range(TRACES_IN_GROUP):
            for number in range(SPANS_IN_TRACE):
                span = scope_spans.spans.add(
                    trace_id=self.trace_id(trace),
                    span_id=self.span_id(trace, number),
                    parent_span_id=self.span_id(trace) if number else b"",
                    name=NAMES[number],
                    kind=1 if number else 2,
                    start_time_unix_nano=self.start_ns + trace * 10**6 + number,
                    end_time_unix_nano=self.start_ns + trace * 10**6 + 10**8,
                )
                span.attributes.add(key="http.request.method").value.string_value = "GET"
                span.attributes.add(key="http.response.status_code").value.int_value = 200
                span.attributes.add(key="vehicles.examined").value.int_value = self.randomness.randrange(300)
                if not number:
                    span.attributes.add(key="pyroscope.profile.id").value.string_value = self.span_id(trace).hex()
        return request.SerializeToString()

    def _profile(self, kind: int) -> bytes:
        """Make the push of a group: its samples are of a few call paths, at lines of its own."""
        chance = random.Random(kind)  # likewise
        profile, strings = Profile(), {"": 0}
        locations: dict[tuple[int, int], int] = {}

        def number(text: str) -> int:
            return strings.setdefault(text, len(strings))

        def location(function: int, line: int) -> int:
            known = locations.get((function, line))
            if known is None:
                known = locations[function, line] = len(locations) + 1
                profile.location.add(id=known).line.add(function_id=function, line=line)
            return known

        profile.sample_type.add(type=number("cpu"), unit=number("nanoseconds"))
        profile.period_type.CopyFrom(ValueType(type=number("cpu"), unit=number("nanoseconds")))
        for function in range(1, FUNCTIONS + 1):
            profile.function.add(id=function, name=number(f"function_{function}"), filename=number("/app/app.py"))
        lines = {function: chance.randrange(LINES) for function in range(1, FUNCTIONS + 1)}
        for trace in range(TRACES_IN_GROUP):
            labels = (
                ("span_id", self.span_id(trace).hex()),
                ("trace_id", self.trace_id(trace).hex()),
                ("span_name", NAMES[0]),
            )
            for _ in range(self.samples):
                stack = [location(function, lines[function]) for function in chance.choice(self.paths)]
                sample = profile.sample.add(location_id=stack, value=[10**7 * chance.randrange(1, 4)])
                for key, text in labels:
                    sample.label.add(key=number(key), str=number(text))
        profile.string_table.extend(strings)
        profile.time_nanos, profile.period = self.start_ns, 10**7
        pairs = (("__name__", "process_cpu"), ("service_name", "ride"), ("region", "eu"))
        series = RawProfileSeries(labels=[LabelPair(name=n, value=v) for n, v in pairs])
        series.samples.add(raw_profile=profile.SerializeToString(), ID=f"{MARK.hex()}-0d0c-4a4e-9a3f-000000000001")
        request: bytes = PushRequest(series=[series]).SerializeToString()
        return request

    def _profile_of(self, group: int) -> bytes:
        kind = group % KINDS_OF_GROUP
        if kind not in self.profiles:
            self.profiles[kind] = self._profile(kind)
        # A series has one profile of a time: of several Pyroscope keeps one, when it puts blocks together.
        first, own = (
            Profile(time_nanos=self.start_ns + after * PROFILE_NS).SerializeToString() for after in (0, group)
        )
        return self.of_group(self.profiles[kind], group).replace(first, own)

    @staticmethod
    def of_group(template: bytes, group: int) -> bytes:
        """Return a template with the group's number in its IDs, in binary and in hexadecimal."""
        number = (group + 1).to_bytes(4, "big")  # an ID of zeros is none
        return template.replace(MARK, number).replace(MARK.hex().encode(), number.hex().encode())

    def exports(self, groups: range) -> Iterator[bytes]:
        """Bodies of 500 spans: protobuf messages that follow each other are merged."""
        for first in range(groups.start, groups.stop, GROUPS_IN_EXPORT):
            several = range(first, min(first + GROUPS_IN_EXPORT, groups.stop))
            yield b"".join(self.of_group(self.spans, group) for group in several)

    def pushes(self, groups: range) -> Iterator[bytes]:
        """Bodies of one profile, compressed as the agents do it."""
        return (gzip.compress(self._profile_of(group), 1) for group in groups)


class Connection:
    """A connection that is kept, to one of a pair's ports."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Send a request; anything but 200 ends the measurement."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{method} {path[:100]} was answered with {response.status}: {answer[:300]!r}")
        return answer


def seconds_to_send(url: str, path: str, bodies: Iterator[bytes], **headers: str) -> float:
    """Send all bodies over so many connections."""
    # Made before the clock starts, some at a time: what makes them must not be measured, nor fill the memory.
    seconds = 0.0
    connections = [Connection(url) for _ in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        while chunk := [body for _, body in zip(range(200), bodies, strict=False)]:
            shares = [chunk[number::CONNECTIONS] for number in range(CONNECTIONS)]
            began = time.perf_counter()

            def send(connection: Connection, share: list[bytes]) -> None:
                for body in share:
                    connection.send("POST", path, body, **headers)

            list(pool.map(send, connections, shares))
            seconds += time.perf_counter() - began
    return seconds


def median_ms(ask: Callable[[int], Any], count: int) -> float:
    """Return the median time of a question, asked with the numbers from 0."""
    times = []
    for number in range(count):
        began = time.perf_counter()
        ask(number)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def take_in(target: Target, load: Load, groups: range, figures: dict[str, float]) -> None:
    """Send the spans and profiles of some groups."""
    count = len(groups) * TRACES_IN_GROUP
    seconds = seconds_to_send(
        target.urls["otlp"], "/v1/traces", load.exports(groups), Content_Type="application/x-protobuf"
    )
    figures["spans/s taken in"] = count * SPANS_IN_TRACE / seconds
    seconds = seconds_to_send(
        target.urls["pyroscope"],
        "/push.v1.PusherService/Push",
        load.pushes(groups),
        Content_Type="application/proto",
        Content_Encoding="gzip",
    )
    figures["profile samples/s taken in"] = count * load.samples / seconds
    figures["resident after the load"] = target.resident_mb()


def ask(target: Target, load: Load, groups: int, figures: dict[str, float]) -> None:
    """Ask for some traces and spans of the first groups, each of which must be found."""
    tempo, pyroscope = Connection(target.urls["tempo"]), Connection(target.urls["pyroscope"])
    start_s = load.start_ns // 10**9
    window = {"start": (start_s - 600) * 1000, "end": (start_s + 600) * 1000}
    selection = {"profileTypeID": CPU, "labelSelector": '{service_name="ride"}', **window}
    chosen = random.Random(2)  # likewise
    places = [(chosen.randrange(groups), chosen.randrange(TRACES_IN_GROUP)) for _ in range(QUESTIONS)]

    def hexadecimal(template: Callable[[int], bytes], number: int) -> str:
        group, trace = places[number]
        return load.of_group(template(trace), group).hex()

    def trace(number: int) -> None:
        answer = tempo.send("GET", f"/api/v2/traces/{hexadecimal(load.trace_id, number)}")
        if answer.count(b"startTimeUnixNano") != SPANS_IN_TRACE:
            raise SystemExit(f"a trace came back with other spans than were sent: {answer[:300]!r}")

    def search(number: int) -> bool:
        query = f'{{ span.pyroscope.profile.id = "{hexadecimal(load.span_id, number)}" }}'
        path = f"/api/search?q={quote(query)}&start={start_s - 600}&end={start_s + 600}"
        return b"spanID" in tempo.send("GET", path)

    def linked(_: int) -> None:
        query = (
            '{ resource.service.name = "ride" && span.pyroscope.profile.id != nil } | select(span.pyroscope.profile.id)'
        )
        path = f"/api/search?q={quote(query)}&start={start_s - 600}&end={start_s + 600}&limit=20"
        if b"pyroscope.profile.id" not in tempo.send("GET", path):
            raise SystemExit("a search found no linked span")

    def merged(method: str, body: dict[str, Any]) -> bytes:
        path = f"/querier.v1.QuerierService/{method}"
        return pyroscope.send("POST", path, json.dumps(body).encode(), Content_Type="application/json")

    def graph(number: int) -> bool:
        body = selection | {"spanSelector": [hexadecimal(load.span_id, number)]}
        return b"function_1" in merged("SelectMergeSpanProfile", body)

    waiting = Waiting(VISIBLE_S, 0.5, 0.5)
    if not waiting.until(lambda: all(search(number) and graph(number) for number in range(QUESTIONS))):
        raise SystemExit(f"not all that was sent can be found after {VISIBLE_S:g} s")
    figures["trace by ID, median"] = median_ms(trace, QUESTIONS)
    figures["span flame graph, median"] = median_ms(graph, QUESTIONS)
    figures["search by profile ID, median"] = median_ms(search, QUESTIONS)
    figures["search of linked spans of a service, median"] = median_ms(linked, MERGES)
    figures["merge of everything, first"] = median_ms(lambda _: merged("SelectMergeStacktraces", selection), 1)
    figures["merge of everything, median"] = median_ms(lambda _: merged("SelectMergeStacktraces", selection), MERGES)


def size_mb(folder: Path) -> float:
    """Return what a folder's files take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measured(backend: Backend, stages: list[int], samples: int, folder: Path | None = None) -> list[dict[str, float]]:
    """Measure one pair after each number of groups.

    Args:
        backend: the pair.
        stages: how many groups it has in each stage.
        samples: how many samples each profiled span has.
        folder: where it keeps its data; None where that is not known.
    """
    known = {child.pid for child in psutil.Process().children(recursive=True)}
    began = time.perf_counter()
    with backend as endpoints:
        ready = time.perf_counter() - began
        time.sleep(IDLE_S)  # what a start leaves to do is done by then
        processes = [child for child in psutil.Process().children(recursive=True) if child.pid not in known]
        urls = {"tempo": endpoints.tempo, "otlp": endpoints.otlp_http or "", "pyroscope": endpoints.pyroscope}
        target = Target(urls, processes)
        load = Load((int(time.time()) - 30) * 10**9, samples)
        figures = {"ready after": ready, "resident idle": target.resident_mb()}
        done, found = 0, []
        for stage in stages:
            print(f"{backend.name}: {stage * TRACES_IN_GROUP * SPANS_IN_TRACE:,} spans", flush=True)
            for first in range(done, stage, 1_000):
                take_in(target, load, range(first, min(first + 1_000, stage)), figures)
                if stage > 1_000:
                    print(f"  {min(first + 1_000, stage) * 100:,} spans are in", flush=True)
            done = stage
            if folder is not None:
                figures["on disk after the load"] = size_mb(folder)
            ask(target, load, stage, figures)
            found.append(dict(figures))
    return found


def shown(value: float | None) -> str:
    """Return a figure with as many digits as say something."""
    if value is None or value == math.inf:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(columns: dict[str, dict[str, float]]) -> None:
    """Print what was measured beside bar and aim."""
    print(f"| | bar | aim | {' | '.join(columns)} |")
    print("|---|---|---|" + "---|" * len(columns))
    for name, unit, bar, aim, more in ROWS:
        cells = []
        for figures in columns.values():
            value = figures.get(name)
            missed = value is not None and ((value < bar) if more else (value > bar))
            cells.append(f"{shown(value)}{' (misses the bar)' if missed else ''}")
        label = f"{name} ({unit})" if unit else name
        print(f"| {label} | {shown(bar)} | {shown(aim)} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", action="store_true", help="go on to 1,000,000 spans and 200,000 profiled ones")
    parser.add_argument(
        "--groups", type=int, default=SCALED_GROUPS, help="how many groups of 100 spans --scale comes to"
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES_OF_TRACE, help="samples of each profiled span (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.groups <= GROUPS:
        parser.error(f"--groups must be more than {GROUPS}, which are measured first")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    columns: dict[str, dict[str, float]] = {}
    stages = [GROUPS, options.groups] if options.scale else [GROUPS]
    with TemporaryDirectory(prefix="spanprofiles-bench-") as folder:
        options_of_pair = ("--max-size", "0", "--query-timeout", f"{ANSWER_S:g}")
        pair = EmbeddedBackend(data_directory=Path(folder), options=options_of_pair)
        found = measured(pair, stages, options.samples, Path(folder))
    for stage, figures in zip(stages, found, strict=True):
        columns[f"embedded, {stage * 100:,} spans"] = figures
    if os.environ.get("SPAN_PROFILES_TEMPO") and os.environ.get("SPAN_PROFILES_PYROSCOPE"):
        columns["Tempo and Pyroscope"] = measured(NativeBackend(), [GROUPS], options.samples)[0]
    table(columns)


if __name__ == "__main__":
    main()
