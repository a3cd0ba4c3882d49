"""The judgements of profile IDs and of the labels on samples, on plain data."""

from __future__ import annotations

from dataclasses import replace

from spanprofiles.clients import SpanExemplar
from spanprofiles.doctor import Verdict
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import own_id, profile_id, sample_labels, single_span
from spanprofiles.doctor.observations import LabelCheck, Place
from spanprofiles.doctor.question import Question
from spanprofiles.model import SpanKind
from spanprofiles.model.withheld import NO_AGENT
from tests.support.doctor import (
    NOW_NS,
    SERVICE,
    a_span,
    cpu_at,
    facts,
    linked,
    profiled,
    traced,
    unlinked,
    uploads,
)

PYTHON = {"telemetry.sdk.language": "python"}
EXEMPLAR = SpanExemplar("00000000000000ab", NOW_NS // 10**6, 10**7)


def test_local_roots_with_a_profile_id_are_in_order_whatever_child_spans_carry() -> None:
    root = a_span()
    child = a_span("search", parent_id=root.span_id, kind=SpanKind.INTERNAL, profile_id=None, trace_id=root.trace_id)

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(root, child)))

    assert found.verdict is Verdict.OK
    assert "1 child span(s) need none" in found.evidence


def test_child_spans_with_a_profile_of_their_own_are_counted_by_themselves() -> None:
    root = a_span()
    late = a_span("burn", parent_id=root.span_id, kind=SpanKind.INTERNAL, trace_id=root.trace_id)
    child = a_span("search", parent_id=root.span_id, kind=SpanKind.INTERNAL, profile_id=None, trace_id=root.trace_id)

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(root, late, child)))

    assert found.verdict is Verdict.OK
    assert found.evidence[0] == "1 of 1 local root span(s) carry a profile ID"
    assert "1 child span(s) need none" in found.evidence
    assert any(line.startswith("1 child span(s) have a profile of their own") for line in found.evidence)


def test_without_the_span_processor_the_advice_speaks_the_apps_language() -> None:
    go = {"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "go"}

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(a_span(profile_id=None, resource=go))))

    assert found.verdict is Verdict.BROKEN
    assert "otelpyroscope.NewTracerProvider" in found.advice
    assert "made by opentelemetry go" in found.evidence


def test_one_process_without_the_span_processor_is_named() -> None:
    found = profile_id.judge(
        Facts(Question(SERVICE, NOW_NS), traces=traced(a_span(host="h1"), a_span(host="h2", profile_id=None)))
    )

    assert found.verdict is Verdict.BROKEN
    assert "processes without a profile ID: host.name=h2" in found.evidence


def test_a_process_that_sets_profile_ids_now_and_then_is_in_doubt() -> None:
    found = profile_id.judge(
        Facts(Question(SERVICE, NOW_NS), traces=traced(a_span(host="h1"), a_span(host="h1", profile_id=None)))
    )

    assert found.verdict is Verdict.DOUBTFUL
    assert "a second tracer provider" in found.advice


def test_an_id_that_is_withheld_for_want_of_an_agent_is_no_missing_processor() -> None:
    spans = [a_span(profile_id=None, missing=NO_AGENT, resource=PYTHON) for _ in range(2)]

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans)))

    assert found.verdict is Verdict.BROKEN
    assert any("withholds the profile ID: no agent in this process (2 span(s))" in line for line in found.evidence)
    for where in ("post_fork", "postfork", "worker_process_init", "multiprocessing", "start_agent="):
        assert where in found.advice
    assert "PyroscopeSpanProcessor" not in found.advice
    assert found.seen["withheld"] == {NO_AGENT: 2}


def test_an_agent_missing_in_one_of_two_processes_is_no_missing_processor() -> None:
    spans = [a_span(host="h1", resource=PYTHON), a_span(host="h2", profile_id=None, missing=NO_AGENT, resource=PYTHON)]

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans)))

    assert found.verdict is Verdict.BROKEN
    assert "processes without a profile ID: host.name=h2" in found.evidence
    assert "post_fork" in found.advice
    assert "PyroscopeSpanProcessor" not in found.advice


def test_where_one_process_has_no_processor_and_another_no_agent_both_are_told() -> None:
    without = a_span(host="h1", profile_id=None, resource=PYTHON)
    withheld = a_span(host="h2", profile_id=None, missing=NO_AGENT, resource=PYTHON)

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(without, withheld)))

    assert "add pyroscope.otel.PyroscopeSpanProcessor()" in found.advice
    assert "where the ID is withheld: call pyroscope.configure" in found.advice


def test_an_agent_that_starts_after_the_first_spans_leaves_doubt_and_says_so() -> None:
    spans = [a_span(host="h1", resource=PYTHON), a_span(host="h1", profile_id=None, missing=NO_AGENT, resource=PYTHON)]

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(*spans)))

    assert found.verdict is Verdict.DOUBTFUL
    assert "started after the first spans, or stopped before the last" in found.advice


def test_an_error_of_the_processor_sends_to_the_apps_log() -> None:
    span = a_span(profile_id=None, missing="the span processor failed", resource=PYTHON)

    found = profile_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(span)))

    assert "the log of the app" in found.advice
    assert "pyroscope.configure" not in found.advice


