"""The OTLP/HTTP port: ``POST /v1/traces``, answered only when the spans are committed."""

from __future__ import annotations

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.extra_compression import HOW_TO_GET, NAMES, decoders
from spanprofiles.embedded.otlp.json import decode_json
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.proto.status_pb2 import Status
from spanprofiles.embedded.refusals import Origin, Reason, Refusals, Signal, Way
from spanprofiles.embedded.store.folder import RETRY_AFTER_S
from spanprofiles.embedded.upload_paths import note_wrong_path, sender_of
from spanprofiles.embedded.web import Application, any_of, json_answer, read_body, text, ticket_of

PROTOBUF, JSON = "application/x-protobuf", "application/json"
DECODERS = {JSON: decode_json, PROTOBUF: decode_protobuf}
EXTRA_DECODERS = decoders()
ENCODINGS = ("gzip", "deflate", "zlib", *EXTRA_DECODERS)
INVALID_ARGUMENT, UNAVAILABLE = 3, 14
"""Codes of gRPC, which the body of a refusal has."""
NOT_TAKEN = 415
STATUS = {Reason.BODY_SIZE: 413, Reason.MESSAGES: 413, Reason.NOT_STORED: 503}
TAKES = "this port takes spans, OTLP over HTTP, at /v1/traces; gRPC has a port of its own, --otlp-grpc-port"


class OtlpHttp(Application):
    """The application on the OTLP port.

    Args:
        receiver: takes the exports.
        body_limit: the largest body taken, in bytes.
        refusals: where uploads to other paths are noted.
    """

    def __init__(self, receiver: Receiver, body_limit: int, refusals: Refusals) -> None:
        super().__init__([("/v1/traces", None, self.export)])
        self._receiver = receiver
        self._refusals = refusals
        self._body_limit = body_limit

    def export(self, request: Request) -> Response:
        """Take an export; a bad one is refused whole."""
        if request.method != "POST":
            return text("405 method not allowed, supported: [POST]", 405)
        kind, origin = request.mimetype, _origin(request)
        if kind not in DECODERS:
            message = f"unsupported media type, supported: [{JSON}, {PROTOBUF}]"
            self._receiver.note(origin, Reason.MEDIA_TYPE, message)
            return text(f"415 {message}", 415)
        encoding = request.headers.get("Content-Encoding", "")
        if encoding in NAMES and encoding not in EXTRA_DECODERS:
            message = f"Content-Encoding {encoding} is not taken without a package: {HOW_TO_GET}, or send one of"
            message += f" these: {any_of(ENCODINGS)}, or none"
            self._receiver.note(origin, Reason.UNKNOWN_ENCODING, message)
            return _refusal(kind, Reason.UNKNOWN_ENCODING, message, NOT_TAKEN)
        try:
            body = read_body(request, self._body_limit, ENCODINGS, EXTRA_DECODERS)
        except BodyTooLargeError as error:
            self._receiver.note(origin, Reason.BODY_SIZE, str(error))
            return _refusal(kind, Reason.BODY_SIZE, str(error))
        except BadBodyError as error:
            self._receiver.note(origin, error.reason, str(error))
            return _refusal(kind, error.reason, str(error))
        try:
            self._receiver.take(body, DECODERS[kind], ticket_of(request).expect, origin)
        except ExportError as error:
            return _refusal(kind, error.reason, str(error))
        if kind == JSON:
            return json_answer({"partialSuccess": {}})
        return Response(b"", content_type=PROTOBUF)

    def unmatched(self, request: Request) -> None:
        """Note spans that were sent to another path, or over another protocol."""
        note_wrong_path(self._refusals, request.environ, TAKES, Signal.TRACES)

    def overloaded(self, request: Request, message: str) -> None:
        """Note spans for which there was no room."""
        self._receiver.note(_origin(request), Reason.OVERLOAD, message)


def _origin(request: Request) -> Origin:
    return Origin(Way.OTLP_HTTP, sender_of(request.environ))


def _refusal(kind: str, reason: Reason, message: str, status: int = 0) -> Response:
    """Answer an export that is refused, in its own encoding, with the status of the reason unless one is given."""
    status = status or STATUS.get(reason, 400)
    code = UNAVAILABLE if reason is Reason.NOT_STORED else INVALID_ARGUMENT
    if kind == JSON:
        response = json_answer({"code": code, "message": message}, status)
    else:
        body = Status(code=code, message=message).SerializeToString()
        response = Response(body, status, content_type=PROTOBUF)
    if reason is Reason.NOT_STORED:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
