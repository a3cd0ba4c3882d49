"""Examinations of a real pair, into which each test puts traces and profiles that show one broken hop."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.clients.http import DEFAULT_TIMEOUT_S
from spanprofiles.doctor import (
    HOPS,
    LONGEST_SINCE_S,
    Cause,
    Examination,
    SeveralServicesError,
    Verdict,
    examine,
    examine_failure,
    runner,
)
from spanprofiles.linking import Evidence, Linker, Waiting
from spanprofiles.linking.grafana import read_data_sources
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.support.doctor import Ride, S, rides, tell
from tests.unit.conftest import Answer, Seen, Serve, push_samples

QUIET = {Verdict.OK, Verdict.NOT_CHECKED}
PROVISIONED = """
apiVersion: 1
datasources:
  - {name: Pyroscope, uid: pyroscope, type: grafana-pyroscope-datasource}
  - name: Tempo
    uid: tempo
    type: tempo
    jsonData:
      tracesToProfiles:
        datasourceUid: pyroscope
        profileTypeId: "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
        tags: [{key: service.name, value: service_name}, {key: host.name, value: LABEL}]
"""


def assert_silent(examination: Examination) -> None:
    assert {one.hop: one.evidence for one in examination.findings if one.verdict not in QUIET} == {}
    assert examination.verdict is Verdict.OK
    assert examination.broken is None


def assert_broken(examination: Examination, hop: str, says: str) -> None:
    assert examination.broken is not None, examination.lines()
    assert examination.broken.hop == hop, examination.lines()
    assert re.search(says, " ".join([*examination.broken.evidence, examination.broken.advice]))
    after = examination.findings[HOPS.index(hop) + 1 :]
    assert {one.verdict for one in after} <= {Verdict.NOT_CHECKED}, "it goes on guessing"


def test_one_process_that_works_is_silent(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "healthy", rides())

    examination = examine(embedded_pair, service="healthy", probe=True)

    assert_silent(examination)
    assert examination.finding("link").seen["share"] == 1.0
    assert examination.finding("probe").verdict is Verdict.OK


def test_three_regions_with_host_tags_are_silent(embedded_pair: Endpoints) -> None:
    for host in ("eu", "us", "ap"):
        tell(embedded_pair, "regions", rides(6, host=host))

    examination = examine(embedded_pair, service="regions")

    assert_silent(examination)
    processes = examination.finding("link").seen["processes"]
    assert processes == {f"host.name={host}": {"linked": 6, "spans": 6} for host in ("ap", "eu", "us")}


def test_spans_that_cannot_have_samples_are_explained_in_silence(embedded_pair: Endpoints) -> None:
    waiting = [Ride("GET /receipt", 10 + index, ms=400, cpu_ms=0) for index in range(5)]
    short = [Ride("GET /quote", 10 + index, ms=4, cpu_ms=0) for index in range(5)]
    tell(embedded_pair, "by-design", [*rides(), *waiting, *short])

    examination = examine(embedded_pair, service="by-design")

    assert_silent(examination)
    assert [one.cause for one in examination.unlinked].count(Cause.WAITING) == 5
    assert [one.cause for one in examination.unlinked].count(Cause.TOO_SHORT) == 5


def test_work_on_threads_where_the_label_does_not_follow_is_named_and_not_taken_for_waiting(
    embedded_pair: Endpoints,
) -> None:
    lost = [Ride("GET /report", 30 + 3 * index, ms=300, cpu_ms=280, label="") for index in range(6)]
    receipts = [Ride("GET /receipt", 60 + 3 * index, ms=400, cpu_ms=0) for index in range(5)]
    tell(embedded_pair, "pooled", [*rides(), *lost, *receipts], idle_ms=0)

    examination = examine(embedded_pair, service="pooled")

    says = r"6 span\(s\) 'GET /report' have no sample; .* spent 1680 ms of CPU without a span ID.*search.*carry"
    assert_broken(examination, "sample labels", says)
    found = {one.span.name: one.cause for one in examination.unlinked}
    assert found == {"GET /report": Cause.UNLABELLED, "GET /receipt": Cause.WAITING}


def test_where_no_sample_of_it_carries_a_span_id_a_service_that_computes_is_broken_and_one_that_waits_is_not(
    embedded_pair: Endpoints,
) -> None:
    tell(
        embedded_pair,
        "computes-unlabelled",
        [Ride(ago_s=30 + 3 * one, ms=300, cpu_ms=250, label="") for one in range(5)],
    )
    tell(embedded_pair, "only-waits", [Ride(ago_s=30 + 3 * one, ms=300, cpu_ms=0, label="") for one in range(5)])
    exports = ("BatchProcessor.worker", "OTLPSpanExporter.export", "send")  # the agent runs where the spans come from
    host = {"hostname": "h1"}
    push_samples(embedded_pair, "only-waits", [(exports, 10_000_000, host)], time.time_ns() - 30 * 10**9)

    says = "no sample of computes-unlabelled carries the ID of one of 5 .*search.*Stack"
    assert_broken(examine(embedded_pair, service="computes-unlabelled", upload_interval_s=1), "sample labels", says)
    waits = examine(embedded_pair, service="only-waits", upload_interval_s=1)
    assert (waits.broken, waits.verdict) == (None, Verdict.DOUBTFUL)
    assert {one.cause for one in waits.unlinked} == {Cause.WAITING}


def test_work_that_goes_on_after_its_root_is_named(embedded_pair: Endpoints) -> None:
    tasks = [Ride("GET /order", 30 + 3 * one, ms=1, child_ms=283, cpu_ms=270, label="") for one in range(5)]
    tell(embedded_pair, "afterwards", [*rides(), *tasks], idle_ms=0)

    examination = examine(embedded_pair, service="afterwards")

    assert_broken(examination, "sample labels", "work goes on after 5 of them.*the span has ended")
    assert {one.cause for one in examination.unlinked} == {Cause.OUTLASTED}
    assert "'search' below it went on for 282 ms more" in examination.unlinked[0].sentence


def test_what_goes_on_after_its_root_and_waits_is_no_fault(embedded_pair: Endpoints) -> None:
    tasks = [Ride("GET /order", 30 + 3 * one, ms=1, child_ms=283, cpu_ms=0) for one in range(5)]
    tell(embedded_pair, "afterwards-quiet", [*rides(), *tasks], idle_ms=0)

    assert_silent(examine(embedded_pair, service="afterwards-quiet"))


def test_threads_that_a_short_request_leaves_behind_are_named(embedded_pair: Endpoints) -> None:
    def started(cpu_ms: float) -> list[Ride]:
        return [Ride("GET /start", 30 + 4 * one, ms=1, cpu_ms=cpu_ms, label="") for one in range(5)]

    tell(embedded_pair, "fire-and-forget", [*rides(), *started(200)], idle_ms=0)
    tell(embedded_pair, "merely-short", [*rides(), *started(0)], idle_ms=0)

    assert_broken(examine(embedded_pair, service="fire-and-forget"), "sample labels", "5 span.*'GET /start'.*1000 ms")
    assert_silent(examine(embedded_pair, service="merely-short"))


def test_linked_spans_most_of_whose_work_is_elsewhere_are_in_doubt(embedded_pair: Endpoints) -> None:
    def mixed() -> list[Ride]:
        return [Ride("GET /mixed", 30 + 3 * one, ms=400, cpu_ms=40) for one in range(6)]

    now_ns, host = time.time_ns(), {"hostname": "h1"}
    tell(embedded_pair, "half", [*rides(), *mixed()], idle_ms=0)
    for one in mixed():
        push_samples(embedded_pair, "half", [(("pool", "search"), 300_000_000, host)], now_ns - int(one.ago_s * S))
    tell(embedded_pair, "half-waiting", [*rides(), *mixed()], idle_ms=0)

    examination = examine(embedded_pair, service="half")

    found = examination.finding("sample labels")
    assert found.verdict is Verdict.DOUBTFUL, examination.lines()
    assert "of 6 linked span(s) 'GET /mixed' are not in their samples" in found.evidence[1]
    assert_silent(examine(embedded_pair, service="half-waiting"))


def test_a_process_that_starts_is_not_taken_for_work_without_labels(embedded_pair: Endpoints) -> None:
    now_ns = time.time_ns()
    for name, path in (("starting", ("_find_and_load", "search")), ("working", ("serve", "search"))):
        tell(embedded_pair, name, [Ride("GET /receipt", 20.0 - one, ms=400, cpu_ms=0) for one in range(3)], idle_ms=0)
        push_samples(embedded_pair, name, [(path, 900_000_000, {})], now_ns - 20 * 10**9)
    examinations = {name: examine(embedded_pair, service=name, upload_interval_s=1) for name in ("starting", "working")}

    assert examinations["starting"].broken is None
    assert_broken(examinations["working"], "sample labels", "search 900 ms")


def test_without_the_span_processor_no_local_root_carries_a_profile_id(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "no-processor", rides(profile_id=None, label=""))

    examination = examine(embedded_pair, service="no-processor")
    assert_broken(examination, "profile ID", "PyroscopeSpanProcessor")
    assert examination.unlinked == ()


def test_without_the_agent_there_are_no_profiles(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "no-agent", rides(), agent_name=None)

    assert_broken(examine(embedded_pair, service="no-agent"), "profiles", "Pyroscope has no profile of no-agent")


def test_an_agent_in_the_parent_process_alone_has_profiles_older_than_the_spans(embedded_pair: Endpoints) -> None:
    push_samples(embedded_pair, "forked", [(("start",), 30_000_000, {})], time.time_ns() - 60 * 10**9)
    tell(embedded_pair, "forked", rides(ms=400), agent_name=None)

    examination = examine(embedded_pair, service="forked", upload_interval_s=1)

    assert_broken(examination, "profiles", r"12 span\(s\) of forked ran for 4.8 s together.*hold 0 ms.*post_fork")


def test_one_forked_worker_without_agent_is_one_dead_process(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "half-dead", rides(host="h1"))
    tell(embedded_pair, "half-dead", rides(host="h2"), agent_name=None)

    examination = examine(embedded_pair, service="half-dead")

    assert_broken(examination, "link", "host.name=h2: 0 of 12 linked")
    assert {one.cause for one in examination.unlinked} == {Cause.DEAD_PROCESS}


def test_another_name_in_the_agent_is_found_by_the_ids(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "named", rides(), agent_name="something-else")

    assert_broken(examine(embedded_pair, service="named"), "service name", "service_name=something-else")


def test_a_profile_type_that_is_not_there_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "typed", rides())
    memory = "memory:alloc_space:bytes:space:bytes"

    assert_broken(examine(embedded_pair, service="typed", profile_type=memory), "profile type", memory)


def test_a_profile_id_copied_from_another_span_is_named(embedded_pair: Endpoints) -> None:
    copied = new_span_id()
    tell(embedded_pair, "copied", rides(profile_id=copied))

    assert_broken(examine(embedded_pair, service="copied"), "own ID", f"{copied}")


def test_an_agent_that_labels_nothing_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "unlabelled", rides(label="", ms=400))

    assert_broken(examine(embedded_pair, service="unlabelled"), "sample labels", "no sample of unlabelled carries")


def test_samples_with_ids_of_spans_that_nobody_knows_do_not_meet(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "strangers", [replace(one, label=new_span_id()) for one in rides(ms=400)])

    assert_broken(examine(embedded_pair, service="strangers"), "link", "0 of 12")


def test_labels_that_stay_on_a_thread_are_found_on_samples_after_the_span(embedded_pair: Endpoints) -> None:
    first = rides()[-1]
    later = [replace(one, label=first.span_id) for one in rides()[:6]]
    tell(embedded_pair, "leaking", [*rides(), first, *later])

    assert_broken(examine(embedded_pair, service="leaking"), "one span a sample", first.span_id)


def test_an_agent_whose_uploads_stopped_is_not_taken_for_one_that_never_ran(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "stopped", [Ride(ago_s=200 + index) for index in range(12)])
    tell(embedded_pair, "stopped", [Ride(ago_s=60 + index) for index in range(12)], agent_name=None)

    examination = examine(embedded_pair, service="stopped")

    assert_broken(examination, "link", "lost or refused")


def test_a_tracer_whose_clock_is_ahead_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "ahead", rides(), profiles_later_s=-300)

    assert_broken(examine(embedded_pair, service="ahead"), "clocks", "more than 30 s before")


def test_an_upload_interval_of_a_minute_is_too_long_for_grafana(embedded_pair: Endpoints) -> None:
    told = [Ride(ago_s=65 + 3 * index) for index in range(40)]
    tell(embedded_pair, "slow-upload", told, upload_s=60)

    examination = examine(embedded_pair, service="slow-upload")

    assert_broken(examination, "window", "upload interval well under 30 s")
    assert Cause.FAR_AWAY in {one.cause for one in examination.unlinked}


@pytest.mark.parametrize(("label", "is_broken"), [("hostname", False), ("host.name", True)])
def test_grafanas_settings_are_tried_on_linked_spans(
    embedded_pair: Endpoints, tmp_path: Path, label: str, is_broken: bool
) -> None:
    service = f"grafana-{label}"
    tell(embedded_pair, service, rides())
    file = tmp_path / "datasources.yaml"
    file.write_text(PROVISIONED.replace("LABEL", label))

    examination = examine(embedded_pair, service=service, sources=read_data_sources([file]))

    if is_broken:
        assert_broken(examination, "Grafana", "400|quoted")
    else:
        assert_silent(examination)
        assert examination.finding("Grafana").verdict is Verdict.OK


def test_tags_that_are_texts_are_doubtful_and_not_broken(embedded_pair: Endpoints, tmp_path: Path) -> None:
    tell(embedded_pair, "grafana-texts", rides())
    file = tmp_path / "datasources.yaml"
    file.write_text(re.sub(r"tags: .*", "tags: [job, instance, pod, namespace]", PROVISIONED))

    examination = examine(embedded_pair, service="grafana-texts", sources=read_data_sources([file]))

    assert examination.broken is None
    grafana = examination.finding("Grafana")
    assert grafana.verdict is Verdict.DOUBTFUL
    assert "asked with {}" in grafana.evidence[0]
    assert "the tag 'job' has no key" in grafana.advice


def test_a_grafana_that_does_not_answer_is_named(embedded_pair: Endpoints, dead_url: str) -> None:
    tell(embedded_pair, "without-grafana", rides(3))
    examination = examine(replace(embedded_pair, grafana=dead_url), service="without-grafana")

    assert_broken(examination, "Grafana", "does not answer")


def test_one_trace_is_looked_at_in_the_light_of_its_neighbours(embedded_pair: Endpoints) -> None:
    dead = Ride(ago_s=15, label="")
    tell(embedded_pair, "one-trace", [*rides(), dead])

    examination = examine(embedded_pair, trace_id=dead.trace_id)

    assert examination.service == "one-trace"
    assert_broken(examination, "sample labels", "without a span ID around it: search 100 ms")
    assert [(one.span.span_id, one.cause) for one in examination.unlinked] == [(dead.span_id, Cause.UNLABELLED)]


def test_a_trace_that_is_not_there_says_so(embedded_pair: Endpoints) -> None:
    trace_id = new_trace_id()

    assert_broken(examine(embedded_pair, trace_id=trace_id), "traces", f"no span of the trace {trace_id}")


def test_a_service_that_is_not_there_is_compared_with_those_that_are(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "ride-hailing", rides(1))

    assert_broken(examine(embedded_pair, service="ride.hailing"), "traces", "is it called ride-hailing")


def test_a_service_whose_traces_are_not_sampled_has_profiles_without_span_ids(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "other-name", rides(2, label=""), agent_name="unsampled")

    assert_broken(examine(embedded_pair, service="unsampled"), "traces", "OTEL_TRACES_SAMPLER")


def test_an_empty_backend_says_so_and_the_only_service_is_taken_and_of_two_one_must_be_chosen(
    empty_pair: Endpoints,
) -> None:
    empty = examine(empty_pair)
    assert_broken(empty, "traces", "nothing has reached it")
    assert empty.service == ""

    tell(empty_pair, "alone", rides(3))
    assert examine(empty_pair, probe=True).service == "alone"
    assert examine(empty_pair).service == "alone", "the probe's own service does not count"

    tell(empty_pair, "second", rides(3))
    with pytest.raises(SeveralServicesError, match="alone, second"):
        examine(empty_pair)


def test_a_server_that_does_not_answer_could_not_be_looked_at(embedded_pair: Endpoints, dead_url: str) -> None:
    examination = examine(replace(embedded_pair, pyroscope=dead_url), service="healthy")

    assert_broken(examination, "servers", "Pyroscope does not answer")
    assert not examination.could_look


def test_a_server_that_is_not_ready_is_broken(embedded_pair: Endpoints, serve: Serve) -> None:
    starting = serve(lambda _: Answer("starting", 503))

    examination = examine(replace(embedded_pair, tempo=starting.url), service="healthy")

    assert_broken(examination, "servers", "not ready .* 503 starting")
    assert examination.could_look


def test_a_server_that_fails_half_way_could_not_be_looked_at(embedded_pair: Endpoints, serve: Serve) -> None:
    failing = serve(lambda seen: Answer("ready") if seen.path == "/ready" else Answer("no disk", 500))

    examination = examine(replace(embedded_pair, tempo=failing.url), service="healthy")

    assert not examination.could_look
    assert examination.verdict is Verdict.NOT_CHECKED
    assert "no disk" in examination.finding("traces").evidence[0]


def test_addresses_that_were_swapped_are_told(embedded_pair: Endpoints) -> None:
    swapped = replace(embedded_pair, tempo=embedded_pair.pyroscope, pyroscope=embedded_pair.tempo)

    examination = examine(swapped, service="shop")

    assert_broken(examination, "servers", "is no Tempo")
    assert any("is no Pyroscope" in line for line in examination.finding("servers").evidence)
    assert "swapped" in examination.finding("servers").advice
    assert not examination.could_look


def test_a_server_that_says_ready_and_refuses_pushes_is_found_by_the_probe(
    embedded_pair: Endpoints, serve: Serve
) -> None:
    def respond(seen: Seen) -> Answer:
        return Answer("ready") if seen.path == "/ready" else Answer('{"code":"unavailable"}', 500)

    examination = examine(replace(embedded_pair, pyroscope=serve(respond).url), service="healthy", probe=True)

    assert_broken(examination, "probe", "the profile was not taken.*lifecycler.addr")


def test_a_hosted_server_without_ready_is_asked_a_question_instead(embedded_pair: Endpoints, serve: Serve) -> None:
    hosted = serve(lambda seen: Answer("", 404) if seen.path == "/ready" else Answer('{"profileTypes":[]}'))

    examination = examine(replace(embedded_pair, pyroscope=hosted.url), service="healthy")

    assert examination.finding("servers").verdict is Verdict.OK


def test_a_server_that_takes_pushes_and_drops_them_is_found_by_the_probe(
    embedded_pair: Endpoints, serve: Serve
) -> None:
    dropping = serve(lambda seen: Answer("ready") if seen.path == "/ready" else Answer())

    examination = examine(
        replace(embedded_pair, pyroscope=dropping.url), service="healthy", probe=True, probe_timeout_s=0.3
    )

    assert_broken(examination, "probe", "Pyroscope took the profile and did not give it back")
    assert examination.finding("probe").seen["tempo"]["came_back"], "the other server is in order"


def test_the_longest_time_allowed_can_be_asked_for(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "long", [*rides(), Ride(ago_s=3000), Ride(ago_s=9, label="")])

    examination = examine(embedded_pair, service="long", since_s=LONGEST_SINCE_S)

    assert examination.could_look, examination.lines()
    assert examination.finding("link").seen["spans"] == 14


@pytest.mark.parametrize("since_s", [0, 24 * 3600])
def test_a_time_that_cannot_be_asked_for_is_refused(embedded_pair: Endpoints, since_s: float) -> None:
    with pytest.raises(ValueError, match="at most 20 h"):
        examine(embedded_pair, service="healthy", since_s=since_s)


def linker_of(pair: Endpoints) -> Linker:
    return Linker(TempoClient(pair.tempo), PyroscopeClient(pair.pyroscope), waiting=Waiting(0))


def test_a_failed_claim_gets_its_verdict(embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_QUICK_TIMEOUT_S", (30.0, 30.0))  # what is claimed is the verdict
    ride = Ride(ago_s=5)
    tell(embedded_pair, "claimed", [*rides(), ride], agent_name=None)
    tell(embedded_pair, "another", rides())  # that has profiles

    examination = examine_failure(linker_of(embedded_pair), Evidence(ride.trace_id), budget_s=30)

    assert_broken(examination, "profiles", "no profile of claimed")
    assert "broken: profiles" in "\n".join(examination.lines())


def test_a_failed_claim_does_not_wait_for_a_server_that_hangs(embedded_pair: Endpoints, serve: Serve) -> None:
    over = threading.Event()

    def hang(_: Seen) -> Answer:
        over.wait(60)
        return Answer()

    start = time.monotonic()
    examination = examine_failure(linker_of(replace(embedded_pair, pyroscope=serve(hang).url)), Evidence("ab" * 16))

    took_s = time.monotonic() - start
    over.set()
    assert took_s < DEFAULT_TIMEOUT_S[1], "sooner than where nothing hurries"
    assert_broken(examination, "servers", "no answer in time")
