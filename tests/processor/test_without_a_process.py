"""What the processor's own processes show in the other tests, and one can see without them."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing.process
import multiprocessing.util
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from types import SimpleNamespace
from typing import Any, cast

import anyio.to_thread
import pytest
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    set_span_in_context,
    use_span,
)

from spanprofiles_processor import SpanProfileProcessor, agent, carry, event_loop, follow_event_loop, labels
from spanprofiles_processor import late_roots as late_roots_module
from spanprofiles_processor.agent import AgentStarter
from spanprofiles_processor.labels import thread_labels
from spanprofiles_processor.late_roots import PROFILE_ID_ATTRIBUTE, late_root, late_roots, nothing_runs, process
from spanprofiles_processor.roots import Root, root_stack
from spanprofiles_processor.streams import LabelledBodies

RESOURCE = Resource({"service.name": "shop"})


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch, silent: None) -> Iterator[Tracer]:  # noqa: ARG001 - it looks afterwards
    for name in ("add_thread_tag", "remove_thread_tag"):
        monkeypatch.setattr(labels, name, lambda *_: True)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    yield provider.get_tracer("test")
    assert thread_labels().current is None, "every test ends all its spans"
    root_stack.set(())
    process.may_be_profiled = False


def raise_an_error(_: Resource) -> object:
    raise OSError("no room")


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (lambda _: False, "the profiling agent did not start: spans of this process carry no profile ID"),
        (raise_an_error, "the profiling agent cannot be started: spans of this process carry no profile ID"),
    ],
    ids=["refuses", "raises"],
)
def test_an_agent_that_does_not_start_is_told_once_with_the_consequence(
    caplog: pytest.LogCaptureFixture, start: Callable[[Resource], object], told: str
) -> None:
    starter = AgentStarter(start)

    starter.start_here(RESOURCE)
    starter.start_here(RESOURCE)

    agent._fork.forget()
    assert starter.failed_here
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [told]


def test_a_worker_of_celery_sends_its_last_samples_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[tuple[object, dict[str, object]]] = []
    signal = SimpleNamespace(connect=lambda receiver, **options: connected.append((receiver, options)))
    monkeypatch.setitem(sys.modules, "celery.signals", SimpleNamespace(worker_process_shutdown=signal))

    AgentStarter(lambda _: True).start_here(RESOURCE)

    agent._fork.forget()
    assert connected == [(agent._shut_down, {"weak": False, "dispatch_uid": "spanprofiles_processor.agent"})]


@pytest.mark.parametrize("parent", [None, "the process that started it"], ids=["the first", "a worker"])
def test_a_worker_of_multiprocessing_sends_its_last_samples_and_others_have_a_hook(
    monkeypatch: pytest.MonkeyPatch, parent: object
) -> None:
    finalizers: list[tuple[object, ...]] = []
    monkeypatch.setattr(multiprocessing.process, "parent_process", lambda: parent)
    monkeypatch.setattr(
        multiprocessing.util, "Finalize", lambda *arguments, exitpriority: finalizers.append((*arguments, exitpriority))
    )

    AgentStarter(lambda _: True).start_here(RESOURCE)

    agent._fork.forget()
    assert finalizers == ([] if parent is None else [(None, agent._shut_down, 0)])


def test_an_app_that_starts_no_processes_does_not_pay_for_what_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "multiprocessing.process")
    monkeypatch.setattr(multiprocessing.util, "Finalize", lambda *_, **__: pytest.fail("it is no worker"))

    AgentStarter(lambda _: True).start_here(RESOURCE)

    agent._fork.forget()
    assert "multiprocessing.process" not in sys.modules


def test_a_process_that_ends_waits_for_its_last_samples_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, begun = threading.Event(), threading.Event()

    def shutdown() -> None:
        begun.set()
        stuck.wait()

    monkeypatch.setattr("pyroscope.shutdown", shutdown)
    monkeypatch.setattr(agent, "LAST_UPLOAD_S", 0.001)
    try:
        agent._shut_down(signal="of celery")
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "last-samples")
        assert begun.wait(20.0)
    finally:
        stuck.set()
    thread.join(20.0)
    assert thread.daemon, "it would keep the process"


def test_a_process_that_never_started_an_agent_forks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))

    agent._Fork().wait()


def test_a_carried_function_starts_its_spans_inside_of_the_root_that_it_works_for(tracer: Tracer) -> None:
    with ThreadPoolExecutor(1) as pool, tracer.start_as_current_span("order"):
        root = thread_labels().current
        inside = pool.submit(carry(root_stack.get)).result()
        outside = pool.submit(root_stack.get, ()).result()

    assert (inside, outside) == ((root,), ())


def test_a_followed_loop_follows_anyios_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_sync(*_: object) -> None:
        """What anyio has before."""

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_sync)
    loop = asyncio.new_event_loop()
    try:
        follow_event_loop(loop)
    finally:
        loop.close()

    assert getattr(anyio.to_thread.run_sync, event_loop.MARK)


class RecordOnly(Sampler):
    """Records spans, and does not sample them: their traces are not sent."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


