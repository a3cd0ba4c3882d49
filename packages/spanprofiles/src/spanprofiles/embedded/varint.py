"""Numbers as protobuf writes them: seven bits a byte, the lowest first."""

from __future__ import annotations

_BITS, _MASK, _CONTINUES = 7, 0x7F, 0x80


def varint(number: int) -> bytes:
    """Encode a number that is not negative in protobuf's base-128 form."""
    out = bytearray()
    while number > _MASK:
        out.append(number & _MASK | _CONTINUES)
        number >>= _BITS
    out.append(number)
    return bytes(out)
