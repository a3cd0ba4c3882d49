"""Examinations of services whose work carries no span ID: on other threads, after its root, or everywhere."""

from __future__ import annotations

import time

from spanprofiles.doctor import (
    Cause,
    Verdict,
    examine,
)
from spanprofiles.model import Endpoints
from tests.support.doctor import Ride, S, assert_broken, assert_silent, rides, tell
from tests.unit.conftest import push_samples


def test_work_on_threads_without_labels_is_named_and_not_taken_for_waiting(
    embedded_pair: Endpoints,
) -> None:
    lost = [Ride("GET /report", 30 + 3 * index, ms=300, cpu_ms=280, label="") for index in range(6)]
    receipts = [Ride("GET /receipt", 60 + 3 * index, ms=400, cpu_ms=0) for index in range(5)]
    tell(embedded_pair, "pooled", [*rides(), *lost, *receipts], idle_ms=0)

    examination = examine(embedded_pair, service="pooled")

    says = r"6 span\(s\) 'GET /report' have no sample; .* used 1680 ms of CPU without a span ID.*search.*carry"
    assert_broken(examination, "sample labels", says)
    found = {explanation.span.name: explanation.cause for explanation in examination.unlinked}
    assert found == {"GET /report": Cause.UNLABELLED, "GET /receipt": Cause.WAITING}


def test_a_span_with_a_sample_by_chance_is_judged_as_those_like_it(embedded_pair: Endpoints) -> None:
    def told(service: str, cpu_ms: float) -> str:
        lost = [Ride("GET /report", 30 + 3 * index, ms=300, cpu_ms=280, label="") for index in range(6)]
        last = Ride("GET /report", 26, ms=300, cpu_ms=cpu_ms)
        tell(embedded_pair, service, [*rides(), *lost, last], idle_ms=0)
        return last.trace_id

    by_chance = examine(embedded_pair, trace_id=told("pooled-by-chance", cpu_ms=20))
    inline = examine(embedded_pair, trace_id=told("pooled-sometimes", cpu_ms=280))

    assert_broken(by_chance, "sample labels", r"6 span\(s\) 'GET /report' have no sample")
    assert inline.broken is None, inline.lines()


def test_without_any_span_id_computing_is_broken_and_waiting_is_not(
    embedded_pair: Endpoints,
) -> None:
    tell(
        embedded_pair,
        "computes-unlabelled",
        [Ride(ago_s=30 + 3 * index, ms=300, cpu_ms=250, label="") for index in range(5)],
    )
    now_ns = time.time_ns()
    waiting = [Ride(ago_s=30 + 3 * index, ms=300, cpu_ms=0, label="") for index in range(5)]
    tell(embedded_pair, "only-waits", waiting, now_ns=now_ns)
    exports = ("BatchProcessor.worker", "OTLPSpanExporter.export", "send")  # the agent runs where the spans come from
    host = {"hostname": "h1"}
    push_samples(embedded_pair, "only-waits", [(exports, 10_000_000, host)], now_ns - 30 * 10**9)

    says = "no sample of computes-unlabelled carries the ID of one of 5 .*search.*Stack"
    assert_broken(examine(embedded_pair, service="computes-unlabelled", upload_interval_s=1), "sample labels", says)
    waits = examine(embedded_pair, service="only-waits", upload_interval_s=1)
    assert (waits.broken, waits.verdict) == (None, Verdict.DOUBTFUL)
    assert {explanation.cause for explanation in waits.unlinked} == {Cause.WAITING}


def test_work_that_goes_on_after_its_root_is_named(embedded_pair: Endpoints) -> None:
    tasks = [Ride("GET /order", 30 + 3 * index, ms=1, child_ms=283, cpu_ms=270, label="") for index in range(5)]
    tell(embedded_pair, "afterwards", [*rides(), *tasks], idle_ms=0)

    examination = examine(embedded_pair, service="afterwards")

    assert_broken(examination, "sample labels", "work goes on after 5 of them.*the span has ended")
    assert {explanation.cause for explanation in examination.unlinked} == {Cause.OUTLASTED}
    assert "'search' below it ran on for 282 ms more" in examination.unlinked[0].sentence


def test_what_goes_on_after_its_root_and_waits_is_no_fault(embedded_pair: Endpoints) -> None:
    tasks = [Ride("GET /order", 30 + 3 * index, ms=1, child_ms=283, cpu_ms=0) for index in range(5)]
    tell(embedded_pair, "afterwards-quiet", [*rides(), *tasks], idle_ms=0)

    assert_silent(examine(embedded_pair, service="afterwards-quiet"))


