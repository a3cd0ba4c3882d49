"""The smallest CPU profile that means something: one sample of one function, with a span ID. For the doctor's probe.

Written by hand from ``profile.proto`` of pprof: it shares no code with the embedded pair, which must read it.
"""

from __future__ import annotations

from collections.abc import Mapping

_PERIOD_NS = 10_000_000
_CONTINUED = 0x80


def cpu_profile(function: str, cpu_ns: int, labels: Mapping[str, str], time_ns: int, duration_ns: int) -> bytes:
    """Encode a profile with one sample.

    Args:
        function: the only frame of its stack.
        cpu_ns: the sample's value, ns.
        labels: of the sample, such as ``span_id``.
        time_ns: date of the profile, ns since the epoch.
        duration_ns: how long was sampled, ns.
    """
    strings = ["", "cpu", "nanoseconds", function]
    encoded_labels = b""
    for name, value in labels.items():
        strings += [name, value]
        encoded_labels += _message(3, _number(1, len(strings) - 2) + _number(2, len(strings) - 1))
    cpu_in_ns = _number(1, 1) + _number(2, 2)  # a ValueType: indexes of "cpu" and "nanoseconds"
    return b"".join(
        [
            _message(1, cpu_in_ns),
            _message(2, _message(1, _varint(1)) + _message(2, _varint(cpu_ns)) + encoded_labels),
            _message(4, _number(1, 1) + _message(4, _number(1, 1))),  # location 1 is a line of function 1
            _message(5, _number(1, 1) + _number(2, 3)),  # function 1 is called strings[3]
            *(_message(6, text.encode()) for text in strings),
            _number(9, time_ns),
            _number(10, duration_ns),
            _message(11, cpu_in_ns),
            _number(12, _PERIOD_NS),
        ]
    )


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= _CONTINUED:
        encoded.append(value % _CONTINUED | _CONTINUED)
        value //= _CONTINUED
    encoded.append(value)
    return bytes(encoded)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content
