"""Which traces the store gives for a filter: exactly those that pass it, whichever way it takes to find them."""

from __future__ import annotations

from functools import reduce
from itertools import islice

import pytest

from spanprofiles.embedded.indexed_attributes import INTEGER, INTRINSIC, RESOURCE, SPAN, STRING
from spanprofiles.embedded.store import search, tags
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.search import DEPTH_LIMIT, matching_traces
from spanprofiles.embedded.store.traces import TRACES_IN_BLOCK
from spanprofiles.embedded.trace_filters import (
    EVERY_TRACE,
    NO_TRACE,
    HasAttribute,
    HasSpanId,
    HasTraceId,
    Joined,
    LastsLonger,
    TraceFilter,
)
from tests.unit.embedded.conftest import NOW_NS, Applications, SpanFactory, applications_on

COUNT = 2 * TRACES_IN_BLOCK + 6
"""How many traces have a number: the first of three blocks to the middle of the last."""
ODD = HasAttribute("odd", (SPAN,), (STRING,), ("yes",))
NUMBERED = HasAttribute("number", (SPAN,))
EVERYTHING = list(range(1, COUNT + 2))
WITH_NUMBER = EVERYTHING[:-1]


def hex_of(number: int) -> str:
    """Two digits of which the ID of a trace is made; their order is not that of arrival."""
    return f"{number * 37 % 256:02x}"


@pytest.fixture
def store(database: Database) -> Database:
    """Traces with the numbers from 1 on, of as many ms, and one of 10 ms without a number; they come in this order."""
    spans = [
        SpanFactory(hex_of(number))(
            "work", None, number, values={"number": number} | ({"odd": "yes"} if number % 2 else {})
        )
        for number in WITH_NUMBER
    ]
    Applications.export(applications_on(database), *spans, SpanFactory("ff")("bare"))
    return database


def found(store: Database, wanted: TraceFilter, start_ns: int | None = None, end_ns: int | None = None) -> list[int]:
    """The numbers of the traces that are given, sorted; each must be given once."""
    numbers = [number for number, _ in matching_traces(store.reader(), wanted, start_ns, end_ns)]
    assert numbers == sorted(set(numbers), reverse=True)
    return numbers[::-1]


WAYS = {
    "by their numbers": {},
    "by the attributes' rows": {"FEW_BLOCKS": 2},
    "by a look at each trace": {"FEW_BLOCKS": 2, "FEW_TRACES": 0},
    "by the attributes' values": {"FEW_VALUES": 0, "NEWEST_LOOKED_AT": 0},
}


