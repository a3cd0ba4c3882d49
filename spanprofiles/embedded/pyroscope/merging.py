"""Selections merged into one pprof profile."""

from __future__ import annotations

import json
from array import array
from typing import Any

from spanprofiles.embedded.messages import message
from spanprofiles.embedded.pyroscope.queries import Samples, Selection, rows_by_number
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import FRAME_NUMBERS

FEW = 64
"""How many frames are made functions between two looks at the clock."""
PERIODS = {"process_cpu": 10**9, "memory": 512 * 1024}


class Strings:
    """A pprof string table."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        """The text's number, made where there is none yet."""
        return self.numbers.setdefault(text, len(self.numbers))


def merged_profile(
    connection: StoreConnection, samples: Samples, selection: Selection
) -> Any:  # a message of the schema
    """The profile of a selection; an empty message where it has no samples."""
    totals = samples.totals(connection, selection)
    if not totals:
        return message("Profile")
    stacks = {
        number: array(FRAME_NUMBERS, frames)
        for rows in rows_by_number(connection, "stacks", "frames", sorted(totals))
        for number, frames in rows
    }
    watch = connection.deadline.watch
    wanted = sorted({frame for stack in watch(stacks.values()) for frame in stack})
    strings = Strings()
    functions: dict[tuple[str, str, str], int] = {}
    locations: list[Any] = []
    numbers: dict[int, int] = {}
    for rows in rows_by_number(connection, "frames", "details", wanted):
        for frame, details in watch(rows, FEW):
            name, system_name, file_name, line = json.loads(details)
            function = functions.setdefault((name, system_name, file_name), len(functions) + 1)
            numbers[frame] = len(locations) + 1
            lines = [message("Line", function_id=function, line=line)]
            locations.append(message("Location", id=numbers[frame], mapping_id=1, line=lines))
    name, kind, unit, period_type, period_unit = selection.profile_type.split(":")[:5]
    value_type = message("ValueType", type=strings.number(kind), unit=strings.number(unit))
    return message(
        "Profile",
        sample_type=[value_type],
        sample=[
            message("Sample", location_id=[numbers[frame] for frame in reversed(stacks[stack])], value=[value])
            for stack, value in watch(totals.items())
        ],
        mapping=[message("Mapping", id=1)],
        location=locations,
        function=[
            message(
                "Function",
                id=number,
                name=strings.number(function[0]),
                system_name=strings.number(function[1]),
                filename=strings.number(function[2]),
            )
            for function, number in watch(functions.items())
        ],
        period_type=message("ValueType", type=strings.number(period_type), unit=strings.number(period_unit)),
        string_table=list(strings.numbers),
        time_nanos=selection.end_ms * 10**6,
        period=PERIODS.get(name, 1),
        default_sample_type=strings.number(kind),
    )
