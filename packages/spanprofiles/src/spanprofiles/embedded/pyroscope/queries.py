"""What a query selects: which series, which time, which spans or traces; and the samples that it finds."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    SelectHeatmapRequest,
    SelectMergeProfileRequest,
    SelectMergeSpanProfileRequest,
    SelectMergeStacktracesRequest,
    SelectSeriesRequest,
)
from spanprofiles.embedded.pyroscope.blocks import Blocks
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.flamegraph import OTHER, Node, build
from spanprofiles.embedded.pyroscope.limits import IDS_LIMIT, NODES_DEFAULT, NODES_LIMIT
from spanprofiles.embedded.pyroscope.selector import Selector, SelectorError, parse_selector
from spanprofiles.embedded.pyroscope.totals import OTHER_STACK, StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import FRAME_NUMBERS, LARGEST_INTEGER

SelectRequest: TypeAlias = (
    SelectMergeSpanProfileRequest
    | SelectMergeStacktracesRequest
    | SelectMergeProfileRequest
    | SelectSeriesRequest
    | SelectHeatmapRequest
)
"""What asks for the samples of some profiles."""
LONGEST_WINDOW_MS = 24 * 3600 * 1000
TYPE_PARTS = (5, 6)
NO_DIGIT = re.compile("[^0-9a-fA-F]", re.ASCII)
CHUNK = 500
UUID_BASE = 0x4000_8000_0000_0000_0000
SERIES_BYTES, STACKS_BYTES = 16 * 1024 * 1024, 32 * 1024 * 1024
"""How much memory the labels of series may take, and the names of stacks; with the latest query it is more."""
LABELS_BYTES, BYTES_A_CHARACTER = 500, 12
NAME_BYTES, POINTER_BYTES = 100, 8
"""About how much the labels of a series, a name and a place in a stack take."""


def bad_id(what: str, value: str, digits: int) -> ConnectError | None:
    """Return the error where a text is no span or trace ID; the real server's code for it is ``unknown``, a 500."""
    prefix = "rpc error: code = Unknown desc = "
    if len(value) != digits:
        return ConnectError(f"{prefix}invalid {what} id length: {json.dumps(value, ensure_ascii=False)}", "unknown")
    bad = NO_DIGIT.search(value)
    if bad is not None:
        return ConnectError(f"{prefix}encoding/hex: invalid byte: U+{ord(bad[0]):04X} '{bad[0]}'", "unknown")
    return None


def _few(values: Sequence[str]) -> Sequence[str]:
    """Return the values if they are not too many.

    Raises:
        ConnectError: they are.
    """
    if len(values) > IDS_LIMIT:
        raise ConnectError(f"more than {IDS_LIMIT} IDs in one selector: ask for fewer at once")
    return values


def binary_ids(what: str, values: Sequence[str], digits: int) -> tuple[bytes, ...]:
    """Span or trace IDs in binary, each once.

    Raises:
        ConnectError: one is not an ID.
    """
    found: dict[bytes, None] = {}
    for value in _few(values):
        error = bad_id(what, value, digits)
        if error:
            raise error
        found[bytes.fromhex(value)] = None
    return tuple(found)


def node_limit(max_nodes: int) -> int:
    """How many nodes a flame graph is to have, as a question says, which may leave it open with 0.

    Raises:
        ConnectError: it is negative or too large.
    """
    if max_nodes < 0:
        raise ConnectError(f"max flamegraph nodes limit must be set (max allowed {NODES_LIMIT})")
    if max_nodes > NODES_LIMIT:
        raise ConnectError(f"max flamegraph nodes limit {max_nodes} is greater than allowed {NODES_LIMIT}")
    return max_nodes or NODES_DEFAULT


def profile_uuid(number: int) -> str:
    """Return the ID by which the API names a profile; the store's number is its last digits."""
    return str(uuid.UUID(int=UUID_BASE + number))


