"""The tests' writer of pprof and push messages, which shares nothing with the readers under test.

Source: https://protobuf.dev/programming-guides/encoding/, and the field numbers of google/pprof ``proto/profile.proto``
and of Pyroscope's ``push.v1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

NANOSECONDS = 10**9
CPU_PERIOD = ("cpu", "nanoseconds", 10_000_000)
FILE = "app.py"


def varint(value: int) -> bytes:
    """A number; a negative one as 64 bits hold it."""
    value &= 2**64 - 1
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def number(field: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    """A field that has a length: a message, a text, or numbers in a row."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def numbers(field: int, values: Iterable[int]) -> bytes:
    """A field of numbers in a row."""
    return block(field, b"".join(map(varint, values)))


class Frame(NamedTuple):
    """A function at a line."""

    name: str
    file: str = ""
    line: int = 0


class ProfileWriter:
    """Writes one profile.

    Args:
        types: (type, unit) of the values that each sample has.
    """

    def __init__(self, types: Iterable[Sequence[str]]) -> None:
        self._strings: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}
        self._parts = [block(1, self._pair(kind, unit)) for kind, unit in types]

    def _text(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _pair(self, first: str, second: str) -> bytes:
        return number(1, self._text(first)) + number(2, self._text(second))

    def _location(self, frame: Frame) -> int:
        known = self._locations.get(frame)
        if known is not None:
            return known
        made = self._locations[frame] = len(self._locations) + 1
        source = frame.name, frame.file
        if source not in self._functions:
            self._functions[source] = len(self._functions) + 1
        self._parts.append(
            block(4, number(1, made) + block(4, number(1, self._functions[source]) + number(2, frame.line)))
        )
        return made

    def add(self, stack: Iterable[Frame], values: Iterable[int], labels: Iterable[Sequence[str]] = ()) -> None:
        """Add a sample; its stack is leaf first."""
        content = numbers(1, [self._location(frame) for frame in stack]) + numbers(2, values)
        content += b"".join(block(3, self._pair(key, text)) for key, text in labels)
        self._parts.append(block(2, content))

    def encoded(
        self, time_ns: int | None, duration_ns: int = NANOSECONDS, period: tuple[str, str, int] = CPU_PERIOD
    ) -> bytes:
        """The profile.

        Args:
            time_ns: when it begins, ns since the epoch; None leaves it out.
            duration_ns: how long it lasts, ns.
            period: type and unit of its period, and the period.
        """
        parts = list(self._parts)
        for (name, file), function in self._functions.items():
            parts.append(block(5, number(1, function) + number(2, self._text(name)) + number(4, self._text(file))))
        parts.append(block(11, self._pair(*period[:2])))
        parts += [block(6, text.encode()) for text in self._strings]
        if time_ns is not None:
            parts.append(number(9, time_ns))
        return b"".join([*parts, number(10, duration_ns), number(12, period[2])])


def pprof(description: Mapping[str, Any], now_s: int) -> bytes:
    """A profile, from a recording's description of it: `t` is its time in s from now, each stack is leaf first."""
    writer = ProfileWriter(description["types"])
    lines: dict[str, int] = {}
    for sample in description["samples"]:
        stack = [Frame(name, FILE, lines.setdefault(name, 11 + len(lines))) for name in sample["stack"]]
        labels = sample.get("labels", {})
        writer.add(stack, sample["values"], labels.items() if isinstance(labels, Mapping) else labels)
    offset_s = description.get("t")
    time_ns = None if offset_s is None else round((now_s + offset_s) * NANOSECONDS)
    duration_ns = round(description.get("duration", 1) * NANOSECONDS)
    return writer.encoded(time_ns, duration_ns, tuple(description.get("period", CPU_PERIOD)))


def pushed_series(labels: Mapping[str, str], profiles: Iterable[bytes]) -> bytes:
    """One series of a push: its labels and its profiles, each with an ID."""
    content = b"".join(block(1, block(1, name.encode()) + block(2, text.encode())) for name, text in labels.items())
    for position, profile in enumerate(profiles):
        identifier = f"4b4df9c7-0d0c-4a4e-9a3f-{position:012d}"
        content += block(2, block(1, profile) + block(2, identifier.encode()))
    return block(1, content)


def push(series: Iterable[Mapping[str, Any]], now_s: int) -> bytes:
    """A push of several series, each with its labels and the descriptions of its profiles."""
    return b"".join(
        pushed_series(described["labels"], (pprof(profile, now_s) for profile in described["profiles"]))
        for described in series
    )
