"""The judgements of the first hops, on plain data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spanprofiles.clients import Refusal
from spanprofiles.clients.storage import FailedWrites
from spanprofiles.doctor import Finding, Verdict
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import probe, profile_type, profiles, servers, service_name, traces
from spanprofiles.doctor.names import nearest
from spanprofiles.doctor.observations import AroundSpans, ProbedServer, ServerFacts, TraceFacts
from spanprofiles.doctor.question import Question
from spanprofiles.model import SpanKind, Trace
from tests.support.doctor import MS, NOW_NS, SERVICE, S, a_span, profiled, traced

NOTHING = Facts(Question(SERVICE, NOW_NS))
TEMPO = ServerFacts("Tempo", "http://t")
PYROSCOPE = ServerFacts("Pyroscope", "http://p")
MEMORY = "memory:alloc_space:bytes:space:bytes"


def test_two_servers_that_are_ready_are_in_order() -> None:
    found = servers.judge(replace(NOTHING, servers=(TEMPO, PYROSCOPE)))

    assert found.verdict is Verdict.OK
    assert found.seen["tempo"] == {"url": "http://t", "error": None}


def test_a_server_that_is_not_ready_is_broken_and_named() -> None:
    starting = replace(PYROSCOPE, error="Pyroscope is not ready at http://p: 503 starting")

    found = servers.judge(replace(NOTHING, servers=(TEMPO, starting)))

    assert found.verdict is Verdict.BROKEN
    assert found.evidence == (starting.error,)
    assert "wait" in found.advice


def test_a_server_that_is_ready_and_could_not_write_is_in_doubt() -> None:
    full = replace(TEMPO, failed_writes=FailedWrites("Tempo", 3, 600))

    found = servers.judge(replace(NOTHING, servers=(full, PYROSCOPE)))

    assert found.verdict is Verdict.DOUBTFUL
    assert "Tempo has failed to write to its storage 3 time(s) since it started 10 min ago" in found.evidence
    assert "make room on its disk" in found.advice
    assert found.seen["failed_writes"] == {"tempo": 3}


def test_a_server_that_writes_again_is_in_order_and_what_it_lost_is_told() -> None:
    again = replace(PYROSCOPE, failed_writes=FailedWrites("Pyroscope", 3, 600, goes_on=False))

    found = servers.judge(replace(NOTHING, servers=(TEMPO, again)))

    assert found.verdict is Verdict.OK
    assert "Pyroscope has failed to write" in found.evidence[-1]


def test_for_a_server_that_is_silent_the_address_is_what_to_look_at() -> None:
    silent = replace(TEMPO, error="Tempo does not answer at http://t", answers=False)

    assert "--tempo" in servers.judge(replace(NOTHING, servers=(silent, PYROSCOPE))).advice


def test_without_a_probe_it_is_not_known_whether_pushes_are_taken() -> None:
    assert probe.judge(NOTHING).verdict is Verdict.NOT_CHECKED


SPAN_BACK = ProbedServer("Tempo", "http://o", sent=True, came_back=True, waited_s=0.1)
PROFILE_BACK = ProbedServer("Pyroscope", "http://p", sent=True, came_back=True, waited_s=0.2)


def test_a_probe_that_comes_back_is_in_order() -> None:
    assert probe.judge(replace(NOTHING, probed=(SPAN_BACK, PROFILE_BACK))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("probed", "says"),
    [
        ((SPAN_BACK, ProbedServer("Pyroscope", "http://p", error="500")), "the profile was not accepted: 500"),
        (
            (SPAN_BACK, ProbedServer("Pyroscope", "http://p", sent=True, waited_s=10)),
            "did not return it within 10 s",
        ),
        ((ProbedServer("Tempo", "http://o", error="404"), PROFILE_BACK), "the span was not accepted: 404"),
        (
            (ProbedServer("Tempo", "http://o", sent=True, lost_after_s=1.4, waited_s=3), PROFILE_BACK),
            "Tempo accepted the span, returned it, and lost it within 2 s",
        ),
    ],
)
def test_a_probe_that_is_refused_or_dropped_is_broken(probed: tuple[ProbedServer, ...], says: str) -> None:
    found = probe.judge(replace(NOTHING, probed=probed))

    assert found.verdict is Verdict.BROKEN
    assert says in " ".join(found.evidence)


def test_without_an_otlp_address_half_of_the_probe_is_in_doubt() -> None:
    found = probe.judge(replace(NOTHING, probed=(ProbedServer("Tempo", ""), PROFILE_BACK)))

    assert found.verdict is Verdict.DOUBTFUL
    assert "--otlp" in found.advice


def test_traces_of_the_service_are_counted() -> None:
    root = a_span()
    child = a_span("search", parent_id=root.span_id, kind=SpanKind.INTERNAL, profile_id=None, trace_id=root.trace_id)

    found = traces.judge(replace(NOTHING, traces=traced(root, child)))

    assert found.verdict is Verdict.OK
    assert (found.seen["local_roots"], found.seen["child_spans"]) == (1, 1)


def test_spans_that_lost_their_parent_are_no_local_roots_for_sure() -> None:
    orphan = a_span("search", parent_id="00000000000000aa", kind=SpanKind.INTERNAL, profile_id=None)

    found = traces.judge(replace(NOTHING, traces=traced(orphan)))

    assert found.verdict is Verdict.DOUBTFUL
    assert found.seen["spans_without_their_parent"] == 1


def test_an_empty_tempo_says_so() -> None:
    found = traces.judge(Facts(Question("", NOW_NS), traces=TraceFacts(profiled=False)))

    assert found.verdict is Verdict.BROKEN
    assert "no span of any service" in found.evidence[0]
    assert "no profile of any service" in found.evidence[1]


def test_a_service_that_is_spelled_otherwise_is_found_among_the_names() -> None:
    found = traces.judge(Facts(Question("ride_sharing", NOW_NS), traces=TraceFacts(("shop", "ride-sharing"))))

    assert found.verdict is Verdict.BROKEN
    assert "is it called ride-sharing?" in found.advice


@pytest.mark.parametrize(
    ("labelled", "says"), [(False, "OTEL_TRACES_SAMPLER"), (True, "exporter"), (None, "30 s late")]
)
def test_what_is_on_samples_tells_why_there_are_no_traces(labelled: bool | None, says: str) -> None:
    known = TraceFacts((SERVICE,), profiled=True, labelled=labelled)

    found = traces.judge(replace(NOTHING, traces=known))

    assert found.verdict is Verdict.BROKEN
    assert says in found.advice


def test_a_trace_that_is_not_there_may_not_have_been_sampled() -> None:
    found = traces.judge(Facts(Question(SERVICE, NOW_NS, trace_id="ab" * 16), traces=TraceFacts((SERVICE,))))

    assert found.verdict is Verdict.BROKEN
    assert "sampled" in found.advice


def test_a_trace_without_the_service_names_those_in_it() -> None:
    other = Trace.of("ab" * 16, [a_span(service="shop", trace_id="ab" * 16)])

    found = traces.judge(Facts(Question(SERVICE, NOW_NS, trace_id="ab" * 16), traces=TraceFacts((SERVICE,), (other,))))

    assert found.verdict is Verdict.BROKEN
    assert "shop" in found.advice


def test_profiles_under_the_services_name_are_in_order() -> None:
    known = replace(NOTHING, profiles=profiled())

    assert profiles.judge(known).verdict is Verdict.OK
    assert service_name.judge(known).verdict is Verdict.OK
    assert profile_type.judge(known).verdict is Verdict.OK


def test_no_profile_of_any_service_means_no_agent_or_failing_uploads() -> None:
    refused = (Refusal("Pyroscope", 7, "profile", "sample_labels_limit"),)
    found = profiles.judge(replace(NOTHING, profiles=profiled(services=(), refused=refused)))

    assert found.verdict is Verdict.BROKEN
    assert found.evidence[-1].startswith("Pyroscope has refused 7 profile(s): sample_labels_limit")
    assert found.seen["refused"] == {"sample_labels_limit": 7}
    assert found.advice.startswith("a sample has over 100 labels")
    assert "--probe" in found.advice


def test_where_nothing_was_refused_the_advice_is_about_the_agent_alone() -> None:
    found = profiles.judge(replace(NOTHING, profiles=profiled(services=())))

    assert not any("refused" in line for line in found.evidence)
    assert found.advice.startswith("start the profiling agent")


def test_profiles_of_others_only_means_no_agent_and_lists_them() -> None:
    found = profiles.judge(replace(NOTHING, profiles=profiled(services=("shop", "ridez"), own_found=False)))

    assert found.verdict is Verdict.BROKEN
    assert "it has profiles of: ridez, shop" in found.evidence


def around(**changes: Any) -> AroundSpans:
    """What the profiles of a process hold that forked the one whose spans run."""
    known: dict[str, Any] = {"spans": 6, "time_ns": 3 * S, "cpu_ns": 20 * MS, "exports_spans": False}
    return AroundSpans(**{**known, **changes})


def judged(**found: Any) -> Finding:
    return profiles.judge(replace(NOTHING, profiles=profiled(own_found=False, **found)))


def test_profiles_that_hold_next_to_no_cpu_around_the_spans_are_of_another_process() -> None:
    found = judged(around=around())

    assert found.verdict is Verdict.BROKEN
    assert "6 span(s) of rides ran for 3.0 s in total" in found.evidence[0]
    assert "hold 20 ms of CPU" in found.evidence[0]
    assert "post_fork" in found.advice


@pytest.mark.parametrize(
    "other",
    [{"cpu_ns": 400 * MS}, {"exports_spans": True}, {"spans": 4}, {"time_ns": S - 1}],
    ids=["it computes", "it exports the spans", "few spans", "a short time"],
)
def test_profiles_that_may_be_of_the_process_whose_spans_run_are_in_order(other: dict[str, Any]) -> None:
    assert judged(around=around(**other)).verdict is Verdict.OK


def test_an_agent_that_worked_before_is_not_taken_for_one_that_never_ran() -> None:
    assert judged(around=around(), labelled=True).verdict is Verdict.OK


def test_samples_under_another_name_break_the_name_and_not_the_profiles() -> None:
    known = replace(NOTHING, profiles=profiled(services=("shop",), own_found=False, found_under=("shop",)))

    assert profiles.judge(known).verdict is Verdict.OK
    found = service_name.judge(known)
    assert found.verdict is Verdict.BROKEN
    assert "service_name=shop" in found.evidence[0]


def test_names_that_differ_in_dots_and_underscores_are_meant_to_be_the_same() -> None:
    known = Facts(Question("ride.app", NOW_NS), profiles=profiled(services=("ride_app",), own_found=False))

    assert service_name.judge(known).verdict is Verdict.BROKEN
    assert service_name.judge(known).seen["instead"] == ["ride_app"]


def test_a_profile_type_that_the_service_does_not_have_is_broken() -> None:
    memory = {"service_name": SERVICE, "__profile_type__": MEMORY}

    found = profile_type.judge(replace(NOTHING, profiles=profiled(series=(memory,))))

    assert found.verdict is Verdict.BROKEN
    assert f"its types: {MEMORY}" in found.evidence


def test_traces_that_only_samples_led_to_are_told_from_those_that_the_search_finds() -> None:
    known = replace(traced(a_span()), by_samples=True)

    found = traces.judge(replace(NOTHING, traces=known))

    assert found.verdict is Verdict.OK
    assert found.evidence[-1] == "the search does not find them yet; the trace IDs on samples led to them"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("ride", ["shop", "ride-sharing"], ["ride-sharing"]),
        ("ride.sharing", ["ride_sharing", "ride-shares"], ["ride_sharing", "ride-shares"]),
        ("a", ["ab", "abc"], []),
        ("rides", ["rides"], []),
    ],
)
def test_names_that_resemble_one_are_found_the_nearest_first(name: str, known: list[str], expected: list[str]) -> None:
    assert nearest(name, known) == expected
