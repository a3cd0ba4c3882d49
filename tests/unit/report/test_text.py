from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spanprofiles.linking import Evidence
from spanprofiles.model import (
    PROFILE_ID_ATTRIBUTE,
    PROFILE_MISSING_ATTRIBUTE,
    FlameGraph,
    Span,
    SpanKind,
    Trace,
)
from spanprofiles.report import call_tree, duration, failure_report, span_tree, top_table
from tests.unit.conftest import graph_of

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_ROOT, _INNER = "a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2"
_MS = 1_000_000
_GRAPH = graph_of(
    {
        ("Thread.run", "Flask.wsgi_app", "bike", "find_nearest_vehicle", "distance"): 60 * _MS,
        ("Thread.run", "Flask.wsgi_app", "bike", "find_nearest_vehicle"): 20 * _MS,
        ("Thread.run", "Flask.wsgi_app", "bike", "price"): 20 * _MS,
    }
)


def _span(span_id: str, parent_id: str | None, name: str, start_ms: int, end_ms: int, **fields: Any) -> Span:
    region = fields.pop("region", "eu-north")
    attributes = {PROFILE_ID_ATTRIBUTE: span_id} if fields.pop("linked", False) else {}
    return Span(
        _TRACE,
        span_id,
        parent_id,
        name,
        SpanKind.INTERNAL,
        start_ms * _MS,
        end_ms * _MS,
        attributes,
        {"service.name": "ride-sharing-app", "region": region},
    )


