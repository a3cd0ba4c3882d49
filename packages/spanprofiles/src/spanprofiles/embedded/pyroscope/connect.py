"""The Connect protocol, unary calls: a message in JSON or protobuf in, one out; errors are JSON with a code.

Source: https://connectrpc.com/docs/protocol/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.answers import JsonWriter, Members
from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError
from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest
from spanprofiles.embedded.pyroscope.shape import ShapeError, check_json_shape, check_push_shape
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.folder import RETRY_AFTER_S
from spanprofiles.embedded.web import json_answer, plain_json, read_body, written_answer

JSON, PROTOBUF = "application/json", "application/proto"
ENCODINGS = ("gzip", "identity")
FEW, PIECE_BYTES = 16, 2 * 1024
"""How many messages, and how large ones, are made JSON of without a look at the clock."""
Question = TypeVar("Question", bound=Message)
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
    """An error of a call.

    Attributes:
        code: one of Connect's.
        reason: why an upload was refused; it is not used for queries.
        service: the service of the upload; empty where that is not known.
        profiles: how many profiles were refused with it; 0 where that is not known.
    """

    def __init__(self, message: str, code: str = "invalid_argument", reason: Reason = Reason.OTHER) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.service = ""
        self.profiles = 0

    def response(self) -> Response:
        """Return the error as Connect sends it."""
        response = json_answer({"code": self.code, "message": str(self)}, STATUS[self.code])
        if self.code == "unavailable":
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response


def unary(
    request: Request,
    body_limit: int,
    kind: type[Question],
    method: Callable[[Question], Message],
    deadline: Deadline,
    refused: Callable[[Request, ConnectError], None] | None = None,
) -> Response:
    """Answer one call.

    Args:
        request: the HTTP request.
        body_limit: the largest body taken, in bytes.
        kind: which message the body is.
        method: what takes the message and gives the answer's; it may raise ConnectError.
        deadline: by when to answer.
        refused: called with a call that failed.

    Raises:
        QueryTooLongError: the deadline passed.
        AnswerTooLargeError: the answer is too large.
    """
    if request.mimetype not in {JSON, PROTOBUF}:
        if refused is not None:
            message = f"unsupported media type, supported: [{JSON}, {PROTOBUF}]"
            refused(request, ConnectError(message, reason=Reason.MEDIA_TYPE))
        return Response(b"", 415, headers={"Accept-Post": f"{JSON}, {PROTOBUF}"})
    is_json = request.mimetype == JSON
    try:
        answer = method(_decode(_body(request, body_limit), kind, is_json=is_json))
    except ConnectError as error:
        if refused is not None:
            refused(request, error)
        return error.response()
    writer = JsonWriter(deadline)
    if is_json:
        return written_answer(writer, message_json(answer))
    writer.check_size(answer.ByteSize())
    return Response(answer.SerializeToString(), content_type=PROTOBUF)


def message_json(message: Message) -> dict[str, Any]:
    """Write a message as protobuf's JSON; the parts of a large one are made one by one (see ``answers.JsonWriter``)."""
    if message.ByteSize() <= PIECE_BYTES:
        return dict(json_format.MessageToDict(message))
    found: dict[str, Any] = {}
    single = type(message)()
    for field, value in message.ListFields():
        if isinstance(value, MutableSequence):
            found[field.json_name] = _messages(message, field) if field.message_type else _scalars(message, field)
        elif field.message_type:
            found[field.json_name] = message_json(value)
        else:
            setattr(single, field.name, value)
    return found | json_format.MessageToDict(single)


def _messages(message: Message, field: FieldDescriptor) -> Iterator[Any]:
    """Write the messages in a repeated field as JSON: several at once where they are small."""
    values = getattr(message, field.name)
    for first in range(0, len(values), FEW):
        some = values[first : first + FEW]
        if sum(member.ByteSize() for member in some) > PIECE_BYTES:
            yield from map(message_json, some)
        else:
            yield _members(message, field, some)


def _members(message: Message, field: FieldDescriptor, values: Sequence[Any]) -> Members:
    piece = type(message)()
    getattr(piece, field.name).extend(values)
    members = json_format.MessageToDict(piece)[field.json_name]
    return Members(json.dumps(members, ensure_ascii=False, separators=(",", ":"))[1:-1])


def _scalars(message: Message, field: FieldDescriptor) -> Iterator[Members]:
    """Write the scalars in a repeated field as JSON, several at once."""
    values = getattr(message, field.name)
    for first in range(0, len(values), PIECE):
        yield _members(message, field, values[first : first + PIECE])


def _body(request: Request, body_limit: int) -> bytes:
    try:
        return read_body(request, body_limit, ENCODINGS)
    except BodyTooLargeError as error:
        raise ConnectError(str(error), "resource_exhausted", Reason.BODY_SIZE) from error
    except BadBodyError as error:
        code = "unimplemented" if error.reason is Reason.UNKNOWN_ENCODING else "invalid_argument"
        raise ConnectError(str(error), code, error.reason) from error


def _decode(body: bytes, kind: type[Question], *, is_json: bool) -> Question:
    decoded = kind()
    name = kind.DESCRIPTOR.name
    try:
        if is_json:
            check_json_shape(body)
        elif kind is PushRequest:
            check_push_shape(body)
    except ShapeError as error:
        raise ConnectError(f"unmarshal message: {error}", reason=Reason.BODY_SIZE) from error
    try:
        if is_json:
            if body.strip():
                json_format.Parse(plain_json(body), decoded, ignore_unknown_fields=True)
        else:
            decoded.ParseFromString(body)
    except DecodeError as error:
        raise _undecoded(f"proto: {error}") from error
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise _undecoded(f"unmarshal into {name}: {error}") from error
    except RecursionError as error:
        raise _undecoded(f"unmarshal into {name}: nested too deeply") from error
    return decoded


def _undecoded(why: str) -> ConnectError:
    return ConnectError(f"unmarshal message: {why}", reason=Reason.MALFORMED_REQUEST)
