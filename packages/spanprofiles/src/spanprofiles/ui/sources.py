"""What the views ask: the backend, what the page remembers of it, and the demo where it runs."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from flask import Flask, current_app

from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.clients.http import DEFAULT_TIMEOUT_S
from spanprofiles.clients.outage import Outage
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.linking import Linker
from spanprofiles.model import Endpoints
from spanprofiles.model.endpoints import UPLOAD_INTERVAL_S
from spanprofiles.ui.controls import DemoControls
from spanprofiles.ui.cpu import CERTAIN_AFTER_S, CpuCache
from spanprofiles.ui.descendants import Descendants
from spanprofiles.ui.examinations import DEFAULT_WINDOW, Examinations
from spanprofiles.ui.latency_history import LatencyHistory
from spanprofiles.ui.link_monitor import LinkMonitor
from spanprofiles.ui.origins import Origins
from spanprofiles.ui.recent_traffic import RecentTraffic
from spanprofiles.ui.restarts import Restarts
from spanprofiles.workshop.board import Board
from spanprofiles.workshop.folder import LearnersFolder

_EXTENSION = "spanprofiles"
#: For connecting to a server, and between two bytes of its answer, s.
_TIMEOUT_S = DEFAULT_TIMEOUT_S
_VALUES_LAST_S = 10.0
_MOST_VALUES = 200
_CHANGES = 20
_DEMO_UPLOADS_WITHIN_S = UPLOAD_INTERVAL_S + 0.7


@dataclass(frozen=True)
class Change:
    """Something was switched in the demo: the time before and after is worth comparing.

    Attributes:
        time_s: when, s since the epoch.
        words: what.
        region: where; empty for everywhere.
    """

    time_s: int
    words: str
    region: str


@dataclass
class Sources:
    """Everything a view needs; one for an app, used by all its threads.

    Attributes:
        endpoints: the backend's addresses.
        controls: how to steer the demo; None where the page runs by itself.
        workshop: the learner's folder; None where no workshop runs.
        board: the class that the page shows; None where it shows none.
        linker: follows spans to samples.
        cpu_cache: remembers the CPU of spans.
        latencies: remembers how long requests of each kind took.
        traffic: remembers the requests of the last minutes.
        origins: remembers the files of functions.
        link_monitor: checks whether recent requests lead to samples.
        examinations: what the doctor finds.
        restarts: which regions of the demo restart.
        changes: what this page switched in the demo, the latest last.
    """

    endpoints: Endpoints
    controls: DemoControls | None = None
    workshop: LearnersFolder | None = None
    board: Board | None = None
    linker: Linker = field(init=False)
    cpu_cache: CpuCache = field(init=False)
    latencies: LatencyHistory = field(init=False)
    traffic: RecentTraffic = field(init=False)
    origins: Origins = field(init=False)
    link_monitor: LinkMonitor = field(init=False)
    examinations: Examinations = field(init=False)
    restarts: Restarts = field(default_factory=Restarts)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_CHANGES))

    def __post_init__(self) -> None:
        self.linker = _linker(self.endpoints)
        self.cpu_cache = CpuCache(self.linker.pyroscope, Descendants(self.linker.tempo))
        self.latencies = LatencyHistory()
        self.traffic = RecentTraffic(self.linker.tempo, self.latencies)
        self.origins = Origins(self.linker.pyroscope)
        self.examinations = Examinations(self.endpoints)
        controls = self.controls
        self.link_monitor = LinkMonitor(
            self.linker,
            self.cpu_cache,
            lambda service: self.examinations.look(service, DEFAULT_WINDOW),
            CERTAIN_AFTER_S if controls is None else _DEMO_UPLOADS_WITHIN_S,
            controls.regions if controls else (),
            controls.load if controls else lambda: None,
        )
        self._values: dict[str, tuple[float, list[str]]] = {}
        self._lock = Lock()

    def values(self, tag: str) -> list[str]:
        """Return the values seen of an attribute, sorted; remembered for some seconds.

        Raises:
            ClientError: Tempo does not answer.
        """
        with self._lock:
            asked_s, known = self._values.get(tag, (0.0, []))
        if asked_s and time.monotonic() - asked_s < _VALUES_LAST_S:
            return known
        known = sorted(self.linker.tempo.tag_values(tag))[:_MOST_VALUES]
        with self._lock:
            self._values[tag] = (time.monotonic(), known)
        return known

    def services(self) -> list[str]:
        """Return the services to choose from, sorted, without those of probes and health checks.

        Raises:
            ClientError: Tempo does not answer.
        """
        return [name for name in self.values("resource.service.name") if name not in CHECKING_SERVICES]

    def close(self) -> None:
        """Stop asking, and drop the queries that wait."""
        self.cpu_cache.close()
        self.link_monitor.close()


def _linker(endpoints: Endpoints) -> Linker:
    """Return a linker that remembers for some seconds that a server hangs, because pages ask again and again."""
    tempo = TempoClient(endpoints.tempo, endpoints.credentials_for("tempo"), _TIMEOUT_S)
    pyroscope = PyroscopeClient(endpoints.pyroscope, endpoints.credentials_for("pyroscope"), _TIMEOUT_S)
    return Linker(
        tempo.with_outage(Outage()),
        pyroscope.with_outage(Outage()),
        queryable_after_s=endpoints.queryable_after_s,
    )


def install_sources(sources: Sources) -> None:
    """Give the app of this context its sources."""
    current_app.extensions[_EXTENSION] = sources


def sources(app: Flask | None = None) -> Sources:
    """Return the sources of an app, by default of the current one."""
    found = (app or current_app).extensions[_EXTENSION]
    assert isinstance(found, Sources)  # noqa: S101  # for the type checker: nothing else is ever put there
    return found
