"""The OTLP/HTTP port: `POST /v1/traces`, answered only when the spans are committed."""

from __future__ import annotations

import sqlite3

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded import otlp
from spanprofiles.embedded.messages import message as make_message
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.traces import SpanBatch, SpanInterners
from spanprofiles.embedded.web import Application, BadBodyError, BodyTooLargeError, json_answer, read_body, text

PROTOBUF, JSON = "application/x-protobuf", "application/json"
INVALID_ARGUMENT, UNAVAILABLE = 3, 14


class Receiver(Application):
    """The application on the OTLP port."""

    def __init__(self, database: Database, body_limit: int) -> None:
        super().__init__([("/v1/traces", None, self.export)])
        self._database = database
        self._body_limit = body_limit
        self._interners = SpanInterners()

    def export(self, request: Request) -> Response:
        """Take an export request; bad ones are refused whole."""
        if request.method != "POST":
            return text("405 method not allowed, supported: [POST]", 405)
        kind = request.mimetype
        if kind not in {PROTOBUF, JSON}:
            return text(f"415 unsupported media type, supported: [{JSON}, {PROTOBUF}]", 415)
        try:
            body = read_body(request, self._body_limit)
            export = otlp.from_json(body) if kind == JSON else otlp.from_protobuf(body)
        except BodyTooLargeError as error:
            return self._refusal(kind, 413, INVALID_ARGUMENT, str(error))
        except (BadBodyError, otlp.OtlpError) as error:
            return self._refusal(kind, 400, INVALID_ARGUMENT, str(error))
        try:
            self.store(export)
        except sqlite3.Error as error:
            return self._refusal(kind, 503, UNAVAILABLE, f"the spans could not be stored: {error}")
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

    @staticmethod
    def _refusal(kind: str, status: int, code: int, message: str) -> Response:
        if kind == JSON:
            return json_answer({"code": code, "message": message}, status)
        status_message = make_message("Status", code=code, message=message)
        return Response(status_message.SerializeToString(), status, content_type=PROTOBUF)
