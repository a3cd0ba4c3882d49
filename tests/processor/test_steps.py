"""Each step of an event loop, and each body and function that works for a request, has that request's labels alone."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any, cast

import anyio.to_thread
import pytest
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer, set_span_in_context

from spanprofiles_processor import SpanProfileProcessor, carry, event_loop, follow_event_loop, labels
from spanprofiles_processor.labels import thread_labels
from spanprofiles_processor.late_roots import late_roots, process
from spanprofiles_processor.streams import LabelledBodies
from tests.support.processor.willing_agent import provider_beside_it, whose

ELSEWHERE = OtelContext()
"""Where no span is current."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, silent: None) -> Iterator[TracerProvider]:  # noqa: ARG001 - as it says
    with provider_beside_it(monkeypatch) as provider:
        yield provider


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("test")


class Loop:
    """A loop that calls at once what it is given, and takes a task's first step as the task is made."""

    call_soon = call_soon_threadsafe = run_in_executor = staticmethod(lambda *_, **__: None)
    call_later = call_at = staticmethod(lambda *_, **__: None)

    def create_task(self, step: Callable[[], object]) -> object:
        return step()


@pytest.mark.parametrize(("version", "follows"), [((3, 11), False), ((3, 12), True), ((3, 13), True), ((4, 0), True)])
def test_where_tasks_may_be_eager_their_first_step_leaves_its_maker_the_labels(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], follows: bool
) -> None:
    monkeypatch.setattr(event_loop, "sys", SimpleNamespace(version_info=version, modules={}))
    loop = Loop()
    follow_event_loop(cast(asyncio.AbstractEventLoop, loop))

    with tracer.start_as_current_span("order"):
        part = loop.create_task(functools.partial(tracer.start_span, "part", ELSEWHERE))
        assert whose() == ("order" if follows else "part")
        cast(Any, part).end()


def test_a_loop_that_is_followed_inside_of_a_span_gives_the_span_its_labels_back(tracer: Tracer) -> None:
    loop = asyncio.new_event_loop()
    with tracer.start_as_current_span("order"):
        follow_event_loop(loop)
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert whose() == "order"
    loop.close()


def test_a_step_takes_its_labels_off_a_thread_that_had_none(tracer: Tracer) -> None:
    with tracer.start_as_current_span("order"):
        task = copy_context()
        thread_labels().show(None)  # the task waits, and another has its turn

        assert task.run(event_loop._run_step, whose) == "order"
        assert whose() is None


def test_a_step_of_a_call_that_outlives_its_root_has_the_calls_labels(tracer: Tracer) -> None:
    order = tracer.start_span("order")
    with tracer.start_as_current_span("call", set_span_in_context(order)):
        task = copy_context()
        order.end()

        assert task.run(event_loop._run_step, whose) == "call"
        assert whose() == "call"


def test_a_root_that_ends_in_another_context_leaves_its_labels_to_its_child(tracer: Tracer) -> None:
    order = copy_context().run(tracer.start_span, "order", ELSEWHERE)
    child = tracer.start_span("work", set_span_in_context(order))

    order.end()

    assert whose() == "work"
    child.end()


def test_without_anyio_a_loop_is_followed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anyio.to_thread")
    loop = asyncio.new_event_loop()
    assert follow_event_loop(loop)
    loop.close()


def test_anyios_threads_are_followed_once_for_all_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_sync(function: Callable[[], object]) -> object:
        return function()

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_sync)
    event_loop._follow_anyio()
    followed = anyio.to_thread.run_sync
    event_loop._follow_anyio()

    assert anyio.to_thread.run_sync is followed
    assert cast(Any, followed).__wrapped__ is run_sync


def test_a_thread_that_never_had_a_span_labels_its_first(tracer: Tracer) -> None:
    def order() -> str | None:
        with tracer.start_as_current_span("order"):
            return whose()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(order).result() == "order"


def test_a_carried_function_that_starts_after_its_span_has_no_labels(tracer: Tracer) -> None:
    with tracer.start_as_current_span("order"):
        carried = carry(whose)

    assert carried() is None


@pytest.mark.usefixtures("tracer")
def test_a_child_goes_on_without_labels_where_the_agent_has_stopped_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    tracer = provider.get_tracer("test")
    order = tracer.start_span("order")
    with tracer.start_as_current_span("goes on", set_span_in_context(order)) as child:
        monkeypatch.setattr(labels, "add_thread_tag", lambda *_: False)
        order.end()
        assert whose() is None
    assert cast(Any, child).attributes == {}


@pytest.mark.usefixtures("tracer")
def test_a_child_goes_on_without_labels_where_the_agent_fails_in_the_middle_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    tracer = provider.get_tracer("test")
    add: Callable[[str, str], bool] = vars(labels)["add_thread_tag"]

    def add_all_but_the_last(key: str, value: str) -> bool:
        if key == "span_id":
            raise RuntimeError("the agent failed")
        return add(key, value)

    order = tracer.start_span("order")
    with tracer.start_as_current_span("goes on", set_span_in_context(order)) as child:
        monkeypatch.setattr(labels, "add_thread_tag", add_all_but_the_last)
        order.end()
        assert (whose(), thread_labels().current) == (None, None)
    assert cast(Any, child).attributes == {}


