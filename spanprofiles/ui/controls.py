"""What a running demo lets the page change: how many riders there are, and which faults are on."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from spanprofiles.clients import ClientError, HttpClient
from spanprofiles.model import Credentials
from spanprofiles.ui.links import Load

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


class ControlError(Exception):
    """The demo did not do what it was asked; the message says what it answered."""


@dataclass(frozen=True)
class DemoControls:
    """Where a running demo is steered.

    Attributes:
        regions: address of each region of the demo app, by name.
        token: what the app's admin route wants.
        locust_url: address of Locust's page, or empty where no load runs.
    """

    regions: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    locust_url: str = ""

    def faults(self) -> dict[str, dict[str, bool]]:
        """Return of each fault in which regions it is on; regions that do not answer are left out.

        Returns:
            fault -> region -> whether it is on; empty where the app has no admin route.
        """
        with ThreadPoolExecutor(max(1, len(self.regions))) as pool:
            answers = dict(zip(self.regions, pool.map(self._region_faults, self.regions), strict=True))
        found: dict[str, dict[str, bool]] = {}
        for region, faults in answers.items():
            for name, on in faults.items():
                found.setdefault(name, {})[region] = on
        return found

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
            total = (answer.get("stats") or [{}])[-1]
            return Load(int(answer.get("user_count", 0)), int(total.get("num_requests", 0)))
        except (ClientError, TypeError, ValueError, AttributeError):
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
        try:
            with requests.Session() as session:
                session.trust_env = False  # Locust is on this machine: no proxy lies between
                form = {"user_count": str(count), "spawn_rate": str(count)} if count else {}
                path = "/swarm" if count else "/stop"
                response = session.post(f"{self.locust_url}{path}", data=form, timeout=_TIMEOUT_S)
                response.raise_for_status()
                answer = response.json()
        except requests.RequestException as error:  # no answer, a refusal, or an answer that is no JSON
            raise ControlError(f"Locust did not change the load: {error}") from error
        if not (isinstance(answer, dict) and answer.get("success")):
            reason = answer.get("message", "") if isinstance(answer, dict) else answer
            raise ControlError(f"Locust did not change the load: {reason}")

    def _region_faults(self, region: str) -> dict[str, bool]:
        try:
            with closing(self._client(region)) as client:
                answer: Any = client.get_json("/admin/faults").get("faults", {})
        except ClientError:
            return {}
        return {str(name): bool(on) for name, on in answer.items()} if isinstance(answer, dict) else {}

    def _client(self, region: str) -> HttpClient:
        credentials = Credentials(headers={_TOKEN_HEADER: self.token})
        return HttpClient(f"the region {region}", self.regions[region], credentials, _TIMEOUT_S)
