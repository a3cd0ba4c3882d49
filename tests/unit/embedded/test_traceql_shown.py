"""What a search shows of the spans that it found: the values that its conditions fetched, as Tempo 3.0.3 fetches them.

A condition on an attribute without a column of its own lets values of its type through for all other such attributes.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.embedded.conftest import Applications, SpanFactory

LONG = "duration > 50ms"


@pytest.fixture
def shop(applications: Applications) -> Applications:
    """Two long spans, one with a bad status, and a short one that has only a number."""
    span = SpanFactory("aa")
    values = {"http.response.status_code": 200, "http.status_code": 200, "n": 3, "km": 0.5, "vehicle": "bike"}
    applications.export(
        span("good", None, 100, values=values),
        span("bad", "good", 100, values=values | {"http.response.status_code": 404, "http.route": "/bike"}),
        span("short", "good", 1, values={"n": 1}),
    )
    return applications


def _shown(applications: Applications, query: str) -> dict[str, dict[str, Any]]:
    """The attributes shown of each span, by the span's name."""
    response = applications.tempo.get("/api/search", query_string={"q": f"{query} | select(name)", "spss": 100})
    assert response.status_code == 200, response.text
    spans = [span for trace in response.get_json()["traces"] for span in trace["spanSets"][0]["spans"]]
    return {
        span["name"]: {pair["key"]: next(iter(pair["value"].values())) for pair in span.get("attributes", [])}
        for span in spans
    }


@pytest.mark.parametrize(
    ("query", "good"),
    [
        # `status_code` has no column: what lets 200 through for another attribute lets it through here.
        (f"{{ span.http.response.status_code = 404 || {LONG} }}", {}),
        (f"{{ span.http.response.status_code = 404 || span.n < 9 || {LONG} }}", {"n": "3"}),
        (f"{{ span.http.response.status_code < 404 || span.n = 9 || {LONG} }}",
         {"http.response.status_code": "200", "n": "3"}),
        (f"{{ span.http.response.status_code != nil || span.km > 9.0 || {LONG} }}",
         {"http.response.status_code": "200", "km": 0.5}),
        # The older name has a column: only its own condition counts for it, and it lets nothing through for others.
        (f"{{ span.http.status_code = 404 || span.n < 300 || {LONG} }}", {"n": "3"}),
        (f"{{ span.http.status_code < 404 || span.n > 300 || {LONG} }}", {"http.status_code": "200"}),
        # Compared by = and != with one value, an attribute is taken as it is, and so are all others.
        (f"{{ span.n = 1 || span.n != 1 || span.km > 9.0 || {LONG} }}", {"n": "3", "km": 0.5}),
        (f"{{ span.n = 1 || span.n != 2 || span.km > 9.0 || {LONG} }}", {"n": "3"}),
        (f"{{ span.n = 1 || span.n != 1.0 || span.km > 9.0 || {LONG} }}", {"km": 0.5}),
        (f"{{ span.n >= 1 || span.n < 1 || span.km > 9.0 || {LONG} }}", {"n": "3"}),
    ],
)  # fmt: skip
def test_values_are_shown_that_any_condition_of_their_type_lets_through(
    shop: Applications, query: str, good: dict[str, Any]
) -> None:
    assert _shown(shop, query)["good"] == good


def test_a_column_of_numbers_is_seen_as_nil_where_it_is_empty(shop: Applications) -> None:
    assert _shown(shop, "{ } | select(span.http.status_code)")["short"] == {"http.status_code": "nil"}
    assert _shown(shop, "{ } | select(span.http.response.status_code)")["short"] == {}


def test_a_column_compared_by_both_equalities_is_seen_where_it_is_empty(shop: Applications) -> None:
    assert set(_shown(shop, '{ span.http.route = "/" || span.http.route != "/" }')) == {"good", "bad", "short"}
    assert set(_shown(shop, '{ span.http.route = "/" || span.http.route != "/car" }')) == {"bad"}


def test_a_span_without_events_is_found_where_an_event_is_taken_as_it_is(shop: Applications) -> None:
    assert set(_shown(shop, '{ event:name != "x" } | by(event:name)')) == {"good", "bad", "short"}
    assert set(_shown(shop, '{ event:name != "x" }')) == set()


def test_integers_are_compared_with_floats_where_another_condition_fetches_them(shop: Applications) -> None:
    assert set(_shown(shop, "{ span.n != 1.0 }")) == set()
    assert set(_shown(shop, f"{{ span.n != 1.0 || span.m > 2 || {LONG} }}")) == {"good", "bad"}
    assert set(_shown(shop, "{ span.n < 2.0 || span.m > 0 }")) == {"short"}


def test_an_attribute_that_is_absent_decides_to_the_right_of_or(applications: Applications) -> None:
    span = SpanFactory("aa")
    applications.export(span("long", None, 100), span("long and found", None, 100, values={"found": True}))
    assert set(_shown(applications, f"{{ {LONG} || span.found }}")) == {"long and found"}
    assert set(_shown(applications, f"{{ {LONG} || span.found = true }}")) == {"long", "long and found"}


def test_spans_are_shown_in_the_order_in_which_they_came(applications: Applications) -> None:
    span = SpanFactory("aa")
    root = span("root")
    first, second = span("first", "root"), span("second", "root")
    applications.export(second, root)
    applications.export(first)
    response = applications.tempo.get("/api/search", query_string={"q": "{ } | select(name, nestedSetLeft)"})
    spans = response.get_json()["traces"][0]["spanSets"][0]["spans"]
    assert [found["name"] for found in spans] == ["second", "root", "first"]