_RIDE = Trace.of(
    _TRACE,
    [
        _span(_ROOT, None, "GET /car", 0, 200, linked=True),
        _span("a1a1a1a1a1a1a1a2", _ROOT, "forward_order", 100, 200),
        _span(_INNER, "a1a1a1a1a1a1a1a2", "GET /car", 110, 190, linked=True, region="us-east"),
    ],
)


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0 us"),
        (184_000, "184 us"),
        (12_500_000, "12.5 ms"),
        (999_900_000, "999.9 ms"),
        (1_840_000_000, "1.84 s"),
        (60_000_000_000, "60.00 s"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(value_ns: int, text: str) -> None:
    assert duration(value_ns) == text


def test_the_span_tree_shows_names_durations_places_and_links() -> None:
    lines = span_tree(_RIDE, {_ROOT: _GRAPH, _INNER: FlameGraph()})
    assert lines == [
        "GET /car         200.0 ms  ████████████████████  ride-sharing-app, eu-north",
        f"└ span profile {_ROOT}: 100 ms of CPU (10 samples, 50 to 180 ms)",
        "  forward_order  100.0 ms            ██████████",
        "    GET /car      80.0 ms             ████████   ride-sharing-app, us-east",
        f"    └ span profile {_INNER}: no samples, a DEAD LINK",
    ]


def test_a_span_that_merely_fell_between_two_samples_is_no_dead_link() -> None:
    trace = Trace.of(_TRACE, [_span(_ROOT, None, "GET /health", 0, 3, linked=True)])
    assert span_tree(trace, {_ROOT: FlameGraph()})[1] == f"└ span profile {_ROOT}: no samples, a DEAD LINK"
    told = span_tree(trace, {_ROOT: FlameGraph()}, {_ROOT: "as is usual of a span so short"})[1]
    assert told == f"└ span profile {_ROOT}: no samples, as is usual of a span so short"


def test_a_profile_id_that_was_not_looked_at_is_neither_linked_nor_dead() -> None:
    lines = span_tree(_RIDE)
    assert f"└ span profile {_ROOT}" in lines
    assert not any("CPU" in line or "DEAD" in line for line in lines)


def test_the_span_tree_says_why_a_profile_id_is_withheld() -> None:
    withheld = replace(_span(_ROOT, None, "GET /car", 0, 200), attributes={PROFILE_MISSING_ATTRIBUTE: "no agent here"})
    assert span_tree(Trace.of(_TRACE, [withheld]))[1] == "└ no span profile: no agent here"


def test_the_span_tree_of_an_empty_trace_is_empty() -> None:
    assert span_tree(Trace.of(_TRACE, [])) == []


def test_a_span_shorter_than_a_column_is_seen_even_at_the_very_end() -> None:
    trace = Trace.of(_TRACE, [_span(_ROOT, None, "root", 0, 1000), _span(_INNER, _ROOT, "last", 1000, 1000)])
    assert span_tree(trace)[1].endswith(" " * 19 + "█")


def test_spans_that_took_no_time_are_seen_too() -> None:
    assert "█" in span_tree(Trace.of(_TRACE, [_span(_ROOT, None, "root", 5, 5)]))[0]


def test_the_call_tree_folds_chains_and_keeps_both_ends() -> None:
    assert call_tree(_GRAPH) == [
        " 100 % (72 to 100 %)    100 ms  Thread.run … bike  (3 frames)",
        "   80 % (49 to 94 %)     80 ms    find_nearest_vehicle",
        "   60 % (31 to 83 %)     60 ms      distance",
        "    20 % (6 to 51 %)     20 ms    price",
    ]


def test_narrow_call_paths_are_counted_instead_of_shown() -> None:
    graph = graph_of({("main", "work"): 1000, ("main", "tick"): 1, ("main", "tock"): 1})
    assert call_tree(graph)[-1].strip() == "(2 narrower call paths are not shown)"
    assert "tick" not in "".join(call_tree(graph))
    assert [line.split()[-1] for line in call_tree(graph, narrowest_share=0.0)] == ["main", "work", "tick", "tock"]


def test_an_empty_flame_graph_says_no_samples_in_every_form() -> None:
    assert call_tree(FlameGraph()) == top_table(FlameGraph()) == ["no samples"]


def test_a_call_tree_two_thousand_calls_deep_is_no_trouble() -> None:
    deep = {tuple("fg"[step % 2] for step in range(depth)): 1 for depth in range(20, 2001, 20)}
    assert len(call_tree(FlameGraph(deep), narrowest_share=0.0)) == 100


def test_the_top_table_has_own_time_share_and_total() -> None:
    assert top_table(_GRAPH) == [
        "    self   95 % interval  self %     total  function",
        "   60 ms    30 to 130 ms    60 %     60 ms  distance",
        "   20 ms      5 to 73 ms    20 %     80 ms  find_nearest_vehicle",
        "   20 ms      5 to 73 ms    20 %     20 ms  price",
    ]
    assert len(top_table(_GRAPH, 1)) == 2


def test_a_failure_report_has_the_trace_what_was_asked_and_what_came() -> None:
    evidence = Evidence(
        _TRACE,
        _RIDE,
        {_ROOT: _GRAPH, _INNER: FlameGraph()},
        {_ROOT: '{service_name="ride-sharing-app"}'},
        (1000, 2000),
        ["services with profiles: other"],
    )
    report = failure_report(evidence)
    assert report.startswith(f"trace {_TRACE}\n  GET /car ")
    for line in (*span_tree(_RIDE, evidence.flamegraphs), *call_tree(_GRAPH), *top_table(_GRAPH)):
        assert f"\n  {line}" in report
    assert (
        f'samples of profile ID {_ROOT} (asked {{service_name="ride-sharing-app"}} from 1000 to 2000 ms)'
        "\n   100 % (72 to 100 %)" in report
    )
    assert f"samples of profile ID {_INNER} (asked {{}} from 1000 to 2000 ms)\n  no samples" in report
    assert report.endswith("\nnote: services with profiles: other")


def test_a_failure_report_names_what_a_misspelt_function_may_have_meant() -> None:
    graph = graph_of({("main", "find_nearest_vehicle"): 90 * _MS})
    assert graph.share("find_nearest_vehicel") == 0.0
    assert graph.share("\x1b[31m") == 0.0

    report = failure_report(Evidence(_TRACE, _RIDE, {_ROOT: graph}))

    assert "\n  no function is named 'find_nearest_vehicel'; nearest: find_nearest_vehicle\n" in report
    assert report.endswith(r"no function is named '\x1b[31m'")


def test_a_failure_report_says_how_many_requests_would_decide_a_claim() -> None:
    single, merged = (graph_of({("main", "search"): 90 * _MS, ("main",): 110 * _MS}) for _ in range(2))
    assert not single.share("search") > 0.5
    assert not merged.share("search") > 0.6
    evidence = Evidence(_TRACE, _RIDE, {_ROOT: single})
    evidence.merged = (4, merged)

    report = failure_report(evidence)

    assert (
        "\n  the share of search is 45 % (26 to 66 %), and was compared with 50 %: 20 samples cannot decide that;"
        " about 40 requests like this one would\n"
    ) in report
    assert report.endswith("compared with 60 %: 20 samples cannot decide that; about 17 requests like these would")


def test_a_failure_report_is_silent_about_claims_that_nobody_made() -> None:
    assert "compared with" not in failure_report(Evidence(_TRACE, _RIDE, {_ROOT: graph_of({("main",): 90 * _MS})}))


def test_a_failure_report_is_silent_about_names_that_are_there() -> None:
    graph = graph_of({("main", "find_nearest_vehicle"): 90 * _MS})
    assert graph.share("find_nearest_vehicle") == 1.0
    assert "no function is named" not in failure_report(Evidence(_TRACE, _RIDE, {_ROOT: graph}))


def test_a_failure_report_without_a_trace_says_so() -> None:
    assert failure_report(Evidence(_TRACE)) == f"trace {_TRACE}\n  Tempo has no span of it"
