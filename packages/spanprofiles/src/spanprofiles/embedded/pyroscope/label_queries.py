"""Questions about labels: names, values, series and profile types."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    LabelNamesRequest,
    LabelNamesResponse,
    LabelPair,
    Labels,
    LabelValuesRequest,
    LabelValuesResponse,
    ProfileType,
    ProfileTypesRequest,
    ProfileTypesResponse,
    SeriesRequest,
    SeriesResponse,
)
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SERVICE
from spanprofiles.embedded.pyroscope.limits import MATCHERS_LIMIT
from spanprofiles.embedded.pyroscope.queries import check_window, selector_of
from spanprofiles.embedded.pyroscope.samples import SeriesLabels
from spanprofiles.embedded.pyroscope.selector import Selector
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database

PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
PROFILE_TYPE = "__profile_type__"
FEW = 16
"""How many series are gone through between two looks at the clock."""
LabelSet = tuple[tuple[str, str], ...]
Item = TypeVar("Item")
Known = TypeVar("Known", bound=Hashable)


class LabelQueries:
    """Answers from the labels of the series that have profiles in a window of time."""

    def __init__(self, database: Database, series: SeriesLabels) -> None:
        self._database = database
        self._series = series

    def _labels(self, matchers: Sequence[str], window: tuple[int, int] | None) -> Iterator[dict[str, str]]:
        selectors = [selector_of(text) for text in matchers]
        selector = Selector(tuple(matcher for parsed in selectors for matcher in parsed.matchers))
        connection = self._database.reader()
        if len(selector.matchers) > MATCHERS_LIMIT:
            raise ConnectError(f"the selectors have more than {MATCHERS_LIMIT} comparisons")
        for number in connection.deadline.watch(self._series.matching(connection, selector)):
            if window is None or _has_profiles(connection, number, window):
                yield self._series.get(connection, number)[1]

    def _different(self, items: Iterable[Known], size_of: Callable[[Known], int]) -> set[Known]:
        """Each different one, as long as they do not make an answer that is too large.

        Raises:
            AnswerTooLargeError: they do.
        """
        writer, kept = JsonWriter(self._database.deadline), set()
        for item in items:
            if item not in kept:
                writer.check_size(size_of(item))
                kept.add(item)
        return kept

    def _watch(self, items: Iterable[Item]) -> Iterator[Item]:
        return self._database.deadline.watch(items, FEW)

    def names(self, request: LabelNamesRequest, *, all_names: bool = False) -> LabelNamesResponse:
        """``LabelNames``: those that need no quotes, or all of them for who can write the others."""
        check_window(request.start, request.end)
        found = self._labels(request.matchers, (request.start, request.end))
        shown = (name for labels in self._watch(found) for name in labels if all_names or PLAIN_NAME.fullmatch(name))
        names = self._different(shown, len)
        return LabelNamesResponse(names=sorted(names))

    def values(self, request: LabelValuesRequest) -> LabelValuesResponse:
        """``LabelValues`` of one label."""
        if not request.name:
            raise ConnectError("name is required")
        check_window(request.start, request.end)
        found = self._labels(request.matchers, (request.start, request.end))
        values = self._different((labels[request.name] for labels in self._watch(found) if request.name in labels), len)
        return LabelValuesResponse(names=sorted(values))

    def series(self, request: SeriesRequest, *, all_names: bool = False) -> SeriesResponse:
        """``Series``: the sets of labels, each once, of all labels or of some.

        Args:
            request: what is asked for.
            all_names: whether labels whose names need quotes are among all of them.
        """
        check_window(request.start, request.end)
        found = self._labels(request.matchers, (request.start, request.end))
        wanted = set(request.label_names)
        named = self._data_sets_with(wanted, (request.start, request.end))
        sets = self._different(_chosen(self._watch(found), wanted, named, all_names=all_names), _characters)
        return SeriesResponse(
            labels_set=[Labels(labels=pairs(labels)) for labels in self._watch(sorted(sets))],
        )

    def _data_sets_with(self, names: set[str], window: tuple[int, int]) -> set[tuple[str, str]]:
        """Find the data sets that have one of these labels: in those, a series without them is an empty set."""
        found = self._labels((), window) if names else iter(())
        return {_data_set(labels) for labels in self._watch(found) if names.intersection(labels)}

    def profile_types(self, request: ProfileTypesRequest) -> ProfileTypesResponse:
        """``ProfileTypes``: within a window, or ever."""
        window = (request.start, request.end) if request.start or request.end else None
        if window is not None:
            check_window(*window)
        types = sorted(self._different((labels[PROFILE_TYPE] for labels in self._labels((), window)), len))
        return ProfileTypesResponse(profile_types=[profile_type(text) for text in types])


def _chosen(
    found: Iterable[dict[str, str]], wanted: set[str], named: set[tuple[str, str]], *, all_names: bool
) -> Iterator[LabelSet]:
    """Of each series the labels that are wanted, all where none are; names that need quotes only for who asks."""
    for labels in found:
        chosen = tuple(
            sorted(
                (name, value)
                for name, value in labels.items()
                if (name in wanted if wanted else all_names or PLAIN_NAME.fullmatch(name))
            )
        )
        if chosen or _data_set(labels) in named:
            yield chosen


def _characters(labels: LabelSet) -> int:
    return sum(len(name) + len(value) for name, value in labels)


def _data_set(labels: dict[str, str]) -> tuple[str, str]:
    """Return what the real server keeps together: the profiles of one service and one type."""
    return labels.get(SERVICE, ""), labels[PROFILE_TYPE]


def _has_profiles(connection: StoreConnection, series: int, window: tuple[int, int]) -> bool:
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM profiles WHERE series = ? AND time_ms BETWEEN ? AND ?)", (series, *window)
    ).fetchone()
    return bool(found[0])


def pairs(labels: Iterable[tuple[str, str]]) -> list[LabelPair]:
    """Labels as messages."""
    return [LabelPair(name=name, value=value) for name, value in labels]


def profile_type(text: str) -> ProfileType:
    """Make the message ProfileType."""
    name, *parts = text.split(":")
    kinds = dict(zip(("sample_type", "sample_unit", "period_type", "period_unit"), parts, strict=False))
    return ProfileType(ID=text, name=name, **kinds)