@pytest.mark.parametrize("limits", WAYS.values(), ids=WAYS)
def test_whichever_way_is_taken_exactly_the_traces_with_an_attribute_are_found(
    store: Database, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(search, name, limit)
    assert found(store, ODD) == EVERYTHING[::2][: COUNT // 2]
    assert found(store, HasAttribute("number", (SPAN,), (INTEGER,), (31, 32, 33))) == [31, 32, 33]
    assert found(store, HasAttribute("number", (SPAN,), (INTEGER,), bound=(">", COUNT - 2))) == [COUNT - 1, COUNT]
    assert found(store, HasAttribute("number", (RESOURCE,))) == []
    assert found(store, HasAttribute("number", (SPAN,), (STRING,))) == []
    assert found(store, HasAttribute("number", (SPAN,), (INTEGER,), (COUNT + 1,))) == []


def test_of_a_test_no_more_values_are_tried_than_it_takes_to_know_they_are_many(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def is_small(value: int) -> bool:
        tried.append(value)
        return value <= 20

    wanted = HasAttribute("number", (SPAN,), (INTEGER,), test=is_small)
    monkeypatch.setattr(search, "FEW_VALUES", 20)
    assert found(store, wanted) == EVERYTHING[:20]
    assert len(tried) == COUNT
    tried.clear()
    monkeypatch.setattr(search, "FEW_VALUES", 19)
    assert found(store, wanted) == EVERYTHING
    assert len(tried) == 20


@pytest.mark.parametrize(("few", "numbers"), [(COUNT, WITH_NUMBER), (COUNT - 1, EVERYTHING)])
def test_so_many_values_are_named_and_of_more_each_trace_is_given(
    store: Database, monkeypatch: pytest.MonkeyPatch, few: int, numbers: list[int]
) -> None:
    monkeypatch.setattr(search, "FEW_TRACES", 0)
    monkeypatch.setattr(search, "FEW_VALUES", few)
    assert found(store, NUMBERED) == numbers


@pytest.mark.parametrize(("few", "numbers"), [(COUNT, WITH_NUMBER), (COUNT - 1, EVERYTHING)])
def test_so_many_traces_are_looked_up_and_of_more_each_is_given(
    store: Database, monkeypatch: pytest.MonkeyPatch, few: int, numbers: list[int]
) -> None:
    monkeypatch.setattr(search, "NEWEST_LOOKED_AT", 0)
    monkeypatch.setattr(search, "FEW_VALUES", 0)
    monkeypatch.setattr(search, "FEW_TRACES", few)
    assert found(store, NUMBERED) == numbers


@pytest.mark.parametrize("few", [0, 64])
def test_by_their_ids_traces_follow_the_first_that_came(
    store: Database, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(search, "FEW_VALUES", few)
    monkeypatch.setattr(search, "FEW_BLOCKS", 0)
    by_id = sorted(EVERYTHING[2::2][: COUNT // 2 - 1], key=hex_of)
    assert [number for number, _ in matching_traces(store.reader(), ODD, by_id=True)] == [1, *by_id]


@pytest.mark.parametrize("limits", [{"FEW_VALUES": 0}, {"FEW_BLOCKS": 0}], ids=["values", "traces"])
def test_what_costs_much_to_know_is_not_asked_while_the_newest_traces_are_enough(
    store: Database, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(search, name, limit)
    monkeypatch.setattr(search, "NEWEST", 5)
    asked: list[str] = []
    connection = store.reader()
    connection.set_trace_callback(asked.append)
    traces = matching_traces(connection, NUMBERED if "FEW_VALUES" in limits else ODD)
    newest = [number for number, _ in islice(traces, 5)]
    assert not [statement for statement in asked if "count(*)" in statement]
    older = [number for number, _ in traces]
    assert [statement for statement in asked if "count(*)" in statement]
    assert newest[0] >= COUNT - 1
    assert older[-1] == 1


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (EVERY_TRACE, EVERYTHING),
        (NO_TRACE, []),
        (HasTraceId((bytes.fromhex(hex_of(7)) * 16, bytes.fromhex(hex_of(70)) * 16)), [7, 70]),
        (HasTraceId((b"\xee",)), []),
        (HasSpanId((bytes.fromhex(f"{hex_of(7)}{1:014x}"), bytes.fromhex(f"{hex_of(70)}{1:014x}"))), [7, 70]),
        (HasSpanId((b"",)), []),
        (HasSpanId(()), []),
        (LastsLonger(">", 68 * 10**6), [69, 70]),
        (LastsLonger(">=", 68 * 10**6), [68, 69, 70]),
        (LastsLonger("<", 2 * 10**6), [1]),
        (Joined("AND", (ODD, LastsLonger(">", 66 * 10**6))), [67, 69]),
        (Joined("OR", (LastsLonger("<", 2 * 10**6), LastsLonger(">", 69 * 10**6))), [1, 70]),
        (Joined("AND", (EVERY_TRACE, LastsLonger(">", 69 * 10**6))), [70]),
        (Joined("OR", (LastsLonger(">", 69 * 10**6), EVERY_TRACE)), EVERYTHING),
        (Joined("AND", (Joined("OR", (LastsLonger(">", 69 * 10**6), EVERY_TRACE)), LastsLonger("<", 2 * 10**6))), [1]),
        (Joined("AND", (LastsLonger("<", 2 * 10**6), Joined("OR", (LastsLonger(">", 69 * 10**6), EVERY_TRACE)))), [1]),
    ],
)
def test_a_filter_passes_the_traces_that_it_names(store: Database, wanted: TraceFilter, numbers: list[int]) -> None:
    assert found(store, wanted) == numbers


@pytest.mark.parametrize(("depth", "numbers"), [(DEPTH_LIMIT, [70]), (DEPTH_LIMIT + 1, EVERYTHING)])
def test_filters_are_asked_of_sqlite_so_deep_in_each_other(store: Database, depth: int, numbers: list[int]) -> None:
    innermost: TraceFilter = Joined("AND", (LastsLonger(">", 69 * 10**6),))
    wanted = reduce(lambda inner, _: Joined("AND", (inner,)), range(depth), innermost)
    assert found(store, wanted) == numbers


def test_a_trace_is_given_where_the_window_touches_it(store: Database) -> None:
    start_ns = NOW_NS - 60 * 10**9 + 10**6  # of every trace
    assert found(store, ODD, start_ns + 67 * 10**6, None) == [67, 69]
    assert found(store, ODD, start_ns + 67 * 10**6 + 1, None) == [69]
    assert found(store, EVERY_TRACE, None, start_ns) == EVERYTHING
    assert found(store, EVERY_TRACE, None, start_ns - 1) == []


# ---- names and values -----------------------------------------------------------------------------------------------

EARLY_NS, LATE_NS = NOW_NS - 50 * 10**9, NOW_NS - 10 * 10**9
EARLY, LATE, BOTH = (EARLY_NS, EARLY_NS), (LATE_NS, LATE_NS), (EARLY_NS, LATE_NS)
BETWEEN, BEFORE = (EARLY_NS + 1, LATE_NS - 1), (0, EARLY_NS - 1)


@pytest.fixture
def two(database: Database) -> Database:
    """An early trace whose root has not come, and a late one; each of a moment."""
    applications = applications_on(database)
    for trace, parent, time_ns, values in (
        ("aa", "ff" * 8, EARLY_NS, {"both": 1, "early": "e"}),
        ("bb", None, LATE_NS, {"both": 2, "late": 1.5}),
    ):
        span = SpanFactory(trace)("work", parent, values=values)
        span |= {"startTimeUnixNano": str(time_ns), "endTimeUnixNano": str(time_ns)}
        applications.export(span, resource={"service.name": "shop", "of": trace})
    return database


@pytest.mark.parametrize(
    ("bounds", "of_spans", "of_resources"),
    [
        ((None, None), ["both", "early", "late"], ["of", "service.name"]),
        (BOTH, ["both", "early", "late"], ["of", "service.name"]),
        (EARLY, ["both", "early"], ["of", "service.name"]),
        (LATE, ["both", "late"], ["of", "service.name"]),
        (BETWEEN, None, None),
        (BEFORE, None, None),
    ],
)
def test_names_are_those_of_the_traces_that_a_window_touches(
    two: Database, bounds: tags.Bounds, of_spans: list[str] | None, of_resources: list[str] | None
) -> None:
    found = tags.names(two.reader(), bounds)
    assert (found.get(SPAN), found.get(RESOURCE)) == (of_spans, of_resources)
    assert INTRINSIC not in found


@pytest.mark.parametrize(
    ("bounds", "numbers"), [((None, None), [1, 2]), (BOTH, [1, 2]), (EARLY, [1]), (LATE, [2]), (BETWEEN, [])]
)
def test_values_are_those_of_the_traces_that_a_window_touches(
    two: Database, monkeypatch: pytest.MonkeyPatch, bounds: tags.Bounds, numbers: list[int]
) -> None:
    found = tags.values(two.reader(), "both", (SPAN, RESOURCE), bounds)
    assert sorted(found) == [(INTEGER, number) for number in numbers]
    assert tags.values(two.reader(), "both", (RESOURCE,), bounds) == []
    monkeypatch.setattr(tags, "VALUES_LIMIT", 1)
    assert len(tags.values(two.reader(), "both", (SPAN,), bounds)) == min(1, len(numbers))


@pytest.mark.parametrize(
    ("bounds", "lacks"), [((None, None), True), (BOTH, True), (EARLY, True), (LATE, False), (BETWEEN, False)]
)
def test_a_trace_without_a_name_is_looked_for_in_the_window(two: Database, bounds: tags.Bounds, lacks: bool) -> None:
    assert tags.some_trace_lacks(two.reader(), "rootName", bounds) is lacks
    assert not tags.some_trace_lacks(two.reader(), "name", bounds)
    assert tags.some_trace_lacks(two.reader(), "nothing", bounds) is (bounds != BETWEEN)


def test_few_values_of_many_traces_are_read_trace_by_trace(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST_LOOKED_AT", 0)
    monkeypatch.setattr(search, "FEW_VALUES", 0)
    odd = WITH_NUMBER[::2]
    monkeypatch.setattr(search, "FEW_TRACES", len(odd))
    assert found(store, ODD) == odd
    monkeypatch.setattr(search, "FEW_TRACES", len(odd) - 1)
    assert found(store, ODD) == EVERYTHING