def test_a_span_that_is_recorded_and_not_sent_has_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[object] = []
    monkeypatch.setattr(labels, "add_thread_tag", lambda *tag: added.append(tag))
    provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())

    with provider.get_tracer("test").start_as_current_span("order") as span:
        assert span.is_recording()

    assert added == []
    assert PROFILE_ID_ATTRIBUTE not in (span.attributes or {})  # type: ignore[attr-defined] # the SDK's spans have them


def test_a_forked_process_starts_an_agent_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    running = SimpleNamespace(process_id=1)
    started: list[int] = []
    starter = AgentStarter(lambda _: started.append(running.process_id))
    monkeypatch.setattr(agent, "os", SimpleNamespace(getpid=lambda: running.process_id))

    for running.process_id in (1, 1, 2):
        starter.start_here(RESOURCE)

    agent._fork.forget()
    assert started == [1, 2]


def test_a_process_that_was_not_forked_is_profiled_when_an_agent_takes_labels() -> None:
    fresh = late_roots_module._Process()

    assert (fresh.may_be_profiled, fresh.began_ns) == (False, 0)


def test_a_call_that_outlives_its_root_is_the_root_of_what_starts_inside_of_it(tracer: Tracer) -> None:
    root = tracer.start_span("order")
    call: Any = tracer.start_span("call", context=set_span_in_context(root), kind=SpanKind.CLIENT)
    root.end()

    inside = tracer.start_span("work", context=set_span_in_context(call))

    assert call.attributes[PROFILE_ID_ATTRIBUTE] == f"{call.get_span_context().span_id:016x}"
    assert whose() == "call"
    inside.end()
    call.end()
    assert late_roots == {}


def ended(span: Any) -> Any:
    span.end()
    return span


def test_only_a_span_that_is_sent_and_works_becomes_a_late_root(tracer: Tracer) -> None:
    unsent = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False).get_tracer("test")
    plain = TracerProvider(shutdown_on_exit=False).get_tracer("test")

    def late(span: Any) -> Any:
        return late_root(span, named=True)

    work: Any = plain.start_span("work")
    root = late(work)
    assert (root.span_id, root.span_name) == (f"{work.get_span_context().span_id:016x}", "work")
    assert late_root(work, named=False).span_name is None  # type: ignore[union-attr] # it is there, as above
    assert late(unsent.start_span("work")) is None
    assert late(plain.start_span("GET / http send")) is None
    assert late(ended(tracer.start_span("labelled already"))) is None


@pytest.mark.parametrize("runs", ["the current span", "the last child", "both", "neither"])
def test_what_may_outlive_a_root_is_the_current_span_and_the_last_child(runs: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)

    def span(name: str) -> Any:
        span = provider.get_tracer("test").start_span(name)
        return span if runs in {name, "both"} else ended(span)

    with use_span(span("the current span")):
        assert nothing_runs(span("the last child")) is (runs == "neither")
        assert nothing_runs(None) is (runs not in {"the current span", "both"})
    assert nothing_runs(None), "without a current span"


@pytest.mark.parametrize("profiled", [True, False])
def test_a_child_without_a_root_is_labelled_only_where_there_may_be_an_agent(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch, profiled: bool
) -> None:
    nowhere = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))))
    monkeypatch.setattr(process, "may_be_profiled", profiled)

    child: Any = tracer.start_span("work", context=nowhere)

    assert (PROFILE_ID_ATTRIBUTE in child.attributes) is profiled
    assert list(late_roots.values()) == ([thread_labels().current] if profiled else [])
    child.end()


