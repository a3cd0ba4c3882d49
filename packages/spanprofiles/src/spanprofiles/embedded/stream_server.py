"""Tempo's queries over gRPC, where the package ``grpcio`` is installed (``spanprofiles[grpc]``).

Source: ``tempopb.StreamingQuerier`` of Tempo 3.0.3. Grafana's Tempo data source calls it on Tempo's HTTP port, over
HTTP/2 without TLS. A call is let in by the rules for requests over HTTP, waits in the same line for the same threads,
and is answered by the same functions.

The calls are served as ones that stream both ways, since gRPC then asks the service before it takes the request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from spanprofiles.embedded.calls import Call
from spanprofiles.embedded.gate import Denial, Gate, Head
from spanprofiles.embedded.lanes import Lanes
from spanprofiles.embedded.limits import (
    ANSWER_S,
    GRPC_CALLS,
    RETRY_S,
    STREAMING_CALLS,
    STREAMING_CONNECTIONS,
    STREAMING_REQUEST_BYTES,
    STREAMING_REQUEST_S,
    STREAMING_RESERVED,
    STREAMING_STREAMS,
)
from spanprofiles.embedded.proto import status_pb2
from spanprofiles.embedded.refusals import SHOWN_NAME, printable
from spanprofiles.embedded.rpc import CallDeadlines, options
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.application import TAKES
from spanprofiles.embedded.tempo.streams import PATHS, SERVICE, Progress, Streams
from spanprofiles.embedded.web import FAILURES, AnswerError, Failure, failure_of, too_many_queries

if TYPE_CHECKING:
    from spanprofiles.embedded.channel import Channel

STOP_S = 0.5
REFUSING_THREADS = 4
"""Threads beside those of the calls that are answered: they refuse what is too much."""
WINDOWS = (("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0), ("grpc.http2.max_frame_size", 16_384))
"""What a client may send ahead: little, since requests are small."""
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
STATUS_DETAILS = "grpc-status-details-bin"
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    422: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""What the statuses of HTTP are called; all others are INTERNAL."""
ENDING = Failure(503, "the server ends: ask again later", RETRY_S)
NOT_BY_THE_PORT = Failure(403, "this socket is Tempo's port's own: call the service there")
NO_REQUEST = Failure(400, "the call has no request")
TOO_MANY_CALLS = Failure(429, f"{STREAMING_CALLS} calls are under way already: try again later", RETRY_S)
logger = logging.getLogger("spanprofiles.embedded")


