"""What the three HTTP applications of the pair share: routing, bounded bodies, errors without a traceback."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.answers import AnswerTooLargeError, JsonWriter
from spanprofiles.embedded.compression import DECODERS, BadBodyError, BodyTooLargeError, Watch
from spanprofiles.embedded.deadline import QueryTooLongError
from spanprofiles.embedded.lanes import ACCEPTED, RANK, TURNED_AWAY
from spanprofiles.embedded.limits import RETRY_S
from spanprofiles.embedded.priority import Rank
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.folder import RETRY_AFTER_S, StoreUnavailableError
from spanprofiles.embedded.store.traces import TraceTooLargeError
from spanprofiles.embedded.turns import LARGE, OverloadError, Ticket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Handler = Callable[..., Response]
Decoder = Callable[[bytes, int, Watch], bytes]
NO_DECODERS: Mapping[str, Decoder] = {}
RoutingRule = tuple[str, "Iterable[str] | None", Handler]
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
NOT_FOUND = 404
TOO_LONG, TOO_LARGE, BUSY = 504, 422, 503
TICKET = "spanprofiles.ticket"
logger = logging.getLogger("spanprofiles.embedded")


@dataclass(frozen=True)
class Failure:
    """Why a question that is well formed has no answer.

    Attributes:
        status: the same in HTTP.
        message: what the client is told.
        retry_after_s: when it may be asked again, s; None where that would not help.
    """

    status: int
    message: str
    retry_after_s: int | None = None


FAILURES = (
    QueryTooLongError,
    AnswerTooLargeError,
    TraceTooLargeError,
    StoreUnavailableError,
    OverloadError,
    sqlite3.Error,
)
"""The errors that become one."""


def failure_of(error: Exception) -> Failure:
    """Say what one of ``FAILURES`` means for the client."""
    if isinstance(error, QueryTooLongError):
        return Failure(TOO_LONG, str(error))
    if isinstance(error, (AnswerTooLargeError, TraceTooLargeError)):
        return Failure(TOO_LARGE, str(error))
    if isinstance(error, StoreUnavailableError):
        return Failure(BUSY, str(error), RETRY_AFTER_S)
    if isinstance(error, OverloadError):
        return Failure(BUSY, str(error), RETRY_S)
    logger.warning("the stored data could not be read: %s", error)
    return Failure(500, f"the stored data could not be read: {error}")


def too_many_queries(why: str) -> Failure:
    """Say that there is no thread for a query."""
    return Failure(BUSY, f"too many queries at once: {why}; ask again later, or for less", RETRY_S)


class AnswerError(Exception):
    """A request that is answered with an error, in the form of the server that is stood in for."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def text(message: str, status: int = 200) -> Response:
    """Answer with plain text."""
    return Response(message, status, content_type="text/plain; charset=utf-8")


def json_answer(value: object, status: int = 200) -> Response:
    """Answer with compact JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode("utf-8", "replace"), status, content_type="application/json")


def written_answer(writer: JsonWriter, value: object) -> Response:
    """Answer with compact JSON, written in pieces.

    Raises:
        QueryTooLongError: the writer's deadline passed.
        AnswerTooLargeError: it is too large.
    """
    return Response(writer.written(value).encode("utf-8", "replace"), content_type="application/json")


def plain_json(body: bytes) -> str:
    """Decode a JSON body; halves of surrogate pairs, which protobuf cannot hold, become U+FFFD as in Go.

    Raises:
        ValueError: it is not UTF-8, or not JSON where that was seen.
    """
    text = body.decode()
    if SURROGATE.search(text):
        text = re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(json.loads(text), ensure_ascii=False))
    return text


def ticket_of(request: Request) -> Ticket:
    """Return the request's place among the large ones."""
    ticket: Ticket = request.environ[TICKET]
    return ticket


