"""A flame graph as a pprof profile, for ``go tool pprof`` and every other program that reads them.

Source: ``proto/profile.proto`` of github.com/google/pprof. A flame graph knows no addresses, and lines only where they
are given beside it: without them each function has one location.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping

from .flamegraph import FlameGraph
from .profile_types import ProfileType
from .source_lines import SourceFrame, SourceLines

_VARINT, _BYTES = 0, 2
_PERIOD_NS = 10_000_000
_LARGEST = 2**63 - 1


class _Strings:
    """The string table: index 0 is the empty text."""

    def __init__(self) -> None:
        self._indexes = {"": 0}

    def index(self, text: str) -> int:
        return self._indexes.setdefault(text, len(self._indexes))

    def encoded(self) -> Iterable[bytes]:
        return (_field(6, text.encode("utf-8", "replace")) for text in self._indexes)


def pprof_profile(
    flamegraph: FlameGraph,
    *,
    time_ns: int = 0,
    duration_ns: int = 0,
    labels: Mapping[str, str] | None = None,
    lines: SourceLines | None = None,
) -> bytes:
    """Return a profile as gzip'd protobuf, of the type that the flame graph is of.

    Args:
        flamegraph: call paths with their values.
        time_ns: when it begins, ns since the epoch.
        duration_ns: how long it lasts, ns of wall clock.
        labels: what each of its samples is labelled with, such as ``span_id``.
        lines: the same samples with their files and lines, where those are known.
    """
    strings = _Strings()
    known = ProfileType.of(flamegraph.profile_type)
    kind = _field(1, strings.index(known.sample)) + _field(2, strings.index(known.unit))
    period = kind
    if known.unit != "nanoseconds":
        period = _field(1, strings.index("cpu")) + _field(2, strings.index("nanoseconds"))
    own = b"".join(
        _field(3, _field(1, strings.index(name)) + _field(2, strings.index(value)))
        for name, value in (labels or {}).items()
    )
    functions: dict[tuple[str, str], int] = {}
    locations: dict[SourceFrame, int] = {}
    parts = [_field(1, kind)]
    for frames, value in lines.stacks if lines is not None else _without_lines(flamegraph):
        numbers = [locations.setdefault(frame, len(locations) + 1) for frame in frames]
        path = b"".join(_varint(number) for number in reversed(numbers))  # pprof has the innermost first
        parts.append(_field(2, _field(1, path) + _field(2, _varint(min(value, _LARGEST))) + own))
    for frame, number in locations.items():
        function = functions.setdefault((frame.name, frame.file), len(functions) + 1)
        parts.append(_field(4, _field(1, number) + _field(4, _field(1, function) + _field(2, frame.line))))
    for (name, file), number in functions.items():
        names = _field(2, strings.index(name)) + _field(3, strings.index(name)) + _field(4, strings.index(file))
        parts.append(_field(5, _field(1, number) + names))
    parts += strings.encoded()
    parts += [_field(9, time_ns), _field(10, duration_ns), _field(11, period), _field(12, _PERIOD_NS)]
    return gzip.compress(b"".join(parts), mtime=0)


def _without_lines(flamegraph: FlameGraph) -> Iterator[tuple[tuple[SourceFrame, ...], int]]:
    for path, value in flamegraph.stacks.items():
        yield tuple(SourceFrame(name) for name in path), value


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value