class StreamingServer:
    """The server behind Tempo's port, until it is stopped.

    Args:
        address: what it listens on, as gRPC writes it.
        connections: those that the port has led here, by the names that this server knows them by.
        streams: answers calls.
        database: gives each call its time.
        gate: lets calls in.
        lanes: the threads that answer.
        request_timeout_s: how long the request of a call may take to arrive, s.
        answer_timeout_s: for how long a client may leave a message unread, s.

    Raises:
        RuntimeError: it cannot listen there.
    """

    def __init__(
        self,
        address: str,
        connections: Mapping[str, Channel],
        streams: Streams,
        database: Database,
        gate: Gate,
        lanes: Lanes,
        *,
        request_timeout_s: float = STREAMING_REQUEST_S,
        answer_timeout_s: float = ANSWER_S,
    ) -> None:
        self._connections = connections
        self._streams = streams
        self._database = database
        self._gate = gate
        self._lanes = lanes
        self._places = threading.Semaphore(STREAMING_CALLS)
        self._reserved = threading.Semaphore(STREAMING_RESERVED)
        self._threads = ThreadPoolExecutor(STREAMING_CALLS + STREAMING_RESERVED + REFUSING_THREADS, "gRPC call")
        self._requests = CallDeadlines(request_timeout_s)
        self._answers = CallDeadlines(answer_timeout_s)
        self._server = grpc.server(
            self._threads,
            options=[*options(STREAMING_REQUEST_BYTES, STREAMING_CONNECTIONS, STREAMING_STREAMS), *WINDOWS],
            maximum_concurrent_rpcs=GRPC_CALLS,
        )
        handlers = {method: grpc.stream_stream_rpc_method_handler(partial(self._answered, method)) for method in PATHS}
        service = grpc.method_handlers_generic_handler(SERVICE, handlers)
        self._server.add_generic_rpc_handlers((service, _NothingElse()))
        self._server.add_insecure_port(address)

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self) -> None:
        """Let calls under way finish, for half a second at most."""
        self._server.stop(STOP_S).wait()
        self._threads.shutdown(wait=False)

    def _answered(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Answer a call: its messages, one after the other as they are read."""
        channel = self._connections.get(str(context.peer()))
        if channel is None:
            _abort(context, NOT_BY_THE_PORT)
        if not channel.is_known:
            self._database.right_of_way.await_turn()
        denial = self._gate.denial(_head_of(method, channel, context))
        if denial is not None:
            channel.note_answer(denial.code)
            _abort(context, _failure_of_denial(denial))
        place = self._place_for(channel)
        if place is None:
            _abort(context, TOO_MANY_CALLS)
        try:
            yield from self._place_taken(method, requests, context, channel)
        finally:
            place.release()

    def _place_for(self, channel: Channel) -> threading.Semaphore | None:
        """Take a place, which is to be released; None where there is none."""
        if self._places.acquire(blocking=False):
            return self._places
        if channel.is_known and self._reserved.acquire(blocking=False):
            return self._reserved
        return None

    def _place_taken(self, method: str, requests: Iterator[bytes], context: Any, channel: Channel) -> Iterator[bytes]:
        under_way = object()
        channel.calls.add(under_way)
        try:
            work = partial(self._worked, method, self._received(requests, context))
            call = Call(channel, PATHS[method], work, ENDING)
            if not context.add_callback(call.abandon):  # it has ended already
                return
            self._lanes.add_task(call)
            for message in call.messages():
                with self._answers.watching(channel.hang_up):
                    yield message
            failure = call.failure
            channel.note_answer(200 if failure is None else failure.status)
            if failure is not None:
                _abort(context, failure)
        finally:
            channel.calls.discard(under_way)

    def _received(self, requests: Iterator[bytes], context: Any) -> bytes:
        try:
            with self._requests.watching(context.cancel):
                return next(requests)
        except StopIteration:
            _abort(context, NO_REQUEST)

    def _worked(self, method: str, request: bytes, call: Call) -> Failure | None:
        """Answer a call in a thread of the lanes; tell why it has no answer, or None where it has."""
        if call.turned_away:
            return too_many_queries(call.turned_away)
        progress = Progress(lambda message: call.send(message.SerializeToString()))
        deadline = self._database.deadline_from(call.accepted_s, call.rank, progress.look)
        call.begin(deadline)
        try:
            with self._database.reading(deadline):
                self._streams.answer(method, request, progress)
        except AnswerError as error:
            return Failure(error.response.status_code, error.response.get_data(as_text=True).rstrip("\n"))
        except FAILURES as error:
            return failure_of(error)
        except Exception:
            logger.exception("%s over gRPC failed", method)
            return Failure(500, "internal error")
        return None


class _NothingElse(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Says where calls belong that are sent to the wrong port, such as exports of spans."""

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Return what answers a call."""
        method = printable(str(handler_call_details.method), SHOWN_NAME)
        failure = Failure(501, f"there is no method {method} here: {TAKES}")

        def refuse(_: Iterator[bytes], context: Any) -> NoReturn:
            _abort(context, failure)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _head_of(method: str, channel: Channel, context: Any) -> Head:
    """Write a call as the header of a request over HTTP."""
    metadata = [(str(pair.key), pair.value) for pair in context.invocation_metadata()]
    headers = {key.upper().replace("-", "_"): value for key, value in metadata if isinstance(value, str)}
    headers.setdefault("CONTENT_TYPE", "application/grpc")
    return Head("POST", f"/{SERVICE}/{method}", "2", headers, str(channel.addr[0]))


def _failure_of_denial(denial: Denial) -> Failure:
    return Failure(denial.code, denial.body, RETRY_S if denial.delay_s else None)


def _abort(context: Any, failure: Failure) -> NoReturn:
    """End a call with an error.

    Raises:
        Exception: always, which ends it.
    """
    code = CODES.get(failure.status, grpc.StatusCode.INTERNAL)
    if failure.retry_after_s is not None:
        context.set_trailing_metadata(_retry_metadata(code.value[0], failure.message, failure.retry_after_s))
    context.abort(code, failure.message)
    raise AssertionError  # for the type checker: that raises


def _retry_metadata(code: int, message: str, seconds: int) -> tuple[tuple[str, str | bytes], ...]:
    """Say when to try again, in the two ways that clients understand."""
    info = status_pb2.RetryInfo(retry_delay=status_pb2.Duration(seconds=seconds))
    detail = status_pb2.Detail(type_url=RETRY_INFO, value=info.SerializeToString())
    status = status_pb2.Status(code=code, message=message, details=[detail])
    return (STATUS_DETAILS, status.SerializeToString()), ("grpc-retry-pushback-ms", str(seconds * 1_000))
