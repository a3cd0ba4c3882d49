"""Tempo and Pyroscope as two processes that can be stopped, killed, hung and started again at the same address."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench.command import BenchError
from bench.regions import ROOT
from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.backends.servers import LOOPBACK, pyroscope_on_loopback, tempo_on_loopback
from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.clients.errors import ClientError
from spanprofiles.linking import Waiting
from spanprofiles.model import Endpoints

_START_S = 60.0
_PATIENCE_S = 5.0


@dataclass
class Server:
    """One server with its data, which it keeps from one start to the next.

    Attributes:
        name: what to call it.
        command: program and arguments, its ports among them.
        check_ready: returns if it is ready, and raises a ClientError if it is not.
        process: the one that runs, or the last that ran.
    """

    name: str
    command: list[str]
    check_ready: Callable[[], None]
    process: ManagedProcess = field(init=False)

    def start(self) -> None:
        """Start it, and return when it is ready.

        Raises:
            BenchError: it ended, or was not ready in time.
            ProcessFailedError: it cannot be started.
        """
        self.process = ManagedProcess(self.name, self.command, directory=ROOT).start()
        self.await_ready()

    def await_ready(self) -> None:
        """Return when it is ready.

        Raises:
            BenchError: it ended, or was not ready in time.
        """
        for _ in Waiting(_START_S, longest_s=0.1).attempts():
            with contextlib.suppress(ClientError):
                self.check_ready()
                return
            if not self.process.is_running:
                break
        raise BenchError(str(self.process.failure("does not get ready")))

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and kill it when it has not after 5 s: a real Tempo takes half a minute."""
        self.process.stop(_PATIENCE_S)

    def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stop()

    def hang(self) -> None:
        """Make it accept connections and never answer (SIGSTOP)."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it hung (SIGCONT), and return when it is ready.

        Raises:
            BenchError: it ended, or was not ready in time.
        """
        os.killpg(self.process.pid, signal.SIGCONT)
        self.await_ready()


@contextmanager
def two_servers(backend: str) -> Iterator[tuple[Endpoints, dict[str, Server]]]:
    """Run Tempo and Pyroscope as two processes, each of which can be ended without the other.

    Args:
        backend: ``native`` for the real servers; ``embedded`` for two embedded pairs, one of which takes the traces and
            the other the profiles.

    Raises:
        BenchError: one cannot run.
    """
    with TemporaryDirectory(prefix="spanprofiles-bench-", ignore_cleanup_errors=True) as folder:
        endpoints, commands = (_native if backend == "native" else _embedded)(Path(folder))
        servers = {
            "Tempo": Server("Tempo", commands[0], TempoClient(endpoints.tempo, timeout_s=(1.0, 1.0)).check_ready),
            "Pyroscope": Server(
                "Pyroscope", commands[1], PyroscopeClient(endpoints.pyroscope, timeout_s=(1.0, 1.0)).check_ready
            ),
        }
        started: list[Server] = []
        try:
            for server in servers.values():
                started.append(server)
                server.start()
            yield endpoints, servers
        finally:
            for server in started:
                server.process.stop(0.0)  # its data is thrown away


def _embedded(folder: Path) -> tuple[Endpoints, list[list[str]]]:
    ports = [str(port) for port in free_ports(6)]
    commands = []
    for number, (tempo, otlp, pyroscope) in enumerate((ports[:3], ports[3:])):
        command = [sys.executable, "-m", "spanprofiles", "serve", "--data-dir", str(folder / str(number))]
        commands.append([*command, "--tempo-port", tempo, "--otlp-http-port", otlp, "--pyroscope-port", pyroscope])
    addresses = [f"http://{LOOPBACK}:{ports[place]}" for place in (0, 5, 1)]
    return Endpoints(tempo=addresses[0], pyroscope=addresses[1], otlp_http=addresses[2]), commands


def _native(folder: Path) -> tuple[Endpoints, list[list[str]]]:
    programs = [shutil.which(name) for name in ("tempo", "pyroscope")]
    if None in programs:
        raise BenchError("there is no program tempo or no program pyroscope on PATH: install them, or put them there")
    numbers = free_ports(8)
    tempo_ports = dict(zip(("http", "otlp_http", "grpc", "memberlist"), numbers[:4], strict=True))
    pyroscope_ports = dict(zip(("http", "grpc", "raft", "memberlist"), numbers[4:], strict=True))
    configuration = folder / "tempo.yaml"
    configuration.write_text(yaml.safe_dump(tempo_on_loopback(tempo_ports, folder / "tempo")))
    (folder / "pyroscope").mkdir()
    # It writes into its working directory, which nothing of its arguments names.
    inside = ["env", "--chdir", str(folder / "pyroscope")]
    commands = [
        [str(programs[0]), f"-config.file={configuration}"],
        [*inside, str(programs[1]), *pyroscope_on_loopback(pyroscope_ports, folder / "pyroscope")],
    ]
    addresses = [f"http://{LOOPBACK}:{port}" for port in (tempo_ports["http"], pyroscope_ports["http"])]
    otlp = f"http://{LOOPBACK}:{tempo_ports['otlp_http']}"
    return Endpoints(tempo=addresses[0], pyroscope=addresses[1], otlp_http=otlp), commands
