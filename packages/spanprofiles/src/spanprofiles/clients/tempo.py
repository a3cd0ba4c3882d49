"""Tempo's query API. Source: the HTTP API of Tempo 3 (``/api/v2/traces``, ``/api/search``, ``/api/v2/search/tag``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from spanprofiles.clients import otlp_json
from spanprofiles.clients.http import ServerClient
from spanprofiles.clients.json_values import MOST_SPANS, count, fields, items, moment_ms, text
from spanprofiles.clients.refusals import TEMPO_COUNTERS, Refusal, refusals
from spanprofiles.clients.storage import TEMPO_FAILURES, FailedWrites, failed_writes
from spanprofiles.clients.tempo_metrics import MetricSeries, series_of
from spanprofiles.model import Trace, parse_span_id, parse_trace_id

_SERVER = "Tempo"
_METRICS = "metrics"


@dataclass(frozen=True)
class FoundSpan:
    """A span that matched a search.

    Attributes:
        span_id: 16 hex digits.
        start_ns: start, ns since the epoch.
        duration_ns: wall-clock duration, ns.
        attributes: what the query used or selected; values as Tempo writes them, as text.
        name: the span's name, where the query used or selected it; else empty.
    """

    span_id: str
    start_ns: int
    duration_ns: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class FoundTrace:
    """A trace that matched a search, with the spans that made it match.

    Attributes:
        trace_id: 32 hex digits.
        root_service: service of the root span; ``<root span not yet received>`` where its parent is elsewhere.
        root_name: name of the root span.
        start_ns: start, ns since the epoch.
        duration_ms: wall-clock duration, ms.
        spans: the matching spans, at most as many as asked for.
    """

    trace_id: str
    root_service: str
    root_name: str
    start_ns: int
    duration_ms: int
    spans: tuple[FoundSpan, ...]


class TempoClient(ServerClient):
    """Asks one Tempo server."""

    server = _SERVER

    def check_answers(self) -> None:
        """Return if it is a Tempo that answers, by the call Grafana's data source checks its health with.

        Raises:
            ClientError: it does not answer, or is another server.
        """
        path = "/api/echo"
        if self._http.get(path).text.strip() != "echo":
            raise self._http.unexpected(path, "it should say 'echo'")

    def trace(self, trace_id: str) -> Trace | None:
        """Return the spans of a trace that have arrived so far, or None where there are none.

        Raises:
            IdentifierError: the trace ID is malformed.
            ClientError: the server did not answer, or not with a trace.
        """
        trace_id = parse_trace_id(trace_id)
        path = f"/api/v2/traces/{trace_id}"
        answer = self._answer(path, "trace")
        with self._http.decode_errors(path, "a trace"):
            found = list(otlp_json.spans(fields(answer.get("trace") or {}).get("resourceSpans")))
        return Trace.of(trace_id, found) if found else None

    def search(
        self, query: str, *, start_s: int | None = None, end_s: int | None = None, limit: int = 20, spans: int = 3
    ) -> list[FoundTrace]:
        """Search with TraceQL, newest traces first.

        Args:
            query: TraceQL, such as ``{ span.pyroscope.profile.id != nil }``.
            start_s: start of the window, s since the epoch; needs ``end_s``.
            end_s: end of the window, s since the epoch.
            limit: how many traces to return at most.
            spans: how many matching spans to return for each trace at most.

        Raises:
            ValueError: only one end of the window is given.
            ClientError: the server did not answer, or refused the query (400 with the place of the error).
        """
        parameters: dict[str, str | int] = {"q": query, "limit": limit, "spss": spans}
        if (start_s is None) != (end_s is None):
            raise ValueError("a window needs both ends: give start_s and end_s, or neither")
        if start_s is not None and end_s is not None:
            parameters |= {"start": start_s, "end": end_s}
        answer = self._answer("/api/search", "traces", parameters)
        with self._http.decode_errors("/api/search", "a search result"):
            return [_found_trace(fields(trace)) for trace in items(answer.get("traces"))]

    def metrics(self, query: str, *, start_s: int, end_s: int, step_s: int) -> list[MetricSeries]:
        """Ask for values over time with a TraceQL metrics query, in steps that end at multiples of their length.

        Args:
            query: TraceQL, such as ``{ kind = server } | rate() by (span.http.route)``.
            start_s: the end of the first step, s since the epoch.
            end_s: the end of the last step, s since the epoch.
            step_s: how long each is, s.

        Raises:
            ClientError: the server did not answer, refused the query, or has no metrics.
        """
        path = "/api/metrics/query_range"
        parameters: dict[str, str | int] = {"q": query, "start": start_s, "end": end_s, "step": f"{step_s}s"}
        answer = self._answer(path, "series", parameters | {"exemplars": 1})
        with self._http.decode_errors(path, "series of values"):
            return series_of(answer)

    def tag_values(self, tag: str) -> list[str]:
        """Return the values that an attribute has, such as ``resource.service.name``, without the empty one.

        Raises:
            ClientError: the server did not answer, or refused the tag.
        """
        path = f"/api/v2/search/tag/{quote(tag, safe='')}/values"
        answer = self._answer(path, "tagValues")
        with self._http.decode_errors(path, "tag values"):
            return [text(value["value"]) for value in map(fields, items(answer.get("tagValues"))) if "value" in value]

    def refusals(self, since_s: float, service: str = "", until_s: float = float("inf")) -> tuple[Refusal, ...]:
        """Return the exports or spans that the server says it refused; nothing if it does not say.

        Args:
            since_s: leave out what is known to be older, s since the epoch.
            service: leave out what is known to be of another service; empty for all.
            until_s: leave out what is known to have begun later, s since the epoch.
        """
        return refusals(self._http, TEMPO_COUNTERS, since_s, service, until_s)

    def failed_writes(self) -> FailedWrites:
        """Return how often the server says that it failed to write to its storage; a hosted one does not say."""
        return failed_writes(self._http, TEMPO_FAILURES)

    def _answer(self, path: str, name: str, parameters: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Return an answer that has this field, or only what Tempo writes where the field is empty."""
        answer = self._http.get_json(path, parameters)
        if answer and (not {name, _METRICS} & answer.keys() or answer.get(name, {}) is None):
            raise self._http.unexpected(path, f"no {name!r} in it")
        return answer


def _found_trace(trace: Mapping[str, Any]) -> FoundTrace:
    spans = [span for group in items(trace.get("spanSets")) for span in items(fields(group).get("spans"))]
    if len(spans) > MOST_SPANS:
        raise ValueError(f"a trace has {len(spans)} matching spans, more than {MOST_SPANS}")
    return FoundTrace(
        trace_id=parse_trace_id(text(trace["traceID"])),
        root_service=text(trace.get("rootServiceName", "")),
        root_name=text(trace.get("rootTraceName", "")),
        start_ns=count(trace.get("startTimeUnixNano", 0)),
        duration_ms=moment_ms(trace.get("durationMs", 0)),
        spans=tuple(_found_span(fields(span)) for span in spans),
    )


def _text(value: Any) -> str:
    return text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _found_span(span: Mapping[str, Any]) -> FoundSpan:
    attributes = {
        text(fields(pair)["key"]): _text(next(iter(fields(pair["value"]).values()), ""))
        for pair in items(span.get("attributes"))
    }
    return FoundSpan(
        span_id=parse_span_id(text(span["spanID"])),
        start_ns=count(span.get("startTimeUnixNano", 0)),
        duration_ns=count(span.get("durationNanos", 0)),
        attributes=attributes,
        name=text(span.get("name", "")),
    )
