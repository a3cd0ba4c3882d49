"""The three options of Grafana's Java extension: by its environment variables, and as arguments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import Span, SpanContext, Tracer

from spanprofiles_processor import SpanProfileProcessor, carry, labels, span_processor
from spanprofiles_processor.labels import thread_labels
from spanprofiles_processor.late_roots import late_roots, process
from spanprofiles_processor.roots import MOST_NESTED_SPANS, root_stack
from tests.support.processor.setup import remote_parent

VARIABLES = ("START_PROFILING", "ROOT_SPAN_ONLY", "ADD_SPAN_NAME")

Tags = set[tuple[str, str]]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"OTEL_PYROSCOPE_{name}", raising=False)


class Agent:
    """Holds the tags of the test's own thread, exactly, once it runs; takes what others have."""

    def __init__(self) -> None:
        self.runs = True
        self.tags: Tags = set()
        self._thread = get_ident()

    def add(self, key: str, value: str) -> bool:
        if self.runs and get_ident() == self._thread:
            self.tags.add((key, value))
        return self.runs

    def remove(self, key: str, value: str) -> bool:
        if get_ident() == self._thread:
            self.tags.remove((key, value))  # an error if nobody added it
        return True


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    agent = Agent()
    monkeypatch.setattr(labels, "add_thread_tag", agent.add)
    monkeypatch.setattr(labels, "remove_thread_tag", agent.remove)
    yield agent
    assert agent.tags == set(), "every test ends all its spans"
    assert late_roots == {}
    root_stack.set(())
    process.may_be_profiled = False


@pytest.fixture
def tags(agent: Agent) -> Tags:
    return agent.tags


def tracer_of(processor: SpanProfileProcessor) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer("test")


@pytest.fixture
def each(tags: Tags) -> Tracer:  # noqa: ARG001 - the agent of it
    """A tracer whose child spans have labels of their own."""
    return tracer_of(SpanProfileProcessor(root_span_only=False))


def whose() -> str | None:
    current = thread_labels().current
    return None if current is None else current.span_name


def profile_id(span: Span) -> str | None:
    found: str | None = getattr(span, "attributes", {}).get("pyroscope.profile.id")
    assert found in {None, f"{span.get_span_context().span_id:016x}"}
    return found


def labels_of(span: Span) -> Tags:
    context = span.get_span_context()
    return {
        ("span_id", f"{context.span_id:016x}"),
        ("span_name", getattr(span, "name", "")),
        ("trace_id", f"{context.trace_id:032x}"),
    }


def test_by_default_a_child_has_its_roots_labels(tags: Tags) -> None:
    tracer = tracer_of(SpanProfileProcessor())
    with tracer.start_as_current_span("root") as root:
        with tracer.start_as_current_span("child") as child:
            assert tags == labels_of(root)
        assert profile_id(child) is None


def test_a_child_has_a_profile_id_and_labels_and_gives_its_parents_back(each: Tracer, tags: Tags) -> None:
    with each.start_as_current_span("root") as root:
        with each.start_as_current_span("outer") as outer:
            with each.start_as_current_span("inner") as inner:
                assert tags == labels_of(inner)
            assert tags == labels_of(outer)
        assert tags == labels_of(root)
    assert [bool(profile_id(span)) for span in (root, outer, inner)] == [True, True, True]


def test_siblings_take_turns(each: Tracer) -> None:
    with each.start_as_current_span("root"):
        for name in ("first", "second"):
            with each.start_as_current_span(name):
                assert whose() == name
            assert whose() == "root"


def test_a_child_that_is_ended_before_its_own_child_comes_back_to_nobody(each: Tracer) -> None:
    with each.start_as_current_span("root") as root:
        outer = each.start_span("outer", trace.set_span_in_context(root))
        inner = each.start_span("inner", trace.set_span_in_context(outer))
        outer.end()
        assert whose() == "inner"
        inner.end()
        assert whose() == "root"


def test_a_child_that_outlives_its_root_keeps_its_labels(each: Tracer, tags: Tags) -> None:
    root = each.start_span("root")
    with each.start_as_current_span("child", trace.set_span_in_context(root)) as child:
        root.end()
        assert tags == labels_of(child)
    assert tags == set()


def test_deeply_nested_spans_all_get_their_labels_back(each: Tracer) -> None:
    def descend(depth: int) -> None:
        with each.start_as_current_span(str(depth)):
            if depth < MOST_NESTED_SPANS:
                descend(depth + 1)
            assert whose() == str(depth)

    descend(1)


