"""The story of a slow search: rides get slow in one region, and a flame graph of one ride says which function it is.

Rides of one kind are ordered before and after the app's fault ``slow-search`` is switched on in that region. Each is
followed to its span profile, and the difference of the profiles names the function that grew. Several rides are merged
for a steady verdict: a sample stands for 10 ms, so a single ride has only ten or twenty.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import requests

from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.stack import ADMIN_TOKEN_VARIABLE
from spanprofiles.linking import LinkedSpan, Linker, TracedSession
from spanprofiles.model import FlameGraph, FlameGraphDifference, FunctionChange

FAULT = "slow-search"
"""The app's fault, by the name its admin route knows."""

SLOW_REGION = "us-east"
"""Where the fault is switched on."""

OTHER_REGION = "eu-north"
"""Where nothing changes, to compare with."""

ORDER = "/scooter"
"""The ride that is ordered again and again."""

REGRESSED_FUNCTION = "drop_repeated_vehicles"
"""The function that holds the fault's quadratic step: what the difference should name."""

_TOKEN_HEADER = "X-Rideshare-Admin"  # noqa: S105  # a header's name
_RIDES = 5
_NOTICEABLE = 1.2


def new_admin_token() -> str:
    """Return a token for :data:`ADMIN_TOKEN_VARIABLE` that nobody can guess."""
    return secrets.token_urlsafe(24)


def switch_fault(region: TracedSession, name: str, *, on: bool, token: str) -> None:
    """Switch a code fault of a running region.

    Args:
        region: a session with the region.
        name: the fault.
        on: whether to switch it on.
        token: the region's admin token.

    Raises:
        DemoError: the region refused, or did not answer.
    """
    try:
        response = region.request(
            "POST", f"/admin/faults/{name}", sampled=False, json={"on": on}, headers={_TOKEN_HEADER: token}
        )
    except requests.RequestException as error:
        raise DemoError(f"the fault {name} cannot be switched: {region.base_url} does not answer ({error})") from error
    if not response.ok:
        raise DemoError(
            f"the fault {name} cannot be switched: {region.base_url} says {response.status_code} {response.text[:200]};"
            f" is {ADMIN_TOKEN_VARIABLE} set there, to the token sent?"
        )


@dataclass(frozen=True)
class Rides:
    """Rides of one kind in one region, all followed to their samples.

    Attributes:
        linked: their linked spans, in the order in which they were ordered.
    """

    linked: tuple[LinkedSpan, ...]

    @cached_property
    def flamegraph(self) -> FlameGraph:
        """The samples of all rides, merged."""
        return reduce(add, (ride.flamegraph for ride in self.linked))

    @property
    def duration_ns(self) -> int:
        """The median of their durations, ns."""
        return round(statistics.median(ride.span.duration_ns for ride in self.linked))

    @property
    def cpu_ns(self) -> int:
        """The average CPU time of a ride, ns."""
        return self.flamegraph.total // len(self.linked)

    @property
    def typical(self) -> LinkedSpan:
        """The ride in the middle, by duration."""
        return sorted(self.linked, key=lambda ride: ride.span.duration_ns)[len(self.linked) // 2]


@dataclass(frozen=True)
class SlowSearchStory:
    """What the story has seen.

    Attributes:
        region: where the fault was switched on.
        path: what was ordered.
        before: the rides in that region before the fault, as many as ``after``.
        after: the rides there with the fault on.
        elsewhere: rides of the same kind in other regions, before and after, by region.
    """

    region: str
    path: str
    before: Rides
    after: Rides
    elsewhere: Mapping[str, tuple[Rides, Rides]]

    @cached_property
    def difference(self) -> FlameGraphDifference:
        """The rides' merged flame graphs, side by side; values are of all rides together, see :meth:`a_ride`."""
        return self.before.flamegraph.diff(self.after.flamegraph)

    @property
    def top_regression(self) -> FunctionChange | None:
        """The function whose own CPU time grew most, or None if none grew."""
        return self.difference.top_regression

    @property
    def guilty(self) -> FunctionChange | None:
        """The earlier name of :attr:`top_regression`, kept for one version."""
        return self.top_regression

    @property
    def slowdown(self) -> float:
        """How many times as long rides in the region take as before.

        This is relative to the other regions, if there are any, because what slows the whole machine is not the fault.
        """
        others = [_ratio(before, after) for before, after in self.elsewhere.values()]
        return _ratio(self.before, self.after) / (statistics.median(others) if others else 1.0)

    @property
    def is_as_told(self) -> bool:
        """Whether the rides got slower and the function with the quadratic step is the top regression."""
        regression = self.top_regression
        return self.slowdown > _NOTICEABLE and regression is not None and regression.name == REGRESSED_FUNCTION

    def a_ride(self, value_ns: int) -> int:
        """Return what a value of :attr:`difference` is for one ride."""
        return round(value_ns / len(self.after.linked))


def _ratio(before: Rides, after: Rides) -> float:
    return after.duration_ns / max(before.duration_ns, 1)


def order_rides(
    regions: Mapping[str, TracedSession], linker: Linker, path: str = ORDER, count: int = _RIDES
) -> dict[str, Rides]:
    """Order rides one after the other, then follow each to its samples.

    The regions take turns, so that a machine that gets busier slows all of them alike.

    Raises:
        DemoError: a ride was refused.
        LinkError: a ride is not linked.
        ClientError: a server failed.
    """
    responses: dict[str, list[requests.Response]] = {name: [] for name in regions}
    for _ in range(count):
        for name, session in regions.items():
            response = session.get(path)
            if not response.ok:
                raise DemoError(f"a ride in {name} was refused with {response.status_code}: {response.text[:200]}")
            responses[name].append(response)
    return {name: Rides(tuple(map(linker.linked_span, answered))) for name, answered in responses.items()}


def tell_slow_search(
    regions: Mapping[str, TracedSession],
    linker: Linker,
    token: str,
    *,
    slow_region: str = SLOW_REGION,
    path: str = ORDER,
    rides: int = _RIDES,
    tell: Callable[[str], None] = lambda _: None,
) -> SlowSearchStory:
    """Make rides slow in one region, and find out why from their span profiles. The fault stays on.

    Args:
        regions: sessions with the regions to order in, by name; ``slow_region`` among them.
        linker: of the backend they send to.
        token: the admin token of ``slow_region``.
        slow_region: where the fault is switched on.
        path: what to order.
        rides: how many rides to order in each region, before and again after.
        tell: called with a line for each step.

    Raises:
        DemoError: a ride was refused, or the fault cannot be switched.
        LinkError: a ride is not linked.
        ClientError: a server failed.
    """
    switch_fault(regions[slow_region], FAULT, on=False, token=token)
    tell(f"ordering {rides} rides in each of {', '.join(regions)}")
    before = order_rides(regions, linker, path, rides)
    tell(f"switching the fault {FAULT} on in {slow_region}, and ordering the same again")
    switch_fault(regions[slow_region], FAULT, on=True, token=token)
    after = order_rides(regions, linker, path, rides)
    elsewhere = {name: (before[name], after[name]) for name in regions if name != slow_region}
    return SlowSearchStory(slow_region, path, before[slow_region], after[slow_region], elsewhere)
