"""The filters of the list of traces: read from the page's address, written as TraceQL and as an address."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.model import PROFILE_ID_ATTRIBUTE
from spanprofiles.model.selector import traceql_text

#: How far back the list looks: the parameter of the address, and s.
WINDOWS = {"5m": 300, "15m": 900, "1h": 3600, "6h": 6 * 3600, "24h": 24 * 3600}
DEFAULT_WINDOW = "15m"
SORTS = ("time", "request", "region", "duration", "cpu")
DEFAULT_SORT = "time"
LIMIT = 100

#: The outcomes to filter by: the parameter of the address, and the words of the page.
STATUSES = {"error": "error", "ok": "no error", "4xx": "HTTP 4xx", "5xx": "HTTP 5xx"}
#: The attributes that hold an HTTP request's method and its answer's status code, the later name first.
HTTP_METHOD_ATTRIBUTES = ("http.request.method", "http.method")
HTTP_STATUS_ATTRIBUTES = ("http.response.status_code", "http.status_code")

_ENTRY = f"(kind = server || kind = consumer || span.{PROFILE_ID_ATTRIBUTE} != nil)"
# What the figures count: one span for each request and process, also where inner spans have profile IDs.
_FIRST = f"(kind = server || kind = consumer || (nestedSetParent < 0 && span.{PROFILE_ID_ATTRIBUTE} != nil))"
_SELECT = (
    f" | select(span.{PROFILE_ID_ATTRIBUTE}, resource.service.name, resource.region, span.http.route,"
    " span.http.request.method, span.http.method, kind, status"
    + "".join(f", span.{name}" for name in HTTP_STATUS_ATTRIBUTES)
    + ")"
)


class FilterError(ValueError):
    """A filter cannot be used.

    Attributes:
        name: the parameter of the address.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


def quoted(text: str) -> str:
    """Write a text as a TraceQL string."""
    return traceql_text(text)


@dataclass(frozen=True)
class Filters:
    """What to search for.

    Attributes:
        service: ``service.name``, or empty for all; likewise the next two.
        route: ``http.route``.
        region: the resource attribute ``region``.
        shortest_ms: spans at least so long, ms.
        linked: only traces with a linked span.
        status: a key of :data:`STATUSES`, or empty for all.
        query: TraceQL that must be true as well.
        window: a key of :data:`WINDOWS`.
        sort: one of :data:`SORTS`.
        ascending: smallest first.
    """

    service: str = ""
    route: str = ""
    region: str = ""
    shortest_ms: float = 0.0
    linked: bool = False
    status: str = ""
    query: str = ""
    window: str = DEFAULT_WINDOW
    sort: str = DEFAULT_SORT
    ascending: bool = False

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Filters:
        """Read the parameters of an address.

        Raises:
            FilterError: one of them is none; the message says what is expected.
        """
        window = parameters.get("window") or DEFAULT_WINDOW
        if window not in WINDOWS:
            raise FilterError("window", f"there is no window {window!r}: choose one of {', '.join(WINDOWS)}")
        sort = parameters.get("sort") or DEFAULT_SORT
        if sort not in SORTS:
            raise FilterError("sort", f"cannot sort by {sort!r}: choose one of {', '.join(SORTS)}")
        status = parameters.get("status", "")
        if status and status not in STATUSES:
            raise FilterError("status", f"there is no status {status!r}: choose one of {', '.join(STATUSES)}")
        return cls(
            service=parameters.get("service", ""),
            route=parameters.get("route", ""),
            region=parameters.get("region", ""),
            shortest_ms=_milliseconds(parameters.get("shortest", "")),
            linked=parameters.get("linked", "") not in {"", "0"},
            status=status,
            query=parameters.get("q", "").strip(),
            window=window,
            sort=sort,
            ascending=parameters.get("order") == "ascending",
        )

    @property
    def seconds(self) -> int:
        """How far back the list looks, s."""
        return WINDOWS[self.window]

    @property
    def narrow(self) -> bool:
        """Whether the filters exclude anything besides what is too old."""
        return any((self.service, self.route, self.selective))

    @property
    def selective(self) -> bool:
        """Whether the filters prefer some requests of a route, so that the result is no fair sample of it."""
        return any((self.region, self.shortest_ms, self.linked, self.status, self.query))

    def parameters(self, **changes: str) -> dict[str, Any]:
        """Return the address's parameters without empty ones; an empty change removes a parameter."""
        given = {
            "service": self.service,
            "route": self.route,
            "region": self.region,
            "shortest": f"{self.shortest_ms:g}" if self.shortest_ms else "",
            "linked": "1" if self.linked else "",
            "status": self.status,
            "q": self.query,
            "window": "" if self.window == DEFAULT_WINDOW else self.window,
            "sort": "" if self.sort == DEFAULT_SORT else self.sort,
            "order": "ascending" if self.ascending else "",
        }
        return {name: value for name, value in (given | changes).items() if value}

    def traceql(self) -> str:
        """Return the search for spans that enter a process, with the attributes that the list shows."""
        conditions = [_ENTRY]
        if self.service:
            conditions.append(f"resource.service.name = {quoted(self.service)}")
        else:
            conditions += [f"resource.service.name != {quoted(name)}" for name in sorted(CHECKING_SERVICES)]
        if self.route:
            conditions.append(f"span.http.route = {quoted(self.route)}")
        if self.region:
            conditions.append(f"resource.region = {quoted(self.region)}")
        if self.shortest_ms:
            conditions.append(f"duration >= {round(self.shortest_ms * 1000)}us")
        if self.linked:
            conditions.append(f"span.{PROFILE_ID_ATTRIBUTE} != nil")
        own = f"{{ {' && '.join(conditions)} }}"
        if self.status:
            # the other spans of these traces stay in the result: a row shows the whole request
            own += f" && {{ {' && '.join([*conditions, _with_status(self.status)])} }}"
        if not self.query:
            return own + _SELECT
        if "|" in self.query.rpartition("}")[2]:  # a pipeline cannot be an operand: it stands alone
            return self.query + _SELECT
        return f"{own} && ({self.query}){_SELECT}"


def requests_traceql() -> str:
    """Return TraceQL for the first spans of all requests in each process, without probes and health checks."""
    excluded = [f"resource.service.name != {quoted(name)}" for name in sorted(CHECKING_SERVICES)]
    return f"{{ {' && '.join([_FIRST, *excluded])} }}"


def _with_status(status: str) -> str:
    if status in {"error", "ok"}:
        return "status = error" if status == "error" else "status != error"
    lowest = int(status[0]) * 100
    of_class = [f"(span.{name} >= {lowest} && span.{name} < {lowest + 100})" for name in HTTP_STATUS_ATTRIBUTES]
    return f"({' || '.join(of_class)})"


def _milliseconds(text: str) -> float:
    if not text.strip():
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not math.isfinite(value) or value < 0 or value > 86_400_000:
        raise FilterError("shortest", f"{text!r} is not a duration: a number of milliseconds is expected, such as 100")
    return value
