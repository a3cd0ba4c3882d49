"""Why spans are not linked, and the judgements of links, clocks and windows, on plain data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.clients import SpanExemplar
from spanprofiles.doctor import Cause, Verdict
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import clocks, link, window
from spanprofiles.doctor.observations import Link, Place, ServerFacts
from spanprofiles.doctor.processes import ProcessLabel, process_label
from spanprofiles.doctor.uploads import Arrival
from tests.support.doctor import MS, S, a_span, cpu_at, facts, linked, unlinked, uploads

BIKES = [linked(a_span(ago_s=60 + index)) for index in range(10)]
HOSTS = ProcessLabel("host.name", "hostname")


def causes(known: Facts) -> list[Cause]:
    return [explanation.cause for explanation in known.explanations]


def test_a_span_of_two_sample_periods_is_too_short() -> None:
    known = facts(*BIKES, unlinked(a_span("GET /quote", ms=20)))

    assert causes(known) == [Cause.TOO_SHORT]
    assert link.judge(known).verdict is Verdict.OK


def test_a_span_whose_like_have_no_samples_either_waited() -> None:
    receipts = [unlinked(a_span("GET /receipt", ms=400)) for _ in range(5)]
    known = facts(*BIKES, *receipts, linked(a_span("GET /receipt", ms=400), cpu_ms=10))

    assert causes(known) == [Cause.WAITING] * 5
    assert link.judge(known).verdict is Verdict.OK


def test_a_span_alone_of_its_name_waited_if_its_process_computed_next_to_nothing() -> None:
    assert causes(facts(unlinked(a_span(ms=400)), series=[uploads(cpu_ms=1)])) == [Cause.WAITING]


def test_what_pythons_agent_never_samples_is_named_where_a_span_seems_to_have_waited() -> None:
    python, go = ({"telemetry.sdk.language": key} for key in ("python", "go"))

    of_python, of_go = (
        facts(unlinked(a_span(ms=400, resource=resource)), series=[uploads(cpu_ms=1)]).explanations
        for resource in (python, go)
    )

    assert "native code that releases the interpreter lock" in of_python[0].sentence
    assert "would look the same" not in of_go[0].sentence


def test_a_span_alone_of_its_name_in_a_busy_process_is_not_explained() -> None:
    known = facts(unlinked(a_span(ms=400)), found={"unlabelled": (uploads(),)})

    assert causes(known) == [Cause.UNCLEAR]
    assert link.judge(known).verdict is Verdict.DOUBTFUL


def test_a_span_whose_upload_is_still_to_come_is_too_young() -> None:
    young = unlinked(a_span(ago_s=1))

    known = facts(*BIKES, young, series=[uploads(until_s=2)])

    assert causes(known) == [Cause.NOT_ARRIVED]
    assert link.judge(known).verdict is Verdict.OK


def test_where_all_are_too_young_it_is_in_doubt() -> None:
    known = facts(*(unlinked(a_span(ago_s=1)) for _ in range(20)), series=[uploads(until_s=2)])

    assert link.judge(known).verdict is Verdict.DOUBTFUL
    assert "look again" in link.judge(known).advice


def test_spans_like_others_that_have_samples_are_not_explained() -> None:
    dead = [unlinked(a_span(ago_s=60 + index)) for index in range(4)]

    known = facts(*BIKES, *dead)

    assert causes(known) == [Cause.UNEXPLAINED] * 4
    assert link.judge(known).verdict is Verdict.BROKEN


def test_one_dead_link_in_a_hundred_is_the_nature_of_sampling() -> None:
    many = [linked(a_span(ago_s=60 + index / 10)) for index in range(99)]

    assert link.judge(facts(*many, unlinked(a_span()))).verdict is Verdict.OK


def test_one_dead_link_in_ten_is_in_doubt() -> None:
    assert link.judge(facts(*BIKES, unlinked(a_span()))).verdict is Verdict.DOUBTFUL


def test_spans_in_a_gap_of_the_uploads_were_lost_or_refused() -> None:
    before = uploads(until_s=60)
    later = [linked(a_span(ago_s=100 - index)) for index in range(10)]
    gone = [unlinked(a_span(ago_s=50 - index)) for index in range(5)]

    known = facts(*later, *gone, series=[before])

    assert causes(known) == [Cause.LOST] * 5
    found = link.judge(known)
    assert found.verdict is Verdict.BROKEN
    assert "100 labels" in found.advice


def test_a_process_of_which_nothing_is_linked_is_dead() -> None:
    living = [linked(a_span(host="h1", ago_s=60 + index)) for index in range(8)]
    dead = [unlinked(a_span(host="h2", ago_s=60 + index)) for index in range(8)]

    known = facts(*living, *dead)

    assert set(causes(known)) == {Cause.DEAD_PROCESS}
    found = link.judge(known)
    assert found.verdict is Verdict.BROKEN
    assert found.seen["dead_processes"] == ["host.name=h2"]
    assert "post_fork" in found.advice


def test_a_process_that_only_waits_is_not_dead() -> None:
    living = [linked(a_span(host="h1", ago_s=60 + index)) for index in range(8)]
    waiting = [unlinked(a_span("GET /receipt", host="h2", ago_s=60 + index, ms=400)) for index in range(8)]

    assert link.judge(facts(*living, *waiting)).verdict is Verdict.OK


def test_a_process_without_any_profile_is_dead_after_fewer_spans() -> None:
    living = [linked(a_span(host="h1", ago_s=60 + index)) for index in range(8)]
    dead = [unlinked(a_span(host="h2")), unlinked(a_span(host="h2"))]

    both = [uploads(hostname="h1"), uploads(hostname="h2")]
    known = facts(*living, *dead, process_label=HOSTS, series=both[:1])

    assert link.judge(known).seen["dead_processes"] == ["host.name=h2"]
    assert not link.judge(facts(*living, *dead, process_label=HOSTS, series=both)).seen["dead_processes"]


def test_ids_that_never_meet_are_broken() -> None:
    strangers = [unlinked(a_span(f"GET /{index}", ms=800)) for index in range(4)]

    exemplar = SpanExemplar("00000000000000ab", 0, 1)
    found = link.judge(facts(*strangers, found={"exemplars": (exemplar,)}))

    assert found.verdict is Verdict.BROKEN
    assert "samples carry other span IDs, such as 00000000000000ab" in found.evidence[1]


def test_the_label_that_tells_processes_apart_is_found_by_its_values() -> None:
    spans = [a_span(host="h1"), a_span(host="h2")]
    series = [{"service_name": "rides", "hostname": host, "zone": "h1", "__host": "h1"} for host in ("h1", "h2")]

    assert process_label(spans, series) == HOSTS
    assert process_label(spans, [{"service_name": "h1"}]) is None


def away(span_ago_s: float, by_s: float, place: Place = Place.OUTSIDE) -> Link:
    span = a_span(ago_s=span_ago_s)
    return linked(span, place=place, is_earlier=by_s < 0, dated_ms=span.start_ns // MS + int(by_s * 1000))


def test_samples_within_half_a_minute_are_where_grafana_looks() -> None:
    assert window.judge(facts(*BIKES)).verdict is Verdict.OK
    assert clocks.judge(facts(*BIKES)).verdict is Verdict.OK


def test_samples_as_far_from_each_span_come_of_a_clock() -> None:
    known = facts(away(90, -300), away(60, -300))

    found = clocks.judge(known)

    assert found.verdict is Verdict.BROKEN
    assert "-300 s" in found.evidence[0]
    assert causes(known) == [Cause.FAR_AWAY] * 2


def test_samples_after_the_span_come_of_a_clock_too() -> None:
    assert clocks.judge(facts(away(90, 100), away(60, 100))).verdict is Verdict.BROKEN


@pytest.mark.parametrize("series", [[], [uploads(60.0)]], ids=["interval unknown", "interval seen"])
def test_samples_of_one_long_upload_window_come_of_the_upload_interval(series: list[object]) -> None:
    known = facts(away(60, -35, Place.BUTTON), away(50, -45, Place.BUTTON), away(40, -55, Place.BUTTON))
    known = replace(known, links=replace(known.links, uploads=tuple(series)))  # type: ignore[type-var]  # it is there

    assert clocks.judge(known).verdict is Verdict.OK
    found = window.judge(known)
    assert found.verdict is Verdict.BROKEN
    assert (found.seen["missed_by_embedded"], found.seen["missed_by_button"]) == (3, 0)


def test_without_a_linked_span_the_window_is_not_checked() -> None:
    assert window.judge(facts(unlinked(a_span()))).verdict is Verdict.NOT_CHECKED


def test_spans_of_the_future_come_of_a_clock_that_is_ahead() -> None:
    found = clocks.judge(facts(linked(a_span(ago_s=-30))))

    assert found.verdict is Verdict.BROKEN
    assert "in the future" in found.evidence[0]


def test_where_a_servers_clock_is_off_it_may_be_this_machines() -> None:
    server = ServerFacts("Tempo", "http://t", clock_ahead_s=30.0)

    assert clocks.judge(facts(linked(a_span(ago_s=-30)), servers=(server,))).verdict is Verdict.DOUBTFUL
    near = replace(server, clock_ahead_s=0.4)
    assert clocks.judge(facts(*BIKES, servers=(near,))).verdict is Verdict.OK


def test_a_span_that_began_before_its_caller_is_in_doubt() -> None:
    caller = a_span(ago_s=60)
    callee = a_span(ago_s=70, parent_id=caller.span_id, parent_is_remote=True, trace_id=caller.trace_id)

    assert clocks.judge(facts(linked(caller), linked(callee))).verdict is Verdict.DOUBTFUL


def test_of_one_trace_only_its_own_spans_are_explained() -> None:
    asked = unlinked(a_span(ms=5))

    known = facts(*BIKES, asked, unlinked(a_span(ms=5)), trace_id=asked.span.trace_id)

    assert [explanation.span for explanation in known.explanations] == [asked.span]
    assert known.question.now_ns - asked.span.start_ns == 60 * S


def test_where_pyroscope_cannot_tell_what_is_unlabelled_a_process_without_cpu_waited() -> None:
    (found,) = facts(unlinked(a_span(ms=400)), series=[], found={"unlabelled": None}).explanations

    assert found.cause is Cause.WAITING
    assert "its process used no CPU in that time" in found.sentence


def test_a_trace_whose_neighbours_are_linked_has_no_strange_ids() -> None:
    asked = [unlinked(a_span(f"GET /{index}", ms=800, trace_id="ab" * 16)) for index in range(4)]

    found = link.judge(facts(*BIKES, *asked, trace_id="ab" * 16))

    assert "other span IDs" not in " ".join(found.evidence)
    assert "other span IDs" in " ".join(link.judge(facts(*asked, found={"exemplars": None})).evidence)


def test_a_single_span_far_from_its_samples_is_no_proof_against_a_clock() -> None:
    assert clocks.judge(facts(away(60, -45), series=[])).verdict is Verdict.OK
    assert clocks.judge(facts(away(60, 45), series=[])).verdict is Verdict.BROKEN, "no upload dates samples later"


@pytest.mark.parametrize(("cpu_ms", "cause"), [(10, Cause.WAITING), (11, Cause.UNCLEAR)])
def test_a_single_sample_around_a_span_cannot_have_been_its_work(cpu_ms: int, cause: Cause) -> None:
    series = [cpu_at((100, 10), (60, cpu_ms), (20, 10))]
    known = facts(unlinked(a_span(ms=400)), series=series, found={"unlabelled": None}, upload_interval_s=1.0)

    assert causes(known) == [cause]


def test_a_span_whose_resource_names_no_process_has_an_empty_label() -> None:
    assert (HOSTS.value(a_span()), HOSTS.value(a_span(host="h1"))) == ("", "h1")


def test_an_explanation_is_a_json_object_of_plain_values() -> None:
    span = a_span(ms=400, host="h1")
    (found,) = facts(unlinked(span), series=[], found={"unlabelled": None}).explanations

    assert found.as_json() == {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "profile_id": span.span_id,
        "name": "GET /bike",
        "process": "host.name=h1",
        "duration_ns": 400 * MS,
        "cause": "waiting",
        "sentence": found.sentence,
    }


@pytest.mark.parametrize(("linked_spans", "verdict"), [(19, Verdict.DOUBTFUL), (20, Verdict.OK)])
def test_one_unexplained_span_in_twenty_is_doubtful_and_fewer_are_not(linked_spans: int, verdict: Verdict) -> None:
    others = [linked(a_span(ago_s=60 + index, ms=400), cpu_ms=400) for index in range(linked_spans)]
    known = facts(*others, unlinked(a_span(ago_s=59, ms=400)))

    assert causes(known) == [Cause.UNEXPLAINED]
    assert link.judge(known).verdict is verdict


def test_profiles_without_the_label_are_those_of_spans_that_name_no_process() -> None:
    nameless, named = a_span(ms=400), a_span(ms=400, host="h1")
    series = [uploads(), uploads(until_s=90.0, hostname="h1")]
    known = facts(unlinked(nameless), unlinked(named), series=series, process_label=HOSTS, upload_interval_s=1.0)

    assert known.uploads.arrival(nameless) is Arrival.ARRIVED
    assert known.uploads.arrival(named) is Arrival.MISSING
