"""Searching a server that, as Tempo does by default, leaves the last half minute out."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import pytest

from spanprofiles.clients import ClientError, RequestRefusedError, TempoClient
from spanprofiles.linking import TraceNotFoundError, Waiting, search_span
from spanprofiles.model import new_span_id, new_trace_id
from tests.unit.conftest import Answer, Seen, Serve, otlp_span, resource_spans

_CUT_S = 30
_QUERY = '{ name = "nightly" }'


class _Tempo:
    """Finds one span, after so many searches, and knows no hint of newer servers unless told to."""

    def __init__(self, *, after: int = 0, knows_hints: bool = True, started_ns: int | None = None) -> None:
        self.trace_id, self.span_id = new_trace_id(), new_span_id()
        self.start_ns = time.time_ns() if started_ns is None else started_ns
        self._left = after
        self._knows_hints = knows_hints
        self._lock = threading.Lock()

    def respond(self, seen: Seen) -> Answer:
        if seen.path == "/api/search":
            return self._search(seen.query)
        if seen.path.endswith("/values"):
            return Answer.of({"tagValues": [{"type": "string", "value": "report"}]})
        times = {"start_ns": self.start_ns, "end_ns": self.start_ns + 10**9}
        span = otlp_span(self.trace_id, self.span_id, "nightly", profile_id=self.span_id, **times)  # type: ignore[arg-type]
        for name in ("traceId", "spanId"):
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        return Answer.of({"trace": {"resourceSpans": [resource_spans("report", span)]}, "metrics": {}})

    def _search(self, query: Any) -> Answer:
        if "most_recent" in query["q"] and not self._knows_hints:
            return Answer("invalid TraceQL query: unexpected with", 400, "text/plain")
        if "start" in query and int(query["start"]) >= min(int(query["end"]), time.time() - _CUT_S):
            return Answer("http parameter start must be before end", 400, "text/plain")
        with self._lock:
            self._left -= 1
            if self._left >= 0 or "weekly" in query["q"]:
                return Answer.of({"traces": [], "metrics": {}})
        span = {"spanID": self.span_id, "startTimeUnixNano": str(self.start_ns), "durationNanos": "1000000000"}
        found = {
            "traceID": self.trace_id.lstrip("0"),
            "rootServiceName": "report",
            "rootTraceName": "nightly",
            "startTimeUnixNano": str(self.start_ns),
            "durationMs": 1000,
            "spanSets": [{"spans": [span], "matched": 1}],
        }
        return Answer.of({"traces": [found], "metrics": {}})


@pytest.mark.parametrize("knows_hints", [True, False])
def test_a_window_of_which_nothing_is_left_yet_is_never_asked_for(serve: Serve, knows_hints: bool) -> None:
    server = _Tempo(after=3, knows_hints=knows_hints)

    found = search_span(TempoClient(serve(server.respond).url), _QUERY, server.start_ns, Waiting(20))

    assert (found.span.span_id, found.note) == (server.span_id, "")


def test_a_span_of_the_window_that_is_older_than_asked_for_is_left_out(serve: Serve) -> None:
    now_ns = time.time_ns()
    server = _Tempo(started_ns=now_ns - 10**9)

    with pytest.raises(TraceNotFoundError, match=f"one that is older does, in the trace {server.trace_id}"):
        search_span(TempoClient(serve(server.respond).url), _QUERY, now_ns, Waiting(0.1))


def test_where_nothing_matches_what_is_there_is_named(serve: Serve) -> None:
    server = _Tempo()

    with pytest.raises(TraceNotFoundError) as failed:
        search_span(TempoClient(serve(server.respond).url), '{ name = "weekly" }', server.start_ns, Waiting(0.1))

    assert f"traces since then: nightly (report, {server.trace_id})" in str(failed.value)
    assert "services Tempo has spans of: report" in str(failed.value)


def test_a_server_that_fails_while_it_is_asked_why_is_named(serve: Serve) -> None:
    def respond(seen: Seen) -> Answer:
        broken = seen.path.endswith("/values")
        return Answer("out of order", 500) if broken else Answer.of({"traces": [], "metrics": {}})

    with pytest.raises(TraceNotFoundError, match=r"refused .* with 500: out of order"):
        search_span(TempoClient(serve(respond).url), _QUERY, time.time_ns(), Waiting(0.1))


def test_a_server_that_fails_is_no_missing_span(serve: Serve) -> None:
    with pytest.raises(ClientError, match="500"):
        search_span(TempoClient(serve(lambda _: Answer("", 500)).url), _QUERY, time.time_ns(), Waiting(5))


def test_a_refused_query_is_told_without_the_hint_that_was_added_to_it(serve: Serve) -> None:
    stub = serve(lambda seen: Answer(f"parse error in {seen.query['q']}", 400, "text/plain"))

    with pytest.raises(RequestRefusedError, match=r"parse error in \{ name = \}$"):
        search_span(TempoClient(stub.url), "{ name = }", time.time_ns(), Waiting(5))