def read_body(
    request: Request, limit: int, encodings: Collection[str], extra: Mapping[str, Decoder] = NO_DECODERS
) -> bytes:
    """Read the request's body, decompressed as its Content-Encoding says.

    Args:
        request: the request.
        limit: how many bytes are taken, compressed or not.
        encodings: which of them are taken, beside none; exactly as they are written.
        extra: what decompresses those that need a package.

    Raises:
        BadBodyError: an encoding that is not taken, or damaged data.
        BodyTooLargeError: more than ``limit`` bytes.
        OverloadError: it is large, and there was no room for it.
    """
    expect = ticket_of(request).expect
    expect(request.content_length or 0)
    data = request.get_data(cache=False)
    if len(data) > limit:
        raise BodyTooLargeError(f"the body is larger than {limit} bytes")
    encoding = request.headers.get("Content-Encoding", "")
    if encoding not in encodings:
        if not encoding:
            return data
        raise BadBodyError(
            f"unsupported Content-Encoding: {encoding} (taken: {any_of(encodings)}, or none)", Reason.UNKNOWN_ENCODING
        )
    decode = DECODERS.get(encoding) or extra.get(encoding)
    if decode is None:
        return data
    if not data:
        raise BadBodyError(f"{encoding}: unexpected EOF", Reason.DAMAGED_COMPRESSION)
    return decode(data, limit, expect)


@cache
def _map_of(rules: tuple[tuple[str, tuple[str, ...] | None], ...]) -> Map:
    """Paths and methods, the endpoint of each its number: to compile them takes as long as many an answer."""
    return Map(
        [Rule(path, methods=methods, endpoint=number) for number, (path, methods) in enumerate(rules)],
        strict_slashes=False,
        merge_slashes=False,
    )


class Application:
    """A WSGI application made of rules; subclasses say what an error looks like.

    Args:
        rules: (path, methods, handler); None for every method.
        queries: the same for those that read the store.
        database: the store; None where nothing is read.

    Attributes:
        grpc_message: the answer to calls of gRPC on the application's port; empty for none.
    """

    grpc_message = ""

    def __init__(
        self,
        rules: Iterable[RoutingRule],
        queries: Iterable[RoutingRule] = (),
        database: Database | None = None,
    ) -> None:
        self._store = database
        self._queries = tuple(queries)
        self._query_paths = tuple(path.partition("<")[0] for path, *_ in self._queries)
        paths, methods, self._handlers = zip(*rules, *self._queries, strict=True)
        self._map = _map_of(tuple(zip(paths, (allowed and tuple(allowed) for allowed in methods), strict=True)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        with Request(environ) as request, LARGE.ticket() as environ[TICKET]:
            response = self.answer(request)
        return response(environ, start_response)

    def answer(self, request: Request) -> Response:
        """Route the request and turn whatever goes wrong into an answer."""
        try:
            number, arguments = self._map.bind_to_environ(request.environ).match()
            handler: Handler = self._handlers[number]
            if self._store is None or not self.is_query(request.path):
                return handler(request, **arguments)
            if turned_away := request.environ.get(TURNED_AWAY):
                return self._failed(too_many_queries(turned_away))
            rank = request.environ.get(RANK, Rank.OTHER_QUERY)
            with self._store.reading(self._store.deadline_from(request.environ.get(ACCEPTED), rank)):
                return handler(request, **arguments)
        except AnswerError as error:
            return error.response
        except FAILURES as error:
            if isinstance(error, OverloadError):
                self.overloaded(request, str(error))
            return self._failed(failure_of(error))
        except MethodNotAllowed as error:
            return Response("", 405, headers={"Allow": ", ".join(sorted(error.valid_methods or ()))})
        except HTTPException as error:
            if error.code == NOT_FOUND:
                self.unmatched(request)
            return self.http_error(error)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return text("internal error\n", 500)

    def is_query(self, path: str) -> bool:
        """Whether a request to a path is one for a query."""
        return path.startswith(self._query_paths)

    def _failed(self, failure: Failure) -> Response:
        answer = self.failure(failure.message, failure.status)
        if failure.retry_after_s is not None:
            answer.headers["Retry-After"] = str(failure.retry_after_s)
        return answer

    def unmatched(self, request: Request) -> None:
        """Note a request that matches no rule."""

    def overloaded(self, request: Request, message: str) -> None:
        """Note a request for which there was no room."""

    def failure(self, message: str, status: int) -> Response:
        """Answer a request that is well formed, but cannot be answered."""
        return text(message, status)

    def http_error(self, error: HTTPException) -> Response:
        """Answer a request that matches no rule, or that werkzeug refuses."""
        code = error.code or 500
        return text("404 page not found\n" if code == 404 else f"{error.name}\n", code)


def any_of(values: Iterable[Any]) -> str:
    """Values as a list in prose, for messages."""
    return ", ".join(str(value) for value in values)
