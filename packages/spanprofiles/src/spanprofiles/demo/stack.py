"""The demo's processes: started together, and stopped in reverse order."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from spanprofiles.backends import Backend, BackendError, EmbeddedBackend, ManagedProcess, ProcessFailedError
from spanprofiles.backends.embedded import EmbeddedPorts
from spanprofiles.backends.ports import claim, free_ports
from spanprofiles.demo.city import city_folder
from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.fleet import FleetRegion
from spanprofiles.linking import TracedSession, await_answer
from spanprofiles.model import Endpoints

SERVICE = "ride-sharing-app"

#: The environment variable that names what is broken in a region on purpose, separated by commas.
FAULTS_VARIABLE = "RIDESHARE_FAULTS"

#: The environment variable of a region that opens its admin route to a token's holder.
ADMIN_TOKEN_VARIABLE = "RIDESHARE_ADMIN_TOKEN"  # noqa: S105  # a variable's name

#: Locust ends by itself after this time, should nobody end it.
_LOAD_LASTS = "4h"
_START_S = 30.0
_LOAD = "the load generator"
_STOP_S = 3.0


@dataclass(frozen=True)
class DemoPorts:
    """Where the demo's servers listen on 127.0.0.1."""

    tempo: int = 3200
    otlp_http: int = 4318
    pyroscope: int = 4040
    eu_north: int = 5001
    us_east: int = 5002
    ap_south: int = 5003
    us_west: int = 5004
    sa_east: int = 5005
    locust: int = 8089
    page: int = 3000

    def freed(self) -> tuple[DemoPorts, dict[str, tuple[int, int]]]:
        """Replace ports that are taken.

        Returns:
            Ports that are all free, and for each replaced port its name with the taken and the free number.
        """
        taken = [port.name for port in fields(self) if not claim(getattr(self, port.name))]
        found = dict(zip(taken, free_ports(len(taken)), strict=True))
        return replace(self, **found), {name: (getattr(self, name), port) for name, port in found.items()}


@dataclass(frozen=True)
class Region:
    """One region of the demo app.

    Attributes:
        name: as in ``RIDESHARE_REGION``.
        port: where it listens.
        neighbour: the region that takes over its orders.
        fleet: how it is run where it is not in Python.
    """

    name: str
    port: int
    neighbour: str
    fleet: FleetRegion | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


