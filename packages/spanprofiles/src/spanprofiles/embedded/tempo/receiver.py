"""The OTLP/HTTP port: `POST /v1/traces`, answered only when the spans are committed."""

from __future__ import annotations

import sqlite3

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded import otlp
from spanprofiles.embedded.arrivals import note_wrong_path, sender_of
from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError
from spanprofiles.embedded.proto.status_pb2 import Status
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Signal, Way
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.folder import RETRY_AFTER_SECONDS
from spanprofiles.embedded.store.traces import SpanBatch, SpanInterners
from spanprofiles.embedded.web import Application, json_answer, read_body, text, ticket_of

PROTOBUF, JSON = "application/x-protobuf", "application/json"
INVALID_ARGUMENT, UNAVAILABLE = 3, 14
ENCODINGS = ("gzip", "deflate", "zlib")
TAKES = "this port takes spans, OTLP over HTTP, at /v1/traces; gRPC has a port of its own, --otlp-grpc-port"


class Receiver(Application):
    """The application on the OTLP port."""

    def __init__(self, database: Database, body_limit: int, refusals: Refusals | None = None) -> None:
        super().__init__([("/v1/traces", None, self.export)])
        self._database = database
        self.refusals = refusals or Refusals()
        self._body_limit = body_limit
        self._interners = SpanInterners()

    def export(self, request: Request) -> Response:
        """Take an export request; bad ones are refused whole."""
        if request.method != "POST":
            return text("405 method not allowed, supported: [POST]", 405)
        kind = request.mimetype
        if kind not in {PROTOBUF, JSON}:
            message = f"unsupported media type, supported: [{JSON}, {PROTOBUF}]"
            self._note(request, Reason.MEDIA_TYPE, message)
            return text(f"415 {message}", 415)
        try:
            body = read_body(request, self._body_limit, ENCODINGS)
            decode = otlp.from_json if kind == JSON else otlp.from_protobuf
            export = decode(body, ticket_of(request).expect)
        except BodyTooLargeError as error:
            self._note(request, Reason.BODY_SIZE, str(error))
            return self._refusal(kind, 413, INVALID_ARGUMENT, str(error))
        except BadBodyError as error:
            self._note(request, error.reason, str(error))
            return self._refusal(kind, 400, INVALID_ARGUMENT, str(error))
        except otlp.OtlpError as error:
            self._note(request, error.reason, str(error), error.service, error.spans)
            status = 413 if error.reason is Reason.MESSAGES else 400
            return self._refusal(kind, status, INVALID_ARGUMENT, str(error))
        spans = otlp.span_count(export)
        try:
            self.store(export)
        except sqlite3.Error as error:
            message = f"the spans could not be stored: {error}"
            self._note(request, Reason.NOT_STORED, message, otlp.first_service(export), spans)
            response = self._refusal(kind, 503, UNAVAILABLE, message)
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return response
        self.refusals.note_taken(Way.OTLP_HTTP, spans)
        if kind == JSON:
            return json_answer({"partialSuccess": {}})
        return Response(b"", content_type=PROTOBUF)

    def store(self, export: ExportTraceServiceRequest) -> None:
        """Keep the spans of a checked export; return when they are committed.

        Raises:
            sqlite3.Error: they could not be stored, and none of them is.
        """
        if export.resource_spans:
            self._database.write(SpanBatch(export, self._interners))

    def unmatched(self, request: Request) -> None:
        """Take notice of spans that were sent to another path, or by another protocol."""
        note_wrong_path(self.refusals, request.environ, TAKES, Signal.TRACES)

    def overloaded(self, request: Request, message: str) -> None:
        """Take notice of spans for which there was no room."""
        self._note(request, Reason.OVERLOAD, message)

    def _note(self, request: Request, reason: Reason, message: str, service: str = "", spans: int = 0) -> None:
        sender = sender_of(request.environ)
        self.refusals.note(Refusal(Signal.TRACES, Way.OTLP_HTTP, reason, message, sender, service, spans))

    @staticmethod
    def _refusal(kind: str, status: int, code: int, message: str) -> Response:
        if kind == JSON:
            return json_answer({"code": code, "message": message}, status)
        status_message = Status(code=code, message=message)
        return Response(status_message.SerializeToString(), status, content_type=PROTOBUF)
