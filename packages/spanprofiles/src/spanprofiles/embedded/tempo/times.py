"""Times and durations as Tempo's metrics API reads them."""

from __future__ import annotations

import math
import re
from datetime import datetime

SECOND_NS = 10**9
LARGEST = 2**63 - 1
GO_UNITS_NS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9,
}  # fmt: skip
GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
DAY_NS = 24 * 3_600 * 10**9
PROMETHEUS = re.compile(
    r"(?:([0-9]{1,18})y)?(?:([0-9]{1,18})w)?(?:([0-9]{1,18})d)?(?:([0-9]{1,18})h)?(?:([0-9]{1,18})m)?"
    r"(?:([0-9]{1,18})s)?(?:([0-9]{1,18})ms)?"
)
PROMETHEUS_UNITS_NS = (365 * DAY_NS, 7 * DAY_NS, DAY_NS, 3_600 * 10**9, 60 * 10**9, 10**9, 10**6)
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
SECONDS_DIGITS = 10
"""An integer of no more digits is in seconds, one of more in ns."""
RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,64}))?(Z|[-+][0-9]{2}:[0-9]{2})"
)


def timestamp_ns(written: str) -> int:
    """Read a time: seconds, with a fraction or without, ns, or RFC 3339.

    Raises:
        ValueError: it is none of these, or too large.
    """
    if "." in written and NUMBER.fullmatch(written):
        fraction, seconds = math.modf(float(written))
        return _checked(int(seconds) * SECOND_NS + int(round(fraction * 1_000) / 1_000 * SECOND_NS))
    if INTEGER.fullmatch(written):
        return _checked(int(written) * (SECOND_NS if len(written) <= SECONDS_DIGITS else 1))
    match = RFC_3339.fullmatch(written)
    if match is None:
        raise ValueError(f'parsing "{written[:128]}": invalid syntax')
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return _checked(int(whole.timestamp()) * SECOND_NS + int((match[2] or "0")[:9].ljust(9, "0")))


def step_ns(written: str) -> int:
    """Read a step: a number of seconds, or a duration as Go writes it.

    Raises:
        ValueError: it is neither, or too large.
    """
    if NUMBER.fullmatch(written):
        seconds = float(written)
        if abs(seconds) * SECOND_NS > LARGEST:
            raise ValueError(f'cannot parse "{written[:128]}" to a valid duration. It overflows int64')
        return int(seconds * SECOND_NS)
    sign, rest = (-1 if written[:1] == "-" else 1), written[written[:1] in {"-", "+"} :]
    parts = GO_PART.findall(rest)
    if not parts or "".join(digits + unit for digits, unit in parts) != rest:
        raise ValueError(f'cannot parse "{written[:128]}" to a valid duration')
    return _checked(sign * sum(_part_ns(digits, GO_UNITS_NS[unit]) for digits, unit in parts))


def since_ns(written: str) -> int:
    """Read a duration as Prometheus writes it: ``1h30m``, ``2d``.

    Raises:
        ValueError: it is none, or too large.
    """
    match = PROMETHEUS.fullmatch(written)
    if written == "0":
        return 0
    if match is None or not written:
        raise ValueError(f'not a valid duration string: "{written[:128]}"')
    parts = zip(match.groups(), PROMETHEUS_UNITS_NS, strict=True)
    return _checked(sum(int(digits) * unit for digits, unit in parts if digits))


def _part_ns(digits: str, unit_ns: int) -> int:
    whole, _, fraction = digits[:64].partition(".")
    return int(whole or 0) * unit_ns + int(fraction or 0) * unit_ns // int(10 ** len(fraction))


def _checked(nanoseconds: int) -> int:
    if abs(nanoseconds) > LARGEST:
        raise ValueError("value out of range")
    return nanoseconds