def test_a_child_of_a_dropped_root_is_started_without_an_error(
    tracer: Tracer,
) -> None:
    root = tracer.start_span("order")
    context = set_span_in_context(NonRecordingSpan(root.get_span_context()))
    del root

    child: Any = tracer.start_span("work", context=context)

    assert child.attributes[PROFILE_ID_ATTRIBUTE] == f"{child.get_span_context().span_id:016x}"
    child.end()


def whose() -> str | None:
    """The name of the span whose labels this thread has."""
    current = thread_labels().current
    return None if current is None else current.span_name


def test_what_waits_on_a_loop_as_it_is_followed_runs_with_the_labels_of_its_context(tracer: Tracer) -> None:
    seen: list[str | None] = []
    loop = asyncio.new_event_loop()
    order = tracer.start_span("order")
    loop.call_soon(lambda: seen.append(whose()))
    loop.call_soon(lambda: None).cancel()
    thread_labels().show(None)  # the span waits, and something else has its turn
    follow_event_loop(loop)
    loop.call_soon(loop.stop)

    loop.run_forever()

    loop.close()
    assert seen == ["order"]
    order.end()


def test_a_step_of_another_context_has_no_labels_and_gives_them_back(tracer: Tracer) -> None:
    with tracer.start_as_current_span("order"):
        assert Context().run(event_loop._run_step, whose) is None
        assert whose() == "order"


def test_a_step_looks_like_its_callback_to_asyncio_and_to_inspect() -> None:
    def callback(*_: object) -> None:
        """The app's function."""

    callback.kept = "by the app"  # type: ignore[attr-defined]
    step = event_loop._Step(event_loop._run_step, callback, 1, 2)

    assert (step.func, step.args, step.__wrapped__, step.kept) == (callback, (1, 2), callback, "by the app")
    assert repr(step) == repr(callback)


def test_a_carried_function_gives_the_threads_own_labels_back(tracer: Tracer) -> None:
    order = tracer.start_span("order", context=OtelContext())
    carried = carry(whose)
    with tracer.start_as_current_span("invoice", context=OtelContext()):
        assert carried() == "order"
        assert whose() == "invoice"
    order.end()


def test_a_root_that_starts_after_another_app_was_asked_is_still_awaited(tracer: Tracer) -> None:
    inner = LabelledBodies(lambda *_: iter([b"inner"]))

    def outer(*arguments: Any) -> Iterable[bytes]:
        inner(*arguments)
        tracer.start_span("order").end()
        return iter([b"outer"])

    body: Any = LabelledBodies(outer)({}, lambda *_: lambda _: None)

    assert type(body).__name__ == "_LabelledBody"
    body.close()


def test_what_a_streamed_body_hands_to_threads_is_labelled_until_it_is_closed(tracer: Tracer) -> None:
    carried: list[bool] = []

    def parts() -> Iterator[bytes]:
        while True:
            carried.append(carry(len) is not len)
            yield b"part"

    def application(*_: Any) -> Iterable[bytes]:
        tracer.start_span("order").end()
        return parts()

    body: Any = LabelledBodies(application)({}, lambda *_: lambda _: None)
    next(body)
    assert body._root.live
    body.close()

    assert carried == [True]
    assert not body._root.live


def test_a_loop_that_keeps_other_things_ready_is_followed_without_an_error() -> None:
    other = SimpleNamespace()

    event_loop._follow_waiting(cast(asyncio.AbstractEventLoop, SimpleNamespace(_ready=[other])))
    event_loop._follow_waiting(cast(asyncio.AbstractEventLoop, SimpleNamespace()))

    assert vars(other) == {}


def test_a_forked_process_knows_nothing_of_its_parents_labels(tracer: Tracer) -> None:
    thread = thread_labels()
    with tracer.start_as_current_span("order"):
        tracer.start_span("part").end()
        thread.first_started = []
        labels._forget_labels()
        known: list[object] = [thread.current, thread.first_started, thread.last_child]
    assert known == [None, None, None]


