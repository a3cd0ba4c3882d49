"""Compressed bodies, made large again within bounds: of size, of growth, and of the pieces they are put together of."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from spanprofiles.embedded.limits import GZIP_MEMBERS, INFLATION, INFLATION_FREE_BYTES, KIBIBYTE
from spanprofiles.embedded.refusals import Reason

GZIP_WINDOW, ZLIB_WINDOW = 31, 15
STEP_BYTES = 16 * KIBIBYTE
Watch = Callable[[int], None]


class BodyTooLargeError(Exception):
    """A request body is larger than the limit once it is decompressed."""


class BadBodyError(Exception):
    """A request body cannot be decompressed.

    Attributes:
        reason: whether its encoding is not taken, or the data is damaged.
    """

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


def _unwatched(_: int) -> None:
    """Take no notice of how large a body has become."""


def bounded_gunzip(data: bytes, limit: int, watch: Watch = _unwatched) -> bytes:
    """Decompress gzip data of one or more members, never making more than ``limit`` bytes.

    Args:
        data: what is compressed.
        limit: how many bytes are made of it at most.
        watch: called with the number of bytes so far, again and again; what it raises ends the work.

    Raises:
        BadBodyError: it is not gzip, or ends early.
        BodyTooLargeError: it would be larger than the limit, or grows out of all proportion.
    """
    return _inflated(data, limit, GZIP_WINDOW, "gzip", GZIP_MEMBERS, watch) if data else b""


def bounded_inflate(data: bytes, limit: int, watch: Watch = _unwatched) -> bytes:
    """Decompress zlib data, never making more than ``limit`` bytes; what follows its end is ignored, as in Go.

    Args:
        data: what is compressed.
        limit: how many bytes are made of it at most.
        watch: called with the number of bytes so far, again and again; what it raises ends the work.

    Raises:
        BadBodyError: it is not zlib, or ends early.
        BodyTooLargeError: it would be larger than the limit, or grows out of all proportion.
    """
    return _inflated(data, limit, ZLIB_WINDOW, "zlib", 1, watch)


def _inflated(data: bytes, limit: int, window: int, name: str, streams: int, watch: Watch) -> bytes:
    """Decompress the streams in some data, one after the other; where one is wanted, leave what follows it."""
    rest = memoryview(data)
    parts: list[bytes] = []
    size = 0
    for _ in range(streams):
        inflater = zlib.decompressobj(wbits=window)
        while not inflater.eof:
            if not rest:
                raise BadBodyError(f"{name}: unexpected EOF", Reason.DAMAGED_COMPRESSION)
            step = rest[:STEP_BYTES]
            part = _step(inflater, step, limit - size, name)
            rest = rest[len(step) - len(inflater.unused_data) :]
            size += len(part)
            parts.append(part)
            if size > limit:
                raise BodyTooLargeError(f"the decompressed body is larger than {limit} bytes")
            if size > max(INFLATION_FREE_BYTES, INFLATION * (len(data) - len(rest))):
                raise BodyTooLargeError(f"the body becomes more than {INFLATION} times as large when decompressed")
            watch(size)
        if streams == 1 or not rest:
            return b"".join(parts)
    raise BadBodyError(f"{name}: it is put together of more than {streams} pieces", Reason.DAMAGED_COMPRESSION)


def _step(inflater: zlib._Decompress, step: memoryview, room: int, name: str) -> bytes:
    """Decompress a piece of data, to one byte more than there is room for at most."""
    try:
        return inflater.decompress(step, room + 1)
    except zlib.error as error:
        # its words end with what is wrong: "Error -3 while decompressing data: incorrect header check"
        raise BadBodyError(f"{name}: {str(error).rpartition(': ')[2]}", Reason.DAMAGED_COMPRESSION) from error


# HTTP's "deflate" is zlib's format, not a bare deflate stream.
DECODERS: dict[str, Callable[[bytes, int, Watch], bytes]] = {
    "gzip": bounded_gunzip,
    "zlib": bounded_inflate,
    "deflate": bounded_inflate,
}
