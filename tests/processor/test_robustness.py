"""The processor in somebody else's app: it raises nothing, keeps nothing, changes nothing, and needs little."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import Span, TracerProvider

import spanprofiles_processor
from spanprofiles_processor import SpanProfileProcessor, carry, follow_event_loop
from tests.processor.conftest import Scenarios
from tests.support.processor.outcomes import assert_labelled

PACKAGE = Path(spanprofiles_processor.__file__).parent


def python(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_memory_does_not_grow_with_the_number_of_spans(scenarios: Scenarios) -> None:
    notes = scenarios.outcome("much_of_everything", "ours").notes
    assert isinstance(notes["roots"], int)
    assert isinstance(notes["grown_bytes"], int)
    # What is kept is one root, or a few nested ones, of each context that is still there.
    assert notes["roots"] <= 20
    assert notes["grown_bytes"] < 50_000, f"{notes['grown_bytes']} bytes for 6,000 more spans"


def test_a_followed_loop_does_for_its_app_what_it_did(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("asyncio_as_before", "ours")
    assert outcome.notes == {
        "followed_once": True,
        "results": ["CancelledError", "ValueError"],
        "process": 7,
        "handled": ["IndexError('pop from empty list')"],
    }
    # asyncio's own debug message about slow callbacks still names the task.
    assert "Executing <Task finished name='the slow one'" in outcome.errors


def test_a_server_gets_the_body_it_can_send_best(scenarios: Scenarios) -> None:
    assert scenarios.outcome("wsgi_bodies", "ours").notes == {
        "list": True,
        "file": True,
        "untraced": True,
        "between": False,
        "parts": ["a", "b"],
        "closed": ["streamed"],
        "labelled": ["order", "order"],
    }


def test_after_its_shutdown_it_labels_nothing(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("after_shutdown", "ours")
    assert outcome.span("before").profile_id == outcome.span("before").span_id
    assert [span.profile_id for span in outcome.spans if span.name == "after"] in ([], [None])
    assert_labelled(outcome, "work_of_red", ())


def test_a_loop_is_followed_once() -> None:
    async def main() -> list[bool]:
        return [follow_event_loop(), follow_event_loop(asyncio.get_running_loop())]

    assert asyncio.run(main()) == [True, False]


def _breaks(number: int) -> None:
    raise ValueError(number)


@pytest.mark.parametrize("later", [False, True], ids=["call_soon", "call_later"])
def test_asyncios_messages_name_the_apps_function_and_its_line(later: bool) -> None:
    handled: list[str] = []

    async def main() -> str:
        follow_event_loop()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: handled.append(context["message"]))
        handle = loop.call_later(0.001, _breaks, 5) if later else loop.call_soon(_breaks, 5)
        described = repr(handle)
        await asyncio.sleep(0.01)
        return described

    described = asyncio.run(main())
    # From Python 3.14 on, asyncio shows a callback's arguments in debug mode only.
    place = rf"_breaks\(5?\).* at .*test_robustness\.py:{_breaks.__code__.co_firstlineno}"
    assert re.search(place, described), described
    assert [bool(re.search(place, message)) for message in handled] == [True], handled


def test_in_debug_mode_a_coroutine_function_is_still_refused_as_a_callback() -> None:
    async def never() -> None: ...

    async def main() -> None:
        follow_event_loop()
        asyncio.get_running_loop().call_soon(never)

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        asyncio.run(main(), debug=True)


def test_without_a_loop_there_is_none_to_follow() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        follow_event_loop()


def test_an_error_of_the_agent_is_not_the_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str, value: str) -> bool:
        raise RuntimeError(f"{key}={value}")

    monkeypatch.setattr("spanprofiles_processor.labels.add_thread_tag", broken)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    with provider.get_tracer("test").start_as_current_span("order") as span:
        assert "pyroscope.profile.id" not in getattr(span, "attributes", {})


class Unlike(Span):
    """A span of another SDK, which has nothing of what the processor asks for."""

    def __init__(self) -> None:
        """Nothing is set up."""


def test_a_span_of_another_kind_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    processor = SpanProfileProcessor()

    processor.on_start(Unlike())
    processor.on_end(Unlike())

    assert [record.getMessage() for record in caplog.records] == [
        "a span could not be linked to its profile; further errors of this kind are not shown"
    ]


@pytest.mark.parametrize("start", [lambda: False, lambda: 1 // 0], ids=["refused", "raised"])
def test_a_span_says_where_its_agent_failed_to_start(start: Callable[[], object]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor(start_agent=start))
    for _ in range(2):
        with provider.get_tracer("test").start_as_current_span("order") as span:
            assert "the agent failed to start" in getattr(span, "attributes", {})["pyroscope.profile.missing"]


def test_an_error_of_the_processor_is_logged_once_and_not_the_apps(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    for _ in range(3):
        span = provider.get_tracer("test").start_span(7)  # type: ignore[arg-type] # the app's mistake
        span.end()
        assert getattr(span, "attributes", {}) == {"pyroscope.profile.missing": "the span processor failed"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "could not be linked" in caplog.text


def test_an_agent_that_cannot_be_started_is_tried_once_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def start() -> bool:
        tried.append(1)
        raise OSError("no such server")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor(start_agent=start))
    for _ in range(3):
        provider.get_tracer("test").start_span("order").end()
    assert tried == [1]
    assert "no such server" in caplog.text


def test_outside_a_span_there_is_nothing_to_carry() -> None:
    assert carry(len) is len


def test_it_imports_neither_the_harness_nor_asyncio(tmp_path: Path) -> None:
    """An app pays for what it uses, and the folder works under any name."""
    shutil.copytree(PACKAGE, tmp_path / "lifted", ignore=shutil.ignore_patterns("__pycache__"))
    program = "import sys, lifted; print(lifted.SpanProfileProcessor.__module__, *sys.modules)"
    module, *others = python(program, tmp_path).split()
    assert module == "lifted.span_processor"
    assert not [name for name in others if name.startswith(("spanprofiles", "requests", "asyncio", "anyio"))]


@pytest.mark.parametrize("missing", ["opentelemetry", "pyroscope"])
def test_a_missing_package_is_named_with_what_to_do(missing: str) -> None:
    program = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
try:
    import spanprofiles_processor
except ImportError as error:
    print(error)
"""
    told = python(program, PACKAGE.parent)
    assert f"No module named '{missing}" in told
    assert "pip install spanprofiles-processor" in told
