"""TraceQL metrics: numbers over time from spans, grouped, ranked and compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.traceql import series as series_limits
from tests.support.repository import dashboards
from tests.unit.embedded.conftest import NOW_NS, Applications, SpanFactory, applications_on

SECOND_NS = 10**9
START_S, END_S = NOW_NS // SECOND_NS - 120, NOW_NS // SECOND_NS + 1
"""The spans begin 60 s before now, a ms after each other."""


@pytest.fixture(scope="module")
def shop(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applications]:
    """Trace aa: an order with steps of 200, 150 and 20 ms, one of which failed. Trace bb: a quote of 3 ms elsewhere."""
    database = Database(shutil.copytree(empty_store, tmp_path_factory.mktemp("shop") / "data"))
    applications = applications_on(database)
    span = SpanFactory("aa")
    applications.export(
        span("order", None, 200, kind=2, values={"items": 3, "price": 1.5, "tags": ["a", "b"]}),
        span("pick", "order", 150, values={"items": 2}),
        span("pack", "order", 20, status={"code": 2}, values={"items": 9}, events=[{"name": "retry"}]),
        resource={"service.name": "shop", "region": "eu"},
    )
    other = SpanFactory("bb")
    applications.export(other("quote", None, 3, kind=2, values={"items": 3}), resource={"service.name": "shop"})
    yield applications
    database.close()


def _asked(applications: Applications, path: str, query: str, **parameters: Any) -> Any:
    window = {"start": START_S, "end": END_S}
    return applications.tempo.get(f"/api/metrics/{path}", query_string={"q": query, **window, **parameters})


def _answer(applications: Applications, path: str, query: str, **parameters: Any) -> Any:
    response = _asked(applications, path, query, **parameters)
    assert response.status_code == 200, response.text
    return response.get_json()


def _name(series: dict[str, Any]) -> str:
    return ", ".join(f"{label['key']}={next(iter(label['value'].values()))}" for label in series["labels"])


def _instant(applications: Applications, query: str) -> dict[str, float]:
    """The value of each series over the whole time."""
    answer = _answer(applications, "query", query)
    return {_name(series): series.get("value", 0) for series in answer.get("series", [])}


def _range(applications: Applications, query: str, **parameters: Any) -> dict[str, dict[int, float]]:
    """The values of each series by the time that names their step, s."""
    answer = _answer(applications, "query_range", query, **parameters)
    return {
        _name(series): {int(sample["timestampMs"]) // 1000: sample.get("value", 0) for sample in series["samples"]}
        for series in answer["series"]
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{} | count_over_time()", {"__name__=count_over_time": 4}),
        ('{ name = "order" } | rate()', {"__name__=rate": 1 / (END_S - START_S)}),
        ("{} | count_over_time() by (resource.region)", {"resource.region=eu": 3, "resource.region=nil": 1}),
        ("{} | count_over_time() by (status, kind)",
         {"status=unset, kind=server": 2, "status=unset, kind=internal": 1, "status=error, kind=internal": 1}),
        ("{} | max_over_time(duration)", {"__name__=max_over_time": 0.2}),
        ("{} | min_over_time(span:duration) by (.region)", {".region=eu": 0.02, ".region=nil": 0.003}),
        ("{} | sum_over_time(span.items)", {"__name__=sum_over_time": 17}),
        ("{} | avg_over_time(span.items) by (rootName)", {"rootName=order": 14 / 3, "rootName=quote": 3}),
        ("{} | avg_over_time(span.price)", {"__name__=avg_over_time": 1.5}),
        ("{} | avg_over_time(traceDuration) by (trace:id)",
         {"trace:id=" + "aa" * 16: 200e6, "trace:id=" + "bb" * 16: 3e6}),
        # A span without a value takes the sum of those before it away, as in the real server.
        ("{} | sum_over_time(span.price)", {}),
        ("{} | max_over_time(name)", {}),
        # Durations are counted by powers of two of their ns, numbers by powers of two.
        ("{} | histogram_over_time(duration)",
         {"__bucket=0.004194304": 1, "__bucket=0.033554432": 1, "__bucket=0.268435456": 2}),
        ("{} | histogram_over_time(span.items)", {"__bucket=2": 1, "__bucket=4": 2, "__bucket=16": 1}),
        ("{} | quantile_over_time(span.items, 1, .25)", {"p=1": 16, "p=0.25": 2}),
        ("{} | quantile_over_time(duration, .9) by (kind)",
         {"kind=server, p=0.9": 0.268435456, "kind=internal, p=0.9": 0.268435456}),
        ("{} | quantile_over_time(name, .9)", {}),
        # What is grouped by a list cannot be told from what is grouped by nothing.
        ("{} | count_over_time() by (span.tags)", {"span.tags=nil": 4}),
        ("{} | count_over_time() by (event:name)", {"event:name=retry": 1, "event:name=": 3}),
        ("{} | count_over_time() by (span.http.method)", {"span.http.method=nil": 4}),
        ('({ name = "order" } >> { kind = internal }) | count_over_time()', {"__name__=count_over_time": 2}),
        ("{} | count() > 1 | count_over_time()", {"__name__=count_over_time": 3}),
        ('{ name = "none" } | count_over_time()', {"__name__=count_over_time": 0}),
        ('{ name = "none" } | count_over_time() by (name)', {}),
        ("{ false } | count_over_time()", {}),
        # Conditions that seem to suffice are not evaluated, as in the real server: all spans have a duration.
        ("{ duration * 2 > 100s } | count_over_time()", {"__name__=count_over_time": 4}),
        ("{} | count_over_time() by (name) | topk(2)", {"name=order": 1, "name=pack": 1}),
        ("{} | count_over_time() by (name) | bottomk(1)", {"name=quote": 1}),
        ("{} | max_over_time(duration) by (name) | topk(3) | bottomk(1)", {"name=pack": 0.02}),
        ("{} | max_over_time(duration) by (name) > 100ms", {"name=order": 0.2, "name=pick": 0.15}),
        ("{} | max_over_time(span.items) by (name) = 3 | topk(1)", {"name=order": 3}),
        ("{} | count_over_time() by (name) != 1", {}),
        ("{} | rate() by (name) > -1 | topk(9) < 0", {}),
    ],
)  # fmt: skip
def test_an_instant_query_gives_one_value_for_each_group(
    shop: Applications, query: str, found: dict[str, float]
) -> None:
    assert _instant(shop, query) == pytest.approx(found)


@pytest.mark.parametrize("query", ["{} | max_over_time(parent)", "{} | rate() by (parent, name)"])
def test_what_no_span_has_makes_no_series(shop: Applications, query: str) -> None:
    assert _instant(shop, query) == {}


def test_steps_begin_at_multiples_of_their_length_and_are_named_by_their_ends(shop: Applications) -> None:
    (values,) = _range(shop, "{} | count_over_time()", step="30s").values()
    first, last = START_S - START_S % 30, END_S + -END_S % 30
    assert list(values) == list(range(first, last + 1, 30))
    begun_s = NOW_NS // SECOND_NS - 60
    assert sum(values.values()) == 4
    assert values[begun_s // 30 * 30 + 30] == 4


def test_only_counts_are_zero_where_there_are_no_spans(shop: Applications) -> None:
    (values,) = _range(shop, "{} | max_over_time(duration)", step="30s").values()
    assert list(values.values()) == [0.2]


def test_a_range_query_without_a_step_chooses_one(shop: Applications) -> None:
    (values,) = _range(shop, "{} | count_over_time()").values()
    assert len(values) == END_S - START_S + 1


def test_compare_counts_the_values_of_the_selected_spans_and_of_the_others(shop: Applications) -> None:
    found = _instant(shop, "{} | compare({ status = error })")
    assert found["__meta_type=selection, name=pack"] == 1
    assert found["__meta_type=baseline, span.items=3"] == 2
    assert found["__meta_type=baseline, resource.region=eu"] == 2
    assert found["__meta_type=baseline_total, name=nil"] == 3
    assert found["__meta_type=selection_total, name=nil"] == 1
    assert "__meta_type=selection, name=order" not in found
    assert not any("duration" in name or "trace:id" in name for name in found)


def test_compare_gives_as_many_values_of_an_attribute_as_are_asked_for(shop: Applications) -> None:
    found = _instant(shop, "{} | compare({ status = error }, 1)")
    assert [name for name in found if name.startswith("__meta_type=baseline, span.items")] == [
        "__meta_type=baseline, span.items=3"
    ]


def test_compare_counts_what_is_selected_besides(shop: Applications) -> None:
    found = _instant(shop, "{ } | select(event:name, instrumentation:name) | compare({ event:name = `retry` })")
    assert found["__meta_type=selection, event:name=retry"] == 1
    assert found["__meta_type=baseline, event:name="] == 3
    assert found["__meta_type=baseline, instrumentation:name=tests"] == 6  # twice, as in the real server


def test_compare_selects_within_a_time(shop: Applications) -> None:
    before = NOW_NS - 100 * SECOND_NS
    found = _instant(shop, f"{{}} | compare({{ status = error }}, 10, {before}, {before + SECOND_NS})")
    assert not any("selection" in name for name in found)


def test_exemplars_are_spans_of_different_traces_with_their_value(shop: Applications) -> None:
    answer = _answer(shop, "query_range", "{} | max_over_time(duration) by (kind)", step="30s")
    exemplars = [exemplar for series in answer["series"] for exemplar in series.get("exemplars", [])]
    labels = {label["key"]: label["value"]["stringValue"] for label in exemplars[0]["labels"]}
    assert len(exemplars) == 2
    assert {exemplar["value"] for exemplar in exemplars} == {0.2, 0.003}
    assert labels["trace:id"] in {"aa" * 16, "bb" * 16}
    assert labels["kind"] == "server"


@pytest.mark.parametrize(
    ("query", "parameters", "count"),
    [
        ("{} | rate()", {}, 2),
        ("{} | rate()", {"exemplars": 1}, 1),
        ("{} | rate()", {"exemplars": "none"}, 2),
        ("{} | rate() with (exemplars=1)", {"exemplars": 5}, 1),
        ("{} | rate() with (exemplars=false)", {}, 0),
        ("{} | rate() with (exemplars=false) with (exemplars=true)", {}, 2),
        ("{} | quantile_over_time(duration, .1, .9)", {}, 2),
        ("{} | rate() > 0", {}, 0),
        ("{} | compare({ status = error })", {"exemplars": 1}, 1),
    ],
)
def test_no_more_exemplars_are_given_than_are_asked_for(
    shop: Applications, query: str, parameters: dict[str, Any], count: int
) -> None:
    answer = _answer(shop, "query_range", query, step="30s", **parameters)
    assert sum(len(series.get("exemplars", [])) for series in answer["series"]) == count


def test_an_instant_query_gives_no_exemplars(shop: Applications) -> None:
    assert "exemplars" not in _asked(shop, "query", "{} | rate()", exemplars=5).text


def test_a_sampled_count_is_scaled_up(shop: Applications) -> None:
    assert _instant(shop, "{} | count_over_time() with (sample=0.5)") == {"__name__=count_over_time": 4}
    assert _instant(shop, "{} | count_over_time() with (sample=true)") == {"__name__=count_over_time": 4}
    assert _instant(shop, "{} | count_over_time() with (sample=0)") == {"__name__=count_over_time": 4}


def test_an_answer_with_as_many_series_as_asked_for_says_that_it_is_partial(shop: Applications) -> None:
    answer = _answer(shop, "query_range", "{} | count_over_time() by (name)", maxSeries=2)
    assert len(answer["series"]) == 2
    assert answer["status"] == "PARTIAL"
    assert "maximum series limit of 2" in answer["message"]
    assert "status" not in _answer(shop, "query_range", "{} | count_over_time() by (name)", maxSeries=5)


@pytest.mark.parametrize("path", ["query", "query_range"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "unexpected $end"),
        ("{", "unexpected $end"),
        ("{}", "not a metrics query"),
        ("{} | count() > 1", "not a metrics query"),
        ("{} | rate", "unexpected $end"),
        ("rate()", "unexpected rate"),
        ("{} | rate() | rate()", "unexpected rate"),
        ("{} | rate() | { }", "unexpected {"),
        ("({} | count() > 1) | rate()", "unexpected |"),
        ("({} | {}) >> ({} | {}) | rate()", "unexpected |"),
        ("{} | rate() by ()", "unexpected )"),
        ("{} | rate() by (resource)", "unexpected IDENTIFIER"),
        ("{} | rate(duration)", "unexpected duration"),
        ("{} | min_over_time()", "unexpected )"),
        ("{} | quantile_over_time(duration)", "unexpected )"),
        ("{} | quantile_over_time(duration, -1)", "unexpected -"),
        ("{} | quantile_over_time(duration, 2)", "quantile must be between 0 and 1: 2"),
        ("{} | topk(1)", "unexpected topk"),
        ("{} | rate() | topk(0)", "limit must be greater than 0"),
        ("{} | rate() | topk(1.5)", "unexpected FLOAT"),
        ("{} | rate() + 1", "unexpected +"),
        ("{} | compare()", "unexpected )"),
        ("{} | compare({ duration > `x` })", "binary operations must operate on the same type"),
        ("{} | compare({}, 0)", "must be integer greater than 0"),
        ("{} | compare({}, 1, 5, 4)", "end timestamp must be greater than start"),
        ("{} | compare({}, 1, 5)", "unexpected )"),
        ("{} | compare({}) | topk(1)", "cannot be used with second stage functions"),
        ("{} | rate() by (.a, .b, .c, .d, .e, .f)", "group by 6 values not yet supported"),
        ("{} | avg_over_time(duration) by (.a, .b, .c, .d, .e)", "group by 5 values not yet supported"),
        ("{ 1 / 0 > span.items } | rate() by (name)", "division by zero"),
    ],
)
def test_what_is_no_metrics_query_is_refused(shop: Applications, path: str, query: str, message: str) -> None:
    response = _asked(shop, path, query)
    assert response.status_code == 400
    assert message in response.text


@pytest.mark.parametrize("query", ["{} | rate()", "{} | quantile_over_time(duration, .9) by (name) | topk(1) > 1s"])
def test_a_search_does_without_the_metrics_of_its_query(shop: Applications, query: str) -> None:
    response = shop.tempo.get("/api/search", query_string={"q": query})
    assert len(response.get_json()["traces"]) == 2


def test_a_search_shows_what_metrics_are_made_of(shop: Applications) -> None:
    query = '{ name = "order" } | max_over_time(span.items) by (span.price)'
    response = shop.tempo.get("/api/search", query_string={"q": query})
    (span,) = response.get_json()["traces"][0]["spanSets"][0]["spans"]
    assert {pair["key"] for pair in span["attributes"]} == {"items", "price"}


def test_a_range_may_be_asked_for_as_one_moment(shop: Applications) -> None:
    (values,) = _range(shop, "{} | rate()", step="2s", instant="true").values()
    assert values == {END_S: 2.0}


def test_a_search_refuses_metrics_that_make_no_sense(shop: Applications) -> None:
    assert "limit must be greater than 0" in shop.refused("{} | rate() | topk(0)")


def test_times_long_ago_have_no_series_where_there_are_no_spans(shop: Applications) -> None:
    long_ago = {"start": START_S - 7_200, "end": START_S - 3_600}
    assert _answer(shop, "query_range", "{} | rate()", **long_ago)["series"] == []
    assert "series" not in _answer(shop, "query", "{} | rate()", **long_ago)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("SERIES_LIMIT", 3, "the query makes more than 3 series"),
        ("KEPT_POINTS_LIMIT", 3, "the query keeps more than 3 values"),
        ("GIVEN_POINTS_LIMIT", 10, "the query gives 4 series of"),
    ],
)
@pytest.mark.parametrize(
    "query",
    [
        "{} | rate() by (name)",
        "{} | max_over_time(duration) by (name) | topk(1)",
        "{} | quantile_over_time(duration, .1, .2, .3, .4)",
    ],
)
def test_more_series_and_values_than_may_be_are_refused_with_the_limit(
    shop: Applications, monkeypatch: pytest.MonkeyPatch, query: str, limit: str, value: int, message: str
) -> None:
    monkeypatch.setattr(series_limits, limit, value)
    response = _asked(shop, "query_range", query)
    if "quantile" in query and limit == "KEPT_POINTS_LIMIT":
        assert response.status_code == 200
        return
    assert response.status_code == 400
    assert message in response.text


DASHBOARDS = {
    f"{name}: {panel['title']}": target["query"]
    for name, dashboard in dashboards().items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
    if target["datasource"]["type"] == "tempo" and "${" not in target["query"]
}


@pytest.mark.parametrize("query", DASHBOARDS.values(), ids=DASHBOARDS)
def test_the_provisioned_dashboards_are_answered(applications: Applications, query: str) -> None:
    span = SpanFactory("aa")
    ride = span("GET /bike", None, 100, kind=2, values={"http.route": "/bike", "pyroscope.profile.id": "aa"})
    applications.export(ride, resource={"service.name": "ride-sharing-app", "region": "eu-north"})
    if "rate()" in query or "_over_time" in query:
        (values,) = _range(applications, query, step="15s").values()
        assert any(values.values())
    else:
        assert applications.search(query) == {"aa": ["GET /bike"]}


def test_a_query_whose_evaluation_nests_too_deeply_is_refused(
    shop: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_deep(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("spanprofiles.embedded.tempo.metrics_query.MetricsQuery", too_deep)
    response = _asked(shop, "query", "{} | rate()")
    assert (response.status_code, response.text) == (
        400, "compiling query: the query is nested too deeply or too long",
    )  # fmt: skip