def profile_numbers(values: Sequence[str]) -> tuple[int, ...]:
    """Return the store's numbers of profiles; -1 for one it cannot have.

    Raises:
        ConnectError: one is no ID; the real server's code for that is ``unknown``, a 500.
    """
    found = []
    for value in _few(values):
        try:
            number = uuid.UUID(value).int - UUID_BASE
        except ValueError as error:
            raise ConnectError(
                f"rpc error: code = Unknown desc = invalid UUID length: {len(value)}", "unknown"
            ) from error
        found.append(number if 0 < number < LARGEST_INTEGER else -1)
    return tuple(found)


def check_window(start_ms: int, end_ms: int) -> None:
    """See that a query has a window of time, and not too long a one.

    Raises:
        ConnectError: it has none, or one the real server refuses.
    """
    if start_ms == 0 or end_ms == 0:
        raise ConnectError("missing time range in the query")
    if start_ms > end_ms:
        raise ConnectError("query start time is after end time")
    if end_ms - start_ms > LONGEST_WINDOW_MS:
        seconds = (end_ms - start_ms) // 1000
        raise ConnectError(
            "the query time range exceeds the limit (max_query_length, actual:"
            f" {seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s, limit: 1d)"
        )


def step_ms(step: float) -> int:
    """Convert a step, given in s, to whole ms.

    Raises:
        ConnectError: it is shorter than 1 ms, or no number.
    """
    if not step >= 0.001 or step > LONGEST_WINDOW_MS * 1000:
        raise ConnectError("step must be >= 1ms" if not step >= 0.001 else "step is too long")
    return int(step * 1000)


def selector_of(text: str) -> Selector:
    """Parse a label selector.

    Raises:
        ConnectError: it is not one.
    """
    try:
        return parse_selector(text)
    except SelectorError as error:
        shown = json.dumps(text[:512], ensure_ascii=False)
        raise ConnectError(f"parsing label selector {shown}: {error}") from error


def check_profile_type(profile_type: str) -> None:
    """See that a profile type has the form of one.

    Raises:
        ConnectError: it has not.
    """
    parts = profile_type.split(":")
    if len(parts) not in TYPE_PARTS or (len(parts) == TYPE_PARTS[1] and parts[-1] != "delta"):
        raise ConnectError(
            "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>"
            f"(:delta), got({len(parts)}): {json.dumps(profile_type[:512], ensure_ascii=False)}"
        )


@dataclass(frozen=True)
class Selection:
    """Profiles of one type, by labels and time, narrowed to spans, traces or single profiles where there are any."""

    profile_type: str
    selector: Selector
    start_ms: int
    end_ms: int
    span_ids: tuple[bytes, ...] = ()
    trace_ids: tuple[bytes, ...] = ()
    profiles: tuple[int, ...] = ()

    @classmethod
    def of(cls, request: SelectRequest) -> Selection:
        """Read and check a request.

        Raises:
            ConnectError: something of it is refused.
        """
        span_selector = getattr(request, "span_selector", ())
        trace_selector = getattr(request, "trace_id_selector", ())
        check_profile_type(request.profile_typeID)
        selector = selector_of(request.label_selector)
        check_window(request.start, request.end)
        if span_selector and trace_selector:
            raise ConnectError("span_selector and trace_id_selector cannot be combined")
        return cls(
            request.profile_typeID.removesuffix(":delta"),
            selector,
            request.start,
            request.end,
            binary_ids("span", span_selector, 16),
            binary_ids("trace", trace_selector, 32),
            profile_numbers(getattr(request, "profile_id_selector", ())),
        )


