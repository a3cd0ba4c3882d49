"""The process: three ports, one loop, a bounded number of threads, and a clean end."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any

from spanprofiles.embedded.access import check_address
from spanprofiles.embedded.errors import DataLostError, MissingPackageError, PortTakenError
from spanprofiles.embedded.limits import GARBAGE_OBJECTS, TURN_S
from spanprofiles.embedded.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from spanprofiles.embedded.channel import Channel
    from spanprofiles.embedded.gate import Gate
    from spanprofiles.embedded.guesses import Guesses
    from spanprofiles.embedded.lanes import Lanes
    from spanprofiles.embedded.otlp.grpc import Exports, OtlpGrpc
    from spanprofiles.embedded.otlp.receiver import Receiver
    from spanprofiles.embedded.store.database import Database
    from spanprofiles.embedded.tempo.streams import Streams
    from spanprofiles.embedded.tunnel import Backend, Tunnels
    from spanprofiles.embedded.web import Application

BACKLOG = 256
SHUTDOWN_S = 0.5
FAREWELL_S = 1.0
"""For how long uploads are answered with an error, and readiness is denied, before a failure ends the process."""


def _bind(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise PortTakenError(
            f"cannot listen on {host}:{port}: {reason}; choose another port with {option} (0 picks a free one)"
        ) from error
    return listener


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


class Dispatch:
    """One WSGI application for several ports: the port a request came in on says which application answers."""

    def __init__(self, applications: dict[str, Application]) -> None:
        self._applications = applications

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer by the application of the port, as WSGI has it."""
        return self._applications[environ["SERVER_PORT"]](environ, start_response)

    def grpc_message(self, port: str) -> str:
        """Return the answer to calls of gRPC on a port; empty for none."""
        return self._applications[port].grpc_message

    def is_query(self, channel: Any) -> bool:  # one of waitress's, with a request
        """Whether a connection's request is a query."""
        return self._applications[str(channel.server.effective_port)].is_query(str(channel.requests[0].path))


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run the pair until SIGTERM or SIGINT.

    Args:
        settings: where to listen and what to keep.
        announce: called with a line for each port, then with ``ready``, once all of them listen.

    Raises:
        PortTakenError: a port is taken; nothing was announced.
        DataDirectoryError: the data directory cannot be used.
        DataLostError: it could no longer be used; requests under way were answered.
        NewerFileError: a later release wrote the data.
        MissingPackageError: gRPC is asked for and its package is not installed.
        UnsafeAddressError: other machines could reach it, and there is no token for them to bring.
        WeakTokenError: the token is easy to guess, or cannot be sent.
    """
    check_address(settings)
    sys.setswitchinterval(TURN_S)
    gc.set_threshold(GARBAGE_OBJECTS)
    with ExitStack() as stack, _stops_on_signals():
        listeners = []
        for port, option in (
            (settings.tempo_port, "--tempo-port"),
            (settings.otlp_http_port, "--otlp-http-port"),
            (settings.pyroscope_port, "--pyroscope-port"),
        ):
            listener = _bind(settings.host, port, option)
            stack.callback(listener.close)
            listeners.append(listener)
        _run(settings, listeners, announce, stack)


def _run(settings: Settings, listeners: list[socket.socket], announce: Callable[[str], None], stack: ExitStack) -> None:
    # Imported here so that a taken port or a wrong option is reported at once.
    from spanprofiles.embedded.gate import Gate
    from spanprofiles.embedded.guesses import Guesses
    from spanprofiles.embedded.lanes import Lanes
    from spanprofiles.embedded.limits import QUERY_WAIT_S
    from spanprofiles.embedded.listener import Listeners
    from spanprofiles.embedded.loglines import quieted
    from spanprofiles.embedded.otlp.http import OtlpHttp
    from spanprofiles.embedded.otlp.receiver import Receiver
    from spanprofiles.embedded.pyroscope.application import Pyroscope
    from spanprofiles.embedded.pyroscope.otlp.receiver import ProfileExports
    from spanprofiles.embedded.refusals import Refusals
    from spanprofiles.embedded.store.database import Database
    from spanprofiles.embedded.store.retention import Limits
    from spanprofiles.embedded.tempo.application import Tempo

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    stack.enter_context(quieted("waitress", "grpc._server", "spanprofiles.embedded"))
    limits = Limits(settings.age_s, settings.size_bytes)
    farewell = _Farewell()
    stack.callback(farewell.cancel)
    database = Database(settings.data_directory, limits, settings.query_timeout_s, on_failure=farewell.begin)
    stack.callback(database.close)
    refusals = Refusals()
    stack.callback(refusals.tell_untold)
    receiver = Receiver(database, refusals)
    pyroscope = Pyroscope(database, settings.body_limit, refusals)
    tempo = Tempo(database, refusals)
    applications = (tempo, OtlpHttp(receiver, settings.body_limit, refusals), pyroscope)
    guesses = Guesses()
    await_turn = database.right_of_way.await_turn
    otlp_grpc = _otlp_grpc(settings, receiver, ProfileExports(pyroscope.otlp_receiver), guesses, await_turn)
    if otlp_grpc is not None:
        stack.callback(otlp_grpc.stop)
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    application = Dispatch(dict(zip(ports, applications, strict=True)))
    wait_s = min(QUERY_WAIT_S, settings.query_timeout_s / 2)
    lanes = Lanes(settings.threads, application.is_query, database.right_of_way.claimed, wait_s)
    gate = Gate(settings, refusals, guesses)
    tunnels = dict(zip(ports, tunnels_to_streams(stack, tempo.streams, database, gate, lanes), strict=False))
    server = Listeners(application, listeners, settings, gate, refusals, lanes, tunnels)
    # The server stops by itself on SystemExit, but would wait 5 s for requests under way.
    stack.callback(server.stop, SHUTDOWN_S)
    # That it does not wait longer for them is meant, and no news.
    stack.callback(logging.getLogger("waitress").setLevel, logging.ERROR)
    with _stops_on_signals():
        for name, listener in zip(("tempo", "otlp-http", "pyroscope"), listeners, strict=True):
            announce(f"{name:<10} {_url(settings.host, listener)}")
        if otlp_grpc is not None:
            otlp_grpc.start()
            announce(f"{'otlp-grpc':<10} {otlp_grpc.url}")
        announce("ready")
        server.run()
    if database.failure is not None:
        raise DataLostError(f"{database.failure}: the pair has ended, start it again")


def _otlp_grpc(
    settings: Settings, receiver: Receiver, profiles: Exports, guesses: Guesses, await_turn: Callable[[], None]
) -> OtlpGrpc | None:
    if settings.otlp_grpc_port is None:
        return None
    # The library itself would write a line for whatever a client does wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from spanprofiles.embedded.otlp.grpc import OtlpGrpc
    except ImportError as error:
        raise MissingPackageError(
            "OTLP over gRPC needs the package grpcio: install spanprofiles[grpc], or leave out --otlp-grpc-port"
        ) from error
    return OtlpGrpc(settings, receiver, guesses, profiles=profiles, await_turn=await_turn)


def tunnels_to_streams(
    stack: ExitStack, streams: Streams, database: Database, gate: Gate, lanes: Lanes
) -> list[Tunnels]:
    """Make what leads calls of gRPC on Tempo's port to the server that answers them; nothing without the package."""
    from spanprofiles.embedded.tunnel import Tunnels

    if importlib.util.find_spec("grpc") is None:
        return []

    def make(address: str, connections: Mapping[str, Channel]) -> Backend:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from spanprofiles.embedded.stream_server import StreamingServer

        return StreamingServer(address, connections, streams, database, gate, lanes)

    tunnels = Tunnels(make)
    stack.callback(tunnels.stop)
    return [tunnels]


class _Farewell:
    """Ends the process, as SIGTERM does, a moment after a failure, so that requests under way are answered first."""

    def __init__(self) -> None:
        self._is_possible = threading.current_thread() is threading.main_thread()
        self._timer = threading.Timer(FAREWELL_S, self._end)
        self._timer.daemon = True

    def begin(self, _: Exception) -> None:
        """End soon."""
        if self._is_possible:
            self._timer.start()

    def cancel(self) -> None:
        """Do not end: it has been done."""
        self._timer.cancel()

    @staticmethod
    def _end() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


class _stops_on_signals:  # noqa: N801  # reads as a statement where it is used
    """While it is entered, SIGTERM and SIGINT end the loop; leaving it swallows their exception."""

    def __enter__(self) -> None:
        self._previous: dict[int, object] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._stop)

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG004  # the signature of a signal handler
        raise SystemExit(0)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        for number in self._previous:
            # A second signal must not interrupt the clean end.
            signal.signal(number, signal.SIG_IGN)
        return kind is not None and issubclass(kind, (SystemExit, KeyboardInterrupt))
