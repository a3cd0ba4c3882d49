"""Bodies in zstd, snappy and lz4, as an extra: needs the package ``cramjam`` (``spanprofiles[compression]``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, Watch
from spanprofiles.embedded.limits import FIRST_INFLATION, INFLATION, INFLATION_FREE_BYTES
from spanprofiles.embedded.refusals import Reason

try:
    import cramjam
except ImportError:
    cramjam = None  # type: ignore[assignment]  # it is an extra

NAMES = ("zstd", "snappy", "x-snappy-framed", "lz4")
"""What is taken with the package, by the names that Content-Encoding has for it."""
SNAPPY_STREAM = b"\xff\x06\x00\x00sNaPpY"
"""How snappy's framed format begins; ``snappy`` may be either format, as collectors sent both by that name."""
NO_ROOM = ("failed to write whole buffer", "smaller than required")
"""How the package says that there is more than there is room for."""
# Of an LZ4 frame: where its flags are, what they say is in it, and its header's least size.
LZ4_FLAGS, LZ4_HEADER_BYTES = 4, 7
LZ4_DICTIONARY, LZ4_CHECKSUM, LZ4_SIZE, LZ4_BLOCK_CHECKSUM = 0x01, 0x04, 0x08, 0x10
LZ4_BLOCK_BYTES = 0x7FFF_FFFF
HOW_TO_GET = "install spanprofiles[compression]"

Fill = Callable[[bytes, bytearray], int]
Decoder = Callable[[bytes, int, Watch], bytes]


def decoders() -> dict[str, Decoder]:
    """Return what decompresses each encoding; none where the package is not installed."""
    if cramjam is None:
        return {}
    return {
        "zstd": _bounded("zstd", cramjam.zstd.decompress_into),
        "snappy": _bounded("snappy", _fill_snappy),
        "x-snappy-framed": _bounded("snappy", cramjam.snappy.decompress_into),
        "lz4": _bounded("lz4", _fill_lz4),
    }


def _fill_snappy(data: bytes, room: bytearray) -> int:
    is_framed = data.startswith(SNAPPY_STREAM)
    fill: Fill = cramjam.snappy.decompress_into if is_framed else cramjam.snappy.decompress_raw_into
    return fill(data, room)


def _fill_lz4(data: bytes, room: bytearray) -> int:
    """Decompress frame by frame: release 2.11 of the package, the last for Python 3.10, reads only the first."""
    filled = 0
    with memoryview(room) as whole:
        for frame in _lz4_frames(data):
            filled += cramjam.lz4.decompress_into(frame, whole[filled:])
    return filled


def _lz4_frames(data: bytes) -> Iterator[bytes]:
    """Take LZ4 frames apart, by https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.

    Raises:
        BadBodyError: a frame ends early.
    """
    start = 0
    while start < len(data):
        flags = data[start + LZ4_FLAGS] if len(data) > start + LZ4_FLAGS else 0
        position = start + LZ4_HEADER_BYTES + 8 * bool(flags & LZ4_SIZE) + 4 * bool(flags & LZ4_DICTIONARY)
        size = -1
        while size and position < len(data):
            size = int.from_bytes(data[position : position + 4], "little") & LZ4_BLOCK_BYTES
            position += 4 + size + 4 * bool(size and flags & LZ4_BLOCK_CHECKSUM)
        end = position + 4 * bool(flags & LZ4_CHECKSUM)
        if size or end > len(data):
            raise BadBodyError("lz4: unexpected EOF", Reason.DAMAGED_COMPRESSION)
        yield data[start:end]
        start = end


def _bounded(name: str, fill: Fill) -> Decoder:
    def decode(data: bytes, limit: int, watch: Watch) -> bytes:
        """Decompress into a room of the usual size, and where that is too small, of the largest that is allowed."""
        for factor in (FIRST_INFLATION, INFLATION):
            size = min(limit, max(INFLATION_FREE_BYTES, factor * len(data)))
            watch(size)
            room = bytearray(size)
            try:
                return bytes(memoryview(room)[: fill(data, room)])
            except cramjam.DecompressionError as error:
                if not any(words in str(error) for words in NO_ROOM):
                    why = str(error).removeprefix(f"{name}: ")
                    raise BadBodyError(f"{name}: {why}", Reason.DAMAGED_COMPRESSION) from error
        if size == limit:
            raise BodyTooLargeError(f"the decompressed body is larger than {limit} bytes")
        raise BodyTooLargeError(f"the body becomes more than {INFLATION} times as large when decompressed")

    return decode
