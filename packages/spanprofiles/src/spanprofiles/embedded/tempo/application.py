"""The routes of Tempo's HTTP API.

Source: https://grafana.com/docs/tempo/latest/api_docs/ and the recorded answers of Tempo 3.0.3.
"""

from __future__ import annotations

import re
from typing import Any

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.metrics import RefusalRoutes
from spanprofiles.embedded.refusals import Refusals, Signal
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.traces import StoredSpan, payloads, spans_of_trace
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.inspection import metadata_json, search_json
from spanprofiles.embedded.tempo.metrics_query import instant_answer, range_answer, run_metrics
from spanprofiles.embedded.tempo.metrics_request import MetricsRequest
from spanprofiles.embedded.tempo.parameters import Search, limit_of
from spanprofiles.embedded.tempo.search import run_search
from spanprofiles.embedded.tempo.streams import Streams
from spanprofiles.embedded.tempo.tags import (
    Tags,
    names_by_scope,
    plain_names,
    tag_attribute,
    value_answer,
)
from spanprofiles.embedded.tempo.trace_json import Payloads, trace_json, trace_message
from spanprofiles.embedded.upload_paths import note_wrong_path
from spanprofiles.embedded.varint import varint
from spanprofiles.embedded.web import AnswerError, Application, json_answer, text, written_answer