def test_a_root_inside_a_child_takes_over_and_gives_back(each: Tracer) -> None:
    with each.start_as_current_span("root"), each.start_as_current_span("child"):
        with each.start_as_current_span("message", remote_parent(0xABC)):
            assert whose() == "message"
        assert whose() == "child"


def test_a_child_on_another_thread_has_its_own_labels_there(each: Tracer, tags: Tags) -> None:
    def work(inherited: context.Context) -> tuple[str | None, str | None, str | None]:
        before = whose()
        token = context.attach(inherited)
        with each.start_as_current_span("child"):
            inside = whose()
        context.detach(token)
        return before, inside, whose()

    with each.start_as_current_span("root") as root, ThreadPoolExecutor(1) as pool:
        assert pool.submit(work, context.get_current()).result() == (None, "child", None)
        assert tags == labels_of(root)


def test_carried_work_is_the_childs_that_handed_it_out(each: Tracer) -> None:
    with each.start_as_current_span("root"), each.start_as_current_span("child"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(carry(whose)).result() == "child"


def test_a_child_whose_trace_is_not_sampled_has_nothing(tags: Tags) -> None:
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor(root_span_only=False))
    tracer = provider.get_tracer("unsampled")
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
        assert tags == set()


def test_a_child_that_only_waits_for_a_message_has_its_parents_labels(each: Tracer) -> None:
    with each.start_as_current_span("GET /"):
        with each.start_as_current_span("GET / http receive") as waits:
            assert whose() == "GET /"
        assert profile_id(waits) is None


def test_a_root_may_have_the_name_of_a_message(each: Tracer) -> None:
    with each.start_as_current_span("GET / http receive") as root:
        assert profile_id(root)


def test_after_the_shutdown_a_child_has_nothing(tags: Tags) -> None:
    processor = SpanProfileProcessor(root_span_only=False)
    tracer = tracer_of(processor)
    with tracer.start_as_current_span("root") as root:
        processor.shutdown()
        with tracer.start_as_current_span("child") as child:
            assert tags == labels_of(root)
        assert profile_id(child) is None


def test_without_an_agent_a_child_has_no_profile_id_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "add_thread_tag", lambda _key, _value: False)
    tracer = tracer_of(SpanProfileProcessor(root_span_only=False))
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child") as child:
        assert [profile_id(root), profile_id(child)] == [None, None]
    assert getattr(root, "attributes", {}) == {"pyroscope.profile.missing": "no agent in this process"}
    assert getattr(child, "attributes", {}) == {}


def test_each_task_has_the_labels_of_its_own_innermost_span(each: Tracer) -> None:
    seen: set[tuple[str, str | None]] = set()

    async def order(name: str) -> None:
        with each.start_as_current_span(name):
            for part in ("first", "second"):
                with each.start_as_current_span(f"{name} {part}"):
                    for _ in range(3):
                        await asyncio.sleep(0)
                        seen.add((f"{name} {part}", whose()))
                    await asyncio.create_task(helper(f"{name} {part}"))
                await asyncio.sleep(0)
                seen.add((name, whose()))

    async def helper(name: str) -> None:
        await asyncio.sleep(0)
        seen.add((name, whose()))
        await asyncio.to_thread(lambda: seen.add((name, whose())))

    async def bare() -> None:
        for _ in range(12):
            await asyncio.sleep(0)
            seen.add(("bare", whose()))

    async def main() -> None:
        await asyncio.gather(order("red"), order("blue"), bare())

    context.attach(context.Context())
    asyncio.run(main())
    names = {"red", "red first", "red second", "blue", "blue first", "blue second"}
    assert seen == {(name, name) for name in names} | {("bare", None)}


@pytest.mark.parametrize("each_span", [False, True], ids=["roots", "each span"])
def test_without_the_span_name_samples_have_the_other_two_labels(tags: Tags, each_span: bool) -> None:
    tracer = tracer_of(SpanProfileProcessor(add_span_name=False, root_span_only=not each_span))
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
        assert {key for key, _ in tags} == {"span_id", "trace_id"}