@pytest.mark.parametrize("is_own", [True, False])
def test_the_labels_of_a_thread_that_ends_are_taken_off_on_that_thread_alone(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    removed: list[str] = []
    with tracer.start_as_current_span("order"):
        ending = labels.ThreadLabels()
        ending.current = thread_labels().current
        ending._thread += not is_own
        monkeypatch.setattr(labels, "remove_thread_tag", lambda key, _: removed.append(key))
        ending.__del__()
        monkeypatch.setattr(labels, "remove_thread_tag", lambda *_: True)
        ending.current = None

    assert removed == (["span_id", "span_name", "trace_id"] if is_own else [])


@pytest.mark.parametrize(("name", "shown"), [("order", "order"), ("größer", "größer"), ("a\ud800b", "a?b")])
def test_a_label_has_the_spans_name_as_far_as_it_can_be_sent(tracer: Tracer, name: str, shown: str) -> None:
    with tracer.start_as_current_span(name):
        assert whose() == shown


def test_a_span_is_labelled_in_an_app_that_never_imported_asyncio(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "asyncio.events")

    with tracer.start_as_current_span("order") as span:
        assert whose() == "order"

    assert PROFILE_ID_ATTRIBUTE in span.attributes  # type: ignore[attr-defined] # the SDK's spans have them


def test_a_forked_process_forgets_late_roots_and_may_have_an_agent_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("may_be_profiled", False), ("began_ns", 0)):
        monkeypatch.setattr(process, name, value)
    root_stack.set((cast(Root, "of the parent"),))
    forked_ns = time.time_ns()

    late_roots_module._forget_the_parent_process()

    assert (process.may_be_profiled, root_stack.get(), late_roots) == (True, (), {})
    assert process.began_ns >= forked_ns


@pytest.mark.parametrize("parent", ["none", "remote", "local"])
def test_only_a_child_of_this_process_goes_on_when_its_root_has_ended(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    monkeypatch.setattr(process, "may_be_profiled", True)
    order = tracer.start_span("order")
    root = thread_labels().current
    assert root is not None
    known = order.get_span_context()
    above = SpanContext(known.trace_id, 7, is_remote=parent == "remote", trace_flags=TraceFlags(1))
    context = OtelContext() if parent == "none" else set_span_in_context(NonRecordingSpan(above))
    plain = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    span: Any = plain.start_span("work", context=context)
    order.end()

    assert late_roots_module._goes_on(span, [root]) is (parent == "local")


def test_a_carried_function_keeps_what_the_app_has_put_on_it(tracer: Tracer) -> None:
    with tracer.start_as_current_span("order"):
        carried: Any = carry(whose)
        assert carry(dict)([("a", 1)], b=2) == {"a": 1, "b": 2}

    assert carried.__wrapped__ is whose
    assert carried.__name__ == "whose"


class File:
    """What a server may send without reading it."""

    def __iter__(self) -> Iterator[bytes]:
        yield b""


@pytest.mark.parametrize(
    ("body", "is_labelled"),
    [([b"list"], False), ((b"tuple",), False), (File(), False), (iter([b"streamed"]), True)],
    ids=["list", "tuple", "file", "streamed"],
)
def test_only_a_body_that_is_yet_to_be_computed_is_labelled(
    tracer: Tracer, body: Iterable[bytes], is_labelled: bool
) -> None:
    def application(*_: Any) -> Iterable[bytes]:
        tracer.start_span("order").end()
        return body

    answered = LabelledBodies(application)({"wsgi.file_wrapper": File}, lambda *_: lambda _: None)

    assert (answered is not body) is is_labelled


def test_the_body_of_a_request_without_a_span_is_the_apps_own() -> None:
    body = iter([b"streamed"])

    assert LabelledBodies(lambda *_: body)({}, lambda *_: lambda _: None) is body


def test_a_labelled_body_has_labels_while_it_computes_and_while_it_is_closed(tracer: Tracer) -> None:
    seen: list[str] = []
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            seen.append(shown())
            yield b"part"

        def close(self) -> None:
            closed.append(shown())

    def shown() -> str:
        current = thread_labels().current
        return current.span_id if current else ""

    def application(*_: Any) -> Iterable[bytes]:
        with tracer.start_as_current_span("order") as span:
            ids.append(f"{span.get_span_context().span_id:016x}")
        return Body()

    ids: list[str] = []
    body: Any = LabelledBodies(application)({}, lambda *_: lambda _: None)
    between = shown()
    parts = list(body)
    body.close()

    assert (parts, seen, closed) == ([b"part"], ids, ids)
    assert (between, shown()) == ("", "")
