"""Stacks told apart by what is in them: each upload has its own, and many of them are in other uploads as well."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from spanprofiles.embedded.pyroscope.totals import Kind, Place, StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.stacks import StoredStacks, stored_stacks

DIGEST_BYTES = 8
FUNCTION_BYTES, LINE_BYTES = 4, 8
FEW = 16
"""How many stacks are gone through between two looks at the clock."""


def add_rows(connection: StoreConnection, totals: StackTotals, rows: Iterable[tuple[int, bytes]]) -> None:
    """Add up the entries of profiles or spans.

    Args:
        connection: where to read.
        totals: what they are added to.
        rows: (number of its upload, entries) of each; best those of one upload one after the other.

    Raises:
        QueryTooLongError: the connection's deadline passed.
    """
    last, stacks = 0, []
    for upload, entries in connection.deadline.watch(rows):
        if totals.kind is Kind.PATHS:
            totals.add_entries(entries)
            continue
        if upload != last:
            last, stacks = upload, list(_told_apart(connection, upload))
        totals.add_stacks(entries, stacks)


def _told_apart(connection: StoreConnection, upload: int) -> Iterator[tuple[int, Place]]:
    """Give the number by which each stack of an upload is told apart, and where it is."""
    stored = stored_stacks(connection, upload)
    frames = [b""]
    for function, line in connection.deadline.watch(zip(stored.functions, stored.lines, strict=True), FEW):
        frames.append(function.to_bytes(FUNCTION_BYTES, "little") + line.to_bytes(LINE_BYTES, "little", signed=True))
    for place, stack in enumerate(connection.deadline.watch(stored.stacks(), FEW)):
        content = b"".join([frames[frame] for frame in stack])
        number = int.from_bytes(blake2b(content, digest_size=DIGEST_BYTES).digest(), "little")
        yield number, (upload, place, len(stack))


def read_stacks(
    connection: StoreConnection, places: Mapping[int, Place]
) -> Iterator[tuple[StoredStacks, Iterator[tuple[int, array[int]]]]]:
    """Read stacks again, upload by upload.

    Args:
        connection: where to read.
        places: by the number of each stack, where it is.

    Returns:
        Each upload's frames, and those of its stacks that are asked for: (number, places of frames, root first).

    Raises:
        QueryTooLongError: the connection's deadline passed.
    """
    uploads: dict[int, dict[int, int]] = {}
    for number, (upload, place, _) in connection.deadline.watch(places.items(), FEW):
        uploads.setdefault(upload, {})[place] = number
    for upload, wanted in connection.deadline.watch(uploads.items()):
        stored = stored_stacks(connection, upload)
        yield (
            stored,
            (
                (wanted[place], stack)
                for place, stack in enumerate(connection.deadline.watch(stored.stacks(), FEW))
                if place in wanted
            ),
        )
