"""Tempo, Pyroscope and Grafana as testcontainers, for suites that have an engine and no compose file.

Each class works by itself, in the manner of testcontainers' own modules:

    with TempoContainer() as tempo, PyroscopeContainer() as pyroscope:
        endpoints = Endpoints(tempo.get_url(), pyroscope.get_url(), tempo.get_otlp_http_url())

Needs the extra ``spanprofiles[containers]``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import docker.errors
import yaml
from testcontainers.core.container import DockerContainer

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.readiness import await_answer, await_servers
from spanprofiles.backends.servers import LOOPBACK, PYROSCOPE_TUNING, TEMPO_TUNING
from spanprofiles.model import CPU, Endpoints

TEMPO_IMAGE = "grafana/tempo:3.0.3"
PYROSCOPE_IMAGE = "grafana/pyroscope:2.2.1"
GRAFANA_IMAGE = "grafana/grafana:13.1.5"

_START_S = 60.0
_TEMPO_CONFIGURATION = "/etc/tempo.yaml"
_DATA_SOURCES = "/etc/grafana/provisioning/datasources/spanprofiles.yaml"


class _Server(DockerContainer):
    """A container with one HTTP server, unprivileged, its ports published on one address only."""

    name_in_messages = ""
    http_port = 0

    def __init__(self, image: str, ports: tuple[int, ...], address: str, **options: Any) -> None:
        super().__init__(image, **options)
        self._published_on = address
        self.with_kwargs(cap_drop=["ALL"], security_opt=["no-new-privileges:true"])
        for port in ports:
            # the engine picks a free port, of this address and not of every interface
            self.ports[f"{port}/tcp"] = (address,)  # type: ignore[assignment]  # an address alone is allowed, untyped

    def _address(self, port: int) -> str:
        return f"http://{self._published_on}:{self.get_exposed_port(port)}"

    def get_url(self) -> str:
        """Return the server's address, from outside."""
        return self._address(self.http_port)

    def get_logs_tail(self, lines: int = 12) -> str:
        """Return the last lines the container printed."""
        printed = b"\n".join(self.get_logs()).decode(errors="replace")
        return "\n".join(f"  | {line}" for line in printed.strip().splitlines()[-lines:])

    def check_running(self) -> None:
        """Return if the container runs.

        Raises:
            BackendError: it has ended; the message has its last lines.
        """
        container = self.get_wrapped_container()
        container.reload()
        if container.status != "running":
            raise BackendError(f"{self.name_in_messages} ended; its last lines:\n{self.get_logs_tail()}")


class TempoContainer(_Server):
    """Tempo, tuned so that a span is found at once by its trace ID and after a second by search.

    Args:
        image: the image, with its version.
        configuration: what to set besides the tuning; a mapping is merged key by key.
        address: the address of the engine's machine on which ports are published.
        options: those of ``DockerContainer``.
    """

    name_in_messages = "Tempo"
    http_port = 3200
    otlp_http_port = 4318

    def __init__(
        self,
        image: str = TEMPO_IMAGE,
        configuration: Mapping[str, Any] | None = None,
        address: str = LOOPBACK,
        **options: Any,
    ) -> None:
        super().__init__(image, (self.http_port, self.otlp_http_port), address, **options)
        everything = _merged({**TEMPO_TUNING, **_TEMPO_IN_A_CONTAINER}, configuration or {})
        self.with_copy_into_container(yaml.safe_dump(everything).encode(), _TEMPO_CONFIGURATION, 0o644)
        self.with_command(f"-config.file={_TEMPO_CONFIGURATION}")

    def get_otlp_http_url(self) -> str:
        """Return where OTLP/HTTP traces go, from outside, without ``/v1/traces``."""
        return self._address(self.otlp_http_port)


class PyroscopeContainer(_Server):
    """Pyroscope, ready at once and keeping no profiles of itself.

    Args:
        image: the image, with its version.
        address: the address of the engine's machine on which the port is published.
        options: those of ``DockerContainer``.
    """

    name_in_messages = "Pyroscope"
    http_port = 4040

    def __init__(self, image: str = PYROSCOPE_IMAGE, address: str = LOOPBACK, **options: Any) -> None:
        super().__init__(image, (self.http_port,), address, **options)
        self.with_command(" ".join(PYROSCOPE_TUNING))