@pytest.mark.usefixtures("tracer")
def test_after_the_shutdown_a_child_without_a_root_starts_no_agent() -> None:
    started: list[str] = []
    processor = SpanProfileProcessor(start_agent=lambda: started.append("agent"))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    processor.shutdown()
    parent = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))

    provider.get_tracer("test").start_span("work", set_span_in_context(NonRecordingSpan(parent))).end()

    assert started == []


def test_a_thread_that_works_in_a_copy_of_the_roots_context_has_no_root_of_its_own(tracer: Tracer) -> None:
    def work() -> tuple[str | None, object]:
        with tracer.start_as_current_span("part") as part:
            return whose(), cast(Any, part).attributes

    with tracer.start_as_current_span("order"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(copy_context().run, work).result() == (None, {})


@pytest.mark.usefixtures("tracer")
@pytest.mark.parametrize("follows", [True, False])
def test_a_loop_is_left_alone_where_the_app_says_so(follows: bool) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor(follow_asyncio=follows))

    async def order() -> bool:
        with provider.get_tracer("test").start_as_current_span("order", ELSEWHERE):
            return hasattr(asyncio.get_running_loop().call_soon, event_loop.MARK)

    assert asyncio.run(order()) is follows


@pytest.mark.usefixtures("tracer")
def test_a_late_root_that_the_agent_refuses_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "add_thread_tag", lambda *_: False)
    monkeypatch.setattr(process, "may_be_profiled", True)
    parent = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))

    for start_agent in (None, lambda: True):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SpanProfileProcessor(start_agent=start_agent))
        span = provider.get_tracer("test").start_span("work", set_span_in_context(NonRecordingSpan(parent)))
        assert late_roots == {}
        span.end()


def test_a_span_whose_agent_started_and_takes_no_labels_does_not_say_that_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labels, "add_thread_tag", lambda *_: False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor(start_agent=lambda: True))

    with provider.get_tracer("test").start_as_current_span("order") as span:
        assert cast(Any, span).attributes == {"pyroscope.profile.missing": "no agent in this process"}


def test_children_that_end_beside_a_late_root_leave_it_its_labels(tracer: Tracer) -> None:
    order = tracer.start_span("order")
    with tracer.start_as_current_span("goes on", set_span_in_context(order)):
        order.end()
        tracer.start_span("part").end()
        assert whose() == "goes on"

        elsewhere = tracer.start_span("of another thread")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(elsewhere.end).result()
        assert whose() == "goes on"


def test_a_span_that_was_never_started_ends_without_an_error(provider: TracerProvider, tracer: Tracer) -> None:
    order = tracer.start_span("order")
    with tracer.start_as_current_span("goes on", set_span_in_context(order)):
        order.end()
        by_hand = ReadableSpan("by hand", parent=order.get_span_context())
        provider._active_span_processor.on_end(by_hand)
        assert whose() == "goes on"


def test_a_flush_is_not_waited_for(provider: TracerProvider) -> None:
    assert provider.force_flush() is True


def test_an_app_whose_bodies_are_labelled_gets_what_its_server_gave() -> None:
    asked: list[tuple[object, ...]] = []

    def application(*arguments: object) -> Iterable[bytes]:
        asked.append(arguments)
        return []

    environ, start_response = {"PATH_INFO": "/order"}, object()
    LabelledBodies(application)(environ, cast(Any, start_response))

    assert asked == [(environ, start_response)]


def streamed(tracer: Tracer, parts: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    """Return the labelled body of a request whose span has ended."""

    def application(*_: object) -> Iterable[bytes]:
        tracer.start_span("order", ELSEWHERE).end()
        return parts()

    return cast(Iterator[bytes], LabelledBodies(application)({}, lambda *_: lambda _: None))


def test_a_body_gives_the_thread_back_to_the_span_that_it_was_asked_in(tracer: Tracer) -> None:
    body = streamed(tracer, lambda: iter([b"part"]))

    with tracer.start_as_current_span("proxy", ELSEWHERE):
        assert next(body) == b"part"
        assert whose() == "proxy"
    cast(Any, body).close()


def test_a_root_inside_of_a_body_takes_the_labels_over_and_gives_them_back(tracer: Tracer) -> None:
    seen: list[str | None] = []

    def parts() -> Iterator[bytes]:
        with tracer.start_as_current_span("message", ELSEWHERE):
            seen.append(whose())
        seen.append(whose())
        yield b"part"

    body = streamed(tracer, parts)

    assert next(body) == b"part"
    assert seen == ["message", "order"]
    cast(Any, body).close()
