"""Profiles in and out of the store."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import Interner

LARGEST_INTEGER = 2**63 - 1

Frame = tuple[str, str, str, int]
"""Function name, system name, file name, line."""
Owner = tuple["bytes | None", "bytes | None"]
"""The (span ID, trace ID) that samples carry; either may be missing."""
ENTRY, FRAME_NUMBERS = "q", "i"
STACK_BITS = 32
"""By how many bits an entry's stack is shifted; below it is the stack's call path."""
PATH_MASK = 2**STACK_BITS - 1
NOBODY: Owner = (None, None)


class StackTable:
    """The frames and stacks of one pushed profile, which the profiles made of it share.

    Attributes:
        frames: each different frame, and its place.
        stacks: places of frames, root first.
    """

    def __init__(self) -> None:
        self.frames: dict[Frame, int] = {}
        self.stacks: list[Sequence[int]] = []

    def frame(self, frame: Frame) -> int:
        """Return the place of a frame."""
        return self.frames.setdefault(frame, len(self.frames))


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

    def add(self, stack: int, value: int, owner: Owner) -> None:
        """Add a sample."""
        self.values[stack] = self.values.get(stack, 0) + value
        if owner != NOBODY:
            part = self.parts.get(owner)
            if part is None:
                part = self.parts[owner] = {}
            part[stack] = part.get(stack, 0) + value


def _frame_row(frame: Frame) -> tuple[str]:
    return (json.dumps(frame, ensure_ascii=False),)


class ProfileInterners:
    """The numbers that the writer remembers between pushes."""

    def __init__(self) -> None:
        self.series = Interner("series", ("labels",), ("profile_type",), marks=True)
        self.stacks = Interner("stacks", ("frames",), marks=True)
        self.frames = Interner("frames", ("details",), encode=_frame_row, marks=True)
        self.paths = Interner("paths", ("functions",), marks=True)
        self.functions = Interner("functions", ("name",), marks=True)

    def forget(self) -> None:
        """Forget every number."""
        for interner in (self.series, self.frames, self.stacks, self.paths, self.functions):
            interner.forget()


class ProfileBatch:
    """The profiles of one push."""

    def __init__(self, profiles: Iterable[NewProfile], interners: ProfileInterners) -> None:
        self._profiles = list(profiles)
        self._interners = interners

    def write(self, connection: StoreConnection) -> None:
        """Write every profile, its series and its stacks."""
        tables: dict[int, list[int]] = {}
        uploads: dict[int, int] = {}
        for profile in self._profiles:
            table = id(profile.table)
            numbers = tables.get(table)
            if numbers is None:
                numbers = tables[table] = self._stacks(connection, profile.table)
            number = self._write_profile(connection, profile, numbers, uploads.get(table, 0))
            uploads.setdefault(table, number)

    def _write_profile(self, connection: StoreConnection, profile: NewProfile, numbers: list[int], upload: int) -> int:
        """Write one profile and return its number.

        Args:
            connection: the writer's.
            profile: the profile.
            numbers: those of its table's stacks.
            upload: the number of the first profile of its upload; 0 where it is that itself.
        """
        labels = json.dumps(sorted(profile.labels.items()), ensure_ascii=False, separators=(",", ":"))
        series = self._interners.series.number(connection, (labels,), (profile.profile_type,))
        row = connection.execute(
            "INSERT INTO profiles (upload, series, time_ms, total, entries) VALUES (?, ?, ?, ?, ?)",
            (upload, series, profile.time_ms, _total(profile.values), _entries(profile.values, numbers)),
        ).lastrowid
        connection.executemany(
            "INSERT INTO span_samples (profile, series, time_ms, span_id, trace_id, total, entries)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (row, series, profile.time_ms, *owner, _total(values), _entries(values, numbers))
                for owner, values in profile.parts.items()
            ],
        )
        return row or 0

    def _stacks(self, connection: StoreConnection, table: StackTable) -> list[int]:
        """Return the numbers of a table's stacks, as entries have them: with those of their call paths."""
        interners = self._interners
        frames = interners.frames.numbers(connection, list(table.frames))
        functions = [interners.functions.number(connection, (frame[0],)) for frame in table.frames]
        stacks = [(array(FRAME_NUMBERS, [frames[place] for place in stack]).tobytes(),) for stack in table.stacks]
        paths = [(array(FRAME_NUMBERS, [functions[place] for place in stack]).tobytes(),) for stack in table.stacks]
        return [
            stack << STACK_BITS | path
            for stack, path in zip(
                interners.stacks.numbers(connection, stacks), interners.paths.numbers(connection, paths), strict=True
            )
        ]

    def forget(self) -> None:
        """Drop the numbers of rows that were rolled back."""
        self._interners.forget()


def _total(values: Mapping[int, int]) -> int:
    return min(sum(values.values()), LARGEST_INTEGER)


def _entries(values: Mapping[int, int], numbers: list[int]) -> bytes:
    entries = array(ENTRY)
    for place, value in values.items():
        entries.append(numbers[place])
        entries.append(min(value, LARGEST_INTEGER))
    return entries.tobytes()
