"""The claim that a span waited: it passes only where an agent was there to see that it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import pytest

from spanprofiles.linking import Linker, NoProfileIdError, NotWaitingError, Waiting
from spanprofiles.model import Endpoints, TraceContext, new_span_id
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.pytest_plugin import waiting_span as waiting_span_module
from spanprofiles.pytest_plugin.waiting_span import waiting_span
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

_MS = 1_000_000
_AGO_S = 5.0
_IMPORTS = ("main", "_find_and_load", "exec_module")
Sent = Callable[..., TraceContext]


@pytest.fixture
def service() -> str:
    return f"shop-{new_span_id()}"


@pytest.fixture
def claims(embedded_pair: Endpoints, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SpanProfiles:
    monkeypatch.setattr(waiting_span_module, "_LATE_S", 0.0)  # all that ever comes is there before it is looked for
    linker = Linker.of(embedded_pair, waiting=Waiting(timeout_s=2), upload_interval_s=1)
    return SpanProfiles(embedded_pair, linker, request.node)


@pytest.fixture
def sent(claims: SpanProfiles, service: str) -> Sent:
    """Give a function that sends a request's span and samples of its process: of the span itself, or of another."""

    def send(
        *,
        lasted_ms: int = 300,
        own_ms: int = 0,
        labelled_ms: int = 0,
        unlabelled_ms: int = 0,
        imports_ms: int = 0,
        profile_id: bool = True,
    ) -> TraceContext:
        context, span_id = TraceContext.new(), new_span_id()
        end_ns = time.time_ns() - int(_AGO_S * 1e9)
        start_ns = end_ns - lasted_ms * _MS
        span = otlp_span(
            context.trace_id,
            span_id,
            "GET /receipt",
            parent_id=context.span_id,
            profile_id=span_id if profile_id else None,
            start_ns=start_ns,
            end_ns=end_ns,
        )
        push_spans(claims.endpoints, resource_spans(service, span))
        samples: list[tuple[tuple[str, ...], int, Mapping[str, str]]] = [
            (("main", "serve", "pay"), own_ms * _MS, {"span_id": span_id, "span_name": "GET /receipt"}),
            (("main", "serve", "search"), labelled_ms * _MS, {"span_id": new_span_id(), "span_name": "GET /search"}),
            (("main", "thread", "burn"), unlabelled_ms * _MS, {}),
            (_IMPORTS, imports_ms * _MS, {}),
        ]
        push_samples(claims.endpoints, service, [sample for sample in samples if sample[1]], start_ns - 100 * _MS)
        return context

    return send


def test_a_span_without_cpu_waited_where_labelled_samples_show_the_agent(claims: SpanProfiles, sent: Sent) -> None:
    linked = claims.waiting_span(sent(labelled_ms=200))

    assert linked.name == "GET /receipt"
    assert linked.flamegraph.is_empty


def test_wall_time_of_a_span_that_waited_is_no_cpu(claims: SpanProfiles, sent: Sent, service: str) -> None:
    context = sent(labelled_ms=200)
    span = claims.trace(context).spans[0]
    wall = [(("main", "serve", "wait"), 300 * _MS, {"span_id": span.span_id, "span_name": "GET /receipt"})]
    push_samples(claims.endpoints, service, wall, span.start_ns, "wall:wall:nanoseconds:wall:nanoseconds")

    linked = claims.waiting_span(context)

    assert (linked.amount, linked.cpu_ns) == ("300 ms of wall time (30 samples, 210 to 430 ms)", 0)


def test_a_sample_by_chance_and_a_little_work_are_allowed(claims: SpanProfiles, sent: Sent) -> None:
    assert claims.waiting_span(sent(own_ms=30)).cpu_ns == 30 * _MS


def test_a_span_that_computed_did_not_wait_and_the_report_has_its_flame_graph(claims: SpanProfiles, sent: Sent) -> None:
    context = sent(own_ms=250)

    with pytest.raises(NotWaitingError, match=r"GET /receipt, 300\.0 ms\) computed: 250 ms of CPU, in pay 250 ms$"):
        claims.waiting_span(context)

    evidence = claims.seen[context.trace_id]
    assert [graph.total_of("pay") for graph in evidence.flamegraphs.values()] == [250 * _MS]


def test_how_much_it_may_compute_can_be_told(claims: SpanProfiles, sent: Sent) -> None:
    context = sent(own_ms=120)

    assert claims.waiting_span(context, at_most=0.5).cpu_ns == 120 * _MS
    with pytest.raises(NotWaitingError, match="computed: 120 ms"):
        claims.waiting_span(context, at_most=0)


def test_work_that_its_label_missed_is_not_waiting_and_is_named(claims: SpanProfiles, sent: Sent) -> None:
    with pytest.raises(
        NotWaitingError, match=r"280 ms of CPU without a span ID around it, in burn 280 ms: its work runs"
    ):
        claims.waiting_span(sent(labelled_ms=200, unlabelled_ms=280))


