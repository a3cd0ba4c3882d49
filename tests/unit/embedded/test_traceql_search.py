"""Searches over spans that were sent: what is found, and what is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.store import search as store_search
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo import search as searching
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.parameters import Search, Window
from spanprofiles.embedded.trace_filters import EVERY_TRACE
from spanprofiles.embedded.traceql.fetcher import Fetcher, SpanView
from spanprofiles.embedded.traceql.records import SpanRecord, TraceRecord
from spanprofiles.embedded.web import AnswerError
from tests.unit.embedded.conftest import Applications, SpanFactory, attributes

SEARCH = Search("", {}, 0, 0, 100, 100, Window())


@pytest.fixture
def shop(applications: Applications) -> Applications:
    """Trace aa: an order and its steps, one failed. Trace bb: a quote in another region. Trace cc: only a child."""
    span = SpanFactory("aa")
    order = span("order", None, 200, kind=2, values={"http.route": "/order", "items": 3, "price": 1.5, "paid": True})
    pick = span("pick", "order", 150, values={"items": 2, "shelves": ["a", "b"], "numbers": [1, 2]})
    pack = span("pack", "order", 20, values={"items": 1, "note": ""})
    scan = span("scan", "pick", 5, status={"code": 2, "message": "torn"}, events=[
        {"name": "retry", "timeUnixNano": "1", "attributes": attributes({"attempt": 1})},
        {"name": "retry", "timeUnixNano": "2", "attributes": attributes({"attempt": 2})},
    ])  # fmt: skip
    applications.export(order, pick, pack, scan, resource={"service.name": "shop", "region": "eu"})
    other = SpanFactory("bb")
    applications.export(
        other("quote", None, 3, kind=2, values={"http.route": "/quote", "items": 3}),
        resource={"service.name": "shop", "region": "us"},
    )
    lone = SpanFactory("cc")
    applications.export(lone("lone", "00000000000000ff", values={"region": "eu"}), resource={})
    return applications


EVERYTHING = {"aa": ["order", "pack", "pick", "scan"], "bb": ["quote"], "cc": ["lone"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{}", EVERYTHING),
        ("{ true }", EVERYTHING),
        ("{ false }", {}),
        ("{ span.items = 3 }", {"aa": ["order"], "bb": ["quote"]}),
        ("{ span.items > 1 && span.items < 3 }", {"aa": ["pick"]}),
        # The real server fetches by `span.items >= 2` here, without turning the comparison round.
        ("{ 2 >= span.items }", {"aa": ["pick"]}),
        ("{ span.items + 1 = 3 }", {"aa": ["pick"]}),
        ("{ span.items = span.items }", {"aa": ["order", "pack", "pick"], "bb": ["quote"]}),
        ("{ span.price > 1 }", {}),
        ("{ span.price > 1.0 }", {"aa": ["order"]}),
        ("{ span.paid }", {"aa": ["order"]}),
        ("{ span.paid = false }", {}),
        ('{ span.shelves = "b" }', {"aa": ["pick"]}),
        ('{ span.shelves = "c" }', {}),
        ("{ span.numbers = 2 }", {"aa": ["pick"]}),
        ('{ span.note = "" }', {"aa": ["pack"]}),
        ("{ span.note != nil }", {"aa": ["pack"]}),
        ("{ span.note = nil }", {"aa": ["order", "pick"], "bb": ["quote"], "cc": ["lone"]}),
        ('{ .region = "eu" }', {"aa": ["order", "pack", "pick", "scan"], "cc": ["lone"]}),
        ('{ resource.region = "eu" }', {"aa": ["order", "pack", "pick", "scan"]}),
        ('{ span.region = "eu" }', {"cc": ["lone"]}),
        ('{ resource.region =~ "e." }', {"aa": ["order", "pack", "pick", "scan"]}),
        ('{ resource.region =~ "e" }', {}),
        ('{ resource.region !~ "e." }', {"bb": ["quote"]}),
        ('{ resource.region != "eu" }', {"bb": ["quote"]}),
        ('{ resource.service.name = "" }', {"cc": ["lone"]}),
        ('{ name = "pick" || name = "quote" }', {"aa": ["pick"], "bb": ["quote"]}),
        ('{ name != "pick" && name != "order" && resource.region = "eu" }', {"aa": ["pack", "scan"]}),
        ("{ status = error }", {"aa": ["scan"]}),
        ("{ status != error && duration < 10ms }", {"bb": ["quote"]}),
        ('{ statusMessage = "torn" }', {"aa": ["scan"]}),
        ("{ kind = server }", {"aa": ["order"], "bb": ["quote"]}),
        ("{ duration > 100ms }", {"aa": ["order", "pick"]}),
        ("{ traceDuration > 100ms }", {"aa": ["order", "pack", "pick", "scan"]}),
        ('{ rootName = "order" }', {"aa": ["order", "pack", "pick", "scan"]}),
        ('{ rootName = "" }', {"cc": ["lone"]}),
        ('{ rootServiceName =~ "s.*" }', {"aa": ["order", "pack", "pick", "scan"], "bb": ["quote"]}),
        ('{ span:id = "aa00000000000002" }', {"aa": ["pick"]}),
        ('{ span:parentID = "aa00000000000001" }', {"aa": ["pack", "pick"]}),
        ('{ trace:id = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }', {"bb": ["quote"]}),
        ("{ span:childCount > 1 }", {"aa": ["order"]}),
        ("{ nestedSetParent < 0 }", {"aa": ["order"], "bb": ["quote"]}),
        ('{ event:name = "retry" }', {"aa": ["scan"]}),
        ("{ event.attempt = 2 }", {"aa": ["scan"]}),
        ("{ event.attempt = 3 }", {}),
        ('{ instrumentation:name = "tests" && name = "lone" }', {"cc": ["lone"]}),
        ('{ name = "lone" || instrumentation:name >= 2s }', {"cc": ["lone"]}),
        ('{ name = "lone" || instrumentation:name >= "zzz" }', {"cc": ["lone"]}),
        ('{ name = "lone" && instrumentation:name >= "a" }', {"cc": ["lone"]}),
        ('{ name = "lone" && instrumentation:version < 5 }', {}),
        ('{ resource.region = "eu" } && { name = "quote" }', {}),
        ('{ name = "pick" } && { name = "pack" }', {"aa": ["pack", "pick"]}),
        ('{ name = "pick" } || { name = "quote" }', {"aa": ["pick"], "bb": ["quote"]}),
        ('{ name = "order" } > {}', {"aa": ["pack", "pick"]}),
        ('{ name = "order" } >> {}', {"aa": ["pack", "pick", "scan"]}),
        ('{ name = "scan" } < {}', {"aa": ["pick"]}),
        ('{ name = "scan" } << {}', {"aa": ["order", "pick"]}),
        ('{ name = "pick" } ~ {}', {"aa": ["pack"]}),
        # A span that no root leads to has no place in its tree, and so is not fetched for a relation alone.
        ('{ name = "order" } !> {}', {"aa": ["order", "scan"], "bb": ["quote"]}),
        ('{ name = "order" } !>> { resource.region = "eu" }', {"aa": ["order"]}),
        ('{ name = "scan" } !<< { resource.region = "eu" }', {"aa": ["pack", "scan"]}),
        ('{ name = "pick" } !~ { resource.region = "eu" }', {"aa": ["order", "pick", "scan"]}),
        ('{ name = "order" } &> { name = "pick" }', {"aa": ["order", "pick"]}),
        ('{ name = "order" } &>> { name = "scan" }', {"aa": ["order", "scan"]}),
        ('{ name = "scan" } &<< { name = "order" }', {"aa": ["order", "scan"]}),
        ('{ name = "pick" } &~ { name = "pack" }', {"aa": ["pack", "pick"]}),
        ("{} | count() > 1", {"aa": ["order", "pack", "pick", "scan"]}),
        ("{ span.items > 0 } | sum(span.items) = 6", {"aa": ["order", "pack", "pick"]}),
        ("{ span.items > 0 } | avg(span.items) = 2", {"aa": ["order", "pack", "pick"]}),
        ("{ span.items > 0 } | min(span.items) = 3", {"bb": ["quote"]}),
        ("{} | max(duration) < 10ms", {"bb": ["quote"]}),
        ("{} | by(resource.region) | count() = 1", {"bb": ["quote"], "cc": ["lone"]}),
        ("{} | by(span.items) | coalesce() | count() = 4", {"aa": ["order", "pack", "pick", "scan"]}),
        ('{ kind = server } | { name = "order" }', {"aa": ["order"]}),
        ('({ name = "order" } >> { status = error }) || { name = "lone" }', {"aa": ["scan"], "cc": ["lone"]}),
    ],
)
def test_a_query_finds_these_spans_and_no_others(shop: Applications, query: str, found: dict[str, list[str]]) -> None:
    assert shop.search(query) == found


def test_a_division_by_zero_is_the_querys_fault(shop: Applications) -> None:
    assert "division by zero" in shop.refused("{ span.items / 0 > 1 }")


def test_relations_between_groups_of_spans_are_refused(shop: Applications) -> None:
    message = shop.refused("({} | by(span.items)) > {}")
    assert "consider using coalesce()" in message


def test_a_span_is_found_as_soon_as_its_export_is_answered(applications: Applications) -> None:
    span = SpanFactory("dd")
    assert applications.search("{}") == {}
    applications.export(span("first"))
    assert applications.search("{}") == {"dd": ["first"]}


def test_a_span_that_comes_twice_is_one_span_and_batches_of_a_trace_are_one_trace(applications: Applications) -> None:
    span = SpanFactory("dd")
    root, child = span("root"), span("child", "root")
    applications.export(child)
    applications.export(root, child)
    assert applications.search("{}") == {"dd": ["child", "root"]}
    assert applications.search('{ name = "root" } > {}') == {"dd": ["child"]}


def test_the_limits_hold(shop: Applications) -> None:
    assert len(shop.search("{}", limit=2)) == 2
    answer = shop.tempo.get("/api/search", query_string={"q": "{ rootName = `order` }", "spss": 2}).get_json()
    (spanset,) = answer["traces"][0]["spanSets"]
    assert spanset["matched"] == 4
    assert len(spanset["spans"]) == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"spss": "-1"},
        {"start": "5"},
        {"start": "9", "end": "5"},
        {"tags": "a=b"},
        {"minDuration": "2s", "maxDuration": "1s"},
        {"minDuration": "soon"},
    ],
)
def test_parameters_that_are_none_are_refused(shop: Applications, parameters: dict[str, str]) -> None:
    assert shop.tempo.get("/api/search", query_string={"q": "{}"} | parameters).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, {"aa", "bb", "cc"}),
        ({"tags": "region=us"}, {"bb"}),
        ({"tags": 'service.name=shop name="quote"'}, {"bb"}),
        ({"region": "eu"}, {"aa", "cc"}),
        ({"minDuration": "100ms"}, {"aa"}),
        ({"maxDuration": "5ms"}, {"bb"}),
        ({"tags": "region=nowhere"}, set()),
    ],
)
def test_the_older_form_of_search_has_tags_and_durations(
    shop: Applications, parameters: dict[str, str], found: set[str]
) -> None:
    answer = shop.tempo.get("/api/search", query_string=parameters).get_json()
    assert {trace["traceID"].rjust(32, "0")[:2] for trace in answer["traces"]} == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"span": {"http.route", "items", "note", "numbers", "paid", "price", "region", "shelves"}}),
        ('{ name = "lone" }', {"span": {"http.route", "region"}, "resource": {"service.name"}}),
        ("{ name = ", {"resource": {"region", "service.name"}}),
    ],
)
def test_names_of_attributes_are_offered_by_scope(shop: Applications, query: str, names: dict[str, set[str]]) -> None:
    answer = shop.tempo.get("/api/v2/search/tags", query_string={"q": query}).get_json()
    found = {scope["name"]: set(scope["tags"]) for scope in answer["scopes"]}
    assert {scope: found[scope] for scope in names} == names


@pytest.mark.parametrize(
    ("name", "query", "values"),
    [
        ("span.items", "", {("int", "1"), ("int", "2"), ("int", "3")}),
        ("span.items", '{ resource.region = "us" }', {("int", "3")}),
        ("span.paid", "", {("bool", "true")}),
        ("span.price", "", {("float", "1.5")}),
        ("span.shelves", "{ span:childCount = 1 }", {("string", "a"), ("string", "b")}),
        (".region", "", {("string", "eu"), ("string", "us")}),
        ("resource.service.name", "", {("string", "shop"), ("string", None)}),
        ("rootName", "", {("string", "order"), ("string", "quote"), ("string", None)}),
        ("status", "", {("keyword", "ok"), ("keyword", "error"), ("keyword", "unset")}),
        ("span.nope", "", set()),
    ],
)
def test_values_of_attributes_are_offered_with_their_types(
    shop: Applications, name: str, query: str, values: set[tuple[str, str | None]]
) -> None:
    answer = shop.tempo.get(f"/api/v2/search/tag/{name}/values", query_string={"q": query}).get_json()
    assert {(value["type"], value.get("value")) for value in answer["tagValues"]} == values


ATOMS = st.sampled_from([
    "span.items = 3", "span.items > 1", "span.items != 2", "span.shelves = `a`", "span.shelves != `a`",
    ".region = `eu`", "resource.region != `us`", "resource.region =~ `e.*`", "resource.region !~ `e.*`",
    "name = `pick`", "name != `pick`", "name =~ `p.*`", "status = error", "status != unset",
    "statusMessage = `torn`", "statusMessage != `x`", "duration > 10ms", "duration < 10ms",
    "traceDuration >= 200ms", "rootName = `order`", "rootName != `order`", "rootServiceName = ``",
    "resource.service.name = `shop`", "resource.service.name != `shop`", ".service.name = ``", "span.note = nil",
    "span.note != nil", "span.paid", "span.price = 1.5", "event.attempt = 2", "event:name = `retry`",
    "3 = span.items", "2 < span.items", "span:id = `aa00000000000002`",
    "trace:id = `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`", "span.items = `x`", "true", "kind = server",
    "span.items + 1 > 3", "span.nope = 1", "span.http.route = `/order`", "span.http.route != nil",
])  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"!({part})"),
    ),
    max_leaves=5,
)
FILTERS = CONDITIONS.map(lambda condition: f"{{ {condition} }}")
RELATIONS = st.sampled_from(["&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&~"])
PIPES = (
    "| count() > 1",
    "| sum(span.items) > 2",
    "| by(resource.region)",
    "| by(span.http.route)",
    "| by(span.note) | count() = 1",
    "| select(span.http.route, .region) | { span.items > 1 }",
)
QUERIES = st.one_of(
    FILTERS,
    st.tuples(FILTERS, RELATIONS, FILTERS).map(" ".join),
    st.tuples(FILTERS, st.sampled_from(PIPES)).map(" ".join),
)


@pytest.mark.usefixtures("shop")
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, few_traces=st.sampled_from([0, 4_000]), few_values=st.sampled_from([0, 64]))
def test_the_index_never_hides_what_reading_every_trace_would_find(
    database: Database, monkeypatch: pytest.MonkeyPatch, query: str, few_traces: int, few_values: int
) -> None:
    connection = database.reader()
    searching.parse_query(query, NO_DEADLINE)
    search = replace(SEARCH, query=query)
    with monkeypatch.context() as patched:
        patched.setattr(searching, "trace_filter", lambda *_: EVERY_TRACE)
        try:
            by_reading = searching.run_search(connection, Candidates(), search, JsonWriter(NO_DEADLINE))
        except AnswerError:
            return
    with monkeypatch.context() as patched:
        # What is few decides between looking candidates up, checking each of them, and leaving the index aside.
        patched.setattr(store_search, "FEW_TRACES", few_traces)
        patched.setattr(store_search, "FEW_VALUES", few_values)
        assert searching.run_search(connection, Candidates(), search, JsonWriter(NO_DEADLINE)) == by_reading


def test_after_the_newest_traces_the_index_finds_the_older_ones_once_each(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_search, "FEW_VALUES", 1)
    monkeypatch.setattr(store_search, "NEWEST", 2)
    for trace, values in (("aa", {"key": 1}), ("bb", {"key": 2}), ("cc", {}), ("dd", {}), ("ee", {"key": 3})):
        applications.export(SpanFactory(trace)(trace, values=values))
    response = applications.tempo.get("/api/search", query_string={"q": "{ span.key != nil }", "limit": 9})
    assert [trace["rootTraceName"] for trace in response.get_json()["traces"]] == ["ee", "bb", "aa"]
    assert list(applications.search("{ span.key != nil }", limit=1)) == ["ee"]
    assert applications.search("{ span.other != nil }") == {}


def test_two_conditions_on_events_must_hold_on_the_same_event(applications: Applications) -> None:
    span = SpanFactory("aa")

    def events(*values: dict[str, object]) -> list[dict[str, object]]:
        return [{"name": "retry", "timeUnixNano": "1", "attributes": attributes(some)} for some in values]

    applications.export(
        span("both", events=events({"attempt": 1, "host": "a"})),
        span("apart", events=events({"attempt": 1}, {"host": "a"})),
        span("first", events=events({"attempt": 1})),
    )
    assert applications.search('{ event.attempt = 1 && event.host = "a" }') == {"aa": ["both"]}
    assert applications.search('{ event.attempt = 1 || event.host = "a" }') == {"aa": ["apart", "both", "first"]}


@pytest.mark.parametrize("looked_at", [0, 1, 2, 3, 4])
def test_a_trace_at_the_edge_of_the_newest_is_found_once(
    applications: Applications, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(store_search, "FEW_VALUES", 1)
    monkeypatch.setattr(store_search, "NEWEST_LOOKED_AT", looked_at)
    for number, trace in enumerate(("aa", "bb", "cc", "dd")):
        applications.export(SpanFactory(trace)(trace, values={"key": number}))
    response = applications.tempo.get("/api/search", query_string={"q": "{ span.key != nil }", "limit": 9})
    assert [trace["rootTraceName"] for trace in response.get_json()["traces"]] == ["dd", "cc", "bb", "aa"]


@pytest.mark.parametrize("spss", [1, 2, 3])
def test_what_is_selected_is_read_of_the_spans_alone_that_are_shown(
    applications: Applications, monkeypatch: pytest.MonkeyPatch, spss: int
) -> None:
    span = SpanFactory("aa")
    applications.export(*(span(name, values={"key": name}) for name in "abc"))
    read: list[int] = []
    fetch = Fetcher.fetch

    def counted(self: Fetcher, trace: TraceRecord, spans: Iterable[SpanRecord] | None = None) -> list[SpanView]:
        if spans is not None:
            spans = list(spans)
            read.append(len(spans))
        return fetch(self, trace, spans)

    monkeypatch.setattr(Fetcher, "fetch", counted)
    response = applications.tempo.get("/api/search", query_string={"q": "{ } | select(span.key)", "spss": spss})
    (found,) = response.get_json()["traces"]
    assert [len(each["spans"]) for each in found["spanSets"]] == [spss]
    assert read == [spss]


def test_a_query_whose_evaluation_nests_too_deeply_is_refused() -> None:
    with pytest.raises(AnswerError) as refused, searching.refused_evaluation():
        raise RecursionError
    assert (
        refused.value.response.get_data(as_text=True)
        == "invalid TraceQL query: the query is nested too deeply or too long"
    )


def test_a_trace_whose_spans_are_gone_is_not_found(applications: Applications, database: Database) -> None:
    for trace in ("aa", "bb"):
        applications.export(SpanFactory(trace)("work"))
    assert set(applications.search("{ }")) == {"aa", "bb"}
    with closing(sqlite3.connect(database.path)) as other, other:
        other.execute("DELETE FROM spans WHERE trace = 1")
    assert set(applications.search("{ }")) == {"bb"}
