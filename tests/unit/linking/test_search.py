"""Searching a server that, as Tempo does by default, leaves the last half minute out."""

from __future__ import annotations

import base64
import threading
import time
from datetime import datetime
from typing import Any

import pytest

from spanprofiles.clients import ClientError, RequestRefusedError, TempoClient
from spanprofiles.linking import SearchedSpan, TraceNotFoundError, Waiting, search_span
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

    began = datetime.fromtimestamp(server.start_ns / 1e9).astimezone().strftime("%H:%M:%S")
    assert str(failed.value) == (
        f'no span that started since {began} matches {{ name = "weekly" }} after 0.1 s;'
        f" traces since then: nightly (report, {server.trace_id}); services Tempo has spans of: report"
    )


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


class _Trace:
    """A trace whose spans and whose search results change from look to look."""

    def __init__(self, looks: list[list[dict[str, Any]]], found: list[str], others: int = 0) -> None:
        self._looks = looks
        self._found = found
        self._others = others

    def respond(self, seen: Seen) -> Answer:
        if seen.path == "/api/search":
            ids = [_TRACE_ID, *(new_trace_id() for _ in range(self._others))]
            return Answer.of({"traces": [_found(trace_id, self._found) for trace_id in ids], "metrics": {}})
        spans = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return Answer.of(
            {"trace": {"resourceSpans": [resource_spans("report", *spans)]} if spans else {}, "metrics": {}}
        )


_TRACE_ID, _ROOT, _CHILD = new_trace_id(), new_span_id(), new_span_id()
_PARENT_IS_LOCAL = 0x100  # OTLP: it is known whether the parent is remote, and it is not


def _found(trace_id: str, span_ids: list[str]) -> dict[str, Any]:
    start = str(time.time_ns())
    spans = [{"spanID": span_id, "startTimeUnixNano": start, "durationNanos": "1000"} for span_id in span_ids]
    return {"traceID": trace_id, "startTimeUnixNano": start, "durationMs": 1, "spanSets": [{"spans": spans}]}


def _span(span_id: str, parent_id: str = "", kind: int = 1) -> dict[str, Any]:
    now_ns = time.time_ns()
    span = otlp_span(_TRACE_ID, span_id, "nightly", parent_id=parent_id, kind=kind, start_ns=now_ns, end_ns=now_ns + 1)
    for name in ("traceId", "spanId", "parentSpanId"):
        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    span["flags"] = _PARENT_IS_LOCAL
    return span


def _search(serve: Serve, server: _Trace, timeout_s: float = 20.0) -> SearchedSpan:
    return search_span(TempoClient(serve(server.respond).url), _QUERY, 0, Waiting(timeout_s, longest_s=0.02))


def test_a_trace_that_the_search_knows_first_is_waited_for(serve: Serve) -> None:
    assert _search(serve, _Trace([[], [_span(_CHILD, _ROOT)], [_span(_ROOT)]], [_ROOT])).span.span_id == _ROOT


def test_a_child_span_is_found_where_only_children_match(serve: Serve) -> None:
    spans = [_span(_ROOT), _span(_CHILD, _ROOT)]
    assert _search(serve, _Trace([spans], [_CHILD])).span.span_id == _CHILD


def test_the_root_of_a_child_is_waited_for_since_it_may_match_too(serve: Serve) -> None:
    early, late = [_span(_CHILD, _ROOT)], [_span(_ROOT), _span(_CHILD, _ROOT)]
    assert _search(serve, _Trace([early, early, late], [_CHILD, _ROOT])).span.span_id == _ROOT


def test_a_child_whose_root_does_not_come_is_found_at_the_deadline(serve: Serve) -> None:
    found = _search(serve, _Trace([[_span(_CHILD, _ROOT)]], [_CHILD]), timeout_s=0.1)
    assert found.span.span_id == _CHILD


def test_where_a_search_names_as_many_spans_as_it_may_the_root_is_taken(serve: Serve) -> None:
    children = [new_span_id() for _ in range(100)]
    spans = [_span(_ROOT), *(_span(child, _ROOT) for child in children)]
    assert _search(serve, _Trace([spans], children)).span.span_id == _ROOT


def test_the_other_traces_that_match_are_counted_and_named(serve: Serve) -> None:
    found = _search(serve, _Trace([[_span(_ROOT)]], [_ROOT], others=2))
    assert found.others == 2
    assert found.note.startswith(f"3 traces match {_QUERY}: this is the newest; others: ")


def test_of_very_many_traces_that_match_it_says_that_there_are_more(serve: Serve) -> None:
    assert _search(serve, _Trace([[_span(_ROOT)]], [_ROOT], others=48)).note.startswith("49 traces match ")
    assert _search(serve, _Trace([[_span(_ROOT)]], [_ROOT], others=49)).note.startswith("50 or more traces match ")


def test_the_root_of_many_children_is_that_of_the_process_of_the_first(serve: Serve) -> None:
    children = [new_span_id() for _ in range(100)]
    other_root = new_span_id()
    first = [_span(_ROOT), _span(children[0], _ROOT)]  # spans begin as they are made
    others = [_span(other_root), *(_span(child, other_root) for child in children[1:])]
    server = _Trace([[]], children)
    answer = {"resourceSpans": [resource_spans("archive", *others), resource_spans("report", *first)]}

    def respond(seen: Seen) -> Answer:
        found = seen.path == "/api/search"
        return server.respond(seen) if found else Answer.of({"trace": answer, "metrics": {}})

    found = search_span(TempoClient(serve(respond).url), _QUERY, 0, Waiting(20.0, longest_s=0.02))

    assert found.span.span_id == _ROOT


def test_an_older_tempo_is_asked_for_the_same_time_without_the_hint(serve: Serve) -> None:
    server = _Tempo(knows_hints=False)
    stub = serve(server.respond)

    search_span(TempoClient(stub.url), _QUERY, server.start_ns, Waiting(20))

    hinted, plain = (seen.query for seen in stub.seen if seen.path == "/api/search")
    assert plain == {**hinted, "q": _QUERY}
    assert {"start", "end", "limit", "spss"} <= set(plain)


def test_where_a_child_began_before_its_root_the_root_is_found_all_the_same(serve: Serve) -> None:
    spans = [_span(_CHILD, _ROOT), _span(_ROOT)]  # spans begin as they are made
    assert _search(serve, _Trace([spans], [_CHILD, _ROOT])).span.span_id == _ROOT