def test_profile_ids_that_are_the_spans_own_are_in_order() -> None:
    assert own_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(a_span(), a_span()))).verdict is Verdict.OK


def test_a_profile_id_of_another_span_is_broken_and_says_whose_it_is() -> None:
    owner = a_span("GET /car")

    found = own_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(owner, a_span(profile_id=owner.span_id))))

    assert found.verdict is Verdict.BROKEN
    assert "they belong to GET /car" in found.evidence


def test_a_profile_id_that_is_no_span_id_is_broken() -> None:
    found = own_id.judge(Facts(Question(SERVICE, NOW_NS), traces=traced(a_span(profile_id="tomorrow"))))

    assert found.verdict is Verdict.BROKEN
    assert found.seen["malformed"] == 1


def test_one_linked_span_proves_that_samples_carry_span_ids() -> None:
    assert sample_labels.judge(facts(linked(a_span()), unlinked(a_span()))).verdict is Verdict.OK


def test_samples_that_carry_other_span_ids_carry_span_ids() -> None:
    found = sample_labels.judge(facts(unlinked(a_span()), found={"exemplars": (EXEMPLAR,), "unlabelled": ()}))

    assert found.verdict is Verdict.OK
    assert EXEMPLAR.span_id in found.evidence[0]


def test_where_the_server_lists_no_spans_span_names_on_samples_will_do() -> None:
    named = profiled(series=({"service_name": SERVICE, "span_name": "GET /bike"},))
    known = facts(*(unlinked(a_span(ms=1000)) for _ in range(5)), profiles=named, found={"unlabelled": ()})

    assert sample_labels.judge(known).verdict is Verdict.OK
    assert sample_labels.judge(replace(known, profiles=profiled())).verdict is Verdict.DOUBTFUL


def test_an_agent_that_labels_nothing_is_broken() -> None:
    unlabelled = {"exemplars": (), "unlabelled": (cpu_at((100, 10), (60, 300), (59, 200)),)}
    known = facts(*(unlinked(a_span(ms=500)) for _ in range(5)), found=unlabelled)

    found = sample_labels.judge(known)

    assert found.verdict is Verdict.BROKEN
    assert "Stack" in found.advice


def test_a_few_spans_that_waited_do_not_prove_it() -> None:
    known = facts(unlinked(a_span(ms=400)), found={"exemplars": ()}, series=[uploads(cpu_ms=0.1)])

    assert sample_labels.judge(known).verdict is Verdict.DOUBTFUL


def test_spans_that_ended_moments_ago_do_not_prove_it() -> None:
    just_now = [unlinked(a_span(ago_s=1, ms=500)) for _ in range(9)]
    known = facts(*just_now, found={"exemplars": ()}, series=[uploads(until_s=8)])

    found = sample_labels.judge(known)

    assert found.verdict is Verdict.DOUBTFUL
    assert "moments ago" in found.evidence[1]


def test_samples_after_a_spans_end_are_leaked_labels() -> None:
    check = LabelCheck(a_span(), late_ns=10**8)

    found = single_span.judge(facts(linked(check.span), found={"checks": (check, LabelCheck(a_span()))}))

    assert found.verdict is Verdict.BROKEN
    assert check.span.span_id in found.evidence[0]
    assert "100 labels" in found.advice


def test_samples_with_another_spans_name_are_in_doubt() -> None:
    found = single_span.judge(facts(linked(a_span()), found={"checks": (LabelCheck(a_span(), foreign_ns=10**7),)}))

    assert found.verdict is Verdict.DOUBTFUL


def test_samples_with_the_name_of_a_span_beside_theirs_are_mixed() -> None:
    check = LabelCheck(a_span(name="boil"), foreign_ns=10**7, own_ns=10**7, neighbours=("fry",))

    found = single_span.judge(facts(linked(a_span()), found={"checks": (check,)}))

    assert found.verdict is Verdict.BROKEN
    assert "fry on boil" in found.evidence[0]
    assert "asyncio" in found.advice


def test_a_span_that_is_never_on_samples_by_its_own_name_may_have_been_renamed() -> None:
    check = LabelCheck(a_span(name="GET /bike"), foreign_ns=10**7, neighbours=("GET",))

    found = single_span.judge(facts(linked(a_span()), found={"checks": (check,)}))

    assert found.verdict is Verdict.DOUBTFUL


def test_a_span_renamed_now_and_then_to_another_routes_name_is_not_mixed_with_it() -> None:
    as_it_began = LabelCheck(a_span(name="POST /pay"))
    renamed = LabelCheck(a_span(name="POST /pay/by-hand"), foreign_ns=10**7, neighbours=("POST /pay",))
    never_renamed = LabelCheck(a_span(name="POST /pay/by-hand"))

    found = single_span.judge(facts(linked(a_span()), found={"checks": (as_it_began, renamed, never_renamed)}))

    assert found.verdict is Verdict.DOUBTFUL


def test_samples_that_end_with_their_span_are_in_order() -> None:
    assert single_span.judge(facts(linked(a_span()), found={"checks": (LabelCheck(a_span()),)})).verdict is Verdict.OK


def test_without_a_span_that_ended_a_while_ago_labels_are_not_checked() -> None:
    assert single_span.judge(facts(linked(a_span(), place=Place.EMBEDDED))).verdict is Verdict.NOT_CHECKED