def test_a_span_that_outlives_its_root_is_named_only_if_the_root_was(tags: Tags) -> None:
    tracer = tracer_of(SpanProfileProcessor(add_span_name=False))
    root = tracer.start_span("root")
    with tracer.start_as_current_span("goes on", trace.set_span_in_context(root)):
        root.end()
        assert {key for key, _ in tags} == {"span_id", "trace_id"}
    with tracer.start_as_current_span("starts afterwards", trace.set_span_in_context(root)):
        assert {key for key, _ in tags} == {"span_id", "trace_id"}


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("FALSE", False), (" False ", False), ("", True), ("  ", True), (None, True)],
)
def test_the_environment_says_which_spans_have_labels(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str | None, expected: bool
) -> None:
    if value is not None:
        monkeypatch.setenv("OTEL_PYROSCOPE_ROOT_SPAN_ONLY", value)
    tracer = tracer_of(SpanProfileProcessor())
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child") as child:
        assert (profile_id(child) is None) is expected
    assert caplog.records == []


def test_the_environment_can_leave_the_span_name_out(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYROSCOPE_ADD_SPAN_NAME", "false")
    with tracer_of(SpanProfileProcessor()).start_as_current_span("root"):
        assert {key for key, _ in tags} == {"span_id", "trace_id"}


def test_an_argument_wins_over_the_environment(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(f"OTEL_PYROSCOPE_{name}", "false")
    tracer = tracer_of(SpanProfileProcessor(root_span_only=True, add_span_name=True))
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child"):
        assert tags == labels_of(root)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("value", ["maybe", "1", "0", "off", "tru\u00e9", "x" * 40, "x" * 41, "x" * 5000])
def test_a_value_that_is_neither_true_nor_false_is_a_warning_and_the_default(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv(f"OTEL_PYROSCOPE_{name}", value)
    agent.runs = False

    tracer = tracer_of(SpanProfileProcessor(start_agent=lambda: setattr(agent, "runs", True)))
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child"):
        assert agent.tags == labels_of(root)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    shown = value if len(value) <= 40 else "x" * 40 + "..."
    assert record.getMessage() == (
        f"OTEL_PYROSCOPE_{name} is '{shown}'; it must be true or false. The default, true, is taken."
    )


@pytest.fixture
def starts(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who started the agent, which has not been started yet."""
    starts: list[str] = []
    agent.runs = False

    def configure(**settings: str) -> bool:
        starts.append(settings["application_name"])
        agent.runs = True
        return True

    monkeypatch.setattr("spanprofiles_processor.settings.pyroscope.configure", configure)
    return starts


def one_span(processor: SpanProfileProcessor) -> Span:
    with tracer_of(processor).start_as_current_span("root") as span:
        return span


@pytest.mark.parametrize("said_by", ["argument", "environment"])
def test_where_somebody_else_starts_the_agent_the_processor_does_not(
    starts: list[str], monkeypatch: pytest.MonkeyPatch, said_by: str
) -> None:
    monkeypatch.setenv("OTEL_PYROSCOPE_START_PROFILING", "false" if said_by == "environment" else "true")
    argument = False if said_by == "argument" else None
    span = one_span(SpanProfileProcessor(start_agent=lambda: starts.append("app"), start_profiling=argument))
    assert starts == []
    assert getattr(span, "attributes", {})["pyroscope.profile.missing"] == "no agent in this process"


def test_an_argument_starts_the_agent_although_the_environment_says_not_to(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYROSCOPE_START_PROFILING", "false")
    agent.runs = False
    processor = SpanProfileProcessor(start_agent=lambda: setattr(agent, "runs", True), start_profiling=True)
    assert profile_id(one_span(processor))


def test_without_a_function_of_the_apps_the_environment_describes_the_agent(
    starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYROSCOPE_APPLICATION_NAME", "shop")
    assert profile_id(one_span(SpanProfileProcessor(start_profiling=True)))
    assert starts == ["shop"]


@pytest.mark.parametrize("value", [None, "true"])
def test_no_agent_is_started_that_nobody_described(
    starts: list[str], monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("OTEL_PYROSCOPE_START_PROFILING", value)
    assert profile_id(one_span(SpanProfileProcessor())) is None
    assert starts == []


@pytest.mark.parametrize("is_remote", [True, False])
def test_a_span_contexts_fields_are_where_the_processor_reads_them(is_remote: bool) -> None:
    context = SpanContext(0xABC, 0xDEF, is_remote=is_remote)
    assert context[span_processor._IS_REMOTE] is context.is_remote
    assert context[span_processor._IS_VALID] is context.is_valid is True