class GrafanaContainer(_Server):
    """Grafana with a Tempo and a Pyroscope data source and "Trace to profiles" between them, for readers only.

    Args:
        tempo_url: Tempo's address as the container sees it.
        pyroscope_url: Pyroscope's, likewise.
        image: the image; 13.1 is the last that needs no plugin download.
        address: the address of the engine's machine on which the port is published.
        options: those of ``DockerContainer``.
    """

    name_in_messages = "Grafana"
    http_port = 3000

    def __init__(
        self,
        tempo_url: str,
        pyroscope_url: str,
        image: str = GRAFANA_IMAGE,
        address: str = LOOPBACK,
        **options: Any,
    ) -> None:
        super().__init__(image, (self.http_port,), address, **options)
        provisioning = yaml.safe_dump(data_sources(tempo_url, pyroscope_url)).encode()
        self.with_copy_into_container(provisioning, _DATA_SOURCES, 0o644)
        for name, value in _GRAFANA_OFFLINE.items():
            self.with_env(name, value)

    def start(self) -> GrafanaContainer:
        """Start it, and return when it answers.

        Raises:
            BackendError: it does not in time.
        """
        super().start()
        await_answer("Grafana", self.get_url(), "/api/health", _START_S, self.check_running)
        return self


class ContainersBackend(Backend):
    """Tempo and Pyroscope as containers of their own.

    Args:
        environment: names other images in ``SPAN_PROFILES_TEMPO_IMAGE`` and ``SPAN_PROFILES_PYROSCOPE_IMAGE``.
    """

    name = "containers"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._started: list[_Server] = []

    def start(self) -> Endpoints:
        """Start both and return when both take data and give it back.

        Raises:
            BackendError: there is no engine, an image is missing, or a server was not ready in time.
        """
        try:
            tempo = TempoContainer(self._environment.get("SPAN_PROFILES_TEMPO_IMAGE") or TEMPO_IMAGE)
            pyroscope = PyroscopeContainer(self._environment.get("SPAN_PROFILES_PYROSCOPE_IMAGE") or PYROSCOPE_IMAGE)
            for server in (tempo, pyroscope):
                self._start(server)
            endpoints = Endpoints(
                tempo=tempo.get_url(), pyroscope=pyroscope.get_url(), otlp_http=tempo.get_otlp_http_url()
            )
            await_servers(endpoints, _START_S, self._check_running)
        except docker.errors.DockerException as error:
            self.stop()
            raise BackendError(f"the containers backend cannot run: {_plain(error)}") from error
        except BaseException:
            self.stop()
            raise
        return endpoints

    def stop(self) -> None:
        """Remove both, with their data."""
        while self._started:
            self._started.pop().stop(force=True, delete_volume=True)

    def _start(self, server: _Server) -> None:
        self._started.append(server)
        try:
            server.start()
        except docker.errors.ImageNotFound as error:
            hint = f"load it, or name another in SPAN_PROFILES_{server.name_in_messages.upper()}_IMAGE"
            raise BackendError(f"the image {server.image} is not there and cannot be pulled: {hint}") from error

    def _check_running(self) -> None:
        for server in self._started:
            server.check_running()


def data_sources(tempo_url: str, pyroscope_url: str) -> dict[str, Any]:
    """Return Grafana's provisioning of both data sources, linked from traces to profiles."""
    link = {
        "datasourceUid": "pyroscope",
        "profileTypeId": CPU,
        "customQuery": False,
        "tags": [
            {"key": "service.name", "value": "service_name"},
            {"key": "host.name", "value": "hostname"},
        ],
    }
    pyroscope = {"name": "Pyroscope", "uid": "pyroscope", "type": "grafana-pyroscope-datasource"}
    tempo = {"name": "Tempo", "uid": "tempo", "type": "tempo"}
    return {
        "apiVersion": 1,
        "datasources": [
            {**pyroscope, "access": "proxy", "url": pyroscope_url},
            {**tempo, "access": "proxy", "url": tempo_url, "jsonData": {"tracesToProfiles": link}},
        ],
    }


_TEMPO_IN_A_CONTAINER: Mapping[str, Any] = {
    "server": {"http_listen_port": TempoContainer.http_port, "log_level": "warn"},
    "distributor": {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"0.0.0.0:{TempoContainer.otlp_http_port}"}}}}
    },
    "storage": {
        "trace": {
            "backend": "local",
            "local": {"path": "/var/tempo/blocks"},
            "wal": {"path": "/var/tempo/wal"},
        }
    },
}

_GRAFANA_OFFLINE = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_BASIC_ENABLED": "false",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_PLUGINS_PREINSTALL_AUTO_UPDATE": "false",
}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _plain(error: docker.errors.DockerException) -> str:
    text = str(error)
    if re.search(r"Connection refused|FileNotFoundError|No such file|Error while fetching server API version", text):
        return "no Docker engine answers; start one, or point DOCKER_HOST at it"
    return text.splitlines()[0][:300]
