"""Selections merged into one pprof profile."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from spanprofiles.embedded.proto.pprof_pb2 import Function, Line, Location, Mapping, Profile, Sample, ValueType
from spanprofiles.embedded.pyroscope.flamegraph import OTHER
from spanprofiles.embedded.pyroscope.limits import MERGED_FRAMES_LIMIT
from spanprofiles.embedded.pyroscope.queries import Selection
from spanprofiles.embedded.pyroscope.samples import Samples, rows_by_number
from spanprofiles.embedded.pyroscope.stacks import read_stacks
from spanprofiles.embedded.pyroscope.totals import StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import LARGEST_INTEGER
from spanprofiles.embedded.store.stacks import NUMBERS

Frame = tuple[int, int]
"""The number of a function, and a line."""
FEW = 64
"""How many frames are made functions between two looks at the clock."""
OTHER_FUNCTION = 0
"""In place of a function's number: what stands for all that is not told apart. The store's own begin with 1."""
OTHER_FRAME = (OTHER_FUNCTION, 0)
DEPTH = 2
"""Which member of a stack's place says how many frames it has."""
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
    numbers: dict[Frame, int] = {}
    made = list(_samples(connection, totals, numbers))
    strings = Strings()
    functions = {number: place for place, number in enumerate(sorted({function for function, _ in numbers}), 1)}
    locations = [
        Location(id=number, mapping_id=1, line=[Line(function_id=functions[function], line=line)])
        for (function, line), number in connection.deadline.watch(numbers.items(), FEW)
    ]
    name, kind, unit, period_type, period_unit = selection.profile_type.split(":")[:5]
    value_type = ValueType(type=strings.number(kind), unit=strings.number(unit))
    return Profile(
        sample_type=[value_type],
        sample=made,
        mapping=[Mapping(id=1)],
        location=locations,
        function=[
            Function(
                id=functions[number],
                name=strings.number(names[0]),
                system_name=strings.number(names[1]),
                filename=strings.number(names[2]),
            )
            for number, *names in _functions(connection, list(functions))
        ],
        period_type=ValueType(type=strings.number(period_type), unit=strings.number(period_unit)),
        string_table=list(strings.numbers),
        time_nanos=min(selection.end_ms * 10**6, LARGEST_INTEGER),
        period=PERIODS.get(name, 1),
        default_sample_type=strings.number(kind),
    )


def _samples(connection: StoreConnection, totals: StackTotals, numbers: dict[Frame, int]) -> Iterator[Sample]:
    """Make the samples, the largest first; where there are too many frames, one sample of all others.

    Args:
        connection: where to read.
        totals: the value of each stack.
        numbers: of each frame that is used, the number of its location; it is filled here.
    """
    watch = connection.deadline.watch
    kept: dict[int, int] = {}
    room, other = MERGED_FRAMES_LIMIT, 0
    for number, value in watch(totals.items(), FEW):
        found = totals.places.get(number)
        room -= found[DEPTH] if found is not None else 0
        if found is None or room < 0:
            other += value
        else:
            kept[number] = value
    stacks: dict[int, array[int]] = {}
    for upload, wanted in read_stacks(connection, {number: totals.places[number] for number in kept}):
        locations: dict[int, int] = {}
        for number, stack in watch(wanted, FEW):
            for place in set(stack).difference(locations):
                frame = upload.functions[place - 1], upload.lines[place - 1]
                locations[place] = numbers.setdefault(frame, len(numbers) + 1)
            stacks[number] = array(NUMBERS, [locations[place] for place in reversed(stack)])
    for number, value in watch(kept.items(), FEW):
        yield Sample(location_id=stacks[number], value=[value])
    if other:
        yield Sample(location_id=[numbers.setdefault(OTHER_FRAME, len(numbers) + 1)], value=[other])


def _functions(connection: StoreConnection, numbers: list[int]) -> Iterator[tuple[int, str, str, str]]:
    """Read (number, name, system name, file) of each function."""
    for rows in rows_by_number(connection, "functions", "name, system_name, file", numbers):
        for number, *names in connection.deadline.watch(rows, FEW):
            yield number, names[0], names[1], names[2]
    if OTHER_FUNCTION in numbers[:1]:
        yield OTHER_FUNCTION, OTHER, OTHER, ""
