"""Requests as a search finds them. The page's lists, figures and comparisons are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanprofiles.clients import FoundSpan, FoundTrace
from spanprofiles.model import PROFILE_ID_ATTRIBUTE
from spanprofiles.model.sampling import is_too_short
from spanprofiles.ui.cpu import ProfiledSpan
from spanprofiles.ui.filters import HTTP_METHOD_ATTRIBUTES, HTTP_STATUS_ATTRIBUTES

#: Spans of each trace to ask for, at most.
SPANS = 12

_ABSENT = {"", "nil"}

RequestKind = tuple[str, str]
"""Service and name, such as ``("rideshare", "GET /bike")``."""


@dataclass(frozen=True)
class FoundRequest:
    """A request, as far as a search shows its trace.

    Attributes:
        trace_id: 32 hex digits.
        title: method and route of the first span, or the root span's name.
        service: its service.
        region: its region, or empty.
        start_ns: its start, ns since the epoch.
        duration_ns: wall-clock duration of the longest span found, ns.
        failed: whether a span found has the status error.
        spans: the spans that carry a profile ID.
        places: ``2 services`` or ``3 regions`` where it was in several; else empty.
        http_status: the status code of its first span's HTTP answer, or empty.
    """

    trace_id: str
    title: str
    service: str
    region: str
    start_ns: int
    duration_ns: int
    failed: bool
    spans: tuple[ProfiledSpan, ...]
    places: str
    http_status: str = ""

    @property
    def kind(self) -> RequestKind:
        """What it is compared with: requests of the same service and name."""
        return self.service, self.title

    @property
    def is_too_short(self) -> bool:
        """Whether every span that carries a profile ID may have no sample by chance."""
        return bool(self.spans) and all(is_too_short(span.end_ns - span.start_ns) for span in self.spans)


def request_of(trace: FoundTrace) -> FoundRequest:
    """Return the request of a trace that was found."""
    spans: Sequence[FoundSpan] = sorted(trace.spans, key=lambda span: (span.start_ns, -span.duration_ns))
    first: Mapping[str, str] = spans[0].attributes if spans else {}
    return FoundRequest(
        trace_id=trace.trace_id,
        title=title_from(first, trace.root_name),
        service=present(first, "service.name") or trace.root_service,
        region=present(first, "region"),
        start_ns=spans[0].start_ns if spans else trace.start_ns,
        duration_ns=max((span.duration_ns for span in spans), default=trace.duration_ms * 1_000_000),
        failed=any(span.attributes.get("status") == "error" for span in spans),
        spans=tuple(_profiled(trace.trace_id, spans)),
        places=_places(spans),
        http_status=present(first, *HTTP_STATUS_ATTRIBUTES),
    )


def _places(spans: Sequence[FoundSpan]) -> str:
    for name, word in (("service.name", "services"), ("region", "regions")):
        count = len({span.attributes[name] for span in spans if span.attributes.get(name, "") not in _ABSENT})
        if count > 1:
            return f"{count} {word}"
    return ""


def present(attributes: Mapping[str, str], *names: str) -> str:
    """Return the value of the first of some attributes that is there, or empty."""
    return next((attributes[name] for name in names if attributes.get(name, "") not in _ABSENT), "")


def title_from(attributes: Mapping[str, str], root_name: str) -> str:
    """Return what a request is called: by its method and route, or else by the name of its root span."""
    route = present(attributes, "http.route")
    if not route:
        return root_name or "(name not known)"
    return title_of(route, present(attributes, *HTTP_METHOD_ATTRIBUTES))


def title_of(route: str, method: str) -> str:
    """Return what requests of a route are called, as span names of HTTP servers are: ``GET /bike``."""
    return f"{method} {route}".strip()


def _profiled(trace_id: str, spans: Iterable[FoundSpan]) -> Iterable[ProfiledSpan]:
    for span in spans:
        profile_id = present(span.attributes, PROFILE_ID_ATTRIBUTE)
        if profile_id:
            service = present(span.attributes, "service.name")
            yield ProfiledSpan(profile_id, service, span.start_ns, span.start_ns + span.duration_ns, trace_id)
