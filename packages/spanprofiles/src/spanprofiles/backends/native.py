"""Real Tempo and Pyroscope as programs of this machine, without a container engine or images."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.ports import free_ports
from spanprofiles.backends.processes import ManagedProcess, ProcessFailedError
from spanprofiles.backends.readiness import await_servers
from spanprofiles.backends.servers import LOOPBACK, pyroscope_on_loopback, tempo_on_loopback
from spanprofiles.model import Endpoints

_START_S = 60.0
_PATH = "PATH"


class NativeBackend(Backend):
    """Runs ``tempo`` (3.0 or later) and ``pyroscope`` (2.2 or later) on 127.0.0.1, with temporary data.

    Args:
        environment: names the programs in ``SPAN_PROFILES_TEMPO`` and ``SPAN_PROFILES_PYROSCOPE``; else they are looked
            for on ``PATH``. Nothing else of it reaches them.
    """

    name = "native"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._data: Path | None = None
        self._processes: list[ManagedProcess] = []

    def start(self) -> Endpoints:
        """Start both and return when both take data and give it back.

        Raises:
            BackendError: a program is missing, ended, or was not ready in time.
        """
        tempo, pyroscope = self._program("tempo"), self._program("pyroscope")
        self._data = Path(tempfile.mkdtemp(prefix="spanprofiles-native-"))
        numbers = free_ports(8)
        tempo_ports = dict(zip(("http", "otlp_http", "grpc", "memberlist"), numbers[:4], strict=True))
        pyroscope_ports = dict(zip(("http", "grpc", "raft", "memberlist"), numbers[4:], strict=True))
        configuration = self._data / "tempo.yaml"
        configuration.write_text(yaml.safe_dump(tempo_on_loopback(tempo_ports, self._data / "tempo")))
        arguments = pyroscope_on_loopback(pyroscope_ports, self._data / "pyroscope")
        try:
            self._run("tempo", [tempo, f"-config.file={configuration}"])
            self._run("pyroscope", [pyroscope, *arguments])
            endpoints = Endpoints(
                tempo=f"http://{LOOPBACK}:{tempo_ports['http']}",
                otlp_http=f"http://{LOOPBACK}:{tempo_ports['otlp_http']}",
                pyroscope=f"http://{LOOPBACK}:{pyroscope_ports['http']}",
            )
            await_servers(endpoints, _START_S, self._check_running)
        except ProcessFailedError as error:
            self.stop()
            raise BackendError(str(error)) from error
        except BaseException:
            self.stop()
            raise
        return endpoints

    def stop(self) -> None:
        """Kill both and remove their data. An orderly end would take Tempo half a minute and gain nothing."""
        while self._processes:
            self._processes.pop().stop(timeout_s=0.0)
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def _program(self, name: str) -> str:
        variable = f"SPAN_PROFILES_{name.upper()}"
        named = self._environment.get(variable, "")
        found = shutil.which(named or name, path=self._environment.get(_PATH))
        if found is None:
            what = (
                f"{variable} names {named!r}, which is no program" if named else f"there is no program {name} on PATH"
            )
            raise BackendError(f"the native backend cannot run: {what}; install it, or name it in {variable}")
        return str(Path(found).absolute())

    def _run(self, name: str, command: list[str]) -> None:
        data = (self._data or Path()) / name
        data.mkdir()
        kept = {_PATH: self._environment.get(_PATH, ""), "HOME": str(data), "TMPDIR": str(data)}
        process = ManagedProcess(name, command, environment=kept, directory=data)
        self._processes.append(process)
        process.start()

    def _check_running(self) -> None:
        for process in self._processes:
            if not process.is_running:
                raise process.failure("ended")