class DemoStack:
    """Backend, regions and load.

    Args:
        ports: where they listen.
        users: how many riders Locust simulates at once.
        backend: where telemetry goes; None for an embedded pair on ``ports``.
        admin_token: the token for the regions' admin routes; None disables them.
        fleet: the regions in other languages, built. Car orders of ap-south, which has no cars, go through them.
    """

    def __init__(
        self,
        ports: DemoPorts,
        users: int,
        backend: Backend | None = None,
        admin_token: str | None = None,
        fleet: Sequence[FleetRegion] = (),
    ) -> None:
        self.ports = ports
        self.users = users
        self.regions = {
            "eu-north": Region("eu-north", ports.eu_north, "us-east"),
            "us-east": Region("us-east", ports.us_east, "ap-south"),
            "ap-south": Region("ap-south", ports.ap_south, fleet[0].name if fleet else "eu-north"),
        }
        for index, other in enumerate(fleet):
            neighbour = fleet[index + 1].name if index + 1 < len(fleet) else "eu-north"
            self.regions[other.name] = Region(other.name, getattr(ports, other.port_name), neighbour, other)
        self._backend = backend or EmbeddedBackend(EmbeddedPorts(ports.tempo, ports.otlp_http, ports.pyroscope))
        #: Where telemetry goes: known before the servers answer there.
        self.endpoints = Endpoints(
            tempo=f"http://127.0.0.1:{ports.tempo}",
            pyroscope=f"http://127.0.0.1:{ports.pyroscope}",
            otlp_http=f"http://127.0.0.1:{ports.otlp_http}",
        )
        self._admin = {ADMIN_TOKEN_VARIABLE: admin_token} if admin_token else {}
        self._processes: dict[str, ManagedProcess] = {}
        self._restarting: set[str] = set()
        self._stopped = False
        self._lock = threading.Lock()  # of a process that is being replaced, and the end of all
        self._directory = city_folder()

    @property
    def locust_url(self) -> str:
        """Address of Locust's page."""
        return f"http://127.0.0.1:{self.ports.locust}"

    def launch(self) -> None:
        """Start backend and regions, and return without waiting for them.

        All start at the same time: an app that cannot send its telemetry yet sends it later.

        Raises:
            DemoError: a process cannot be started.
            BackendError: the backend cannot run.
        """
        if isinstance(self._backend, EmbeddedBackend):
            self._backend.launch()
        else:
            self.endpoints = self._backend.start()
        for region in self.regions.values():
            self._start_region(region)

    def await_backend(self) -> Endpoints:
        """Return the backend's endpoints when it answers.

        Raises:
            BackendError: it does not.
        """
        return self._backend.start()

    def await_region(self, name: str) -> TracedSession:
        """Return a session with a region when it answers.

        Raises:
            DemoError: it ended, or did not answer in time.
        """
        process, region = self._processes[f"region {name}"], self.regions[name]
        session = TracedSession(region.url)
        start_s = region.fleet.start_s if region.fleet else _START_S
        if not await_answer(session, "/health", start_s, while_true=lambda: process.is_running):
            raise DemoError(str(process.failure("does not answer")))
        return session

    def restart_region(self, name: str, faults: Collection[str], tell: Callable[[str], None] = lambda _: None) -> None:
        """Restart a region with these faults and no others, and return when it answers.

        Args:
            name: the region.
            faults: names of the app's faults.
            tell: called with a line for each step.

        Raises:
            DemoError: it cannot be started, or does not answer in time. It can be restarted again.
        """
        region, process = self.regions[name], f"region {name}"
        self._restarting.add(process)
        with self._lock:
            if self._stopped:
                raise DemoError(f"{process} is not restarted: the demo ends")
            tell("stopping it")
            self._processes[process].stop(_STOP_S)
            tell("starting it")
            self._start_region(region, {FAULTS_VARIABLE: ",".join(sorted(faults))})
        tell("waiting for its answer")
        self.await_region(name)
        self._restarting.discard(process)

    def start_load(self) -> None:
        """Start Locust with its page; riders begin to order immediately.

        Raises:
            DemoError: it cannot be started.
        """
        command = [sys.executable, "-m", "locust", "-f", str(self._directory / "loadgen" / "locustfile.py")]
        command += ["--web-host", "127.0.0.1", "--web-port", str(self.ports.locust), "--autostart"]
        command += ["--users", str(self.users), "--spawn-rate", str(self.users), "--run-time", _LOAD_LASTS]
        command += ["--loglevel", "WARNING", "--skip-log-setup"]
        urls = ",".join(region.url for region in self.regions.values())
        self._start_process(_LOAD, command, {**os.environ, "LOADGEN_URLS": urls})

    def await_all(self) -> None:
        """Return when everything that was started answers.

        Raises:
            DemoError: one has ended, or does not answer in time.
        """
        for name in self.regions:
            self.await_region(name)
        load = self._processes[_LOAD]
        if not await_answer(TracedSession(self.locust_url), "/", _START_S, while_true=lambda: load.is_running):
            raise DemoError(str(load.failure("does not answer")))

    def check_running(self) -> None:
        """Check that every process still runs.

        Raises:
            DemoError: one has ended.
        """
        try:
            self._backend.check_running()
        except BackendError as error:
            raise DemoError(str(error)) from error
        for name, process in self._processes.items():
            if not process.is_running and name not in self._restarting:
                raise DemoError(str(process.failure("ended")))

    def stop(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Stop load, regions and backend, in this order."""
        with self._lock:
            self._stopped = True
            for name, process in reversed(self._processes.items()):
                tell(f"stopping {name}")
                process.stop(_STOP_S)
            self._processes.clear()
        tell("stopping the backend")
        self._backend.stop()

    def _start_region(self, region: Region, more: Mapping[str, str] | None = None) -> None:
        command = list(region.fleet.command) if region.fleet else _gunicorn()
        environment = {**self._region_environment(region, self.endpoints), **(more or {})}
        self._start_process(f"region {region.name}", command, environment)

    def _start_process(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        process = ManagedProcess(name, command, environment=environment, directory=self._directory)
        self._processes[name] = process
        try:
            process.start()
        except ProcessFailedError as error:
            raise DemoError(str(error)) from error

    def _region_environment(self, region: Region, endpoints: Endpoints) -> Mapping[str, str]:
        telemetry = (
            region.fleet.environment(endpoints, SERVICE)
            if region.fleet
            else {**endpoints.environment(), "OTEL_SERVICE_NAME": SERVICE}
        )
        return {
            **os.environ,
            **telemetry,
            "OTEL_RESOURCE_ATTRIBUTES": f"region={region.name},host.name=rideshare-{region.name}",
            "RIDESHARE_REGION": region.name,
            "RIDESHARE_BIND": f"127.0.0.1:{region.port}",
            "RIDESHARE_NEIGHBOUR_URL": self.regions[region.neighbour].url,
            **self._admin,
        }


def _gunicorn() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "python:rideshare.gunicorn_config", "rideshare.app:create_app()"]
