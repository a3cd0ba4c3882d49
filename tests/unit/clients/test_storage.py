"""How often a server says that it failed to write, which it does while it says that it is ready."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from spanprofiles.clients import HttpClient
from spanprofiles.clients.storage import PYROSCOPE_FAILURES, TEMPO_FAILURES, FailedWrites, Failures, failed_writes
from tests.unit.conftest import Answer, Seen, Serve

TEMPO = """\
# TYPE tempo_backend_scheduler_work_flushes_failed_total counter
tempo_backend_scheduler_work_flushes_failed_total 2
tempo_live_store_failed_completions_total 1
tempo_live_store_local_failed_flushes_total 0
tempo_discarded_spans_total{reason="rate_limited",tenant="single-tenant"} 7
process_start_time_seconds %s
"""


def asked(serve: Serve, answer: Answer, failures: Failures = TEMPO_FAILURES) -> FailedWrites:
    return failed_writes(HttpClient("Tempo", serve(lambda _: answer).url), failures)


def test_failures_of_all_kinds_are_added_up_and_what_a_limit_refused_is_none_of_them(serve: Serve) -> None:
    found = asked(serve, Answer(TEMPO % (time.time() - 600)))

    assert found.count == 3
    assert found.sentence == "Tempo has failed to write to its storage 3 time(s) since it started 10 min ago"


def test_a_server_that_writes_has_nothing_to_tell(serve: Serve) -> None:
    found = asked(
        serve, Answer(f"tempo_live_store_failed_completions_total 0\nprocess_start_time_seconds {time.time()}\n")
    )

    assert (found.count, found.sentence) == (0, "")


@pytest.mark.parametrize("answer", [Answer("no", 404), Answer("<html>", 200), Answer("", 200)])
def test_a_server_that_shows_no_metrics_is_not_accused(serve: Serve, answer: Answer) -> None:
    assert asked(serve, answer).count == 0


@pytest.mark.parametrize(
    ("running_s", "since"), [(None, "it started"), (5, "it started 5 s ago"), (600, "10 min ago"), (90_000, "25 h ago")]
)
def test_it_says_since_when(running_s: float | None, since: str) -> None:
    assert FailedWrites("Pyroscope", 1, running_s).sentence.endswith(since)


PYROSCOPE = """\
pyroscope_segment_writer_upload_duration_seconds_count{status="error"} %d
pyroscope_segment_writer_upload_duration_seconds_count{status="success"} 500
"""


def test_a_pyroscope_that_goes_on_failing_is_told_from_one_that_writes_again(serve: Serve) -> None:
    asked_so_far: list[int] = []

    def fail_again(_: Seen) -> Answer:
        asked_so_far.append(1)
        return Answer(PYROSCOPE % (4 + len(asked_so_far)))

    failing = failed_writes(HttpClient("Pyroscope", serve(fail_again).url), PYROSCOPE_FAILURES)
    quick = replace(PYROSCOPE_FAILURES, move_within_s=0.1)
    past = asked(serve, Answer(PYROSCOPE % 4), quick)

    assert (failing.count, failing.goes_on, failing.is_past) == (6, True, False)
    assert failing.sentence.endswith("and goes on failing")
    assert (past.count, past.goes_on, past.is_past) == (4, False, True)
    assert past.sentence.endswith("but not during this check")


def test_a_pyroscope_whose_uploads_work_has_not_failed(serve: Serve) -> None:
    assert asked(serve, Answer(PYROSCOPE % 0), PYROSCOPE_FAILURES).count == 0