PROTOBUF = "application/protobuf"
BUILD = {
    "version": "3.0.3",
    "revision": "spanprofiles",
    "branch": "embedded",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
"""The version of Tempo whose recorded answers the pair is held to, and what it is instead."""
NO_METRICS = b"\x12\x00"
"""The field ``metrics`` of Tempo's ``TraceByIDResponse``, which is always there: an empty message."""
NO_STREAMING = (
    "queries over gRPC need the package grpcio beside the embedded pair: install spanprofiles[grpc] and start the pair"
    " again, or switch streaming off in the settings of Grafana's Tempo data source, which then asks for the same over"
    " HTTP"
)
TRACE_ID_DIGITS = 32
TAKES = "this port takes queries; spans go to the OTLP port, usually 4318, and profiles to Pyroscope's, usually 4040"


def parse_trace_id(digits: str) -> bytes:
    """Parse a trace ID as people write it: any case, leading zeros left out or not.

    Raises:
        AnswerError: it has more than 32 digits, or something that is not a hexadecimal digit.
    """
    bad = re.search("[^0-9a-fA-F]", digits)
    if bad:
        position = bad.start() + 1
        raise AnswerError(
            text(f"trace IDs can only contain hex characters: invalid character '{bad[0]}' at position {position}", 400)
        )
    if len(digits) > TRACE_ID_DIGITS:
        raise AnswerError(text("trace IDs can't be larger than 128 bits", 400))
    return bytes.fromhex(digits.zfill(TRACE_ID_DIGITS))


class Tempo(Application):
    """The application on Tempo's port.

    Attributes:
        streams: answers the same queries where they come over gRPC.
    """

    grpc_message = NO_STREAMING

    def __init__(self, database: Database, refusals: Refusals | None = None) -> None:
        self._refusals = refusals or Refusals()
        super().__init__(
            [
                *RefusalRoutes(self._refusals, Signal.TRACES).rules(),
                ("/ready", None, self.ready),
                ("/api/echo", None, self.echo),
                ("/api/status/buildinfo", None, self.build),
            ],
            [
                ("/api/search", None, self.search),
                ("/api/metrics/query_range", None, self.metrics_range),
                ("/api/metrics/query", None, self.metrics_instant),
                ("/api/search/tags", None, self.tags_v1),
                ("/api/v2/search/tags", None, self.tags_v2),
                ("/api/search/tag/<path:name>/values", None, self.values_v1),
                ("/api/v2/search/tag/<path:name>/values", None, self.values_v2),
                ("/api/traces/<digits>", None, self.trace_v1),
                ("/api/v2/traces/<digits>", None, self.trace_v2),
            ],
            database,
        )
        self._database = database
        self._candidates = Candidates()
        self._tags = Tags(self._candidates)
        self.streams = Streams(database, self._candidates, self._tags)

    def unmatched(self, request: Request) -> None:
        """Note uploads, which belong on another port."""
        note_wrong_path(self._refusals, request.environ, TAKES)

    def ready(self, _: Request) -> Response:
        """Say that the server is ready, which it is whenever it answers and can write.

        Raises:
            StoreUnavailableError: it cannot.
        """
        self._database.check_writing()
        return text("ready\n")

    def echo(self, _: Request) -> Response:
        """Answer what Grafana asks to see whether a data source works."""
        return text("echo\n")

    def build(self, _: Request) -> Response:
        """Answer which version of Tempo this stands in for: Grafana asks, to know what it may use."""
        return json_answer(BUILD)

    def search(self, request: Request) -> Response:
        """Traces by a TraceQL query, or by tags."""
        search = Search.of(request.args)
        connection = self._database.reader()
        writer = JsonWriter(connection.deadline)
        traces = run_search(connection, self._candidates, search, writer)
        return written_answer(writer, {"traces": iter(traces), "metrics": search_json(connection.inspected)})

    def metrics_range(self, request: Request) -> Response:
        """Answer a TraceQL metrics query with values at each step of a time range."""
        asked = MetricsRequest.of_range(request.args)
        connection = self._database.reader()
        result = run_metrics(connection, self._candidates, asked)
        answer = range_answer(result, asked.intervals, asked.limit, connection.deadline)
        return self._written(answer | {"metrics": search_json(connection.inspected)})

    def metrics_instant(self, request: Request) -> Response:
        """Answer a TraceQL metrics query with one value for a time range."""
        asked = MetricsRequest.at_once(request.args)
        connection = self._database.reader()
        result = run_metrics(connection, self._candidates, asked)
        return self._written(instant_answer(result, asked.limit) | {"metrics": search_json(connection.inspected)})

    def tags_v1(self, request: Request) -> Response:
        """Answer with the names of attributes, whatever their scope."""
        names = plain_names(self._tags.names_for(self._database.reader(), request.args), request.args)
        return self._written({"tagNames": iter(names), "metrics": self._read()})

    def tags_v2(self, request: Request) -> Response:
        """Answer with the names of attributes by scope."""
        found = names_by_scope(self._tags.names_for(self._database.reader(), request.args), request.args)
        return self._written(
            {"scopes": ({"name": scope, "tags": iter(names)} for scope, names in found), "metrics": self._read()}
        )

    def values_v1(self, request: Request, name: str) -> Response:
        """Answer with the values of an attribute, as text."""
        found = self._tags.plain_values_for(self._database.reader(), name, request.args)
        return self._written({"tagValues": iter(found), "metrics": self._read()})

    def values_v2(self, request: Request, name: str) -> Response:
        """Answer with the values of an attribute, with their types."""
        found = self._tags.values_for(self._database.reader(), tag_attribute(name), request.args)
        return self._written({"tagValues": map(value_answer, found[: limit_of(request.args)]), "metrics": self._read()})

    def _trace(self, digits: str) -> tuple[list[StoredSpan], Payloads, Payloads]:
        connection = self._database.reader()
        spans = spans_of_trace(connection, parse_trace_id(digits))
        return (
            spans,
            payloads(connection, "resources", sorted({span.resource for span in spans})),
            payloads(connection, "scopes", sorted({span.scope for span in spans})),
        )

    def trace_v1(self, request: Request, digits: str) -> Response:
        """Answer with a trace by its ID; 404 where it is not known."""
        spans, resources, scopes = self._trace(digits)
        if not spans:
            return Response(b"", 404)
        if _wants_protobuf(request):
            trace = trace_message(spans, resources, scopes, self._database.deadline)
            return Response(trace.SerializeToString(), content_type=PROTOBUF)
        return self._written({"batches": trace_json(spans, resources, scopes)})

    def trace_v2(self, request: Request, digits: str) -> Response:
        """Answer with a trace by its ID; an empty one where it is not known."""
        spans, resources, scopes = self._trace(digits)
        if _wants_protobuf(request):
            trace = trace_message(spans, resources, scopes, self._database.deadline).SerializeToString()
            return Response(_length_delimited(1, trace) + NO_METRICS, content_type=PROTOBUF)
        trace_answer = {"resourceSpans": trace_json(spans, resources, scopes)} if spans else {}
        return self._written({"trace": trace_answer, "metrics": {}})

    def _read(self) -> dict[str, Any]:
        return metadata_json(self._database.reader().inspected)

    def _written(self, answer: dict[str, Any]) -> Response:
        return written_answer(JsonWriter(self._database.deadline), answer)


def _wants_protobuf(request: Request) -> bool:
    return PROTOBUF in request.headers.get("Accept", "")


def _length_delimited(number: int, payload: bytes) -> bytes:
    """Encode a protobuf field that is a message: Tempo's ``TraceByIDResponse`` has the trace as its field 1."""
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload
