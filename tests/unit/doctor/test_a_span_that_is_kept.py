"""A Tempo that takes a span, shows it and forgets it is told from one that keeps it: with a full disk it does so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from spanprofiles.clients import TempoClient
from spanprofiles.clients.probe import Probe
from spanprofiles.doctor import Verdict, examine
from spanprofiles.doctor.collectors.probe import follow
from spanprofiles.doctor.observations import ProbedServer
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.unit.conftest import Answer, Seen, Serve

LONG_S = 30.0


class Tempo:
    """A Tempo with a few answers, that keeps spans in memory for a while and then has them on its disk, or not.

    Args:
        in_memory_s: how long a trace can be had by its ID whatever the disk does, s since the first question.
        writes: whether it has it after that.
        gaps: looks by ID that find nothing in between.
        searches: whether the search finds what was written.
    """

    def __init__(self, in_memory_s: float, *, writes: bool, gaps: int = 0, searches: bool = True) -> None:
        self.in_memory_s, self.writes, self.gaps, self.searches = in_memory_s, writes, gaps, searches
        self.asked: float | None = None

    def __call__(self, seen: Seen) -> Answer:
        now = time.monotonic()
        if seen.path == "/api/search":
            written = self.asked is not None and now - self.asked > self.in_memory_s and self.writes and self.searches
            trace = {"traceID": "1" * 32, "startTimeUnixNano": "1", "spanSets": [{"spans": []}]}
            return Answer.of({"traces": [trace] if written else [], "metrics": {}})
        if seen.path.startswith("/api/v2/traces/"):
            self.asked = self.asked or now
            in_memory = now - self.asked <= self.in_memory_s
            if not in_memory and self.gaps:
                self.gaps -= 1
                return Answer.of({"trace": {}, "metrics": {}})
            return Answer.of(trace_of(seen.path.rsplit("/", 1)[1]) if in_memory or self.writes else {"trace": {}})
        return Answer("{}" if seen.method == "POST" else "ready")


def trace_of(trace_id: str) -> dict[str, object]:
    span = {"traceId": trace_id, "spanId": "2" * 16, "name": "probe", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "spanprofiles-probe"}}]}
    return {"trace": {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}}


@pytest.fixture
def followed(serve: Serve) -> Callable[[Tempo, float], ProbedServer]:
    def follow_it(tempo: Tempo, timeout_s: float) -> ProbedServer:
        sent = Probe(new_trace_id(), new_span_id(), time.time_ns())
        return follow(TempoClient(serve(tempo).url), sent, "http://127.0.0.1:1", timeout_s)

    return follow_it


def test_a_span_that_the_search_finds_was_kept(followed: Callable[[Tempo, float], ProbedServer]) -> None:
    found = followed(Tempo(0.2, writes=True), LONG_S)

    assert found.came_back
    assert found.lost_after_s is None


def test_a_span_that_is_gone_again_was_lost(followed: Callable[[Tempo, float], ProbedServer]) -> None:
    found = followed(Tempo(0.2, writes=False), LONG_S)

    assert not found.came_back
    assert found.lost_after_s is not None
    assert found.waited_s < LONG_S


def test_a_moment_in_which_it_is_nowhere_is_not_a_loss(followed: Callable[[Tempo, float], ProbedServer]) -> None:
    assert followed(Tempo(0.2, writes=True, gaps=2), LONG_S).came_back


def test_a_span_that_stays_and_is_not_searched_yet_counts_as_kept(
    followed: Callable[[Tempo, float], ProbedServer],
) -> None:
    found = followed(Tempo(0.1, writes=True, searches=False), 1.0)

    assert found.came_back
    assert found.waited_s < 1.0


def test_the_doctor_says_that_it_is_lost_and_that_room_alone_is_no_help(embedded_pair: Endpoints, serve: Serve) -> None:
    full = serve(Tempo(0.2, writes=False))

    examination = examine(
        replace(embedded_pair, tempo=full.url, otlp_http=full.url), service="any", probe=True, probe_timeout_s=LONG_S
    )

    found = examination.finding("probe")
    assert found.verdict is Verdict.BROKEN
    assert "accepted the span, returned it, and lost it" in " ".join(found.evidence)
    assert "Make room on its disk" in found.advice
    assert "restart it" in found.advice


def test_the_embedded_pair_keeps_what_it_takes(embedded_pair: Endpoints) -> None:
    found = examine(embedded_pair, service="any", probe=True, probe_timeout_s=LONG_S).finding("probe")

    assert found.verdict is Verdict.OK
