"""What is known of languages and profilers: no language gets another's advice, no profiler is told apart wrongly."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from spanprofiles.model import Span, SpanKind, languages, profilers
from spanprofiles.model.languages import LANGUAGES, UNKNOWN

OF_PYTHON = re.compile(
    r"python|pyspy|gunicorn|uwsgi|celery|asyncio|spanprofiles\.|cpu_implementation|interpreter", re.I
)


def a_span(**resource: str) -> Span:
    return Span("0" * 31 + "1", "0" * 15 + "1", None, "GET /", SpanKind.SERVER, 0, 10, resource=resource)


@pytest.mark.parametrize("key", [key for key in LANGUAGES if key != "python"])
def test_no_language_but_python_is_told_of_pythons_packages(key: str) -> None:
    language = LANGUAGES[key]
    told = [value for name, value in vars(language).items() if name not in {"key", "name"}]
    told += [language.start_advice, language.fork_advice, language.withheld_advice, language.elsewhere_advice]

    assert [text for text in told if OF_PYTHON.search(text)] == []


@pytest.mark.parametrize("key", ["nodejs", "rust", "php", "cpp", "erlang", "swift", "webjs"])
def test_a_language_without_span_processor_says_so(key: str) -> None:
    assert not LANGUAGES[key].has_processor
    assert f"no span processor for {LANGUAGES[key].name}" in LANGUAGES[key].processor_advice
    assert "no span processor" in LANGUAGES[key].start_advice, "an agent alone links nothing"


@pytest.mark.parametrize("key", ["python", "go", "java", "dotnet", "ruby"])
def test_a_language_with_span_processor_says_how_it_is_added(key: str) -> None:
    assert LANGUAGES[key].no_processor == ""
    assert LANGUAGES[key].processor_advice == LANGUAGES[key].add_processor
    assert LANGUAGES[key].processor in LANGUAGES[key].missing_processor


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ({"telemetry.sdk.language": "python"}, "python"),
        ({"telemetry.sdk.language": "DotNet"}, "dotnet"),
        ({"telemetry.sdk.language": "nodejs", "process.runtime.name": "CPython"}, "nodejs"),
        ({"process.runtime.name": "CPython"}, "python"),
        ({"process.runtime.name": "OpenJDK Runtime Environment"}, "java"),
        ({"process.runtime.name": "go"}, "go"),
        ({"process.runtime.name": ".NET 8.0"}, "dotnet"),
        ({"process.runtime.name": "nodejs"}, "nodejs"),
        ({"process.runtime.name": "a V8 JavaScript engine"}, "nodejs"),
        ({"process.runtime.name": "ruby"}, "ruby"),
        ({"telemetry.sdk.language": "unknown"}, ""),
        ({"telemetry.sdk.language": ""}, ""),
        ({"process.runtime.name": "cargo"}, ""),
        ({}, ""),
    ],
)
def test_a_language_is_told_by_the_sdk_else_by_the_runtime(resource: Mapping[str, str], key: str) -> None:
    assert languages.of_resource(resource).key == key


def test_an_unlisted_language_has_no_span_processor() -> None:
    assert "no span processor for haskell" in languages.language("haskell").processor_advice


def test_several_languages_of_one_service_each_get_their_advice() -> None:
    spans = [a_span(**{"telemetry.sdk.language": key}) for key in ("go", "java", "go")]

    told = languages.advice(languages.of_spans(spans), lambda language: language.upload_interval)

    assert told == "in Go: UploadRate of pyroscope.Config; in Java: PYROSCOPE_UPLOAD_INTERVAL"


def test_what_several_languages_share_is_told_once() -> None:
    told = languages.advice([LANGUAGES["java"], LANGUAGES["dotnet"]], lambda language: language.application_name)

    assert told == "in Java and .NET: PYROSCOPE_APPLICATION_NAME"


def test_without_a_language_the_advice_names_the_language_of_each_package() -> None:
    told = languages.advice([], lambda language: language.processor_advice)

    assert told == UNKNOWN.add_processor
    assert "in Python pyroscope.otel.PyroscopeSpanProcessor" in told
    assert "in Ruby Pyroscope::Otel::SpanProcessor" in told


@pytest.mark.parametrize("name", ["beyla", "opentelemetry-ebpf-instrumentation"])
def test_a_tracer_outside_of_the_process_is_known(name: str) -> None:
    assert languages.is_traced_from_outside({"telemetry.sdk.name": name})
    assert languages.is_traced_from_outside({"telemetry.distro.name": name})
    assert not languages.is_traced_from_outside({"telemetry.sdk.name": "opentelemetry", "service.name": name})


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"pyroscope_spy": "pyspy"}, "Python agent"),
        ({"otel.scope.name": "com.grafana.pyroscope/python"}, "Python agent"),
        ({"pyroscope_spy": "gospy"}, "Go agent"),
        ({"pyroscope_spy": "javaspy", "jfr_event": "itimer"}, "Java agent"),
        ({"jfr_event": "wall"}, "Java agent"),
        ({"spy_name": "dotnetspy"}, ".NET profiler"),
        ({"otel.scope.name": "com.grafana.pyroscope/dotnet"}, ".NET profiler"),
        ({"pyroscope_spy": "rbspy"}, "Ruby agent"),
        ({"process.runtime.name": "ruby"}, "Ruby agent"),
        ({"pyroscope_spy": "nodespy"}, "Node.js agent"),
        ({"pyroscope_spy": "pyroscope-rs"}, "Rust agent"),
        ({"pyroscope_spy": "phpspy"}, "phpspy"),
        ({"pyroscope_spy": "ebpfspy"}, "eBPF"),
        ({"pyroscope_spy": "alloy.ebpf"}, "eBPF"),
        ({"otel.scope.name": "com.grafana.alloy/pyroscope.ebpf"}, "eBPF"),
        ({"pyroscope_spy": "alloy.java", "jfr_event": "itimer"}, "Alloy's pyroscope.java"),
    ],
)
def test_a_profiler_is_told_by_the_labels_of_its_series(labels: Mapping[str, str], name: str) -> None:
    found = profilers.profiler_of(labels)

    assert found is not None
    assert name in found.name


@pytest.mark.parametrize("labels", [{}, {"pyroscope_spy": "unknown"}, {"service_name": "ebpf"}, {"region": "eu"}])
def test_labels_that_tell_nothing_name_no_profiler(labels: Mapping[str, str]) -> None:
    assert profilers.profiler_of(labels) is None


@pytest.mark.parametrize("spy", ["nodespy", "pyroscope-rs", "phpspy", "ebpfspy", "alloy.java"])
def test_a_profiler_that_cannot_label_by_span_is_said_to_be_one(spy: str) -> None:
    (found,) = profilers.cannot_link([{"pyroscope_spy": spy}, {"pyroscope_spy": spy, "region": "eu"}])

    assert "no span IDs" in found.cannot_link or "cannot tell it of spans" in found.cannot_link


@pytest.mark.parametrize(
    "series",
    [
        [],
        [{"pyroscope_spy": "pyspy"}],
        [{"pyroscope_spy": "ebpfspy"}, {"pyroscope_spy": "gospy"}],
        [{"pyroscope_spy": "ebpfspy"}, {}],
    ],
)
def test_one_profiler_that_can_label_by_span_is_enough(series: list[Mapping[str, str]]) -> None:
    assert profilers.cannot_link(series) == ()


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("trace endpoint", "Datadog"),
        ("local root span id", "Datadog"),
        ("local_root_span_id", "Datadog"),
        ("span id", "another tracer"),
        ("spanId", "another tracer"),
        ("transaction.id", "another tracer"),
    ],
)
def test_labels_of_another_tracer_are_named(name: str, owner: str) -> None:
    found = profilers.foreign_labels([{"service_name": "rides", name: "1"}])

    assert owner in found[name]


def test_the_labels_that_pyroscope_knows_are_nobody_elses() -> None:
    known = {"span_id": "a", "profile_id": "b", "trace_id": "c", "span_name": "GET /", "span": "GET /"}

    assert profilers.foreign_labels([known]) == {}


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"otel.scope.name": "opentelemetry-ebpf-profiler"}, "eBPF"),
        ({"pyroscope_spy": "ebpfspy-of-tomorrow"}, "eBPF"),
        ({"jfr_event": "itimer"}, "Java"),
        ({"service_name": "shop"}, None),
    ],
)
def test_a_profiler_is_told_by_the_labels_that_only_it_sets(labels: Mapping[str, str], name: str | None) -> None:
    found = profilers.profiler_of(labels)
    assert (found is None) == (name is None)
    assert name is None or (found is not None and name in found.name)


def test_a_language_for_which_there_is_no_advice_is_not_named() -> None:
    java, python = LANGUAGES["java"], LANGUAGES["python"]
    told = languages.advice([java, python], lambda language: "start it" if language is python else "")
    assert told == f"in {python.name}: start it"
    assert languages.advice([java], lambda _: "") == ""
