"""What a server refused is named where it can be why something is missing, and nowhere else."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import requests

from spanprofiles.clients import Refusal
from spanprofiles.doctor import Verdict, examine, examine_failure
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hops import link, sample_labels, traces
from spanprofiles.doctor.observations import TraceFacts
from spanprofiles.doctor.processes import ProcessLabel
from spanprofiles.doctor.question import Question
from spanprofiles.linking import Evidence, Linker, NoSamplesError, TraceNotFoundError, Waiting
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.support.doctor import NOW_NS, S, a_span, facts, linked, profiled, rides, tell, unlinked, uploads
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

OLD_S = 7_200
LATELY = Refusal("Pyroscope", 9, "profile upload", "not_in_ingestion_window", "too old", "", "h1", 4, 995.0, 0.0, 998.0)
EXPORTS = Refusal("Tempo", 12, "export", "unsupported_content_encoding", "no br", "", "h1", 12, 995.0, 0.0, 998.0)
NOTHING = Facts(Question("rides", NOW_NS))


@pytest.fixture
def pair(empty_pair: Endpoints) -> Endpoints:
    """A pair of its own: what others had refused would be named as well."""
    return empty_pair


def export_in_brotli(pair: Endpoints, times: int = 12) -> None:
    headers = {"Content-Encoding": "br", "Content-Type": "application/json", "User-Agent": "exporter/1"}
    for _ in range(times):
        response = requests.post(f"{pair.otlp_http}/v1/traces", data=b"{}", headers=headers, timeout=10)
        assert response.status_code == 400


def push_too_late(pair: Endpoints, service: str) -> None:
    with pytest.raises(requests.HTTPError):
        push_samples(pair, service, [(("f",), 10**9, {})], time.time_ns() - OLD_S * S)


def test_exports_in_an_encoding_that_is_not_taken_are_why_tempo_has_nothing(pair: Endpoints) -> None:
    export_in_brotli(pair)

    broken = examine(pair, service="rides").broken

    assert broken is not None
    assert broken.hop == "traces"
    assert broken.evidence[0] == "Tempo has no span of any service"
    told = next(line for line in broken.evidence if "refused" in line)
    assert told.startswith("12 exports were refused, the last ")
    assert "from 127.0.0.1 (exporter/1): unsupported Content-Encoding: br (taken: gzip, deflate, zlib," in told
    assert broken.seen["refused"] == {"unsupported_content_encoding": 12}
    assert broken.advice.startswith("compress in a way that the server accepts: OTEL_EXPORTER_OTLP_COMPRESSION=gzip;")


def test_where_nothing_was_refused_nothing_has_reached_it(pair: Endpoints) -> None:
    broken = examine(pair, service="rides").broken

    assert broken is not None
    assert "Tempo has no span of any service: nothing has reached it" in broken.evidence
    assert not any("refused" in line for line in broken.evidence)


def test_profiles_that_are_too_old_are_why_pyroscope_has_none(pair: Endpoints) -> None:
    tell(pair, "rides", rides(), agent_name=None)
    push_too_late(pair, "rides")
    push_too_late(pair, "others")

    broken = examine(pair, service="rides").broken

    assert broken is not None
    assert broken.hop == "profiles"
    told = [line for line in broken.evidence if "refused" in line]
    assert len(told) == 1
    assert told[0].startswith("1 profile upload of rides was refused, the last ")
    assert "outside of ingestion window" in told[0]
    assert broken.advice.startswith("correct the sender's clock")


def test_before_there_is_any_trace_refused_profiles_are_named_as_well(pair: Endpoints) -> None:
    push_too_late(pair, "rides")

    broken = examine(pair).broken

    assert broken is not None
    assert broken.hop == "traces"
    assert broken.evidence[0] == "Tempo has no span of any service: nothing has reached it"
    assert broken.evidence[-1].startswith("1 profile upload of rides was refused, the last ")
    assert broken.seen["refused_profiles"] == {"not_in_ingestion_window": 1}


def test_what_was_refused_long_after_a_trace_is_not_why_its_samples_are_missing(pair: Endpoints) -> None:
    hour_ago_ns = time.time_ns() - 3_600 * S
    trace_id, span_id = new_trace_id(), new_span_id()
    span = otlp_span(trace_id, span_id, profile_id=span_id, start_ns=hour_ago_ns, end_ns=hour_ago_ns + S)
    push_spans(pair, resource_spans("rides", span))
    push_too_late(pair, "rides")

    then, now = (examine(pair, trace_id=trace_id, since_s=since_s).broken for since_s in (600, 7_200))

    assert then is not None
    assert now is not None
    assert not any("refused" in line for line in then.evidence)
    assert any("refused" in line for line in now.evidence)


def test_a_service_in_order_hears_nothing_of_what_was_refused(pair: Endpoints) -> None:
    export_in_brotli(pair)
    push_too_late(pair, "rides")
    tell(pair, "rides", rides())

    examination = examine(pair, service="rides")

    assert examination.verdict is Verdict.OK
    assert not any("refused" in line for line in examination.lines())


def test_a_claim_about_a_trace_that_never_arrived_names_what_was_refused(pair: Endpoints) -> None:
    export_in_brotli(pair, 3)
    linker = Linker.of(pair, waiting=Waiting(0.0))
    evidence = Evidence(new_trace_id())

    with pytest.raises(TraceNotFoundError, match=r"3 exports were refused, the last .*: unsupported Content-Encoding"):
        linker.trace(evidence.trace_id)

    lines = "\n".join(examine_failure(linker, evidence).lines())
    assert "broken: traces" in lines
    assert "3 exports were refused" in lines


def test_a_claim_about_samples_that_never_arrived_names_what_was_refused(pair: Endpoints) -> None:
    trace_id, span_id, now_ns = new_trace_id(), new_span_id(), time.time_ns()
    span = otlp_span(trace_id, span_id, profile_id=span_id, start_ns=now_ns - S, end_ns=now_ns)
    push_spans(pair, resource_spans("rides", span))
    push_too_late(pair, "rides")
    linker = Linker.of(pair, waiting=Waiting(0.0))

    with pytest.raises(NoSamplesError, match=r"1 profile upload of rides was refused, .* outside of ingestion window"):
        linker.linked_span(trace_id)


@pytest.mark.parametrize(
    ("found", "trace_id"),
    [
        (TraceFacts((), refused=(EXPORTS,)), ""),
        (TraceFacts(("shop",), refused=(EXPORTS,)), ""),
        (TraceFacts(("rides",), refused=(EXPORTS,)), ""),
        (TraceFacts(("rides",), refused=(EXPORTS,)), "ab" * 16),
    ],
    ids=["no service at all", "other services", "no trace of late", "not this trace"],
)
def test_wherever_traces_are_missing_the_refused_exports_are_named(found: TraceFacts, trace_id: str) -> None:
    finding = traces.judge(Facts(Question("rides", NOW_NS, trace_id=trace_id), traces=found))

    assert finding.verdict is Verdict.BROKEN
    assert "12 exports were refused, the last 3 s ago, from h1: no br" in finding.evidence
    assert json.dumps(finding.as_json())


def test_refused_profiles_are_named_where_no_sample_carries_a_span_id() -> None:
    spans = [a_span(ago_s=60 + index, ms=900) for index in range(4)]
    seen = facts(*map(unlinked, spans), series=(uploads(cpu_ms=900.0),), found={"exemplars": ()})

    with_refusals = sample_labels.judge(replace(seen, profiles=profiled(refused=(LATELY,))))
    without = sample_labels.judge(seen)

    told = "4 profile uploads were refused, the last 3 s ago, from h1: too old"
    assert told in with_refusals.evidence
    assert told not in without.evidence
    assert with_refusals.verdict is without.verdict is Verdict.BROKEN


def test_refused_profiles_are_named_where_an_upload_was_lost_not_where_a_span_waited() -> None:
    told = "4 profile uploads were refused, the last 3 s ago, from h1: too old"
    good = [linked(a_span(ago_s=100 - index)) for index in range(12)]
    lost = facts(*good, *(unlinked(a_span(ago_s=40.0 + index)) for index in range(6)), series=(uploads(until_s=60),))
    waited = facts(*good, unlinked(a_span("GET /receipt", ago_s=80.0)))

    assert told in link.judge(replace(lost, profiles=profiled(refused=(LATELY,)))).evidence
    assert told not in link.judge(replace(waited, profiles=profiled(refused=(LATELY,)))).evidence


def test_refused_profiles_are_named_where_a_process_has_none() -> None:
    told = "4 profile uploads were refused, the last 3 s ago, from h1: too old"
    living = [linked(a_span(host="h1", ago_s=60 + index)) for index in range(8)]
    dead = [unlinked(a_span(host="h2")), unlinked(a_span(host="h2"))]
    hosts = ProcessLabel("host.name", "hostname")
    missing = facts(*living, *dead, process_label=hosts, series=[uploads(hostname="h1")])
    unlabelled = facts(*living, *(unlinked(a_span(host="h2", ago_s=60 + index)) for index in range(8)))

    assert told in link.judge(replace(missing, profiles=profiled(refused=(LATELY,)))).evidence
    assert told not in link.judge(replace(unlabelled, profiles=profiled(refused=(LATELY,)))).evidence
