"""Spans that no request of the test started are found by a search, and followed like any other."""

from __future__ import annotations

import threading
import time

import pytest

from spanprofiles.clients import RequestRefusedError, TempoClient
from spanprofiles.linking import Linker, NoProfileIdError, TraceNotFoundError, Waiting, search_span
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.pytest_plugin import SpanProfiles
from tests.unit.conftest import Answer, Serve, otlp_span, push_samples, push_spans, resource_spans

_MS = 1_000_000


@pytest.fixture
def service() -> str:
    return f"report-{new_span_id()}"


@pytest.fixture
def claims(embedded_pair: Endpoints, request: pytest.FixtureRequest) -> SpanProfiles:
    linker = Linker.of(embedded_pair, waiting=Waiting(timeout_s=20), upload_interval_s=0.1)
    return SpanProfiles(embedded_pair, linker, request.node)


def _job(
    endpoints: Endpoints, service: str, name: str = "nightly", *, start_ns: int | None = None, pages: int = 1
) -> tuple[str, str]:
    """Send the trace of a job, the root span after its pages' child spans, and return its and the root's ID."""
    start_ns = time.time_ns() if start_ns is None else start_ns
    trace_id, root_id = new_trace_id(), new_span_id()
    end_ns = start_ns + 200 * _MS
    root = otlp_span(trace_id, root_id, name, profile_id=root_id, kind=1, start_ns=start_ns, end_ns=end_ns)
    children = [
        otlp_span(
            trace_id, new_span_id(), "page", parent_id=root_id, kind=1, start_ns=start_ns + _MS, end_ns=end_ns - _MS
        )
        for _ in range(pages)
    ]
    if children:
        push_spans(endpoints, resource_spans(service, *children))
    push_spans(endpoints, resource_spans(service, root))
    push_samples(endpoints, service, [(("main", "count"), 90 * _MS, {"span_id": root_id})], start_ns)
    return trace_id, root_id


def test_the_root_span_of_a_job_is_found_by_its_name_and_followed(claims: SpanProfiles, service: str) -> None:
    trace_id, root_id = _job(claims.endpoints, service)

    span = claims.find(f'{{ name = "nightly" && resource.service.name = "{service}" }}')
    linked = claims.linked_span(span)

    assert (span.trace_id, span.span_id, span.name) == (trace_id, root_id, "nightly")
    assert linked.flamegraph.share("count") == 1


def test_of_all_spans_of_a_job_the_root_span_is_meant(claims: SpanProfiles, service: str) -> None:
    _, root_id = _job(claims.endpoints, service, pages=5)

    assert claims.find(f'{{ resource.service.name = "{service}" }}').span_id == root_id


def test_of_more_spans_than_a_search_returns_the_root_span_is_meant(claims: SpanProfiles, service: str) -> None:
    _, root_id = _job(claims.endpoints, service, pages=150)

    assert claims.find(f'{{ resource.service.name = "{service}" }}').span_id == root_id


def test_all_spans_of_a_query_are_found_with_one_flame_graph(claims: SpanProfiles, service: str) -> None:
    for _ in range(3):
        _job(claims.endpoints, service)

    group = claims.find_all(f'{{ name = "nightly" && resource.service.name = "{service}" }}', at_least=3)

    assert len(group.spans) == 3
    assert group.flamegraph.self_of("count") == 270 * _MS
    assert group.mean.self_of("count") == 90 * _MS
    assert group.services == (service,)
    (evidence,) = claims.seen.values()
    assert evidence.merged == (3, group.flamegraph)


def test_fewer_spans_than_are_awaited_are_not_enough(claims: SpanProfiles, service: str) -> None:
    _job(claims.endpoints, service)
    claims.linker.waiting = Waiting(timeout_s=0.05)

    with pytest.raises(TraceNotFoundError, match=r"1 spans with a profile ID match .* and 2 are awaited"):
        claims.find_all(f'{{ name = "nightly" && resource.service.name = "{service}" }}', at_least=2)
    with pytest.raises(NoProfileIdError, match="none of the 1 spans that match"):
        claims.find_all(f'{{ name = "page" && resource.service.name = "{service}" }}')


