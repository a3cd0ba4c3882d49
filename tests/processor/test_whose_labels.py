"""Whose labels a thread has, moment by moment: what is set, exactly, with an agent that takes whatever it is given."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Tracer

from spanprofiles_processor.late_roots import late_roots
from tests.support.processor.setup import remote_parent
from tests.support.processor.willing_agent import provider_beside_it, whose


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, silent: None) -> Iterator[TracerProvider]:  # noqa: ARG001 - as it says
    with provider_beside_it(monkeypatch) as provider:
        yield provider


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("test")


def has_own_id(span: Span) -> bool:
    found = getattr(span, "attributes", {}).get("pyroscope.profile.id")
    assert found in {None, f"{span.get_span_context().span_id:016x}"}
    return found is not None


def below(span: Span) -> context.Context:
    return trace.set_span_in_context(span)


def test_of_nested_children_each_has_its_part_after_the_roots_end(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    with tracer.start_as_current_span("outer", below(root)) as outer:
        with tracer.start_as_current_span("inner") as inner:
            assert whose() == "root"
            root.end()
            assert whose() == "inner"
            with tracer.start_as_current_span("innermost") as innermost:
                assert whose() == "inner"
        assert whose() == "outer"
    assert whose() is None
    assert [has_own_id(span) for span in (outer, inner, innermost)] == [True, True, False]


def test_a_child_that_is_not_current_goes_on_where_it_was_started(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    child = tracer.start_span("child", below(root))
    root.end()
    assert whose() == "child"
    child.end()
    assert has_own_id(child)


def test_a_child_that_goes_on_does_not_come_back_after_the_next_request(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    child = tracer.start_span("child", below(root))
    root.end()
    with tracer.start_as_current_span("the next request"):
        assert whose() == "the next request"
    assert whose() is None
    child.end()


def test_a_current_child_that_goes_on_comes_back_after_a_root_within_it(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    with tracer.start_as_current_span("child", below(root)):
        root.end()
        with tracer.start_as_current_span("message", remote_parent(0xABC)):
            assert whose() == "message"
        assert whose() == "child"


def test_a_call_that_outlives_its_request_does_not_have_the_threads_work(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    call = tracer.start_span("call", below(root), kind=SpanKind.CLIENT)
    root.end()
    assert whose() is None
    call.end()
    assert not has_own_id(call)


def test_a_child_that_nobody_holds_has_nothing(tracer: Tracer) -> None:
    root = tracer.start_span("root")
    tracer.start_span("dropped", below(root))
    root.end()
    assert whose() is None


def test_a_late_root_that_nobody_holds_is_forgotten(tracer: Tracer) -> None:
    with tracer.start_as_current_span("root") as root:
        pass
    tracer.start_span("dropped", below(root))
    gc.collect()
    assert late_roots == {}
    with tracer.start_as_current_span("next"):
        assert whose() == "next"


def test_a_child_of_a_root_that_runs_on_another_thread_has_no_id(tracer: Tracer) -> None:
    def work() -> bool:
        token = context.attach(inherited)
        try:
            with tracer.start_as_current_span("child") as child, tracer.start_as_current_span("its child") as inner:
                return whose() is None and not has_own_id(child) and not has_own_id(inner)
        finally:
            context.detach(token)

    with tracer.start_as_current_span("root"), ThreadPoolExecutor(1) as pool:
        inherited = context.get_current()
        assert pool.submit(work).result()


def test_a_child_of_a_parent_that_is_gone_has_its_own(tracer: Tracer) -> None:
    with tracer.start_as_current_span("earlier"):
        pass
    parent = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1)))
    with tracer.start_as_current_span("child", below(parent)) as child:
        assert whose() == "child"
    assert has_own_id(child)


def test_a_child_of_an_ended_span_that_is_not_sampled_has_nothing(provider: TracerProvider) -> None:
    provider.sampler = ParentBased(ALWAYS_OFF)
    tracer = provider.get_tracer("unsampled")
    with tracer.start_as_current_span("root") as root:
        pass
    with tracer.start_as_current_span("child", below(root)):
        assert whose() is None


@pytest.mark.parametrize("name", ["GET / http receive", "GET / http send", "/ws websocket receive"])
def test_spans_of_single_asgi_messages_have_no_id(tracer: Tracer, name: str) -> None:
    root = tracer.start_span("GET /")
    with tracer.start_as_current_span(name, below(root)) as waits:
        root.end()
        assert whose() is None
    with tracer.start_as_current_span(name, below(root)) as late:
        assert whose() is None
    assert not has_own_id(waits)
    assert not has_own_id(late)


def test_a_late_root_that_is_ended_on_another_thread_gives_way_to_the_next_span(tracer: Tracer) -> None:
    with tracer.start_as_current_span("root") as root:
        pass
    late = tracer.start_span("late", below(root))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(late.end).result()
    with tracer.start_as_current_span("next"):
        assert whose() == "next"


def test_after_the_shutdown_nothing_goes_on(provider: TracerProvider, tracer: Tracer) -> None:
    root = tracer.start_span("root")
    with tracer.start_as_current_span("child", below(root)) as child:
        provider.shutdown()
        root.end()
        assert whose() is None
    assert not has_own_id(child)


def test_a_task_knows_its_late_root_and_its_neighbours_do_not(tracer: Tracer) -> None:
    seen: list[tuple[str, str | None]] = []

    async def background(ended: asyncio.Event) -> None:
        with tracer.start_as_current_span("background"):
            await ended.wait()
            await asyncio.gather(asyncio.create_task(helper()), asyncio.to_thread(helper_thread))
        seen.append(("after it", whose()))

    async def helper() -> None:
        for _ in range(2):
            await asyncio.sleep(0)
            seen.append(("its task", whose()))

    def helper_thread() -> None:
        seen.append(("its thread", whose()))

    async def main() -> None:
        ended = asyncio.Event()
        with tracer.start_as_current_span("request"):
            task = asyncio.create_task(background(ended))
            await asyncio.sleep(0)
        seen.append(("the request, ended", whose()))
        ended.set()
        with tracer.start_as_current_span("the next request"):
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(("the next request", whose()))
        await task
        await asyncio.sleep(0)
        seen.append(("the loop", whose()))

    context.attach(context.Context())
    asyncio.run(main())
    assert set(seen) == {
        ("its task", "background"),
        ("its thread", "background"),
        ("after it", None),
        ("the request, ended", None),
        ("the next request", "the next request"),
        ("the loop", None),
    }
