"""Selections merged into one pprof profile."""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Iterator
from typing import Any

from spanprofiles.embedded.proto.pprof_pb2 import Function, Line, Location, Mapping, Profile, Sample, ValueType
from spanprofiles.embedded.pyroscope.flamegraph import OTHER
from spanprofiles.embedded.pyroscope.limits import MERGED_FRAMES_LIMIT
from spanprofiles.embedded.pyroscope.queries import Selection
from spanprofiles.embedded.pyroscope.samples import CHUNK, Samples, rows_by_number
from spanprofiles.embedded.pyroscope.totals import StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import FRAME_NUMBERS, LARGEST_INTEGER

FEW = 64
"""How many frames are made functions between two looks at the clock."""
OTHER_FRAME = 0
"""In place of a frame's number: what stands for all that is not told apart. The store's own begin with 1."""
PERIODS = {"process_cpu": 10**9, "memory": 512 * 1024}


class Strings:
    """A pprof string table."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        """Return the text's number; make one if it has none."""
        return self.numbers.setdefault(text, len(self.numbers))


def merged_profile(connection: StoreConnection, samples: Samples, selection: Selection) -> Profile:
    """Merge a selection into one profile; an empty message where it has no samples."""
    totals = samples.stacks(connection, selection)
    if not totals:
        return Profile()
    numbers: dict[int, int] = {}
    made = list(_samples(connection, totals, numbers))
    strings = Strings()
    functions: dict[tuple[str, str, str], int] = {}
    locations: list[Location] = []
    for frame, details in _frames(connection, sorted(numbers)):
        name, system_name, file_name, line = details
        function = functions.setdefault((name, system_name, file_name), len(functions) + 1)
        lines = [Line(function_id=function, line=line)]
        locations.append(Location(id=numbers[frame], mapping_id=1, line=lines))
    name, kind, unit, period_type, period_unit = selection.profile_type.split(":")[:5]
    value_type = ValueType(type=strings.number(kind), unit=strings.number(unit))
    return Profile(
        sample_type=[value_type],
        sample=made,
        mapping=[Mapping(id=1)],
        location=locations,
        function=[
            Function(
                id=number,
                name=strings.number(function[0]),
                system_name=strings.number(function[1]),
                filename=strings.number(function[2]),
            )
            for function, number in connection.deadline.watch(functions.items())
        ],
        period_type=ValueType(type=strings.number(period_type), unit=strings.number(period_unit)),
        string_table=list(strings.numbers),
        time_nanos=min(selection.end_ms * 10**6, LARGEST_INTEGER),
        period=PERIODS.get(name, 1),
        default_sample_type=strings.number(kind),
    )


def _samples(connection: StoreConnection, totals: StackTotals, numbers: dict[int, int]) -> Iterator[Sample]:
    """Make the samples, the largest first; where there are too many frames, one sample of all others.

    Args:
        connection: where to read.
        totals: the value of each stack.
        numbers: of each frame that is used, the number of its location; it is filled here.
    """
    values = totals.items()
    room, other = MERGED_FRAMES_LIMIT, 0
    while some := list(itertools.islice(values, CHUNK)):
        stacks: dict[int, array[int]] = {}
        if room > 0:
            for rows in rows_by_number(connection, "stacks", "frames", [number for number, _ in some]):
                stacks.update({number: array(FRAME_NUMBERS, frames) for number, frames in rows})
        for number, value in connection.deadline.watch(some, FEW):
            frames = stacks.get(number)
            room -= len(frames or ())
            if frames is None or room < 0:
                other += value
                continue
            locations = [numbers.setdefault(frame, len(numbers) + 1) for frame in reversed(frames)]
            yield Sample(location_id=locations, value=[value])
    if other:
        yield Sample(location_id=[numbers.setdefault(OTHER_FRAME, len(numbers) + 1)], value=[other])


def _frames(connection: StoreConnection, frames: list[int]) -> Iterator[tuple[int, list[Any]]]:
    """(frame, [function name, system name, file name, line]) of each frame."""
    for rows in rows_by_number(connection, "frames", "details", frames):
        for frame, details in connection.deadline.watch(rows, FEW):
            yield frame, json.loads(details)
    if OTHER_FRAME in frames[:1]:
        yield OTHER_FRAME, [OTHER, OTHER, "", 0]