def test_a_span_that_comes_late_is_waited_for(claims: SpanProfiles, service: str) -> None:
    # without a page: on a busy machine a search comes between the page and the root span
    later = threading.Timer(1.0, _job, (claims.endpoints, service), {"pages": 0})
    later.start()
    try:
        assert claims.find(f'{{ resource.service.name = "{service}" }}').name == "nightly"
    finally:
        later.join()


def test_the_newest_of_several_is_taken_and_the_report_names_the_others(claims: SpanProfiles, service: str) -> None:
    now_ns = time.time_ns()
    first, _ = _job(claims.endpoints, service, start_ns=now_ns)
    second, _ = _job(claims.endpoints, service, start_ns=now_ns + 50 * _MS)

    assert claims.find(f'{{ resource.service.name = "{service}" }}').trace_id == second
    evidence = claims.linker.follow(second)
    (note,) = claims.seen[evidence.trace_id].notes
    assert note.startswith("2 traces match")
    assert note.endswith(f"this is the newest; others: {first}")


def test_a_span_of_before_the_test_is_left_out_unless_it_is_asked_for(claims: SpanProfiles, service: str) -> None:
    start_ns = time.time_ns() - 60 * 10**9
    trace_id, _ = _job(claims.endpoints, service, start_ns=start_ns)
    query = f'{{ resource.service.name = "{service}" }}'

    with pytest.raises(TraceNotFoundError, match=f"one that is older does, in the trace {trace_id}"):
        claims.find(query, timeout=0.2)
    assert claims.find(query, since=start_ns / 1e9 - 1).trace_id == trace_id


def test_a_span_that_does_not_come_is_told_of_with_those_that_did(claims: SpanProfiles, service: str) -> None:
    trace_id, _ = _job(claims.endpoints, service)

    with pytest.raises(TraceNotFoundError) as failed:
        claims.find(f'{{ name = "weekly" && resource.service.name = "{service}" }}', timeout=0.3)

    assert 'matches { name = "weekly"' in str(failed.value)
    assert "after 0.3 s" in str(failed.value)
    assert f"nightly ({service}, {trace_id})" in str(failed.value)


def test_a_query_that_the_server_cannot_read_is_refused_at_once(claims: SpanProfiles) -> None:
    with pytest.raises(RequestRefusedError, match="400"):
        claims.find("{ name = }")


def test_a_child_span_is_found_and_its_profile_is_said_to_be_its_local_roots(
    claims: SpanProfiles, service: str
) -> None:
    _, root_id = _job(claims.endpoints, service)
    child = claims.find(f'{{ name = "page" && resource.service.name = "{service}" }}')

    with pytest.raises(
        NoProfileIdError, match=rf"is a child span: .* span profile of the span above it, nightly \({root_id}\)"
    ):
        claims.linked_span(child)


def test_found_spans_can_be_merged(claims: SpanProfiles, service: str) -> None:
    spans = []
    for name in ("first", "second"):
        _job(claims.endpoints, service, name)
        spans.append(claims.find(f'{{ name = "{name}" && resource.service.name = "{service}" }}'))

    assert claims.merged(spans).total == 180 * _MS
    with pytest.raises(TypeError, match="merged takes several requests"):
        claims.merged(spans[0])  # type: ignore[arg-type]  # that is the point


def test_however_long_ago_it_may_be_no_longer_time_is_searched_than_tempo_takes(
    serve: Serve,
) -> None:
    tempo = serve(lambda _: Answer.of({"traces": []}))

    with pytest.raises(TraceNotFoundError):
        search_span(TempoClient(tempo.url), "{}", 0, Waiting(0))

    searches = [seen for seen in tempo.seen if "start" in seen.query]
    assert searches
    for seen in searches:
        start_s, end_s = (int(seen.query[name]) for name in ("start", "end"))
        assert 0 < end_s - start_s <= 168 * 3600
