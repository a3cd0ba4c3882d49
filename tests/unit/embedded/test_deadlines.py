"""The time a query may take binds every stage of it: there is a bound of work between two looks at the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanprofiles.embedded import deadline as deadlines
from spanprofiles.embedded.answers import AnswerTooLargeError, JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE, Deadline, QueryTooLongError
from spanprofiles.embedded.settings import parse_timeout
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo import candidates
from tests.support.embedded.step_clock import CALLS_LIMIT, Steps, steps_of
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on
from tests.unit.embedded.test_traceql_search import QUERIES

pytestmark = pytest.mark.slow


def long_trace(applications: Applications, spans: int) -> None:
    """Send one trace: a root, and below it chains of ten spans, each with two events and a link."""
    make = SpanFactory("aa")
    made = [make("root", values={"a": 0})]
    for number in range(1, spans):
        parent = "root" if number % 10 == 1 else f"s{number - 1}"
        events = [{"name": f"e{event}", "timeUnixNano": "1", "attributes": []} for event in range(2)]
        links = [{"traceId": "bb" * 16, "spanId": "cc" * 8}]
        made.append(make(f"s{number}", parent, values={"a": number, "b": "x"}, events=events, links=links))
    applications.export(*made)


SMALL, LARGE = 60, 800
TEMPO = {
    "relations": "/api/search?q=" + "+%26%3E%3E+".join(["{}"] * 8),
    "negated relations": "/api/search?q={}+!~+{}+!<<+{+name=%60s1%60+}",
    "siblings": "/api/search?q={}+%26~+{}&spss=100000",
    "a grouping": "/api/search?q={}|by(span.a)&spss=100000",
    "aggregates": "/api/search?q={}|avg(span.a)>0|sum(duration)>0s|max(duration)>0s&spss=100000",
    "patterns": "/api/search?q={+name=~%60s.*%60+||+span.b!~%60y.*%60+}&spss=100000",
    "events and links": "/api/search?q={+event:name=%60e1%60+||+link:spanID!=%60x%60+}&spss=100000",
    "a selection": "/api/search?q={}|select(span.a,span.b,event:name)&spss=100000",
    "a metric": "/api/search?q={}|rate()&spss=100000",
    "metrics": "/api/metrics/query_range?q={}|max_over_time(duration)by(span.a)>0s|topk(5)&step=60s",
    "metrics of many spans": "/api/metrics/query?q={}|quantile_over_time(duration,.5,.9)by(span.a)",
    "a comparison": "/api/metrics/query_range?q={}|compare({span.a>5},1000)&step=60s",
    "the older form": "/api/search?tags=b=x",
    "the trace": "/api/traces/" + "aa" * 16,
    "the trace, newer": "/api/v2/traces/" + "aa" * 16,
    "names": "/api/v2/search/tags",
    "names with a query": "/api/v2/search/tags?q={span.b=%60x%60}",
    "names, older": "/api/search/tags?q={span.b=%60x%60}",
    "values": "/api/v2/search/tag/span.a/values",
    "values with a query": "/api/v2/search/tag/span.a/values?q={span.b=%60x%60}",
    "values, older": "/api/search/tag/a/values",
}  # fmt: skip


def store_of(directory: Path, spans: int) -> Iterator[Database]:
    database = Database(directory)
    long_trace(applications_on(database), spans)
    yield database
    database.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store with one trace of some spans."""
    yield from store_of(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store with one trace of so many spans that work for each of them at once would be seen."""
    yield from store_of(tmp_path_factory.mktemp("large"), LARGE)


@pytest.mark.parametrize("path", TEMPO.values(), ids=TEMPO)
def test_work_between_two_looks_at_the_clock_is_bounded_however_large_the_trace(
    large: Database, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    applications = applications_on(large)
    path = path.replace("{", "%7B").replace("}", "%7D").replace("|", "%7C")
    applications.tempo.get(path)  # what is imported and compiled once does not count
    with steps_of(large, monkeypatch) as steps, steps.counting():
        answer = applications.tempo.get(path)
    assert answer.status_code in {200, 400}, answer.text
    assert steps.most_calls < CALLS_LIMIT


@pytest.mark.parametrize("path", TEMPO.values(), ids=TEMPO)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_query_that_is_late_in_any_stage_is_given_up_and_the_option_is_named(
    small: Database, path: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    applications = applications_on(small)
    path = path.replace("{", "%7B").replace("}", "%7D").replace("|", "%7C")
    with steps_of(small, monkeypatch) as steps:
        whole = applications.tempo.get(path).status_code
    with steps_of(small, monkeypatch, int(steps.now * share)) as fewer:
        answer = applications.tempo.get(path)
    if whole == 400:  # it is refused where it is, at the latest
        assert answer.status_code in {400, 504}
        return
    assert answer.status_code == 504
    assert answer.text.startswith("context deadline exceeded")
    assert deadlines.OPTION in answer.text
    assert fewer.now <= steps.now * share + 3


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=QUERIES, limit=st.integers(0, 400))
def test_any_query_is_answered_or_given_up_within_its_steps(
    small: Database, monkeypatch: pytest.MonkeyPatch, query: str, limit: int
) -> None:
    applications = applications_on(small)
    with steps_of(small, monkeypatch, limit) as steps:
        answer = applications.tempo.get("/api/search", query_string={"q": query})
    assert answer.status_code in {200, 400, 504}, answer.text
    assert steps.now <= limit + 2


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=QUERIES)
def test_any_query_looks_at_the_clock_again_and_again(
    large: Database, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    applications = applications_on(large)
    parameters = {"q": query, "spss": 100_000}
    applications.tempo.get("/api/search", query_string=parameters)
    with steps_of(large, monkeypatch) as steps, steps.counting():
        applications.tempo.get("/api/search", query_string=parameters)
    assert steps.most_calls < CALLS_LIMIT


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "0.01", "3601", "1e999", "soon", ""])
def test_a_time_without_an_end_or_without_a_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write seconds, from 0\.1 to 3600"):
        parse_timeout(text)


@pytest.mark.parametrize(("text", "seconds"), [("0.1", 0.1), ("10", 10), ("3600", 3600), ("2.5", 2.5)])
def test_a_time_for_queries_is_written_in_seconds(text: str, seconds: float) -> None:
    assert parse_timeout(text) == seconds


def test_time_counts_from_when_the_request_came_in() -> None:
    clock = iter([100.0, 100.0]).__next__
    with pytest.raises(QueryTooLongError, match="longer than 10 s"):
        Deadline(10, accepted_s=89.0, clock=clock).check()
    Deadline(10, accepted_s=91.0, clock=clock).check()


@pytest.mark.parametrize("every", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 50])
def test_whatever_is_watched_comes_through_in_its_order(every: int, count: int) -> None:
    clock = Steps()
    watching = Deadline(1e9, 0, clock)
    assert list(watching.watch(range(count), every)) == list(range(count))
    assert clock.now == -(-count // every)


def lazy(value: Any) -> Any:
    """The same value, with generators in place of its lists."""
    if isinstance(value, dict):
        return {name: lazy(member) for name, member in value.items()}
    return (lazy(member) for member in value) if isinstance(value, list) else value


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([lazy, lambda value: value]))
def test_json_written_in_pieces_is_that_written_at_once(value: Any, form: Callable[[Any], Any]) -> None:
    assert JsonWriter(NO_DEADLINE).written(form(value)) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_an_answer_that_is_too_large_is_given_up_before_all_of_it_is_made() -> None:
    numbers = iter(range(1_000))
    writer = JsonWriter(NO_DEADLINE, limit=100)
    with pytest.raises(AnswerTooLargeError, match="larger than 100 bytes"):
        writer.written({"spans": (f"span {number}" for number in numbers)})
    assert next(numbers) < 20


def test_an_answer_beyond_the_limit_is_refused_with_what_to_do(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_trace(applications, 60)
    monkeypatch.setattr("spanprofiles.embedded.answers.JsonWriter.__init__.__defaults__", (2_000,))
    for path in ("/api/search?q=%7B%7D&spss=100", f"/api/traces/{'aa' * 16}"):
        refused = applications.tempo.get(path)
        assert refused.status_code == 422
        assert "ask for less" in refused.text
    assert applications.tempo.get("/api/search?q=%7B%7D&spss=1").status_code == 200


def test_a_trace_too_large_for_an_answer_is_refused_as_by_the_real_server(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_trace(applications, 60)
    monkeypatch.setattr("spanprofiles.embedded.store.traces.TRACE_BYTES", 4_000)
    for path in ("/api/traces/", "/api/v2/traces/"):
        refused = applications.tempo.get(path + "aa" * 16)
        assert (refused.status_code, refused.text) == (422, "trace exceeds max size (max bytes: 4000)")


def test_of_a_trace_that_is_too_large_the_beginning_is_searched(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_trace(applications, 60)
    assert len(applications.search("{ }")["aa"]) == 60
    monkeypatch.setattr(candidates, "TRACE_BYTES", 4_000)
    some = applications.search("{ }")["aa"]
    assert 10 < len(some) < 59
    assert "root" in some