def test_what_may_have_been_its_work_is_not_taken_for_waiting(claims: SpanProfiles, sent: Sent) -> None:
    with pytest.raises(NotWaitingError, match="in burn 140 ms: whether that was its work cannot be told"):
        claims.waiting_span(sent(labelled_ms=200, unlabelled_ms=140))


def test_the_imports_of_a_process_that_starts_explain_nothing(claims: SpanProfiles, sent: Sent) -> None:
    assert claims.waiting_span(sent(labelled_ms=50, imports_ms=700)).flamegraph.is_empty


@pytest.mark.parametrize(
    ("unlabelled_ms", "told"), [(110, ""), (150, "or the start of the app: claim it of a later request")]
)
def test_an_app_that_has_just_started_may_have_spent_a_little_more(
    claims: SpanProfiles, sent: Sent, unlabelled_ms: int, told: str
) -> None:
    request = claims.linker.follow(sent(labelled_ms=50, unlabelled_ms=unlabelled_ms))
    ready_ns = request.answering_span().start_ns - 10**8

    expected = pytest.raises(NotWaitingError, match=told) if told else nullcontext()
    with pytest.raises(NotWaitingError, match="whether that was its work cannot be told"):
        waiting_span(claims.linker, request, at_most=0.1)
    with expected:
        waiting_span(claims.linker, request, at_most=0.1, app_ready_ns=ready_ns)


@pytest.mark.parametrize("cpu", [{}, {"imports_ms": 700}, {"unlabelled_ms": 10}], ids=["none", "imports", "stray"])
def test_without_an_agent_where_it_was_answered_nothing_can_be_said(
    claims: SpanProfiles, sent: Sent, cpu: Mapping[str, int]
) -> None:
    with pytest.raises(NotWaitingError, match="nothing shows that an agent runs where it was answered"):
        claims.waiting_span(sent(**cpu))


def test_an_app_that_can_be_asked_shows_that_its_agent_runs(claims: SpanProfiles, sent: Sent, service: str) -> None:
    context = sent()
    asked: list[int] = []

    def answer() -> None:
        asked.append(len(asked))
        if len(asked) == 12:
            push_samples(claims.endpoints, service, [(("main", "serve", "health"), 60 * _MS, {})], time.time_ns())

    request = claims.linker.follow(context)

    assert waiting_span(claims.linker, request, at_most=0.1, ask_app=answer).flamegraph.is_empty
    assert len(asked) == 20


def test_samples_that_arrive_while_the_app_is_asked_are_the_spans_own(
    claims: SpanProfiles, sent: Sent, service: str
) -> None:
    context = sent()
    request = claims.linker.follow(context)
    span = request.answering_span()

    def answer() -> None:
        late = [(("main", "serve", "pay"), 200 * _MS, {"span_id": span.span_id})]
        push_samples(claims.endpoints, service, late, span.start_ns)
        push_samples(claims.endpoints, service, [(("main", "serve", "health"), 60 * _MS, {})], time.time_ns())

    with pytest.raises(NotWaitingError, match="computed"):
        waiting_span(claims.linker, request, at_most=0.1, ask_app=answer)


def test_a_span_that_is_too_short_to_tell_is_refused(claims: SpanProfiles, sent: Sent) -> None:
    with pytest.raises(NotWaitingError, match=r"20\.0 ms\) is too short to tell waiting from computing"):
        claims.waiting_span(sent(lasted_ms=20, labelled_ms=100))


def test_a_span_without_a_profile_id_is_no_waiting_span(claims: SpanProfiles, sent: Sent) -> None:
    with pytest.raises(NoProfileIdError):
        claims.waiting_span(sent(profile_id=False))


@pytest.mark.parametrize("part", [-0.1, 1, float("nan")])
def test_a_part_that_is_none_is_refused(claims: SpanProfiles, part: float) -> None:
    with pytest.raises(ValueError, match="at_most="):
        claims.waiting_span("1" * 32, at_most=part)


def test_the_agent_of_another_process_is_no_proof(claims: SpanProfiles) -> None:
    service = f"shop-{new_span_id()}"
    context, span_id = TraceContext.new(), new_span_id()
    end_ns = time.time_ns() - int(_AGO_S * 1e9)
    span = otlp_span(
        context.trace_id,
        span_id,
        parent_id=context.span_id,
        profile_id=span_id,
        start_ns=end_ns - 300 * _MS,
        end_ns=end_ns,
    )
    group = resource_spans(service, span)
    group["resource"]["attributes"].append({"key": "host.name", "value": {"stringValue": "worker-2"}})
    push_spans(claims.endpoints, group)
    labels = {"span_id": new_span_id(), "span_name": "GET /search", "host": "worker-1"}
    push_samples(claims.endpoints, service, [(("main", "search"), 200 * _MS, labels)], end_ns - 400 * _MS)
    stray = {"host": "worker-2"}
    push_samples(claims.endpoints, service, [(("main", "wait"), 10 * _MS, stray)], end_ns - 400 * _MS)

    with pytest.raises(NotWaitingError, match=r"nothing shows that an agent runs .*host=\"worker-2\""):
        claims.waiting_span(context)
