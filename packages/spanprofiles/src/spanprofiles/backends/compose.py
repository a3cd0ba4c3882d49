"""The real stack of ``docker-compose.yml``, under a project name and on ports of its own.

Driven by testcontainers' ``DockerCompose``. Ready is what ``up --wait`` and a pushed profile that comes back say:
testcontainers' own waiting polls the wrong port of a compose service. Needs the extra ``spanprofiles[containers]``.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from testcontainers.compose import DockerCompose

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.ports import free_ports
from spanprofiles.backends.readiness import await_servers
from spanprofiles.model import Endpoints
from spanprofiles.stack.complaints import explain
from spanprofiles.stack.errors import StackError
from spanprofiles.stack.settings import read_settings

_FILE = "docker-compose.yml"
_START_S = 60.0
_LAST_LINES = 12
_NOT_COMPOSE_2 = re.compile("is not a docker command|unknown (shorthand )?flag")
_OLD = "it needs `docker compose` with `up --wait`: install Docker Compose 2"


class ComposeBackend(Backend):
    """Starts Tempo, Pyroscope and Grafana of the compose file; not the app and its load, which the tests bring along.

    Args:
        environment: ``SPAN_PROFILES_COMPOSE_DIRECTORY`` names the folder of the compose file (else this folder or one
            above it), ``SPAN_PROFILES_COMPOSE_SERVICES`` the services, by default ``tempo pyroscope grafana``.
    """

    name = "compose"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        named = self._environment.get("SPAN_PROFILES_COMPOSE_SERVICES", "") or "tempo pyroscope grafana"
        self._services = named.replace(",", " ").split()
        self._compose: DockerCompose | None = None
        self._settings: Path | None = None

    def start(self) -> Endpoints:
        """Start the services and return when they take data and give it back.

        Raises:
            BackendError: there is no engine, no ``docker compose``, no compose file, an image is missing, or a service
                did not become healthy; the message ends with its last lines.
        """
        directory = self._directory()
        self._settings = self._write_settings(directory)
        self._compose = DockerCompose(
            directory,
            env_file=[str(directory / ".env"), str(self._settings)],
            services=self._services,
            wait=True,
            docker_command_path="docker",  # else it asks the engine which it is, over a connection it leaves open
        )
        logging.getLogger("testcontainers.compose.compose").setLevel(logging.CRITICAL)  # the error says it all
        try:
            self._compose.start()
            endpoints = self._endpoints(self._compose)
            await_servers(endpoints, _START_S, lambda: None)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            message = self._failure(error)
            self.stop()
            raise BackendError(message) from error
        except BaseException:
            self.stop()
            raise
        return endpoints

    def stop(self) -> None:
        """Kill and remove the project's containers, networks and volumes (Tempo takes a minute over an orderly end)."""
        if self._compose is not None:
            self._compose.services = None  # `down` of single services would leave the network behind
            for command in (["kill"], ["down", "--volumes", "--remove-orphans"]):
                self._run(self._compose, command)
            self._compose = None
        if self._settings is not None:
            self._settings.unlink(missing_ok=True)
            self._settings = None

    def _directory(self) -> Path:
        named = self._environment.get("SPAN_PROFILES_COMPOSE_DIRECTORY")
        folders = [Path(named)] if named else [Path.cwd(), *Path.cwd().parents]
        found = next((folder for folder in folders if (folder / _FILE).is_file()), None)
        if found is None:
            raise BackendError(
                f"the compose backend cannot run: there is no {_FILE} in {folders[0]}"
                f"{'' if named else ' or above it'}; name its folder in SPAN_PROFILES_COMPOSE_DIRECTORY"
            )
        return found.absolute()

    @staticmethod
    def _write_settings(directory: Path) -> Path:
        try:
            ports = [name for name in read_settings(directory, {}).values if name.endswith("_PORT")]
        except StackError as error:
            raise BackendError(f"the compose backend cannot run: {error}") from error
        lines = [f"COMPOSE_PROJECT_NAME=spanprofiles-{uuid4().hex[:8]}"]
        lines += [f"{name}={port}" for name, port in zip(ports, free_ports(len(ports)), strict=True)]
        with tempfile.NamedTemporaryFile("w", prefix="spanprofiles-", suffix=".env", delete=False) as file:
            file.write("\n".join(lines) + "\n")
        return Path(file.name)

    def _endpoints(self, compose: DockerCompose) -> Endpoints:
        def url(service: str, port: int) -> str:
            return f"http://127.0.0.1:{compose.get_service_port(service, port)}"

        return Endpoints(
            tempo=url("tempo", 3200),
            otlp_http=url("tempo", 4318),
            pyroscope=url("pyroscope", 4040),
            grafana=url("grafana", 3000) if "grafana" in self._services else "",
        )

    def _failure(self, error: subprocess.CalledProcessError | FileNotFoundError) -> str:
        if isinstance(error, FileNotFoundError):
            return "the compose backend cannot run: there is no docker command; install Docker with Compose 2"
        said = (error.stderr or b"").decode(errors="replace").strip()
        message = f"the compose backend cannot run: {_OLD if _NOT_COMPOSE_2.search(said) else explain(said)}"
        logs = self._run(self._compose, ["logs", "--tail", str(_LAST_LINES)]) if self._compose else ""
        return message + ("\n" + "\n".join(f"  | {line}" for line in logs.splitlines()) if logs else "")

    @staticmethod
    def _run(compose: DockerCompose, arguments: list[str]) -> str:
        command = [*compose.compose_command_property, *arguments]
        try:
            done = subprocess.run(command, cwd=compose.context, capture_output=True, text=True, check=False)
        except OSError:  # there is no docker command, and then nothing to ask it
            return ""
        return done.stdout
