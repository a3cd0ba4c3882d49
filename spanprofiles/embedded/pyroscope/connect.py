"""The Connect protocol, unary calls: a message in JSON or protobuf in, one out; errors are JSON with a code.

Source: https://connectrpc.com/docs/protocol/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.messages import MESSAGES
from spanprofiles.embedded.web import BadBodyError, BodyTooLargeError, json_answer, plain_json, read_body

JSON, PROTOBUF = "application/json", "application/proto"
STATUS = {
    "canceled": 499,
    "invalid_argument": 400,
    "not_found": 404,
    "resource_exhausted": 429,
    "unavailable": 503,
    "unimplemented": 501,
    "unknown": 500,
    "internal": 500,
    "deadline_exceeded": 504,
}


class ConnectError(Exception):
    """An error of a call: one of Connect's codes, and a message."""

    def __init__(self, message: str, code: str = "invalid_argument") -> None:
        super().__init__(message)
        self.code = code

    def response(self) -> Response:
        """The error as Connect sends it."""
        return json_answer({"code": self.code, "message": str(self)}, STATUS[self.code])


def unary(
    request: Request,
    body_limit: int,
    request_name: str,
    method: Callable[[Any], Any],
) -> Response:
    """Answer one call.

    Args:
        request: the HTTP request.
        body_limit: the largest body taken, in bytes.
        request_name: which message of the schema the body is.
        method: what takes the message and gives the answer's; it may raise ConnectError.
    """
    if request.mimetype not in {JSON, PROTOBUF}:
        return Response(b"", 415, headers={"Accept-Post": f"{JSON}, {PROTOBUF}"})
    is_json = request.mimetype == JSON
    try:
        answer = method(_decode(read_body(request, body_limit), request_name, is_json=is_json))
    except BodyTooLargeError as error:
        return ConnectError(str(error), "resource_exhausted").response()
    except BadBodyError as error:
        return ConnectError(str(error)).response()
    except ConnectError as error:
        return error.response()
    if is_json:
        body = json_format.MessageToJson(answer, indent=None, ensure_ascii=False)
        return Response(body.encode("utf-8", "replace"), content_type=JSON)
    return Response(answer.SerializeToString(), content_type=PROTOBUF)


def _decode(body: bytes, name: str, *, is_json: bool) -> Any:  # the class is known only at run time
    decoded = MESSAGES[name]()
    try:
        if is_json:
            if body.strip():
                json_format.Parse(plain_json(body), decoded, ignore_unknown_fields=True)
        else:
            decoded.ParseFromString(body)
    except DecodeError as error:
        raise ConnectError(f"unmarshal message: proto: {error}") from error
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise ConnectError(f"unmarshal message: unmarshal into {name}: {error}") from error
    except RecursionError as error:
        raise ConnectError(f"unmarshal message: unmarshal into {name}: nested too deeply") from error
    return decoded
