"""The OTLP/gRPC port, as an extra: needs the package ``grpcio`` (``spanprofiles[grpc]``).

Source: ``opentelemetry.proto.collector.trace.v1.TraceService``. An export is answered when its spans are committed.

The call is served as one that streams, since gRPC then asks the service before it takes the message. A web page cannot
speak to this port: browsers send HTTP/2 over TLS only, so neither ``:authority`` nor an origin is looked at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import grpc

from spanprofiles.embedded.access import TokenCheck
from spanprofiles.embedded.errors import PortTakenError
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import (
    BODY_S,
    GRPC_AGE_S,
    GRPC_BODY_BYTES,
    GRPC_CALLS,
    GRPC_CONNECTIONS,
    GRPC_GRACE_S,
    GRPC_HANDSHAKE_S,
    GRPC_IDLE_S,
    GRPC_STREAMS,
    GRPC_THREADS,
)
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.refusals import Origin, Reason, Sender, Way
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.turns import LARGE, OverloadError, Ticket

_SERVICE, _METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
_STOP_S = 0.5
_CODES = {
    Reason.MALFORMED_REQUEST: grpc.StatusCode.INTERNAL,
    Reason.NOT_STORED: grpc.StatusCode.UNAVAILABLE,
}


class _Deadlines:
    """Cancels calls whose message does not come in time; one thread watches all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[object, tuple[float, Any]] = {}  # in the order of their deadlines
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, name="gRPC deadlines", daemon=True).start()

    @contextmanager
    def watching(self, context: Any) -> Iterator[None]:
        """While it is entered, the call's message is waited for."""
        place = object()
        with self._changed:
            self._waiting[place] = time.monotonic() + self._seconds, context
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._waiting.pop(place, None)

    def _watch(self) -> None:
        while True:
            self._next_overdue().cancel()

    def _next_overdue(self) -> Any:
        """Return the next call whose deadline is over."""
        with self._changed:
            while True:
                if not self._waiting:
                    self._changed.wait()
                    continue
                place, (deadline_s, context) = next(iter(self._waiting.items()))
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    del self._waiting[place]
                    return context
                self._changed.wait(left_s)


class _TraceService:
    """Answers exports. It is given their bytes: what the library cannot decode it refuses without telling anybody."""

    def __init__(self, receiver: Receiver, token: str, guesses: Guesses, body_timeout_s: float) -> None:
        self._receiver = receiver
        self._token = TokenCheck(token)
        self._guesses = guesses
        self._deadlines = _Deadlines(body_timeout_s)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for the server."""
        method = grpc.stream_unary_rpc_method_handler(self.export)
        return grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: method})

    def export(self, messages: Iterator[bytes], context: Any) -> bytes:
        """Take an export; a bad one is refused whole, one without the token before its message is taken."""
        self._check_token(context)
        with LARGE.ticket() as ticket:
            return self._take(self._received(messages, context), context, ticket)

    def _take(self, body: bytes, context: Any, ticket: Ticket) -> bytes:
        try:
            self._receiver.take(body, decode_protobuf, ticket.expect, _origin(context))
        except OverloadError as error:
            self._receiver.note(_origin(context), Reason.OVERLOAD, str(error))
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except ExportError as error:
            context.abort(_CODES.get(error.reason, grpc.StatusCode.INVALID_ARGUMENT), str(error))
        return b""  # an empty answer is one without a partial success

    def _check_token(self, context: Any) -> None:
        brought = str(dict(context.invocation_metadata()).get("authorization", ""))
        if self._token.is_in(brought):
            return
        message = "send the token as metadata: authorization: Bearer ..."
        self._receiver.note(_origin(context), Reason.UNAUTHORIZED, message)
        if brought and self._guesses.note(_peer(context)):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls with a wrong token from this address")
        context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    def _received(self, messages: Iterator[bytes], context: Any) -> bytes:
        try:
            with self._deadlines.watching(context):
                return next(messages)
        except StopIteration:
            self._receiver.note(_origin(context), Reason.MALFORMED_REQUEST, "the call has no message")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
            raise  # for the type checker: an abort raises


def _origin(context: Any) -> Origin:
    metadata = dict(context.invocation_metadata())
    return Origin(Way.OTLP_GRPC, Sender(_peer(context), str(metadata.get("user-agent", ""))))


def _peer(context: Any) -> str:
    """Read the caller's address, of ``ipv4:127.0.0.1:5`` and ``ipv6:%5B::1%5D:5``."""
    return unquote(str(context.peer())).partition(":")[2].rpartition(":")[0].strip("[]")


def _options(body_limit: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", min(body_limit, GRPC_BODY_BYTES)),
        ("grpc.max_allowed_incoming_connections", GRPC_CONNECTIONS),
        ("grpc.max_concurrent_streams", GRPC_STREAMS),
        ("grpc.max_connection_idle_ms", GRPC_IDLE_S * 1000),
        ("grpc.max_connection_age_ms", GRPC_AGE_S * 1000),
        ("grpc.max_connection_age_grace_ms", GRPC_GRACE_S * 1000),
        ("grpc.server_handshake_timeout_ms", GRPC_HANDSHAKE_S * 1000),
        ("grpc.so_reuseport", 0),
    ]


class OtlpGrpc:
    """Listens for OTLP over gRPC until it is stopped.

    Args:
        settings: where, and for whom.
        receiver: takes the exports.
        guesses: counts wrong tokens.
        body_timeout_s: how long a message may take to arrive, s.

    Raises:
        PortTakenError: the port cannot be had.
    """

    def __init__(
        self, settings: Settings, receiver: Receiver, guesses: Guesses, body_timeout_s: float = BODY_S
    ) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(GRPC_THREADS),
            options=_options(settings.body_limit),
            maximum_concurrent_rpcs=GRPC_CALLS,
        )
        service = _TraceService(receiver, settings.token, guesses, body_timeout_s)
        self._server.add_generic_rpc_handlers((service.handler(),))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            port = self._server.add_insecure_port(f"{host}:{settings.otlp_grpc_port}")
        except RuntimeError as error:
            raise PortTakenError(
                f"cannot listen on {host}:{settings.otlp_grpc_port} for gRPC; choose another port with --otlp-grpc-port"
                " (0 picks a free one)"
            ) from error
        self.url = f"http://{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self) -> None:
        """Let exports under way finish, for half a second at most."""
        self._server.stop(_STOP_S).wait()
