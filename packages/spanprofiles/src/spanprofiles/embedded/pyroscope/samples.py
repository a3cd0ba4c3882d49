"""The samples that a selection finds: values of stacks, call paths, spans and whole profiles, read from the store."""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.pyroscope.blocks import Blocks
from spanprofiles.embedded.pyroscope.flamegraph import OTHER, Node, build
from spanprofiles.embedded.pyroscope.queries import Selection
from spanprofiles.embedded.pyroscope.selector import Selector
from spanprofiles.embedded.pyroscope.stacks import add_rows, read_stacks
from spanprofiles.embedded.pyroscope.totals import OTHER_STACK, Kind, StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import OF_UPLOAD
from spanprofiles.embedded.store.stacks import NUMBERS

CHUNK = 500
SERIES_BYTES, PATHS_BYTES = 16 * 1024 * 1024, 32 * 1024 * 1024
"""How much memory the labels of series may take, and the names of call paths; with the latest query it is more."""
LABELS_BYTES, BYTES_A_CHARACTER = 500, 12
NAME_BYTES, POINTER_BYTES = 100, 8
"""About how much the labels of a series, a name and a place in a stack take."""


def _listed(selection: Selection) -> str:
    """Write the numbers of a selection's uploads for SQL."""
    return ", ".join(map(str, selection.profiles))


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


class PathNames:
    """The function names of call paths by number, root first, read once and remembered."""

    def __init__(self) -> None:
        self._paths: dict[int, tuple[str, ...]] = {}
        self._functions: dict[int, str] = {}
        self._bytes = 0

    def names(
        self, connection: StoreConnection, values: Iterator[tuple[int, int]]
    ) -> Iterator[tuple[tuple[str, ...], int]]:
        """Name the functions of each path, beside its value as it is given; a few paths at a time are read.

        Raises:
            QueryTooLongError: the connection's deadline passed.
        """
        while some := list(itertools.islice(values, CHUNK)):
            paths = self._read(connection, [number for number, _ in some])
            for number, value in some:
                yield paths[number], value

    def _read(self, connection: StoreConnection, numbers: list[int]) -> dict[int, tuple[str, ...]]:
        if self._bytes > PATHS_BYTES:
            self._paths, self._functions, self._bytes = {}, {}, 0
        watch = connection.deadline.watch
        paths, functions = self._paths, self._functions
        missing = [number for number in numbers if number not in paths and number != OTHER_STACK]
        raw: dict[int, array[int]] = {}
        for rows in rows_by_number(connection, "paths", "functions", missing):
            raw.update({number: array(NUMBERS, some) for number, some in rows})
        wanted = {function for path in watch(raw.values()) for function in path}.difference(functions)
        for rows in rows_by_number(connection, "functions", "name", sorted(wanted)):
            functions.update(rows)
            self._bytes += sum(NAME_BYTES + len(name) for _, name in rows)
        for number, path in watch(raw.items()):
            paths[number] = tuple([functions[function] for function in path])
            self._bytes += NAME_BYTES + POINTER_BYTES * len(path)
        return {number: (OTHER,) if number == OTHER_STACK else paths[number] for number in numbers}


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
        self.paths = PathNames()
        self._blocks = Blocks()

    def totals(self, connection: StoreConnection, selection: Selection, kind: Kind) -> StackTotals:
        """Sum the value of each stack or call path of a selection."""
        totals = StackTotals(kind)
        if selection.span_ids or selection.trace_ids:
            add_rows(connection, totals, self._span_entries(connection, selection, kind))
        else:
            for block in self._blocks.totals(connection, self._profiles(connection, selection), kind):
                totals.add(block, connection.deadline)
        return totals

    def _span_entries(
        self, connection: StoreConnection, selection: Selection, kind: Kind
    ) -> Iterator[tuple[int, bytes]]:
        """Read the entries of spans or traces, beside the numbers of their uploads where stacks are told apart."""
        upload = "0" if kind is Kind.PATHS else f"(SELECT {OF_UPLOAD} FROM profiles WHERE id = profile)"  # noqa: S608  # of this program
        column = "span_id" if selection.span_ids else "trace_id"
        only = (
            f" AND EXISTS (SELECT 1 FROM profiles WHERE id = profile AND {OF_UPLOAD} IN ({_listed(selection)}))"  # noqa: S608  # numbers
            if selection.profiles
            else ""
        )
        for identifier in connection.deadline.watch(selection.span_ids or selection.trace_ids):
            rows = connection.execute(
                f"SELECT series, {upload}, entries FROM span_samples"  # noqa: S608  # one of two columns, and numbers
                f" WHERE {column} = ? AND time_ms BETWEEN ? AND ?{only}",
                (identifier, selection.start_ms, selection.end_ms),
            )
            for series, number, entries in connection.deadline.watch(rows):
                profile_type, labels = self.series.get(connection, series)
                if profile_type == selection.profile_type and selection.selector.matches(labels):
                    yield number, entries

    def _profiles(self, connection: StoreConnection, selection: Selection) -> list[int]:
        """Return the numbers of whole profiles, in ascending order."""
        only = f" AND {OF_UPLOAD} IN ({_listed(selection)})" if selection.profiles else ""
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
        """Total whole profiles in the same form, told apart by the number of their upload in place of a span ID."""
        for labels, (number, time_ms, total) in self._series_rows(
            connection, selection, f"{OF_UPLOAD}, time_ms, total", "profiles"
        ):
            yield labels, time_ms, number.to_bytes(8, "big"), b"", total

    def tree(self, connection: StoreConnection, selection: Selection) -> Node:
        """Build the call tree of a selection."""
        values = self.totals(connection, selection, Kind.PATHS).items()
        paths = self.paths.names(connection, values)
        if selection.call_site:
            paths = ((names, value) for names, value in paths if selection.passes(names))
        return build(paths, connection.deadline)

    def stacks(self, connection: StoreConnection, selection: Selection) -> StackTotals:
        """Sum the value of each stack of a selection, lines and all."""
        totals = self.totals(connection, selection, Kind.STACKS)
        if not selection.call_site:
            return totals
        kept: set[int] = set()
        for upload, found in read_stacks(connection, totals.places):
            names = self._names(connection, sorted(set(upload.functions)))
            kept.update(
                number
                for number, stack in found
                if selection.passes(
                    tuple([names[upload.functions[place - 1]] for place in stack[: len(selection.call_site)]])
                )
            )
        return totals.kept(kept)

    @staticmethod
    def _names(connection: StoreConnection, functions: list[int]) -> dict[int, str]:
        """Read the name of each function."""
        rows = itertools.chain.from_iterable(rows_by_number(connection, "functions", "name", functions))
        return dict(connection.deadline.watch(rows))
