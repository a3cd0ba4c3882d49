"""What the page can change in a running demo: the number of riders, and the faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from spanprofiles.clients import ClientError, HttpClient
from spanprofiles.clients.errors import RequestRefusedError
from spanprofiles.clients.json_values import count, fields, items
from spanprofiles.model import Credentials
from spanprofiles.model.printable import printable
from spanprofiles.ui.link_monitor import Load

#: Riders at once, at most: the load is bounded here, whatever a form says.
MOST_RIDERS = 50
_TOKEN_HEADER = "X-Rideshare-Admin"  # noqa: S105  # a header's name
_TIMEOUT_S = (1.0, 5.0)

#: What the page says of the demo app's faults; one it does not know is shown by its name.
FAULT_WORDS = {
    "slow-search": "The search first compares every vehicle with all before it: CPU, plain in the flame graph.",
    "lock-contention": "An order holds a lock of the whole process while it waits: slower by the clock, no CPU.",
    "slow-gateway": "The payment gateway takes 3 s: receipts wait, no CPU.",
}

#: What it says of its wiring faults: each breaks one hop of the link, and is set when a region starts.
WIRING_WORDS = {
    "no-processor": "No span processor: spans carry no profile ID, samples no labels.",
    "no-agent": "No profiling agent: profile IDs lead nowhere.",
    "agent-before-fork": "The agent runs in gunicorn's master, and not in the worker, which does all the work.",
    "agent-under-another-name": "The agent uploads under a name that is not the service's.",
    "dotted-name": "The host is in the tag host.name, and not in hostname, where Grafana looks.",
    "sampler-off": "No trace is recorded; the profiler goes on.",
    "slow-upload": "The agent uploads once a minute: later than Grafana's embedded flame graph looks.",
    "unlabelled": "The agent puts no labels on samples.",
    "pushes-refused": "The agent's uploads are all answered with 403.",
    "clock-ahead": "Spans are dated five minutes ahead of the profiles.",
    "leaking-processor": "The span processor never takes its labels off a thread: they pile up.",
}

#: Restarts a region with these faults, tells each step, and returns when it answers; raises ControlError.
Restart = Callable[[str, Collection[str], Callable[[str], None]], None]


class ControlError(Exception):
    """The demo did not do what it was asked; the message says what it answered."""


@dataclass(frozen=True)
class RegionFaults:
    """The faults of a region of the demo app.

    Attributes:
        switches: of each fault that can be switched at once, whether it is on.
        wiring: the faults that were set when it started, and are on.
    """

    switches: Mapping[str, bool] = field(default_factory=dict)
    wiring: frozenset[str] = frozenset()

    def after(self, fault: str, on: bool) -> frozenset[str]:
        """Return all faults that should be on after one of the wiring faults is switched."""
        others = {name for name, is_on in self.switches.items() if is_on} | self.wiring
        return frozenset(others | {fault} if on else others - {fault})


def by_fault(regions: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Turn region -> fault -> whether it is on into fault -> region -> whether it is on."""
    found: dict[str, dict[str, bool]] = {}
    for region, faults in regions.items():
        for name, on in faults.items():
            found.setdefault(name, {})[region] = on
    return found


@dataclass(frozen=True)
class DemoControls:
    """Where a running demo is steered.

    Attributes:
        regions: address of each region of the demo app, by name.
        token: for the app's admin route.
        locust_url: address of Locust's page, or empty where no load runs.
        restart: restarts a region, which is how wiring faults are switched; None where that cannot be done.
    """

    regions: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    locust_url: str = ""
    restart: Restart | None = field(default=None, compare=False)

    def states(self) -> dict[str, RegionFaults]:
        """Return the faults of each region that answers; none where the app has no admin route."""
        with ThreadPoolExecutor(max(1, len(self.regions))) as pool:
            answers = zip(self.regions, pool.map(self.region_faults, self.regions), strict=True)
        return {region: found for region, found in answers if found is not None}

    def faults(self) -> dict[str, dict[str, bool]]:
        """Return, for each fault that can be switched at once, the regions in which it is on.

        Returns:
            fault -> region -> whether it is on; regions that do not answer are left out.
        """
        return by_fault({region: state.switches for region, state in self.states().items()})

    def set_fault(self, name: str, region: str, on: bool) -> None:
        """Switch a fault on or off in a region.

        Raises:
            ControlError: there is no such region, or the app does not do it.
        """
        if region not in self.regions:
            raise ControlError(f"there is no region {region!r}: choose one of {', '.join(self.regions)}")
        try:
            with closing(self._client(region)) as client:
                client.post_json(f"/admin/faults/{quote(name, safe='')}", {"on": on})
        except ClientError as error:
            raise ControlError(str(error)) from error

    def load(self) -> Load | None:
        """Return what the load generator does, or None where Locust does not answer."""
        if not self.locust_url:
            return None
        try:
            with closing(HttpClient("Locust", self.locust_url, timeout_s=_TIMEOUT_S)) as client:
                answer = client.get_json("/stats/requests")
                with client.decode_errors("/stats/requests", "Locust's figures"):
                    total = fields((items(answer.get("stats")) or [{}])[-1])
                    return Load(count(answer.get("user_count", 0)), count(total.get("num_requests", 0)))
        except ClientError:
            return None

    def riders(self) -> int | None:
        """Return how many riders there are at once, or None where Locust does not answer."""
        load = self.load()
        return load.riders if load else None

    def set_riders(self, count: int) -> None:
        """Let so many riders order at once; 0 stops the load.

        Raises:
            ControlError: the number is out of bounds, or Locust does not do it.
        """
        if not 0 <= count <= MOST_RIDERS:
            raise ControlError(f"{count} riders are not possible: 0 to {MOST_RIDERS} are")
        if not self.locust_url:
            raise ControlError("no load generator runs")
        form = {"user_count": str(count), "spawn_rate": str(count)} if count else {}
        try:
            with closing(HttpClient("Locust", self.locust_url, timeout_s=_TIMEOUT_S)) as client:
                answer = client.post_form("/swarm" if count else "/stop", form)
        except RequestRefusedError as error:
            raise ControlError(f"Locust did not change the load: {_message(error)}") from error
        except ClientError as error:
            raise ControlError(f"Locust did not change the load: {error}") from error
        if not answer.get("success"):
            raise ControlError(f"Locust did not change the load: {printable(str(answer.get('message', '')))}")

    def region_faults(self, region: str) -> RegionFaults | None:
        """Return the faults of a region, or None where it does not answer."""
        try:
            with closing(self._client(region)) as client:
                answer: Any = client.get_json("/admin/faults")
        except ClientError:
            return None
        switches, wiring = answer.get("faults"), answer.get("wiring")
        return RegionFaults(
            {str(name): bool(on) for name, on in switches.items()} if isinstance(switches, dict) else {},
            frozenset(map(str, wiring)) if isinstance(wiring, list) else frozenset(),
        )

    def _client(self, region: str) -> HttpClient:
        credentials = Credentials(headers={_TOKEN_HEADER: self.token})
        return HttpClient(f"the region {region}", self.regions[region], credentials, _TIMEOUT_S)


def _message(error: RequestRefusedError) -> str:
    """Locust's own words for a refusal, which it writes as JSON."""
    with suppress(ValueError, RecursionError, AttributeError):
        if message := json.loads(error.answer).get("message"):
            return printable(str(message))
    return str(error)
