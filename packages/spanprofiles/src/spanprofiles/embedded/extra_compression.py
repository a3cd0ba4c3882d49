"""Bodies in zstd, snappy and lz4, as an extra: needs the package ``cramjam`` (``spanprofiles[compression]``)."""

from __future__ import annotations

from collections.abc import Callable

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
        "lz4": _bounded("lz4", cramjam.lz4.decompress_into),
    }


def _fill_snappy(data: bytes, room: bytearray) -> int:
    is_framed = data.startswith(SNAPPY_STREAM)
    fill: Fill = cramjam.snappy.decompress_into if is_framed else cramjam.snappy.decompress_raw_into
    return fill(data, room)


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
