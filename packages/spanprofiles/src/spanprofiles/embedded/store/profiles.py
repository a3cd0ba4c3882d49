"""Profiles in and out of the store."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spanprofiles.embedded.store.bulk_insert import BulkInsert
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import Interner
from spanprofiles.embedded.store.stacks import EncodedStacks, StackTable, path_bytes

LARGEST_INTEGER = 2**63 - 1

Owner = tuple["bytes | None", "bytes | None"]
"""The (span ID, trace ID) that samples carry; either may be missing."""
ENTRY = "q"
STACK_BITS = 32
"""By how many bits an entry's stack is shifted; below it is the number of the stack's call path."""
PATH_MASK = 2**STACK_BITS - 1
NOBODY: Owner = (None, None)
_NEW_PARTS = BulkInsert("span_samples", ("profile", "series", "time_ms", "span_id", "trace_id", "total", "entries"))
OF_UPLOAD = "CASE upload WHEN 0 THEN id ELSE upload END"
"""SQL over ``profiles``: the number by which an upload is known, that of its first profile."""


@dataclass
class NewProfile:
    """A profile of one series, as it is handed to the store.

    Attributes:
        labels: the labels of its series, those of its type among them.
        profile_type: name:type:unit:period type:period unit.
        time_ms: when it was taken.
        table: where its stacks are.
        values: value of each stack, by its place in the table.
        parts: the same of the samples of each owner.
    """

    labels: Mapping[str, str]
    profile_type: str
    time_ms: int
    table: StackTable
    values: dict[int, int] = field(default_factory=dict)
    parts: dict[Owner, dict[int, int]] = field(default_factory=dict)


class ProfileInterners:
    """The numbers that the writer remembers between pushes."""

    def __init__(self) -> None:
        self.series = Interner("series", ("labels",), ("profile_type",), encode=_labels_row, marks=True)
        self.functions = Interner("functions", ("name", "system_name", "file"), marks=True)
        self.paths = Interner("paths", ("functions",), encode=lambda path: (path_bytes(path),), marks=True)

    def forget(self) -> None:
        """Forget every number."""
        for interner in (self.series, self.functions, self.paths):
            interner.forget()


@dataclass
class Upload:
    """What the profiles of one upload have in common, while they are written.

    Attributes:
        stacks: their stacks.
        entries: of each stack, how entries name it.
        number: that of the first profile; 0 until that is written.
    """

    stacks: EncodedStacks
    entries: list[int]
    number: int = 0


class ProfileBatch:
    """The profiles of one push."""

    def __init__(self, profiles: Iterable[NewProfile], interners: ProfileInterners) -> None:
        self._profiles = list(profiles)
        self._interners = interners

    def write(self, connection: StoreConnection) -> None:
        """Write every profile, its series and its stacks."""
        uploads: dict[int, Upload] = {}
        for profile in self._profiles:
            upload = uploads.get(id(profile.table))
            if upload is None:
                upload = uploads[id(profile.table)] = self._interned(connection, profile.table)
            self._write_profile(connection, profile, upload)

    def _interned(self, connection: StoreConnection, table: StackTable) -> Upload:
        encoded = table.encoded(self._interners.functions.numbers(connection, list(table.functions)))
        paths = self._interners.paths.numbers(connection, encoded.paths)
        return Upload(encoded, [place << STACK_BITS | path for place, path in enumerate(paths)])

    def _write_profile(self, connection: StoreConnection, profile: NewProfile, upload: Upload) -> None:
        """Write one profile, and the stacks of its upload with the first."""
        labels = tuple(sorted(profile.labels.items()))
        series = self._interners.series.number(connection, labels, (profile.profile_type,))
        number = connection.execute(
            "INSERT INTO profiles (upload, series, time_ms, total, entries) VALUES (?, ?, ?, ?, ?)",
            (upload.number, series, profile.time_ms, _total(profile.values), _entries(profile.values, upload.entries)),
        ).lastrowid
        _NEW_PARTS.run(
            connection,
            [
                (number, series, profile.time_ms, *owner, _total(values), _entries(values, upload.entries))
                for owner, values in profile.parts.items()
            ],
        )
        if not upload.number:
            upload.number = number or 0
            connection.execute(
                "INSERT INTO stacks (id, frames, stacks) VALUES (?, ?, ?)",
                (number, upload.stacks.frames, upload.stacks.stacks),
            )

    def forget(self) -> None:
        """Drop the numbers of rows that were rolled back."""
        self._interners.forget()


def _labels_row(labels: tuple[tuple[str, str], ...]) -> tuple[str]:
    """Write sorted labels as the table ``series`` has them."""
    return (json.dumps(labels, ensure_ascii=False, separators=(",", ":")),)


def _total(values: Mapping[int, int]) -> int:
    return min(sum(values.values()), LARGEST_INTEGER)


def _entries(values: Mapping[int, int], numbers: list[int]) -> bytes:
    pairs = [0] * (2 * len(values))
    pairs[::2] = map(numbers.__getitem__, values)
    pairs[1::2] = values.values()
    try:
        return array(ENTRY, pairs).tobytes()
    except OverflowError:  # a sum that 64 bits do not hold
        return array(ENTRY, [min(number, LARGEST_INTEGER) for number in pairs]).tobytes()