class SeriesLabels:
    """The labels of series by number, read once and remembered: a series never changes."""

    def __init__(self) -> None:
        self._known: ByteCache[int, tuple[str, dict[str, str]]] = ByteCache(SERIES_BYTES)

    def get(self, connection: StoreConnection, number: int) -> tuple[str, dict[str, str]]:
        """(profile type, labels) of one series."""
        known = self._known.get(number)
        if known is None:
            labels, profile_type = connection.execute(
                "SELECT labels, profile_type FROM series WHERE id = ?", (number,)
            ).fetchone()
            known = self._remember(number, profile_type, labels)
        return known

    def _remember(self, number: int, profile_type: str, labels: str) -> tuple[str, dict[str, str]]:
        found = (profile_type, dict(json.loads(labels)))
        self._known.put(number, found, LABELS_BYTES + len(labels) * BYTES_A_CHARACTER)
        return found

    def matching(self, connection: StoreConnection, selector: Selector, profile_type: str | None = None) -> list[int]:
        """Return the numbers of the series that match, of one profile type or of all."""
        where, arguments = ("", ()) if profile_type is None else (" WHERE profile_type = ?", (profile_type,))
        numbers = []
        select = f"SELECT id, profile_type, labels FROM series{where}"  # noqa: S608  # the condition is written above
        for number, kind, labels in connection.deadline.watch(connection.execute(select, arguments)):
            known = self._known.get(number) or self._remember(number, kind, labels)
            if selector.matches(known[1]):
                numbers.append(number)
        return numbers


class StackNames:
    """The function names of stacks by number, root first, read once and remembered."""

    def __init__(self) -> None:
        self._stacks: dict[int, tuple[str, ...]] = {}
        self._frames: dict[int, str] = {}
        self._bytes = 0

    def names(
        self, connection: StoreConnection, values: Iterator[tuple[int, int]]
    ) -> Iterator[tuple[tuple[str, ...], int]]:
        """Name the frames of each stack, beside its value as it is given; a few stacks at a time are read.

        Raises:
            QueryTooLongError: the connection's deadline passed.
        """
        while some := list(itertools.islice(values, CHUNK)):
            stacks = self._read(connection, [number for number, _ in some])
            for number, value in some:
                yield stacks[number], value

    def _read(self, connection: StoreConnection, numbers: list[int]) -> dict[int, tuple[str, ...]]:
        if self._bytes > STACKS_BYTES:
            self._stacks, self._frames, self._bytes = {}, {}, 0
        watch = connection.deadline.watch
        stacks, frames = self._stacks, self._frames
        missing = [number for number in numbers if number not in stacks and number != OTHER_STACK]
        raw: dict[int, array[int]] = {}
        for rows in rows_by_number(connection, "stacks", "frames", missing):
            raw.update({number: array(FRAME_NUMBERS, some) for number, some in rows})
        wanted = {frame for stack in watch(raw.values()) for frame in stack}.difference(frames)
        for rows in rows_by_number(connection, "frames", "name", sorted(wanted)):
            frames.update(rows)
            self._bytes += sum(NAME_BYTES + len(name) for _, name in rows)
        for number, stack in watch(raw.items()):
            stacks[number] = tuple([frames[frame] for frame in stack])
            self._bytes += NAME_BYTES + POINTER_BYTES * len(stack)
        return {number: (OTHER,) if number == OTHER_STACK else stacks[number] for number in numbers}


def rows_by_number(
    connection: StoreConnection, table: str, column: str, numbers: Sequence[int]
) -> Iterator[list[tuple[int, Any]]]:
    """Read (number, column) rows of a table, so many at a time."""
    for first in connection.deadline.watch(range(0, len(numbers), CHUNK)):
        some = numbers[first : first + CHUNK]
        marks = ", ".join("?" * len(some))
        yield connection.execute(f"SELECT id, {column} FROM {table} WHERE id IN ({marks})", some).fetchall()  # noqa: S608  # table and column are this program's own


