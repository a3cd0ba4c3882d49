"""Runs an examination hop by hop, until one is broken. After that the doctor would only guess."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

from spanprofiles.clients import ClientError, PyroscopeClient, TempoClient
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.examination import Examination
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hops import ORDER
from spanprofiles.doctor.question import Question
from spanprofiles.linking import Evidence, Linker
from spanprofiles.linking.grafana import DataSources
from spanprofiles.model import CPU, Endpoints, parse_trace_id

#: How far back the doctor can look, s: Pyroscope answers no longer window than 24 h, and the doctor adds margins.
LONGEST_SINCE_S = 20 * 3600.0

#: To connect and to read where a person waits for the verdict, s.
_QUICK_TIMEOUT_S = (1.0, 3.0)
_NO_TIME = "the servers answer too slowly for a quick look"
_NEIGHBOURS = 40
_QUICK_TRACES = 12
_QUICK_SPANS = 20

#: The names of the hops, in the order in which the doctor looks at them.
HOPS: tuple[str, ...] = tuple(hop.name for hop in ORDER)


def examine(
    endpoints: Endpoints,
    *,
    service: str = "",
    since_s: float = 900.0,
    trace_id: str = "",
    profile_type: str = CPU,
    probe: bool = False,
    sources: DataSources | None = None,
    tempo_uid: str | None = None,
    upload_interval_s: float | None = None,
    probe_timeout_s: float = 10.0,
) -> Examination:
    """Look at a service and say which hop is broken.

    Args:
        endpoints: where the servers are. Where ``grafana`` is given and ``sources`` is not, that Grafana is asked for
            its data sources; ``otlp_http`` is needed for the probe.
        service: its name; without one, that of the trace, or the only one that Tempo knows.
        since_s: how far back to look, s.
        trace_id: look at the local root spans of this trace alone.
        profile_type: the type of profile to ask for.
        probe: whether to send a synthetic span and profile first.
        sources: Grafana's data sources.
        tempo_uid: which of the Tempo data sources, where there are several.
        upload_interval_s: the agent's upload interval, s; by default what the dates of uploads show, else 10.
        probe_timeout_s: how long to wait for the probe to come back, s.

    Raises:
        SeveralServicesError: no service is named and Tempo knows several.
        ValueError: ``since_s`` is out of range.
        IdentifierError: the trace ID is malformed.
    """
    if not 0 < since_s <= LONGEST_SINCE_S:
        raise ValueError(f"look back by more than 0 s and at most {LONGEST_SINCE_S / 3600:g} h, not {since_s:g} s")
    with ExitStack() as clients:  # each keeps connections open, and a server has only so many
        tempo = TempoClient(endpoints.tempo, endpoints.credentials_for("tempo"))
        clients.callback(tempo.close)
        pyroscope = PyroscopeClient(endpoints.pyroscope, endpoints.credentials_for("pyroscope"))
        clients.callback(pyroscope.close)
        grafana = None
        if endpoints.grafana and sources is None:
            grafana = GrafanaClient(endpoints.grafana, endpoints.credentials_for("grafana"))
            clients.callback(grafana.close)
        case = Case(
            tempo,
            pyroscope,
            Question(
                service,
                time.time_ns(),
                since_s,
                parse_trace_id(trace_id) if trace_id else "",
                profile_type,
                upload_interval_s,
            ),
            probe=probe,
            otlp_http=endpoints.otlp_http,
            credentials=endpoints.credentials_for("otlp_http"),
            probe_timeout_s=probe_timeout_s,
            sources=sources,
            grafana=grafana,
            tempo_uid=tempo_uid,
        )
        if trace_id:  # its neighbours are there to compare with
            case = replace(case, most_traces=_NEIGHBOURS, most_spans=_NEIGHBOURS)
        return _run(case)


def examine_failure(linker: Linker, evidence: Evidence, budget_s: float = 3.0, *, service: str = "") -> Examination:
    """Look quickly at a request that could not be linked: for the report of a failed test.

    It asks the linker's servers, with short time-outs, about this trace and a few of its newest neighbours.

    Args:
        linker: what followed the request.
        evidence: what it saw.
        budget_s: when to stop asking, s from the start.
        service: whose spans to look at; by default those of the service that answered the request.
    """
    tempo, pyroscope = linker.tempo.with_timeout(_QUICK_TIMEOUT_S), linker.pyroscope.with_timeout(_QUICK_TIMEOUT_S)
    question = Question(
        service,
        time.time_ns(),
        trace_id=evidence.trace_id,
        profile_type=linker.profile_type,
        upload_interval_s=linker.upload_interval_s,
    )
    case = Case(
        tempo,
        pyroscope,
        question,
        most_traces=_QUICK_TRACES,
        most_spans=_QUICK_SPANS,
        deadline=time.monotonic() + budget_s,
    )
    try:
        return _run(case)
    finally:  # of the connections that the many questions opened; the linker opens another when it needs one
        tempo.close()
        pyroscope.close()


def _run(case: Case) -> Examination:
    """Look at each hop in turn: collect what it needs, then judge."""
    facts = Facts(case.question)
    findings: list[Finding] = []
    could_look = True
    for hop in ORDER:
        if not could_look or any(finding.verdict is Verdict.BROKEN for finding in findings):
            findings.append(Finding(hop.name, Verdict.NOT_CHECKED))
            continue
        if hop.collects(case):
            if case.is_overdue:
                findings.append(Finding(hop.name, Verdict.NOT_CHECKED, (_NO_TIME,)))
                could_look = False
                continue
            try:
                facts = hop.collect(case.about(facts.question), facts)
            except ClientError as error:
                findings.append(Finding(hop.name, Verdict.NOT_CHECKED, (str(error),)))
                could_look = False
                continue
        findings.append(hop.judge(facts))
    could_look = could_look and all(server.answers for server in facts.servers)
    return Examination(facts.service, tuple(findings), tuple(facts.explanations), could_look)
