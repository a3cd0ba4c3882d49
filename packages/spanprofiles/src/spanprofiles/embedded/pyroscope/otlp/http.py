"""OTLP profiles over HTTP: ``POST /v1development/profiles``, answered only when the profiles are committed."""

from __future__ import annotations

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.pyroscope.connect import STATUS, ConnectError
from spanprofiles.embedded.pyroscope.otlp.dictionary import ConversionError
from spanprofiles.embedded.pyroscope.otlp.messages import decode_json, decode_protobuf
from spanprofiles.embedded.pyroscope.otlp.receiver import ProfileReceiver
from spanprofiles.embedded.refusals import Origin, Reason, Way
from spanprofiles.embedded.store.folder import RETRY_AFTER_S
from spanprofiles.embedded.upload_paths import sender_of
from spanprofiles.embedded.web import any_of, text, ticket_of

PATH = "/v1development/profiles"
PROTOBUF = "application/x-protobuf"
# The header is compared as a whole, as the real server does: with a charset it is another type.
DECODERS = {"application/json": decode_json, PROTOBUF: decode_protobuf, "application/protobuf": decode_protobuf}
TOO_LARGE, BAD_REQUEST, CONVERSION_FAILED = 413, 400, 500
"""An export that refers to what it does not have is a 500, with the words of gRPC: so it is there."""


class ProfilesHttp:
    """Answers exports over HTTP.

    Args:
        receiver: takes them.
        body_limit: the largest body taken, in bytes, compressed or not.
    """

    def __init__(self, receiver: ProfileReceiver, body_limit: int) -> None:
        self._receiver = receiver
        self._body_limit = body_limit

    def export(self, request: Request) -> Response:
        """Take an export."""
        origin = Origin(Way.OTLP_HTTP, sender_of(request.environ))
        content_type = request.headers.get("Content-Type", "")
        decode = DECODERS.get(content_type)
        if decode is None:
            message = f"Unsupported Content-Type: {content_type} (taken: {any_of(DECODERS)})"
            self._receiver.note(origin, Reason.MEDIA_TYPE, message)
            return text(message, 415)
        try:
            body = self._body(request)
        except BodyTooLargeError as error:
            self._receiver.note(origin, Reason.BODY_SIZE, str(error))
            return text(f"profile payload size exceeds limit: {error}", TOO_LARGE)
        except BadBodyError as error:
            self._receiver.note(origin, error.reason, str(error))
            return text(f"Failed to read request body: {error}", BAD_REQUEST)
        try:
            self._receiver.take(body, decode, ticket_of(request).expect, origin)
        except ExportError as error:
            return text(str(error), TOO_LARGE if error.reason is Reason.MESSAGES else BAD_REQUEST)
        except ConversionError as error:
            return text(f"rpc error: code = InvalidArgument desc = {error}", CONVERSION_FAILED)
        except ConnectError as error:
            return _refusal(error)
        return Response(b"", content_type=PROTOBUF)

    def _body(self, request: Request) -> bytes:
        """Read the body; any Content-Encoding but gzip is ignored, as there.

        Raises:
            BadBodyError: it is not gzip.
            BodyTooLargeError: it is larger than the limit.
        """
        expect = ticket_of(request).expect
        expect(request.content_length or 0)
        data = request.get_data(cache=False)
        if len(data) > self._body_limit:
            raise BodyTooLargeError(f"the body is larger than {self._body_limit} bytes")
        if request.headers.get("Content-Encoding", "").lower() != "gzip":
            return data
        if not data:
            raise BadBodyError("gzip: unexpected EOF", Reason.DAMAGED_COMPRESSION)
        return bounded_gunzip(data, self._body_limit, expect)


def _refusal(error: ConnectError) -> Response:
    status = STATUS[error.code]
    response = text(f"failed to push the profiles: {error}", status)
    if error.code == "unavailable":
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
