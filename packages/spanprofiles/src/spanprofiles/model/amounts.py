"""Writes amounts of time, counts and bytes with a fitting unit."""

from __future__ import annotations

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_KIB = 1024


def duration(value_ns: int) -> str:
    """Write a time span with a fitting unit: ``184 us``, ``12.5 ms``, ``1.84 s``."""
    if value_ns < 1_000_000:
        return f"{value_ns / 1e3:.0f} us"
    if value_ns < 1_000_000_000:
        return f"{value_ns / 1e6:.1f} ms"
    return f"{value_ns / 1e9:.2f} s"


def percent(share: float) -> str:
    """Write a share (0 to 1) in whole percents: ``69 %``; one that is not 0 or 1 never reads as 0 or 100."""
    whole = round(share * 100)
    if whole == 0 and share > 0:
        return "< 1 %"
    return "> 99 %" if whole == 100 and share < 1 else f"{whole} %"  # of a hundred


def size(value: int) -> str:
    """Write a number of bytes: ``512 B``, ``1.5 KiB``, ``3.2 MiB``."""
    if value < _KIB:
        return f"{value} B"
    if value < _KIB**2:
        return f"{value / _KIB:.1f} KiB"
    if value < _KIB**3:
        return f"{value / _KIB**2:.1f} MiB"
    return f"{value / _KIB**3:.2f} GiB"


def age(seconds: float) -> str:
    """Write how long something has lasted in the largest unit of which there are at least two: ``90 s``, ``3 days``."""
    seconds = max(0.0, seconds)
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
