"""A writer of pprof and push messages that shares nothing with the server's reader.

Source: the field numbers of google/pprof `proto/profile.proto` and Pyroscope's `push.v1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NANOSECONDS = 10**9
CPU_PERIOD = ("cpu", "nanoseconds", 10_000_000)


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    groups = []
    while True:
        number, group = divmod(number, 128)
        groups.append(group)
        if number == 0:
            return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def _number(field_number: int, value: int) -> bytes:
    return _varint(field_number * 8) + _varint(value)


def _block(field_number: int, content: bytes) -> bytes:
    return _varint(field_number * 8 + 2) + _varint(len(content)) + content


@dataclass
class _Table:
    """Texts and the numbers they are referred to by."""

    numbers: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def pprof(description: Mapping[str, Any], now_s: int) -> bytes:
    """A profile, from a recording's description of it: `t` is its time in s from now, each stack is leaf first."""
    strings, functions = _Table({"": 0}), _Table({"": 0})
    parts: list[bytes] = []
    for kind, unit in description["types"]:
        parts.append(_block(1, _number(1, strings[kind]) + _number(2, strings[unit])))
    for sample in description["samples"]:
        content = _block(1, b"".join(_varint(functions[name]) for name in sample["stack"]))
        content += _block(2, b"".join(map(_varint, sample["values"])))
        for key, value in _pairs(sample.get("labels", {})):
            content += _block(3, _number(1, strings[key]) + _number(2, strings[value]))
        parts.append(_block(2, content))
    for name, number in list(functions.numbers.items())[1:]:
        line = _number(1, number) + _number(2, 10 + number)
        parts.append(_block(4, _number(1, number) + _block(4, line)))
        parts.append(_block(5, _number(1, number) + _number(2, strings[name]) + _number(4, strings["app.py"])))
    period_type, period_unit, period = description.get("period", CPU_PERIOD)
    parts.append(_block(11, _number(1, strings[period_type]) + _number(2, strings[period_unit])))
    parts += [_block(6, text.encode()) for text in strings.numbers]
    if description.get("t") is not None:
        parts.append(_number(9, round((now_s + description["t"]) * NANOSECONDS)))
    parts.append(_number(10, round(description.get("duration", 1) * NANOSECONDS)))
    parts.append(_number(12, period))
    return b"".join(parts)


def _pairs(labels: Mapping[str, str] | Sequence[Sequence[str]]) -> Iterable[tuple[str, str]]:
    if isinstance(labels, Mapping):
        return labels.items()
    return ((key, value) for key, value in labels)


def push(series: Iterable[Mapping[str, Any]], now_s: int) -> bytes:
    """A push of several series, each with its labels and the descriptions of its profiles."""
    parts = []
    for one in series:
        content = b"".join(
            _block(1, _block(1, name.encode()) + _block(2, value.encode())) for name, value in one["labels"].items()
        )
        for number, description in enumerate(one["profiles"]):
            identifier = f"4b4df9c7-0d0c-4a4e-9a3f-{number:012d}"
            content += _block(2, _block(1, pprof(description, now_s)) + _block(2, identifier.encode()))
        parts.append(_block(1, content))
    return b"".join(parts)
