"""The OTLP/gRPC port, as an extra: needs the package ``grpcio`` (``spanprofiles[grpc]``).

Source: ``opentelemetry.proto.collector.trace.v1.TraceService``, and ``ProfilesService`` of its profiles. An export is
answered when what it brings is committed.

The call is served as one that streams, since gRPC then asks the service before it takes the message. A web page cannot
speak to this port: browsers send HTTP/2 over TLS only, so neither ``:authority`` nor an origin is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import grpc

from spanprofiles.embedded.access import TokenCheck
from spanprofiles.embedded.errors import PortTakenError
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import (
    BODY_S,
    GRPC_BODY_BYTES,
    GRPC_CALLS,
    GRPC_CONNECTIONS,
    GRPC_THREADS,
)
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.refusals import Origin, Reason, Sender, Way
from spanprofiles.embedded.rpc import CallDeadlines, options, peer_of
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.turns import LARGE, OverloadError, Ticket

_TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
_PROFILES = "opentelemetry.proto.collector.profiles.v1development.ProfilesService"
_METHOD = "Export"
_STOP_S = 0.5
_CODES = {
    Reason.MALFORMED_REQUEST: grpc.StatusCode.INTERNAL,
    Reason.NOT_STORED: grpc.StatusCode.UNAVAILABLE,
}


class Exports(Protocol):
    """What takes the exports of one signal."""

    def take(self, body: bytes, expect: Callable[[int], None], origin: Origin) -> None:
        """Take an export.

        Raises:
            ExportError: it is refused, which was noted.
            OverloadError: there is no room for it.
        """

    def note(self, origin: Origin, reason: Reason, message: str) -> None:
        """Note an export that was refused before it was taken."""


class _TraceExports:
    """Takes spans."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.note = receiver.note

    def take(self, body: bytes, expect: Callable[[int], None], origin: Origin) -> None:
        self._receiver.take(body, decode_protobuf, expect, origin)


class _ExportService:
    """Answers exports. It is given their bytes: what the library cannot decode it refuses without telling anybody."""

    def __init__(
        self,
        exports: Exports,
        token: TokenCheck,
        guesses: Guesses,
        deadlines: CallDeadlines,
        await_turn: Callable[[], None],
    ) -> None:
        self._exports = exports
        self._token = token
        self._guesses = guesses
        self._deadlines = deadlines
        self._await_turn = await_turn

    def handler(self, service: str) -> grpc.GenericRpcHandler:
        """Return the service for the server."""
        method = grpc.stream_unary_rpc_method_handler(self.export)
        return grpc.method_handlers_generic_handler(service, {_METHOD: method})

    def export(self, messages: Iterator[bytes], context: Any) -> bytes:
        """Take an export; a bad one is refused whole, one without the token before its message is taken."""
        self._await_turn()
        self._check_token(context)
        with LARGE.ticket() as ticket:
            return self._take(self._received(messages, context), context, ticket)

    def _take(self, body: bytes, context: Any, ticket: Ticket) -> bytes:
        try:
            self._exports.take(body, ticket.expect, _origin(context))
        except OverloadError as error:
            self._exports.note(_origin(context), Reason.OVERLOAD, str(error))
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except ExportError as error:
            context.abort(_CODES.get(error.reason, grpc.StatusCode.INVALID_ARGUMENT), str(error))
        return b""  # an empty answer is one without a partial success

    def _check_token(self, context: Any) -> None:
        brought = str(dict(context.invocation_metadata()).get("authorization", ""))
        if self._token.is_in(brought):
            return
        message = "send the token as metadata: authorization: Bearer ..."
        self._exports.note(_origin(context), Reason.UNAUTHORIZED, message)
        if brought and self._guesses.note(peer_of(context)):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls with a wrong token from this address")
        context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    def _received(self, messages: Iterator[bytes], context: Any) -> bytes:
        try:
            with self._deadlines.watching(context.cancel):
                return next(messages)
        except StopIteration:
            self._exports.note(_origin(context), Reason.MALFORMED_REQUEST, "the call has no message")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
            raise  # for the type checker: an abort raises


def _origin(context: Any) -> Origin:
    metadata = dict(context.invocation_metadata())
    return Origin(Way.OTLP_GRPC, Sender(peer_of(context), str(metadata.get("user-agent", ""))))


class OtlpGrpc:
    """Listens for OTLP over gRPC until it is stopped.

    Args:
        settings: where, and for whom.
        receiver: takes the exports of spans.
        guesses: counts wrong tokens.
        body_timeout_s: how long a message may take to arrive, s.
        profiles: takes the exports of profiles; None where they are not taken.
        await_turn: called before a call is answered; returns when it may begin.

    Raises:
        PortTakenError: the port cannot be had.
    """

    def __init__(
        self,
        settings: Settings,
        receiver: Receiver,
        guesses: Guesses,
        body_timeout_s: float = BODY_S,
        profiles: Exports | None = None,
        await_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(GRPC_THREADS),
            options=options(min(settings.body_limit, GRPC_BODY_BYTES), GRPC_CONNECTIONS),
            maximum_concurrent_rpcs=GRPC_CALLS,
        )
        token, deadlines = TokenCheck(settings.token), CallDeadlines(body_timeout_s)
        signals: dict[str, Exports | None] = {_TRACES: _TraceExports(receiver), _PROFILES: profiles}
        self._server.add_generic_rpc_handlers(
            tuple(
                _ExportService(exports, token, guesses, deadlines, await_turn).handler(service)
                for service, exports in signals.items()
                if exports is not None
            )
        )
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
