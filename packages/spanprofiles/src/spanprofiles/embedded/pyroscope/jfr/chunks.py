"""A JFR file: chunks one after the other, each with its types, its constants and its events."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from spanprofiles.embedded.pyroscope.jfr.constants import STACK, STRING, Constants
from spanprofiles.embedded.pyroscope.jfr.metadata import Asked, MetadataReader, Types
from spanprofiles.embedded.pyroscope.jfr.primitives import JfrError, Step, ended, read_fields, read_number
from spanprofiles.embedded.pyroscope.limits import JFR_EVENTS_LIMIT

HEADER = struct.Struct(">4sIQQQ")
HEADER_BYTES = 68
MAGIC = b"FLR\0"
FIRST_VERSION, LAST_VERSION = 0x20000, 0x2FFFF
SETTING_EVENT = "event"

_STACK = Asked("stackTrace", STACK, is_reference=True)
_STATE = Asked("state", "jdk.types.ThreadState", is_reference=True)
_OWNER = tuple(Asked(name, "long") for name in ("contextId", "spanId", "spanName", "traceIdHi", "traceIdLo"))


class Event(Enum):
    """An event that is read: (the name of its type, the fields that are asked for).

    The first field is the stack, and the second how much; in some, five follow that say whose the sample is.
    """

    EXECUTION = ("jdk.ExecutionSample", (_STACK, _STATE, *_OWNER))
    WALL_CLOCK = ("profiler.WallClockSample", (_STACK, _STATE, *_OWNER, Asked("samples", "int")))
    IN_NEW_TLAB = ("jdk.ObjectAllocationInNewTLAB", (_STACK, Asked("tlabSize", "long"), *_OWNER))
    OUTSIDE_TLAB = ("jdk.ObjectAllocationOutsideTLAB", (_STACK, Asked("allocationSize", "long"), *_OWNER))
    ALLOCATION_SAMPLE = ("jdk.ObjectAllocationSample", (_STACK, Asked("weight", "long")))
    MONITOR_ENTER = ("jdk.JavaMonitorEnter", (_STACK, Asked("duration", "long"), *_OWNER))
    THREAD_PARK = ("jdk.ThreadPark", (_STACK, Asked("duration", "long")))
    LIVE_OBJECT = ("profiler.LiveObject", (_STACK,))
    MALLOC = ("profiler.Malloc", (_STACK, Asked("size", "long")))
    SETTING = ("jdk.ActiveSetting", (Asked("name", STRING), Asked("value", STRING)))

    def __init__(self, type_name: str, asked: tuple[Asked, ...]) -> None:
        self.type_name = type_name
        self.asked = asked


@dataclass(frozen=True)
class Occurrence:
    """One event of a file.

    Attributes:
        event: which.
        values: of the fields that are asked for.
        constants: those of its chunk.
    """

    event: Event
    values: Sequence[Any]
    constants: Constants


class Budget:
    """How many bytes of types and constants may still be read: chunks that share theirs would be read for ever.

    Args:
        size: of the file, in bytes. What a profiler writes is read once.
    """

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Count bytes that were read.

        Raises:
            JfrError: there are more than there can be.
        """
        self._left -= size
        if self._left < 0:
            raise JfrError("types or constants of its chunks overlap")


def occurrences(data: bytes) -> Iterator[Occurrence]:
    """Read the events of a file, in their order.

    Raises:
        JfrError: it is no JFR, is damaged, or has in it what is not taken.
    """
    budget = Budget(len(data))
    left = JFR_EVENTS_LIMIT
    position = 0
    try:
        while True:
            chunk = _Chunk(data, position, budget)
            yield from chunk.occurrences(left)
            left -= chunk.events
            position = chunk.end
            if position == len(data):
                return
    except IndexError as error:
        raise ended() from error


class _Chunk:
    """Reads one chunk.

    Attributes:
        end: the position behind it.
        events: how many events have been read.
    """

    def __init__(self, data: bytes, start: int, budget: Budget) -> None:
        self._data = data
        self._start = start
        self.events = 0
        if start + HEADER_BYTES > len(data):
            raise JfrError("error reading chunk header: unexpected EOF")
        magic, version, size, constants_offset, metadata_offset = HEADER.unpack_from(data, start)
        if magic != MAGIC:
            raise JfrError(f"error reading chunk header: invalid chunk magic: {magic.hex()}")
        if not FIRST_VERSION <= version <= LAST_VERSION:
            raise JfrError(f"error reading chunk header: unknown version {version:x}")
        for what, offset in (("constants", constants_offset), ("metadata", metadata_offset)):
            if not 0 < offset < len(data) - start:
                raise JfrError(f"error reading chunk header: invalid offset of {what}: {offset}")
        if size < HEADER_BYTES:
            raise JfrError(f"error reading chunk header: invalid size: {size}")
        self.end = start + size
        metadata = MetadataReader(data, start + metadata_offset)
        types = metadata.read()
        budget.take(metadata.position - start - metadata_offset)
        self._constants = Constants(types)
        self._constants.read(data, start + constants_offset, budget.take)
        self._plans = _plans(types)

    def occurrences(self, limit: int) -> Iterator[Occurrence]:
        """Read the events.

        Args:
            limit: how many there may be.

        Raises:
            JfrError: there are more, or one is damaged.
            IndexError: the file ends in one.
        """
        data, position, end, plans = self._data, self._start + HEADER_BYTES, self.end, self._plans
        while position != end:
            start = position
            size, position = read_number(data, position)
            if size == 0 or size > end - start:
                raise JfrError(f"invalid event size {size} at position {start}")
            self.events += 1
            if self.events > limit:
                raise JfrError(f"there are more than {JFR_EVENTS_LIMIT} events in it")
            number, position = read_number(data, position)
            plan = plans.get(number)
            if plan is not None:
                event, steps, defaults = plan
                values = defaults.copy()
                read_fields(data, position, steps, values)
                yield Occurrence(event, values, self._constants)
            position = start + size


def _plans(types: Types) -> dict[int, tuple[Event, Sequence[Step], list[Any]]]:
    """Plan how each wanted event is read, by the number of its type."""
    found: dict[int, tuple[Event, Sequence[Step], list[Any]]] = {}
    for event in Event:
        described = types.by_name.get(event.type_name)
        if described is not None:
            defaults: list[Any] = ["" if wanted.type_name == STRING else 0 for wanted in event.asked]
            found[described.number] = event, types.steps(described, event.asked), defaults
    return found
