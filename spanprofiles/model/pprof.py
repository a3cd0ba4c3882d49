"""The smallest profile there is: one sample of one function, for asking a server whether it takes profiles.

Source: ``proto/profile.proto`` of github.com/google/pprof.
"""

from __future__ import annotations

_VARINT, _BYTES = 0, 2
_PERIOD_NS = 10_000_000
_STRINGS = ("", "cpu", "nanoseconds", "probe", "span_id", "trace_id")


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


def smallest_profile(time_ns: int, span_id: str = "", trace_id: str = "") -> bytes:
    """Return an uncompressed pprof profile of one CPU sample of 10 ms in a function called ``probe``.

    Args:
        time_ns: when it was taken, ns since the epoch.
        span_id: the span the sample belongs to, 16 hex digits; empty for none.
        trace_id: the trace likewise, 32 hex digits.
    """
    strings = [*_STRINGS]
    labels = b""
    for key, value in (("span_id", span_id), ("trace_id", trace_id)):
        if value:
            strings.append(value)
            labels += _field(3, _field(1, _STRINGS.index(key)) + _field(2, len(strings) - 1))
    cpu = _field(1, _STRINGS.index("cpu")) + _field(2, _STRINGS.index("nanoseconds"))
    function = _field(1, 1) + _field(2, _STRINGS.index("probe"))
    return b"".join(
        [
            _field(1, cpu),
            _field(2, _field(1, _varint(1)) + _field(2, _varint(_PERIOD_NS)) + labels),
            _field(4, _field(1, 1) + _field(4, _field(1, 1))),
            _field(5, function),
            *(_field(6, text.encode()) for text in strings),
            _field(9, time_ns),
            _field(10, _PERIOD_NS),
            _field(11, cpu),
            _field(12, _PERIOD_NS),
        ]
    )
