"""What is made of the series of a metrics query: comparisons of spans, quantiles, the largest few, and thresholds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.metrics import MetricsQuery, Result, split
from spanprofiles.embedded.traceql.parser import parse
from spanprofiles.embedded.traceql.quantiles import quantile_series
from spanprofiles.embedded.traceql.records import SpanRecord, TraceRecord
from spanprofiles.embedded.traceql.second_stages import compared, ranked
from spanprofiles.embedded.traceql.series import Exemplar, Series
from spanprofiles.embedded.traceql.syntax import Ranking, Threshold
from spanprofiles.embedded.traceql.values import BOOLEAN, FLOAT, INTEGER, STRING, Static, text_of
from tests.unit.embedded.test_query_evaluation import LINK, OWN, SHOP, event, span

SECOND_NS = 10**9
START_S = 10**9
"""When the spans begin, s since the epoch."""
INTERVALS = Intervals.of_range((START_S - 10) * SECOND_NS, (START_S + 10) * SECOND_NS, 10 * SECOND_NS)


def trace_of(number: int, *spans: Span) -> TraceRecord:
    records = [SpanRecord(made.SerializeToString(), SHOP, OWN) for made in spans]
    return TraceRecord(bytes(15) + bytes([number]), records, NO_DEADLINE)


def measured(query: str, *traces: TraceRecord, **more: Any) -> Result:
    pipeline, metrics = split(parse(query))
    assert metrics is not None
    return MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE, **more).result(traces)


def totals(result: Result) -> dict[str, float]:
    """The sum of the values of each series."""
    return {
        ", ".join(f"{name}={text_of(value)}" for name, value in series.labels): sum(series.values.values())
        for series in result.series
    }


TRACE = trace_of(
    10,
    span("order", "", 200, {"n": 1}, kind=2),
    span("pick", "order", 100, {"n": 2, "list": ["a", "b"]}),
    span("pay", "order", 5, {"n": 2}, events=[event("retry", 1, attempt=1)], links=[LINK]),
)


def test_a_comparison_counts_the_values_of_each_side() -> None:
    found = totals(measured("{} | compare({ kind = server })", TRACE))
    assert found["__meta_type=selection, span.n=1"] == 1
    assert found["__meta_type=baseline, span.n=2"] == 2
    assert found["__meta_type=baseline, span.list=nil"] == 1
    assert found["__meta_type=baseline, span.http.method=nil"] == 2
    assert found["__meta_type=baseline, resource.cluster=nil"] == 2
    assert found["__meta_type=selection, resource.service.name=shop"] == 1
    assert found["__meta_type=selection, rootName=order"] == 1
    assert found["__meta_type=baseline_total, span.n=nil"] == 2
    assert found["__meta_type=selection_total, span.n=nil"] == 1
    assert not any("event" in name or "link" in name or "nestedSet" in name or ":id" in name for name in found)


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("event:name", {"event:name=retry": 1, "event:name=": 2, "event.attempt=1": 1}),
        ("event.attempt", {"event.attempt=1": 1}),
        ("link:spanID", {"link:spanID=3132333435363738": 1, "link:spanID=0000000000000000": 2, "link.why=retry": 1}),
        ("link.why", {"link.why=retry": 1}),
    ],
)
def test_a_comparison_counts_events_and_links_where_a_query_selects_some(
    selected: str, expected: dict[str, float]
) -> None:
    found = totals(measured(f"{{}} | select({selected}) | compare({{ name = `nobody` }})", TRACE))
    baseline = "__meta_type=baseline, "
    kind = selected[:5].rstrip(":.")
    assert {
        name.removeprefix(baseline): count for name, count in found.items() if name.startswith(f"{baseline}{kind}")
    } == expected


def test_a_comparison_may_select_by_the_places_that_relations_read() -> None:
    query = "({ name = `order` } > {}) | compare({ nestedSetParent = 1 })"
    assert totals(measured(query, TRACE))["__meta_type=selection, name=pick"] == 1
    query = "({ name = `order` } !> { nestedSetLeft > 0 }) | compare({ nestedSetLeft = 1 })"
    assert totals(measured(query, TRACE))["__meta_type=selection_total, kind=nil"] == 1


def test_a_comparison_gives_the_commonest_values_of_each_attribute() -> None:
    found = totals(measured("{} | compare({ name = `nobody` }, 1)", TRACE))
    assert [name for name in found if ", span.n=" in name and "total" not in name] == ["__meta_type=baseline, span.n=2"]


def test_a_comparison_selects_by_when_a_span_began() -> None:
    began_ns = START_S * SECOND_NS
    for start_ns, end_ns, count in (
        (began_ns - 1, began_ns, 3),
        (began_ns, began_ns + 1, 0),
        (began_ns - 2, began_ns - 1, 0),
    ):
        found = totals(measured(f"{{}} | compare({{ duration > 0 }}, 10, {start_ns}, {end_ns})", TRACE))
        assert found.get("__meta_type=selection_total, name=nil", 0) == count


@pytest.mark.parametrize("most", [1, 2])
def test_each_attribute_of_a_comparison_has_the_exemplars_of_its_side(most: int) -> None:
    traces = [trace_of(number, span("a", "", 1, {"n": number})) for number in (1, 2, 3)]
    result = measured("{} | compare({ span.n = 1 })", *traces, exemplars=most)
    found = {
        f"{series.labels[0][1][1]} {series.labels[1][0]}": len(series.exemplars)
        for series in result.series
        if series.exemplars
    }
    assert sum(found.values()) == most  # as many as there may be, among all series
    assert all("_total" in name for name in found)


def test_a_trace_gives_one_exemplar_and_a_query_no_more_than_it_may() -> None:
    traces = [trace_of(number, span("a", "", number), span("b", "", 9)) for number in (1, 2, 3)]
    (series,) = measured("{} | max_over_time(duration)", *traces, exemplars=2).series
    assert [round(exemplar.value, 3) for exemplar in series.exemplars] == [0.001, 0.002]
    assert [dict(exemplar.labels)["trace:id"] for exemplar in series.exemplars] == [(STRING, "1"), (STRING, "2")]


def test_a_list_and_a_column_of_another_type_look_like_nothing_to_a_comparison() -> None:
    spans = [span("a", values={"l": ["a", "b"], "http.method": 5}), span("b", values={"l": ["c", "d"]})]
    found = totals(measured("{} | compare({ name = `nobody` })", trace_of(1, *spans)))
    assert found["__meta_type=baseline, span.l=nil"] == 2
    assert found["__meta_type=baseline, span.http.method=nil"] == 2
    assert found["__meta_type=baseline, span.http.method=5"] == 1


def test_groups_of_floats_are_told_apart_by_their_bits() -> None:
    spans = [span(f"{price}", values={"price": price}) for price in (0.0, -0.0, math.nan, math.nan)]
    result = measured("{} | count_over_time() by (span.price)", trace_of(1, *spans))
    assert totals(result) == {"span.price=0.0": 1, "span.price=-0.0": 1, "span.price=NaN.0": 2}


@pytest.mark.parametrize(
    ("hints", "count"), [("", 8), ("sample=0.5", 8), ("trace_sample=0.25", 8), ("sample=true", 8), ("sample=0", 8)]
)
def test_where_traces_are_sampled_a_count_is_scaled_up(hints: str, count: int) -> None:
    traces = [trace_of(number, span("a"), span("b")) for number in (1, 2, 3, 4)]
    query = "{} | count() > 0 | count_over_time()" + (f" with ({hints})" if hints else "")
    assert totals(measured(query, *traces)) == {"__name__=count_over_time": count}


def test_what_is_found_of_times_long_ago_is_given() -> None:
    pipeline, metrics = split(parse("{} | count_over_time()"))
    assert metrics is not None
    query = MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE)
    assert totals(query.result([TRACE], is_searched=False)) == {"__name__=count_over_time": 3}
    nothing = MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE)
    assert nothing.result([], is_searched=False).series == []


def test_a_query_stops_when_it_has_as_many_series_as_were_asked_for() -> None:
    read = []

    def traces() -> Any:
        for number in (1, 2, 3, 4):
            read.append(number)
            yield trace_of(number, span(f"name {number}"))

    pipeline, metrics = split(parse("{} | rate() by (name)"))
    assert metrics is not None
    result = MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE, limit=2).result(traces())
    assert (read, len(result.series), result.is_partial) == ([1, 2], 2, True)


def test_an_attribute_of_a_span_hides_the_one_of_its_resource_from_a_grouping() -> None:
    # the shop has a resource attribute `n`, which is 7
    plain = trace_of(1, span("plain"), span("own", values={"n": 1}))
    assert totals(measured("{} | count_over_time() by (.n)", plain)) == {".n=7": 1, ".n=1": 1}
    assert totals(measured("{} | count_over_time() by (resource.n)", plain)) == {"resource.n=7": 2}
    query = "{ span.n = 2 || duration > 0 } | count_over_time() by (.n)"
    assert totals(measured(query, plain)) == {".n=7": 1, ".n=nil": 1}  # even where a condition excludes it


def series(value: Static | str, *numbers: float, name: str = "x") -> Series:
    label: Static = (STRING, value) if isinstance(value, str) else value
    exemplars = [Exemplar((), number, step) for step, number in enumerate(numbers)]
    return Series(((name, label),), dict(enumerate(numbers)), zeros=False, exemplars=exemplars)


def labels(found: list[Series]) -> list[str]:
    return [text_of(each.labels[0][1]) for each in found]


@pytest.mark.parametrize(
    ("name", "limit", "kept"),
    [
        ("topk", 1, {"c": {0: 3}, "a": {1: 5}}),
        ("topk", 2, {"c": {0: 3}, "b": {0: 2, 1: 1}, "a": {1: 5}}),
        ("bottomk", 1, {"a": {0: 1}, "c": {1: 0}}),
        ("topk", 9, {"a": {0: 1, 1: 5}, "b": {0: 2, 1: 1}, "c": {0: 3, 1: 0}}),
    ],
)
def test_at_each_step_the_largest_or_smallest_are_kept(
    name: str, limit: int, kept: dict[str, dict[int, float]]
) -> None:
    found = ranked([series("a", 1, 5), series("b", 2, 1), series("c", 3, 0)], Ranking(name, limit), 2, NO_DEADLINE)
    assert {text_of(each.labels[0][1]): each.values for each in found} == kept
    assert all(len(each.exemplars) == 2 and not each.zeros for each in found)


ALIKE: list[Static] = [
    (STRING, "b"), (STRING, "a"), (STRING, ""), (INTEGER, 5), (INTEGER, -1), (BOOLEAN, True),
    (FLOAT, 2.0), (FLOAT, 1.0), (FLOAT, -1.0),
]  # fmt: skip


def test_equal_values_are_ranked_by_their_labels_from_both_ends_of_the_alphabet() -> None:
    alike = [series(value, 1) for value in ALIKE]
    order = {
        name: [labels(ranked(alike, Ranking(name, limit), 1, NO_DEADLINE))[-1] for limit in range(1, len(alike))]
        for name in ("topk", "bottomk")
    }
    # without a text, the type decides, and then the bits
    assert order["bottomk"] == ["b", "a", "5", "-1", "1.0", "2.0", "-1.0", ""]
    assert order["topk"] == ["true", "", "-1.0", "2.0", "1.0", "-1", "5", "a"]


def test_of_equal_values_and_texts_the_name_of_the_label_decides() -> None:
    alike = [series((FLOAT, 1.0), 1, name=name) for name in "bca"]
    (smallest,) = ranked(alike, Ranking("bottomk", 1), 1, NO_DEADLINE)
    (largest,) = ranked(alike, Ranking("topk", 1), 1, NO_DEADLINE)
    assert (smallest.labels[0][0], largest.labels[0][0]) == ("c", "a")


@pytest.mark.parametrize(
    ("operator", "kept"),
    [
        ("=", {1: 2}),
        ("!=", {0: 1, 2: 3}),
        (">", {2: 3}),
        (">=", {1: 2, 2: 3}),
        ("<", {0: 1}),
        ("<=", {0: 1, 1: 2}),
    ],
)
def test_the_values_are_kept_that_compare_as_they_have_to(operator: str, kept: dict[int, float]) -> None:
    (found,) = compared([series("a", 1, 2, 3)], Threshold(operator, 2), 3, NO_DEADLINE)
    assert found.values == kept
    assert {exemplar.timestamp_ms for exemplar in found.exemplars} == set(kept)


def test_zeros_that_compare_as_they_have_to_are_kept() -> None:
    counted = Series((), {-1: 9.0, 0: 5.0, 7: 5.0}, zeros=True)
    (low,) = compared([counted], Threshold("<", 1), 3, NO_DEADLINE)
    assert (low.values, low.zeros) == ({1: 0, 2: 0}, False)
    (high,) = compared([counted], Threshold(">", 1), 3, NO_DEADLINE)
    assert high.values == {0: 5}
    assert compared([counted], Threshold(">", 5), 3, NO_DEADLINE) == []


def test_an_exemplar_without_a_value_is_not_compared() -> None:
    plain = Series((), {0: 5.0}, zeros=True, exemplars=[Exemplar((), math.nan, 0)])
    assert compared([plain], Threshold(">", 1), 1, NO_DEADLINE)[0].exemplars == []


def bucket(bound: float, counts: dict[int, float], *others: tuple[str, Static], exemplar: float = 0) -> Series:
    exemplars = [Exemplar((), exemplar, (START_S - 15) * 1_000)] if exemplar else []
    return Series((*others, ("__bucket", (FLOAT, bound))), counts, zeros=True, exemplars=exemplars)


def test_quantiles_are_made_of_the_buckets_of_each_group() -> None:
    buckets = [
        bucket(2.0, {0: 1.0, -1: 9.0}, ("x", (STRING, "a"))),
        bucket(8.0, {0: 1.0, 1: 2.0}, ("x", (STRING, "a"))),
        bucket(4.0, {0: 5.0}, ("x", (STRING, "b"))),
    ]
    found = quantile_series(buckets, (0.5, 1.0), INTERVALS, 0, NO_DEADLINE)
    assert [(text_of(each.labels[0][1]), each.labels[-1], each.values) for each in found] == [
        ("a", ("p", (FLOAT, 0.5)), {0: 2.0, 1: pytest.approx(4 * 2**0.5)}),
        ("a", ("p", (FLOAT, 1.0)), {0: 8.0, 1: 8.0}),
        ("b", ("p", (FLOAT, 0.5)), {0: pytest.approx(2 * 2**0.6)}),
        ("b", ("p", (FLOAT, 1.0)), {0: 4.0}),
    ]
    assert all(each.zeros for each in found)


@pytest.mark.parametrize(
    ("first", "second", "groups"),
    [
        ((STRING, "a"), (STRING, "a"), 1),
        ((STRING, "a"), (STRING, "b"), 2),
        ((INTEGER, 1), (STRING, "1"), 2),
        ((INTEGER, 1), (STRING, "int(1)"), 1),
        ((STRING, "nil"), (STRING, "<nil>"), 1),
        ((STRING, ""), (STRING, "<empty>"), 1),
        ((STRING, ""), (STRING, "nil"), 2),
        ((BOOLEAN, True), (STRING, "true"), 1),
    ],
)
def test_groups_of_quantiles_are_told_apart_by_their_labels_as_prometheus_has_them(
    first: Static, second: Static, groups: int
) -> None:
    buckets = [bucket(2.0, {0: 1.0}, ("x", first)), bucket(2.0, {0: 1.0}, ("x", second))]
    assert len(quantile_series(buckets, (0.5,), INTERVALS, 0, NO_DEADLINE)) == groups


def test_an_exemplar_is_given_with_the_quantile_that_it_is_nearest_to() -> None:
    buckets = [bucket(2.0, {0: 1.0}, exemplar=1.5), bucket(8.0, {0: 1.0}), bucket(64.0, {0: 1.0}, exemplar=40.0)]
    found = quantile_series(buckets, (0.3, 1.0), INTERVALS, 10, NO_DEADLINE)
    assert [[exemplar.value for exemplar in each.exemplars] for each in found] == [[1.5], [40.0]]


def test_of_what_a_comparison_counts_as_much_is_asked_for_as_there_is() -> None:
    read: list[int] = []

    def traces() -> Any:
        for number in (1, 2, 3):
            read.append(number)
            yield trace_of(number, span("a", values={"empty": []}))

    pipeline, metrics = split(parse("{} | compare({ name = `a` })"))
    assert metrics is not None
    whole = MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE, limit=10_000).result(traces())
    assert (read, whole.is_partial) == ([1, 2, 3], False)
    assert totals(whole)["__meta_type=selection, span.empty=nil"] == 3
    read.clear()
    cut = MetricsQuery(pipeline, metrics, INTERVALS, NO_DEADLINE, limit=4).result(traces())
    assert (read, len(cut.series), cut.is_partial) == ([1], 4, True)


@pytest.mark.parametrize(
    ("pipeline", "samples_traces"),
    [
        ("{}", False),
        ("({} | { name = `a` }) | {}", False),
        ("{} | count() > 0", True),
        ("({} | count() > 0) | {}", True),
        ("{} && {}", True),
        ("{} | by(name)", False),
    ],
)
def test_traces_are_sampled_where_a_stage_looks_at_several_spans_of_each(pipeline: str, samples_traces: bool) -> None:
    found, metrics = split(parse(f"{pipeline} | rate() with (sample=0.5)"))
    assert metrics is not None
    query = MetricsQuery(found, metrics, INTERVALS, NO_DEADLINE)
    assert (query._trace_sampler is not None, query._span_sampler is not None) == (samples_traces, not samples_traces)
