"""What a hop advises fits the language of the spans and the profiler that is seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hops import (
    link,
    profile_id,
    profile_type,
    profiles,
    sample_labels,
    service_name,
    single_span,
    window,
)
from spanprofiles.doctor.observations import LabelCheck, Link, Place
from spanprofiles.doctor.question import Question
from spanprofiles.model.languages import LANGUAGES
from tests.support.doctor import NOW_NS, SERVICE, a_span, facts, linked, profiled, traced, unlinked

OF_PYTHON = re.compile(
    r"python|pyspy|gunicorn|uwsgi|celery|asyncio|spanprofiles\.|cpu_implementation|interpreter", re.I
)
OTHERS = [key for key in LANGUAGES if key != "python"] + ["haskell"]


def spans_of(language: str, count: int = 5, **more: Any) -> list[Any]:
    return [a_span(ms=500, resource={"telemetry.sdk.language": language}, **more) for _ in range(count)]


def without_ids(language: str) -> Finding:
    return profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans_of(language, profile_id=None))))


def without_profiles(language: str) -> Finding:
    spans = traced(*spans_of(language))
    return profiles.judge(Facts(Question(SERVICE, NOW_NS), traces=spans, profiles=profiled(services=(), series=())))


def without_labels(language: str, *signs: Mapping[str, str], **changes: Any) -> Finding:
    known = profiled(own_found=False, signs=signs, **changes)
    links = (unlinked(span) for span in spans_of(language))
    return sample_labels.judge(facts(*links, profiles=known, found={"exemplars": ()}))


def of_another_type(language: str) -> Finding:
    series = ({"service_name": SERVICE, "__profile_type__": "memory:inuse_space:bytes:space:bytes"},)
    return profile_type.judge(
        Facts(Question(SERVICE, NOW_NS), traces=traced(*spans_of(language)), profiles=profiled(series=series))
    )


def under_another_name(language: str) -> Finding:
    known = profiled(services=("other",), own_found=False, found_under=("other",))
    return service_name.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans_of(language)), profiles=known))


def one_dead_process(language: str) -> Finding:
    dead = [unlinked(span) for span in spans_of(language, 4, host="h2")]
    return link.judge(facts(*(linked(span, 400) for span in spans_of(language, 8, host="h1")), *dead))


def some_unexplained(language: str) -> Finding:
    links: list[Link] = [linked(span, 400) for span in spans_of(language, 6)]
    return link.judge(facts(*links, *(unlinked(span) for span in spans_of(language, 4))))


def with_neighbours_labels(language: str) -> Finding:
    (span,) = spans_of(language, 1)
    check = LabelCheck(span, foreign_ns=10**7, own_ns=10**7, neighbours=("fry",))
    return single_span.judge(facts(linked(span), found={"checks": (check,)}))


def with_long_uploads(language: str) -> Finding:
    far = [linked(span, place=Place.OUTSIDE, is_earlier=True) for span in spans_of(language)]
    return window.judge(facts(*far, upload_interval_s=60.0))


BROKEN_HOPS = [
    without_ids,
    without_profiles,
    without_labels,
    of_another_type,
    under_another_name,
    one_dead_process,
    some_unexplained,
    with_neighbours_labels,
    with_long_uploads,
]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("broken", BROKEN_HOPS)
def test_no_hop_tells_another_language_of_pythons_packages(broken: Callable[[str], Finding], language: str) -> None:
    found = broken(language)

    assert found.verdict in {Verdict.BROKEN, Verdict.DOUBTFUL}
    told = " ".join([*found.evidence, found.advice])
    assert OF_PYTHON.findall(told) == []


def test_python_is_told_of_its_own() -> None:
    assert "PyroscopeSpanProcessor()" in without_ids("python").advice
    assert "gunicorn's post_fork" in without_profiles("python").advice
    assert "Stack labels nothing" in without_labels("python").advice
    assert "Celery" in one_dead_process("python").advice
    assert "asyncio" in with_neighbours_labels("python").advice
    assert "upload_interval" in with_long_uploads("python").advice


@pytest.mark.parametrize(
    ("language", "tasks"),
    [("python", " (asyncio tasks in one thread): use a processor that follows tasks"), ("go", "")],
)
def test_another_spans_name_is_a_neighbours_where_tasks_share_a_thread(language: str, tasks: str) -> None:
    (span,) = spans_of(language, 1)
    found = single_span.judge(facts(linked(span), found={"checks": (LabelCheck(span, foreign_ns=10**7),)}))

    assert found.verdict is Verdict.DOUBTFUL
    assert found.advice == (
        "Spans renamed while they run keep the first name on their samples, which is harmless. Where the name is a"
        f" neighbour's, samples carry the labels of several spans{tasks}."
    )


def test_dotnet_samples_without_labels_need_wall_time_profiling() -> None:
    found = without_labels("dotnet", {"spy_name": "dotnetspy"})

    assert found.verdict is Verdict.BROKEN
    assert "PYROSCOPE_PROFILING_WALLTIME_ENABLED=1" in found.advice
    assert "fork" not in found.advice


def test_go_and_java_are_not_told_of_forks() -> None:
    for language in ("go", "java", "dotnet"):
        for broken in (without_profiles, without_labels, one_dead_process):
            assert "fork" not in broken(language).advice


def test_ruby_is_told_where_pumas_workers_start() -> None:
    assert "on_worker_boot" in without_profiles("ruby").advice


def test_node_is_told_that_no_span_processor_exists() -> None:
    assert "no span processor for Node.js" in without_ids("nodejs").advice
    assert "no span processor for Node.js" in without_profiles("nodejs").advice


def test_javas_wall_event_is_named_with_the_events_that_label_samples() -> None:
    found = without_labels("java", {"pyroscope_spy": "javaspy", "jfr_event": "wall"})

    assert "samples by the event wall" in found.evidence[-1]
    assert "PYROSCOPE_PROFILER_EVENT=itimer (or cpu)" in found.advice


def test_javas_other_events_are_not_accused() -> None:
    found = without_labels("java", {"pyroscope_spy": "javaspy", "jfr_event": "itimer"})

    assert not any("event" in line for line in found.evidence)


def test_java_is_told_of_the_extension_that_loses_labels_when_a_child_span_ends() -> None:
    unexplained = some_unexplained("java").advice
    elsewhere = LANGUAGES["java"].elsewhere_advice

    assert "after a child of it has ended, with the extension before 2.0.0" in unexplained
    assert elsewhere.startswith("load the extension 2.0.0 or later")
    assert "OTEL_PYROSCOPE_ROOT_SPAN_ONLY" in elsewhere


@pytest.mark.parametrize("language", [key for key in LANGUAGES if key != "java"])
def test_no_other_language_is_told_of_javas_extension(language: str) -> None:
    assert "extension" not in LANGUAGES[language].elsewhere_advice


@pytest.mark.parametrize(
    ("signs", "name"),
    [
        ({"pyroscope_spy": "ebpfspy"}, "an eBPF profiler"),
        ({"otel.scope.name": "com.grafana.alloy/pyroscope.ebpf"}, "an eBPF profiler"),
        ({"pyroscope_spy": "pyroscope-rs"}, "Pyroscope's Rust agent"),
        ({"pyroscope_spy": "nodespy"}, "Pyroscope's Node.js agent"),
    ],
)
def test_a_profiler_that_can_never_be_linked_is_said_to_be_one(signs: Mapping[str, str], name: str) -> None:
    found = without_labels("go", signs)

    assert found.verdict is Verdict.BROKEN
    assert f"the profiles are taken by {name}" in found.evidence[1]
    assert "profile with the agent made for Go: call pyroscope.Start" in found.advice
    assert "otelpyroscope.NewTracerProvider" in found.advice


def test_it_is_broken_however_little_the_spans_did() -> None:
    short = unlinked(a_span(ms=5, resource={"telemetry.sdk.language": "go"}))
    known = profiled(own_found=False, signs=({"pyroscope_spy": "ebpfspy"},))

    found = sample_labels.judge(facts(short, profiles=known, found={"exemplars": ()}))

    assert found.verdict is Verdict.BROKEN


def test_an_agent_beside_the_one_that_cannot_is_not_written_off() -> None:
    found = without_labels("go", {"pyroscope_spy": "ebpfspy"}, {"pyroscope_spy": "gospy"})

    assert not any("taken by" in line for line in found.evidence)


def test_labels_of_another_tracer_are_named() -> None:
    found = without_labels("go", {"trace endpoint": "GET /", "local root span id": "8"})

    assert "labels of Datadog's tracer" in found.evidence[-1]
    assert "'local root span id', 'trace endpoint'" in found.evidence[-1]
    assert "by the label span_id alone" in found.advice
    assert "NewTracerProvider" in found.advice


def test_spans_and_profiles_of_two_languages_are_two_programs() -> None:
    found = without_labels("java", {"pyroscope_spy": "pyspy"})

    assert "the profiles are from Python, the spans from Java" in found.evidence[-1]


def test_where_spans_do_not_tell_their_language_the_profiler_does() -> None:
    spans = [a_span(ms=500) for _ in range(5)]
    known = profiled(own_found=False, signs=({"pyroscope_spy": "rbspy"},))

    found = sample_labels.judge(facts(*(unlinked(span) for span in spans), profiles=known, found={"exemplars": ()}))

    assert "Pyroscope::Otel::SpanProcessor" in found.advice


def test_spans_made_outside_of_the_process_take_no_processor() -> None:
    spans = [
        a_span(profile_id=None, resource={"telemetry.sdk.language": "go", "telemetry.sdk.name": "beyla"}, ago_s=ago)
        for ago in (10, 20)
    ]

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans)))

    assert "outside the process" in found.advice
    assert "NewTracerProvider" in found.advice


def test_a_service_of_two_languages_gets_the_advice_of_both() -> None:
    spans = [*spans_of("go", 2, profile_id=None), *spans_of("nodejs", 1, profile_id=None)]

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans)))

    assert "in Go: wrap the tracer provider" in found.advice
    assert "in Node.js: Pyroscope has no span processor" in found.advice


def test_a_language_without_a_span_processor_is_named_whoever_took_the_profiles() -> None:
    found = without_labels("nodejs", {"pyroscope_spy": "ebpfspy"})

    assert found.verdict is Verdict.BROKEN
    assert "Pyroscope has no span processor for Node.js" in found.advice
