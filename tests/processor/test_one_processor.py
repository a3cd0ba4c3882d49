"""Zero-code adds one span processor to whatever provider there is, and keeps a second from labelling the same spans."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from pyroscope.otel import PyroscopeSpanProcessor

from spanprofiles_processor import SpanProfileProcessor, labels
from spanprofiles_processor.late_roots import process
from spanprofiles_processor.roots import root_stack
from spanprofiles_processor.zero_code import link_profiles
from tests.support.processor.setup import Spans


class CustomisedOfficial(PyroscopeSpanProcessor):
    """As somebody's app might have it."""


@pytest.fixture
def tags(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """The tags of the thread, with every repetition."""
    tags: list[tuple[str, str]] = []

    def add(key: str, value: str) -> bool:
        tags.append((key, value))
        return True

    def remove(key: str, value: str) -> bool:
        tags.remove((key, value))
        return True

    for module in (labels, sys.modules["pyroscope"]):
        monkeypatch.setattr(module, "add_thread_tag", add)
        monkeypatch.setattr(module, "remove_thread_tag", remove)
    yield tags
    assert tags == []
    root_stack.set(())
    process.may_be_profiled = False


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    for name in ("OTEL_SDK_DISABLED", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "OTEL_PYROSCOPE_START_PROFILING"):
        monkeypatch.delenv(name, raising=False)
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return provider


def labels_of_a_span(provider: TracerProvider, tags: list[tuple[str, str]]) -> list[str]:
    with provider.get_tracer("test").start_as_current_span("order"):
        return sorted(key for key, _ in tags)


ONCE = ["span_id", "span_name", "trace_id"]


def test_the_entry_point_is_the_one_that_every_distribution_runs() -> None:
    (found,) = entry_points(group="opentelemetry_pre_instrument", name="spanprofiles")
    assert found.load() is link_profiles


def test_spans_are_labelled(provider: TracerProvider, tags: list[tuple[str, str]]) -> None:
    link_profiles()
    assert labels_of_a_span(provider, tags) == ONCE


def test_spans_are_labelled_once_though_it_is_called_twice(
    provider: TracerProvider, tags: list[tuple[str, str]]
) -> None:
    link_profiles()
    link_profiles()
    assert labels_of_a_span(provider, tags) == ONCE


@pytest.mark.parametrize("official", [PyroscopeSpanProcessor, CustomisedOfficial])
@pytest.mark.parametrize("first", ["the app", "zero-code"])
def test_the_official_processor_does_not_label_the_same_spans_again(
    provider: TracerProvider, tags: list[tuple[str, str]], official: type[SpanProcessor], first: str
) -> None:
    if first == "the app":
        provider.add_span_processor(official())
        link_profiles()
    else:
        link_profiles()
        provider.add_span_processor(official())
    assert labels_of_a_span(provider, tags) == ONCE


@pytest.mark.parametrize("first", ["the app", "zero-code"])
def test_a_processor_that_the_app_adds_has_the_apps_arguments(
    provider: TracerProvider, tags: list[tuple[str, str]], first: str
) -> None:
    if first == "the app":
        provider.add_span_processor(SpanProfileProcessor(add_span_name=False))
        link_profiles()
    else:
        link_profiles()
        provider.add_span_processor(SpanProfileProcessor(add_span_name=False))
    assert labels_of_a_span(provider, tags) == ["span_id", "trace_id"]


@pytest.mark.parametrize("before", [0, 1], ids=["both afterwards", "one before"])
def test_a_second_processor_of_the_apps_own_is_the_apps_own_affair(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    added = [SpanProfileProcessor(), SpanProfileProcessor()]
    for processor in added[:before]:
        provider.add_span_processor(processor)
    link_profiles()
    for processor in added[before:]:
        provider.add_span_processor(processor)

    assert list(provider._active_span_processor._span_processors)[-2:] == added
    assert caplog.records == []


def test_any_other_processor_is_added_and_sees_the_profile_id(
    provider: TracerProvider, tags: list[tuple[str, str]]
) -> None:
    link_profiles()
    spans = Spans()
    provider.add_span_processor(spans)
    assert labels_of_a_span(provider, tags) == ONCE
    assert spans.seen[0].profile_id == spans.seen[0].span_id


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_SDK_DISABLED", " True"), ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask,spanprofiles ,grpc")],
)
def test_it_can_be_switched_off(
    provider: TracerProvider,
    tags: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    link_profiles()
    monkeypatch.delenv(name)
    assert labels_of_a_span(provider, tags) == []


def test_other_instrumentations_can_be_switched_off_by_themselves(
    provider: TracerProvider, tags: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*")
    link_profiles()
    assert labels_of_a_span(provider, tags) == ONCE


def test_without_a_provider_of_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    link_profiles()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "spans are not linked to their profiles: no tracer provider of OpenTelemetry's SDK is set up. Install"
        " opentelemetry-distro, or the distribution of your vendor."
    )


def test_a_provider_that_is_built_otherwise_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class OtherProvider:
        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            raise NotImplementedError("spans go another way here")

    monkeypatch.setattr(trace, "get_tracer_provider", OtherProvider)
    link_profiles()
    assert "spans cannot be linked to their profiles" in caplog.text


def test_the_official_processor_that_is_left_out_is_named_in_the_log(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    link_profiles()
    with caplog.at_level(logging.INFO, "spanprofiles_processor"):
        provider.add_span_processor(CustomisedOfficial())

    assert caplog.messages == ["CustomisedOfficial is left out: spanprofiles-processor links the spans"]


def test_an_error_of_its_own_is_logged_and_not_the_apps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> trace.TracerProvider:
        raise RuntimeError("a provider of another kind")

    monkeypatch.setattr(trace, "get_tracer_provider", fail)
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    link_profiles()

    assert [record.getMessage() for record in caplog.records] == ["spans cannot be linked to their profiles"]
    assert "a provider of another kind" in caplog.text


@pytest.mark.parametrize(("value", "starts"), [("", True), ("true", True), ("false", False)])
def test_the_environment_decides_whether_zero_code_starts_the_agent(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, value: str, starts: bool
) -> None:
    monkeypatch.setenv("OTEL_PYROSCOPE_START_PROFILING", value)
    link_profiles()

    (added,) = provider._active_span_processor._span_processors
    assert isinstance(added, SpanProfileProcessor)
    assert (added._agent is not None) is starts
