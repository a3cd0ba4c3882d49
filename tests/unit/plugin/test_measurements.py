"""What a test measures is remembered, recorded and shown: against servers that know each request's span."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.linking import Linker, NoSamplesError, TracedSession, TraceNotFoundError, Waiting
from spanprofiles.measure.files import RecordingFailedError, read_measurements
from spanprofiles.measure.repetition import MeasurementFailedError
from spanprofiles.measure.until import Until
from spanprofiles.model import Endpoints, TraceContext
from spanprofiles.pytest_plugin import MEASURED, MEASUREMENTS, SpanProfiles, claims, pytest_terminal_summary
from tests.unit.conftest import Answer, Seen, Serve, flamebearer, otlp_span, resource_spans

MS = 1_000_000
SAMPLE_NS = 10 * MS


class Shop:
    """An app, Tempo and Pyroscope in one: each request costs so many samples in ``search``, and is found at once."""

    def __init__(self, samples: int = 50) -> None:
        self.samples = samples
        self.requests: dict[str, str] = {}
        self.status = 200
        self.span_profiles_asked: list[int] = []

    def respond(self, seen: Seen) -> Answer:
        if seen.path == "/search":
            context = TraceContext.parse(seen.headers["Traceparent"])
            self.requests[context.trace_id] = context.span_id
            return Answer("found", self.status, "text/plain")
        if seen.path.startswith("/api/v2/traces/"):
            return self._trace(seen.path.rpartition("/")[2])
        if seen.path.endswith("/SelectMergeSpanProfile"):
            ids = seen.json["spanSelector"]
            self.span_profiles_asked.append(len(ids))
            samples = self.samples * len(ids) * SAMPLE_NS
            return Answer.of({"flamegraph": flamebearer({("handle", "search"): samples} if samples else {})})
        return Answer.of({})

    def _trace(self, trace_id: str) -> Answer:
        parent_id = self.requests.get(trace_id)
        if parent_id is None:
            return Answer.of({"trace": {}, "metrics": {}})
        span_id = trace_id[:15] + "1"
        end_ns = time.time_ns() - 60 * 10**9
        span = otlp_span(
            trace_id, span_id, parent_id=parent_id, profile_id=span_id, start_ns=end_ns - 500 * MS, end_ns=end_ns
        )
        return Answer.of({"trace": {"resourceSpans": [resource_spans("shop", span)]}, "metrics": {}})


class Bench:
    """A test's claims, and a session that sends requests to the shop."""

    def __init__(self, claims: SpanProfiles, session: TracedSession, item: pytest.Item) -> None:
        self.claims = claims
        self.item = item
        self.session = session

    def search(self) -> Any:
        return self.session.get("/search")

    def measure(self, **options: Any) -> Any:
        options.setdefault("until", Until.sent(4))
        return self.claims.measure(self.search, **options)


Set = Callable[[Shop], Bench]