def test_threads_that_a_short_request_leaves_behind_are_named(embedded_pair: Endpoints) -> None:
    def started(cpu_ms: float) -> list[Ride]:
        return [Ride("GET /start", 30 + 4 * index, ms=1, cpu_ms=cpu_ms, label="") for index in range(5)]

    tell(embedded_pair, "fire-and-forget", [*rides(), *started(200)], idle_ms=0)
    tell(embedded_pair, "merely-short", [*rides(), *started(0)], idle_ms=0)

    assert_broken(examine(embedded_pair, service="fire-and-forget"), "sample labels", "5 span.*'GET /start'.*1000 ms")
    assert_silent(examine(embedded_pair, service="merely-short"))


def test_a_request_that_was_not_sampled_is_not_taken_for_its_neighbours(embedded_pair: Endpoints) -> None:
    def told(service: str, path: tuple[str, str]) -> None:
        now_ns = time.time_ns()
        quotes = [Ride("GET /quote", 20.0 - 0.05 * index, ms=45, cpu_ms=0) for index in range(7)]
        tell(embedded_pair, service, [*rides(), *quotes], idle_ms=0, now_ns=now_ns)
        push_samples(embedded_pair, service, [(path, 410_000_000, {"hostname": "h1"})], now_ns - 20 * S)

    told("with-unsampled", ("serve", "search"))  # as the sampled rides have it
    told("with-pool", ("pool", "search"))

    unsampled = examine(embedded_pair, service="with-unsampled", upload_interval_s=1)
    assert unsampled.broken is None, unsampled.lines()
    assert {explanation.cause for explanation in unsampled.unlinked} == {Cause.UNCLEAR}
    assert "a request that the tracer did not sample" in unsampled.unlinked[0].sentence
    pooled = examine(embedded_pair, service="with-pool", upload_interval_s=1)
    assert_broken(pooled, "sample labels", r"7 span\(s\) 'GET /quote' have no sample; .* 410 ms of CPU")


def test_linked_spans_most_of_whose_work_is_elsewhere_are_in_doubt(embedded_pair: Endpoints) -> None:
    def mixed() -> list[Ride]:
        return [Ride("GET /mixed", 30 + 3 * index, ms=400, cpu_ms=40) for index in range(6)]

    now_ns, host = time.time_ns(), {"hostname": "h1"}
    tell(embedded_pair, "half", [*rides(), *mixed()], idle_ms=0, now_ns=now_ns)
    for ride in mixed():
        push_samples(embedded_pair, "half", [(("pool", "search"), 300_000_000, host)], now_ns - int(ride.ago_s * S))
    tell(embedded_pair, "half-waiting", [*rides(), *mixed()], idle_ms=0)

    examination = examine(embedded_pair, service="half")

    found = examination.finding("sample labels")
    assert found.verdict is Verdict.DOUBTFUL, examination.lines()
    assert "of 6 linked span(s) 'GET /mixed' are not in their samples" in found.evidence[1]
    assert_silent(examine(embedded_pair, service="half-waiting"))


def test_a_process_that_starts_is_not_taken_for_work_without_labels(embedded_pair: Endpoints) -> None:
    now_ns = time.time_ns()
    for name, path in (("starting", ("_find_and_load", "search")), ("working", ("serve", "search"))):
        receipts = [Ride("GET /receipt", 20.0 - index, ms=400, cpu_ms=0) for index in range(3)]
        tell(embedded_pair, name, receipts, idle_ms=0, now_ns=now_ns)
        push_samples(embedded_pair, name, [(path, 900_000_000, {})], now_ns - 20 * 10**9)
    examinations = {name: examine(embedded_pair, service=name, upload_interval_s=1) for name in ("starting", "working")}

    assert examinations["starting"].broken is None
    assert_broken(examinations["working"], "sample labels", "search 900 ms")


def test_what_a_main_program_does_as_it_starts_is_not_taken_for_lost_work(embedded_pair: Endpoints) -> None:
    now_ns = time.time_ns()
    paths = {"draws": ("<module>", "main", "draw_city"), "loses": ("Thread._bootstrap", "draw_city")}
    for name, path in paths.items():
        receipt = Ride("GET /receipt", 20.0, ms=400, cpu_ms=0)
        tell(embedded_pair, name, [*rides(), receipt], idle_ms=0, now_ns=now_ns)
        push_samples(embedded_pair, name, [(path, 240_000_000, {"hostname": "h1"})], now_ns - 20 * S)
    examinations = {name: examine(embedded_pair, service=name, upload_interval_s=1) for name in paths}

    assert examinations["draws"].broken is None, examinations["draws"].lines()
    assert_broken(examinations["loses"], "sample labels", "draw_city 240 ms")


def test_an_agent_that_labels_nothing_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "unlabelled", rides(label="", ms=400))

    assert_broken(examine(embedded_pair, service="unlabelled"), "sample labels", "no sample of unlabelled carries")