class Samples:
    """Reads samples of selections; keeps what never changes between queries."""

    def __init__(self) -> None:
        self.series = SeriesLabels()
        self.stacks = StackNames()
        self._blocks = Blocks()

    def totals(self, connection: StoreConnection, selection: Selection) -> StackTotals:
        """Sum the value of each stack of a selection."""
        totals = StackTotals()
        if selection.span_ids or selection.trace_ids:
            for entries in self._span_entries(connection, selection):
                totals.add_entries(entries)
            return totals
        for block in self._blocks.totals(connection, self._profiles(connection, selection)):
            totals.add(block, connection.deadline)
        return totals

    def _span_entries(self, connection: StoreConnection, selection: Selection) -> Iterator[bytes]:
        """Read the entries of spans or traces."""
        column = "span_id" if selection.span_ids else "trace_id"
        only = f" AND profile IN ({', '.join(map(str, selection.profiles))})" if selection.profiles else ""
        for identifier in connection.deadline.watch(selection.span_ids or selection.trace_ids):
            rows = connection.execute(
                f"SELECT series, entries FROM span_samples WHERE {column} = ? AND time_ms BETWEEN ? AND ?{only}",  # noqa: S608  # one of two columns, and numbers
                (identifier, selection.start_ms, selection.end_ms),
            )
            for series, entries in connection.deadline.watch(rows):
                profile_type, labels = self.series.get(connection, series)
                if profile_type == selection.profile_type and selection.selector.matches(labels):
                    yield entries

    def _profiles(self, connection: StoreConnection, selection: Selection) -> list[int]:
        """Return the numbers of whole profiles, in ascending order."""
        only = f" AND id IN ({', '.join(map(str, selection.profiles))})" if selection.profiles else ""
        numbers: list[int] = []
        for series in self.series.matching(connection, selection.selector, selection.profile_type):
            connection.deadline.check()
            rows = connection.execute(
                f"SELECT id FROM profiles WHERE series = ? AND time_ms BETWEEN ? AND ?{only}",  # noqa: S608  # numbers
                (series, selection.start_ms, selection.end_ms),
            )
            numbers += [number for (number,) in connection.deadline.watch(rows, PIECE)]
        return sorted(numbers)

    def _series_rows(
        self, connection: StoreConnection, selection: Selection, columns: str, table: str
    ) -> Iterator[tuple[dict[str, str], tuple[Any, ...]]]:
        for series in self.series.matching(connection, selection.selector, selection.profile_type):
            labels = self.series.get(connection, series)[1]
            for row in connection.execute(
                f"SELECT {columns} FROM {table} WHERE series = ? AND time_ms BETWEEN ? AND ?",  # noqa: S608  # of this class
                (series, selection.start_ms, selection.end_ms),
            ):
                connection.deadline.check()
                yield labels, row

    def profile_totals(
        self, connection: StoreConnection, selection: Selection
    ) -> Iterator[tuple[dict[str, str], int, int]]:
        """(labels, time in ms, total) of each profile."""
        for labels, (time_ms, total) in self._series_rows(connection, selection, "time_ms, total", "profiles"):
            yield labels, time_ms, total

    def span_totals(
        self, connection: StoreConnection, selection: Selection
    ) -> Iterator[tuple[dict[str, str], int, bytes, bytes, int]]:
        """(labels, time in ms, span ID, trace ID, total) of each span in each profile; empty for a trace without ID."""
        columns = "time_ms, span_id, trace_id, total"
        for labels, (time_ms, span_id, trace_id, total) in self._series_rows(
            connection, selection, columns, "span_samples"
        ):
            if span_id is not None:
                yield labels, time_ms, span_id, trace_id or b"", total

    def individual_totals(
        self, connection: StoreConnection, selection: Selection
    ) -> Iterator[tuple[dict[str, str], int, bytes, bytes, int]]:
        """Total whole profiles in the same form, told apart by a number in place of a span ID."""
        for labels, (number, time_ms, total) in self._series_rows(
            connection, selection, "id, time_ms, total", "profiles"
        ):
            yield labels, time_ms, number.to_bytes(8, "big"), b"", total

    def tree(self, connection: StoreConnection, selection: Selection) -> Node:
        """Build the call tree of a selection."""
        values = self.totals(connection, selection).items()
        return build(self.stacks.names(connection, values), connection.deadline)
