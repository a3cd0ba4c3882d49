"""The embedded pair in this process: its applications, its listeners and its store, without a program to start.

A program takes more time to start than most tests take in all. What the program itself does, the tests of its room say.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lark.exceptions  # the pair imports it with its first query: a run of pytester in this process would forget it

from spanprofiles.embedded.gate import Gate
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.lanes import Lanes
from spanprofiles.embedded.listener import Listeners
from spanprofiles.embedded.otlp.http import OtlpHttp
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.pyroscope.application import Pyroscope
from spanprofiles.embedded.refusals import Refusals
from spanprofiles.embedded.server import BACKLOG, Dispatch, tunnels_to_streams
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.application import Tempo
from spanprofiles.model import Endpoints

__all__ = ["lark", "pair_in_process"]
_PATIENCE_S = 20.0
PLAIN = Settings()


@contextmanager
def pair_in_process(
    empty_store: Path, directory: Path, *, streams: bool = True, settings: Settings = PLAIN
) -> Iterator[Endpoints]:
    """A pair on free ports of 127.0.0.1 while the context is entered.

    Args:
        empty_store: a data directory in which nothing is kept, which is copied.
        directory: where its own is to be; it must not be there yet.
        streams: whether it answers queries over gRPC; without it is as without the package.
        settings: its token, and how long a query may take.
    """
    refusals, guesses = Refusals(), Guesses()
    with ExitStack() as stack:
        database = Database(shutil.copytree(empty_store, directory), query_timeout_s=settings.query_timeout_s)
        stack.callback(database.close)
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)) for _ in range(3)]
        ports = [str(listener.getsockname()[1]) for listener in sockets]
        body_limit = settings.body_limit
        tempo_application = Tempo(database, refusals)
        applications = (
            tempo_application,
            OtlpHttp(Receiver(database, refusals), body_limit, refusals),
            Pyroscope(database, body_limit, refusals),
        )
        application = Dispatch(dict(zip(ports, applications, strict=True)))
        lanes = Lanes(settings.threads, application.is_query, database.right_of_way.claimed)
        gate = Gate(settings, refusals, guesses)
        tunnels = tunnels_to_streams(stack, tempo_application.streams, database, gate, lanes) if streams else []
        by_port = dict(zip(ports, tunnels, strict=False))
        listeners = Listeners(application, sockets, settings, gate, refusals, lanes, by_port)
        loop = threading.Thread(target=listeners.run, name="the pair")
        loop.start()
        tempo, otlp_http, pyroscope = (f"http://127.0.0.1:{port}" for port in ports)
        try:
            yield Endpoints(tempo, pyroscope, otlp_http, queryable_after_s=0.0, searchable_after_s=0.0)
        finally:
            listeners.end()
            loop.join(_PATIENCE_S)
            listeners.stop(_PATIENCE_S)