@pytest.fixture
def bench(serve: Serve, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Set:
    monkeypatch.delenv("SPAN_PROFILES_RECORD", raising=False)

    def start(shop: Shop) -> Bench:
        url = serve(shop.respond).url
        endpoints = Endpoints(url, url)
        waiting = Waiting(0.05, first_s=0.01, longest_s=0.03)
        linker = Linker.of(endpoints, waiting=waiting, upload_interval_s=1.0)
        item: Any = SimpleNamespace(
            nodeid="test_shop.py::test_search", stash=pytest.Stash(), config=request.config, user_properties=[]
        )
        return Bench(SpanProfiles(endpoints, linker, item), TracedSession(url), item)

    return start


def test_a_request_is_measured_until_its_cpu_is_known_well_enough(bench: Set) -> None:
    shop = Shop()
    measurement = bench(shop).measure(until=Until.cpu(within=0.1))
    assert measurement.is_precise
    assert measurement.service == "shop"
    assert measurement.cpu_values == [500 * MS] * 10
    assert measurement.total("search").value == 500 * MS
    assert repr(measurement) == "<Measurement of 10 requests, 500 ms (460 to 550 ms) of CPU each>"
    assert len(shop.requests) == 11  # one to warm up


def test_the_samples_of_a_round_are_waited_for_together(bench: Set) -> None:
    shop = Shop()
    bench(shop).measure(until=Until.sent(8))
    assert shop.span_profiles_asked == [8] + [1] * 8


def test_the_measurement_is_called_as_the_test_and_the_second_tells_itself_apart(bench: Set) -> None:
    made = bench(Shop())
    names = [made.measure(name=name).name for name in ("", "", "again", "")]
    test = made.item.nodeid
    assert names == [test, f"{test} (2)", f"{test} again", f"{test} (3)"]


def test_a_recording_is_left_in_the_folder_that_is_asked_for(
    bench: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAN_PROFILES_RECORD", str(tmp_path / "record"))
    measurement = bench(Shop()).measure(app_version="1.2", seed=7)
    assert read_measurements(tmp_path / "record") == {measurement.name: measurement}
    assert (measurement.environment.app_version, measurement.environment.seed) == ("1.2", 7)
    assert measurement.environment.upload_interval_s == 1.0
    assert len(list((tmp_path / "record").glob("*.pprof"))) == 1


def test_without_a_folder_nothing_is_written(bench: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench(Shop()).measure()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_fails_the_test(
    bench: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPAN_PROFILES_RECORD", str(tmp_path / "file"))
    with pytest.raises(RecordingFailedError, match="name a folder that can be written"):
        bench(Shop()).measure()


def test_the_report_has_a_line_for_each_measurement(bench: Set) -> None:
    made = bench(Shop())
    made.measure()
    assert made.item.user_properties == [
        (MEASURED, f"{made.item.nodeid}: 500 ms (440 to 570 ms) of CPU a request; 4 requests, as asked")
    ]
    assert len(made.item.stash[MEASUREMENTS]) == 1


def test_the_summary_shows_each_line_once() -> None:
    reporter = Terminal([[(MEASURED, "a: 5 ms"), ("other", "x")], [(MEASURED, "a: 5 ms")], [(MEASURED, "b: 6 ms")]])
    pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    assert reporter.lines == ["== span profiles: measured", "a: 5 ms", "b: 6 ms"]


def test_a_run_that_measured_nothing_has_no_such_summary() -> None:
    reporter = Terminal([[("other", "x")], []])
    pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    assert reporter.lines == []


def test_progress_goes_to_standard_error_or_to_whoever_asks(bench: Set, capsys: pytest.CaptureFixture[str]) -> None:
    made, lines = bench(Shop()), list[str]()
    made.measure(progress=lines.append)
    assert lines == ["4 requests, as asked"]
    assert capsys.readouterr().err == ""
    made.measure(name="loud")
    assert capsys.readouterr().err == f"span profiles: {made.item.nodeid} loud: 4 requests, as asked\n"


def test_a_failure_after_a_measurement_shows_the_samples_of_all_its_requests(bench: Set) -> None:
    made = bench(Shop())
    measurement = made.measure()
    (evidence,) = made.claims.seen.values()
    assert evidence.merged == (4, measurement.flamegraph)


def test_a_request_that_fails_is_not_measured(bench: Set) -> None:
    shop = Shop()
    shop.status = 500
    with pytest.raises(MeasurementFailedError, match="request 1 was answered with 500"):
        bench(shop).measure()


def test_requests_without_a_trace_or_a_sample_say_which_hop_is_missing(bench: Set) -> None:
    made = bench(Shop(samples=0))
    with pytest.raises(NoSamplesError, match="none of 4 spans has samples"):
        made.measure()
    with pytest.raises(TraceNotFoundError):
        made.claims.measure(TraceContext.new)


def test_more_requests_than_usual_are_sent_where_they_are_asked_for(
    bench: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MOST_REQUESTS", 3)
    made = bench(Shop())
    assert len(made.measure(until=Until.sent(5), at_least=1).requests) == 5
    bounded = made.measure(until=Until.sent(5), at_least=1, at_most=2)
    assert len(bounded.requests) == 2
    assert not bounded.is_precise


class Terminal:
    """Pytest's terminal reporter, as far as the summary uses it."""

    def __init__(self, properties: list[list[tuple[str, str]]]) -> None:
        self.stats = {"passed": [type("Report", (), {"user_properties": some})() for some in properties]}
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(f"== {title}")

    def write_line(self, line: str) -> None:
        self.lines.append(line)
