"""How the page writes figures and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from spanprofiles.model import Span, estimate_text
from spanprofiles.model.amounts import percent
from spanprofiles.model.withheld import why_no_profile_id
from spanprofiles.report import duration


def clock(time_ns: int) -> str:
    """Write a time of day, in this machine's zone, to the tenth of a second."""
    moment = datetime.fromtimestamp(time_ns / 1e9).astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"


def machine_time(time_ns: int) -> str:
    """Write a time for HTML's ``time`` element."""
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat(timespec="milliseconds")


def ago(time_ns: int) -> str:
    """Write how long ago something was: ``3 s ago``, ``12 min ago``."""
    seconds = max(0.0, time.time() - time_ns / 1e9)
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"


def offset(distance_ns: int) -> str:
    """Write how much later a moment is than another, with its sign: ``+12.5 ms``."""
    return f"{'-' if distance_ns < 0 else '+'}{duration(abs(distance_ns))}"


def share(value: float) -> str:
    """Write a share (0 to 1) as a percentage."""
    return percent(value)


def rate(per_second: float) -> str:
    """Write a rate with two significant figures."""
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"


def attribute(value: Any) -> str:
    """Write an attribute's value: texts as they are, the rest as JSON would."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def without(attributes: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the attributes without the named ones."""
    return {name: value for name, value in attributes.items() if name not in names}


def capitalized(sentence: str) -> str:
    """Write a sentence with a capital letter, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def missing_profile_id(span: Span) -> str:
    """Say why a local root span carries no profile ID."""
    return why_no_profile_id([span])


FILTERS: dict[str, Callable[..., Any]] = {
    "duration": duration,
    "cpu": estimate_text.cpu,
    "cpu_figure": estimate_text.cpu_figure,
    "clock": clock,
    "machine_time": machine_time,
    "ago": ago,
    "offset": offset,
    "share": share,
    "rate": rate,
    "attribute": attribute,
    "without": without,
    "capitalized": capitalized,
    "missing_profile_id": missing_profile_id,
}
