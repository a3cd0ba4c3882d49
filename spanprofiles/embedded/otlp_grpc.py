"""The OTLP/gRPC port, as an extra: needs the package ``grpcio`` (``spanprofiles[grpc]``).

Source: ``opentelemetry.proto.collector.trace.v1.TraceService``. An export is answered when its spans are committed.
"""

from __future__ import annotations

import hmac
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded import otlp
from spanprofiles.embedded.access import brought_token
from spanprofiles.embedded.errors import PortTakenError
from spanprofiles.embedded.refusals import Reason, Refusal, Sender, Signal, Way
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.tempo.receiver import Receiver

_SERVICE, _METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
_STOP_S = 0.5


class _TraceService:
    """Answers exports. It is given their bytes: what the library cannot decode it refuses without telling anybody."""

    def __init__(self, receiver: Receiver, token: str) -> None:
        self._receiver = receiver
        self._token = token.encode()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service for the server."""
        method = grpc.unary_unary_rpc_method_handler(self.export)
        return grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: method})

    def export(self, body: bytes, context: Any) -> bytes:
        """Take an export; a bad one is refused whole."""
        if self._token and not self._is_allowed(context):
            message = "send the token as metadata: authorization: Bearer ..."
            self._note(context, Reason.UNAUTHORIZED, message)
            context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
        request = self._decoded(body, context)
        spans = otlp.span_count(request)
        try:
            self._receiver.store(request)
        except sqlite3.Error as error:
            message = f"the spans could not be stored: {error}"
            self._note(context, Reason.NOT_STORED, message, otlp.first_service(request), spans)
            context.abort(grpc.StatusCode.UNAVAILABLE, message)
        self._receiver.refusals.note_taken(Way.OTLP_GRPC, spans)
        return b""  # an empty answer is one without a partial success

    def _decoded(self, body: bytes, context: Any) -> ExportTraceServiceRequest:
        try:
            return otlp.from_protobuf(body)
        except otlp.OtlpError as error:
            self._note(context, error.reason, str(error), error.service, error.spans)
            is_malformed = error.reason is Reason.MALFORMED_REQUEST
            code = grpc.StatusCode.INTERNAL if is_malformed else grpc.StatusCode.INVALID_ARGUMENT
            context.abort(code, str(error))
            raise  # for the type checker: an abort raises

    def _note(self, context: Any, reason: Reason, message: str, service: str = "", spans: int = 0) -> None:
        metadata = dict(context.invocation_metadata())
        peer = unquote(str(context.peer())).partition(":")[2].rpartition(":")[0].strip("[]")
        sender = Sender(peer, str(metadata.get("user-agent", "")))
        self._receiver.refusals.note(Refusal(Signal.TRACES, Way.OTLP_GRPC, reason, message, sender, service, spans))

    def _is_allowed(self, context: Any) -> bool:
        metadata = dict(context.invocation_metadata())
        brought = brought_token(str(metadata.get("authorization", "")))
        return hmac.compare_digest(brought.encode(), self._token)


class GrpcReceiver:
    """Listens for OTLP over gRPC until it is stopped.

    Args:
        settings: where, and for whom.
        receiver: keeps the spans.

    Raises:
        PortTakenError: the port cannot be had.
    """

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        options = [("grpc.max_receive_message_length", settings.body_limit), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(settings.threads), options=options)
        self._server.add_generic_rpc_handlers((_TraceService(receiver, settings.token).handler(),))
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
