"""Examines a service hop by hop: gathers what a hop needs, judges it, and stops guessing after the first broken one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import ModuleType

from spanprofiles.clients import ClientError, PyroscopeClient, TempoClient
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor import collectors, hops
from spanprofiles.doctor.causes import explain, uploads_of
from spanprofiles.doctor.collectors import Case
from spanprofiles.doctor.examination import Examination
from spanprofiles.doctor.facts import Facts, GrafanaFacts, ProfileFacts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.uploads import USUAL_INTERVAL_S, is_overdue
from spanprofiles.linking import Evidence, Linker
from spanprofiles.linking.grafana import DataSources
from spanprofiles.model import CPU, Endpoints, Trace, parse_trace_id
from spanprofiles.model.profile_types import Kind, ProfileType, stand_ins

#: How far back one can look, s: Pyroscope answers no longer window than 24 h, and the doctor adds margins.
LONGEST_SINCE_S = 20 * 3600.0

_NS = 1_000_000_000
_TIMEOUT_S = (1.0, 1.0)
_NO_TIME = "the servers answer too slowly for a quick look"
_NEIGHBOURS = 40
_QUICK_TRACES = 12
_QUICK_SPANS = 20

_ORDER: tuple[ModuleType, ...] = (
    hops.servers,
    hops.probe,
    hops.traces,
    hops.profiles,
    hops.service_name,
    hops.profile_type,
    hops.profile_id,
    hops.own_id,
    hops.sample_labels,
    hops.single_span,
    hops.link,
    hops.clocks,
    hops.window,
    hops.grafana,
)

#: The names of the hops, in the order in which they are looked at.
HOPS: tuple[str, ...] = tuple(hop.HOP for hop in _ORDER)


class SeveralServicesError(ValueError):
    """Tempo knows several services and none was chosen.

    Attributes:
        services: their names.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self.services = tuple(services)
        super().__init__(f"Tempo knows several services, choose one: {', '.join(services)}")


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
        profile_type: the type of profile that is asked for.
        probe: whether to send a synthetic span and profile first.
        sources: Grafana's data sources.
        tempo_uid: which of the Tempo data sources, where there are several.
        upload_interval_s: the agent's upload interval, s; without it, what the dates of uploads tell, or 10.
        probe_timeout_s: how long to wait for the probe to come back, s.

    Raises:
        SeveralServicesError: no service is named and Tempo knows several.
        ValueError: ``since_s`` is out of range.
        IdentifierError: the trace ID is malformed.
    """
    if not 0 < since_s <= LONGEST_SINCE_S:
        raise ValueError(f"look back more than 0 s and at most {LONGEST_SINCE_S / 3600:g} h, not {since_s:g} s")
    with ExitStack() as clients:  # each keeps connections open, of which a server has so many
        tempo = TempoClient(endpoints.tempo, endpoints.credentials_for("tempo"))
        clients.callback(tempo.close)
        pyroscope = PyroscopeClient(endpoints.pyroscope, endpoints.credentials_for("pyroscope"))
        clients.callback(pyroscope.close)
        client = None
        if endpoints.grafana and sources is None:
            client = GrafanaClient(endpoints.grafana, endpoints.credentials_for("grafana"))
            clients.callback(client.close)
        case = Case(
            tempo,
            pyroscope,
            service,
            time.time_ns(),
            since_s,
            parse_trace_id(trace_id) if trace_id else "",
            profile_type,
            otlp_http=endpoints.otlp_http,
            credentials=endpoints.credentials_for("otlp_http"),
            probe_timeout_s=probe_timeout_s,
        )
        examiner = _Examiner(case, upload_interval_s, probe=probe, sources=sources, client=client, tempo_uid=tempo_uid)
        return examiner.run()


def examine_failure(linker: Linker, evidence: Evidence, budget_s: float = 1.5, *, service: str = "") -> Examination:
    """Look at a request whose link did not come about, quickly: for the report of a failed test.

    It asks the linker's servers, with short time-outs, about this trace and a few of its newest neighbours.

    Args:
        linker: what followed the request.
        evidence: what it saw.
        budget_s: after so many seconds nothing further is asked for.
        service: whose spans are meant; without one, those of the service that answered the request.
    """
    tempo, pyroscope = linker.tempo.with_timeout(_TIMEOUT_S), linker.pyroscope.with_timeout(_TIMEOUT_S)
    case = Case(
        tempo,
        pyroscope,
        service,
        time.time_ns(),
        trace_id=evidence.trace_id,
        profile_type=linker.profile_type,
        most_traces=_QUICK_TRACES,
        most_spans=_QUICK_SPANS,
        deadline=time.monotonic() + budget_s,
    )
    try:
        return _Examiner(case, linker.upload_interval_s).run()
    finally:  # the connections opened for the many questions; the linker opens its own when it needs one
        tempo.close()
        pyroscope.close()


class _Examiner:
    """One examination under way."""

    def __init__(
        self,
        case: Case,
        upload_interval_s: float | None,
        *,
        probe: bool = False,
        sources: DataSources | None = None,
        client: GrafanaClient | None = None,
        tempo_uid: str | None = None,
    ) -> None:
        self._case = case
        self._sources = sources
        self._client = client
        self._tempo_uid = tempo_uid
        self._facts = Facts(
            case.service, case.now_ns, case.since_s, case.trace_id, case.profile_type, upload_interval_s
        )
        self._before: dict[ModuleType, Callable[[], Facts]] = {
            hops.servers: self._servers,
            hops.traces: self._traces,
            hops.profiles: self._profiles,
            hops.sample_labels: self._links,
        }
        if probe:
            self._before[hops.probe] = self._probed
        if sources is not None or client is not None:
            self._before[hops.grafana] = self._grafana

    def run(self) -> Examination:
        """Look at one hop after the other."""
        findings: list[Finding] = []
        could_look = True
        for hop in _ORDER:
            if not could_look or any(one.verdict is Verdict.BROKEN for one in findings):
                findings.append(Finding(hop.HOP, Verdict.NOT_CHECKED))
                continue
            gather = self._before.get(hop)
            if gather is not None and time.monotonic() > self._case.deadline:
                findings.append(Finding(hop.HOP, Verdict.NOT_CHECKED, (_NO_TIME,)))
                could_look = False
                continue
            try:
                self._facts = gather() if gather else self._facts
            except ClientError as error:
                findings.append(Finding(hop.HOP, Verdict.NOT_CHECKED, (str(error),)))
                could_look = False
                continue
            findings.append(hop.judge(self._facts))
        could_look = could_look and all(one.answers for one in self._facts.servers)
        explained = explain(self._facts) if self._facts.links is not None else []
        return Examination(self._facts.service, tuple(findings), tuple(explained), could_look)

    def _servers(self) -> Facts:
        return replace(self._facts, servers=collectors.servers(self._case))

    def _probed(self) -> Facts:
        return replace(self._facts, probed=collectors.probe(self._case))

    def _traces(self) -> Facts:
        wanted: Trace | None = None
        if self._case.trace_id:
            few = min(self._case.most_traces, _NEIGHBOURS)  # they are there to compare with
            self._case = replace(self._case, most_traces=few, most_spans=min(self._case.most_spans, _NEIGHBOURS))
            self._case, wanted = collectors.wanted_trace(self._case)
        elif not self._case.service:
            self._case = replace(self._case, service=self._only_service())
        found = collectors.traces(self._case, wanted)
        return replace(self._facts, service=self._case.service, traces=found)

    def _only_service(self) -> str:
        known = collectors.traced_services(self._case)
        if len(known) > 1:
            raise SeveralServicesError(sorted(known))
        return known[0] if known else ""

    def _profiles(self) -> Facts:
        found = collectors.profiles(self._case, self._facts.roots.carrying)
        facts = replace(self._facts, profiles=found)
        if found.looked_at:
            others = stand_ins(found.types, found.looked_at) if self._case.profile_type == CPU else ()
            self._case = replace(self._case, profile_type=found.looked_at, stand_ins=others)
        if facts.traces is None or found.newest_ms is None or found.own_found:
            return facts
        seen = collectors.exemplars(self._case) or ()
        traces = collectors.with_profiled(self._case, facts.traces, seen)
        found = replace(found, labelled=bool(seen))
        if not seen:  # whether the agent runs where the spans come from
            overdue = [one for one in facts.roots.spans if is_overdue(one, facts.now_ns, facts.upload_interval_s)]
            interval_s = facts.upload_interval_s or USUAL_INTERVAL_S
            # a process that waits has wall time, and next to no CPU
            wall = next((one for one in found.types if ProfileType.of(one).kind is Kind.WALL), found.looked_at)
            found = replace(found, around=collectors.around_spans(self._case.of_type(wall), overdue, interval_s))
        return replace(facts, traces=traces, profiles=found)

    def _links(self) -> Facts:
        profiles = self._facts.profiles or ProfileFacts()
        found = collectors.links(self._case, self._facts.roots.carrying, profiles)
        if not all(one.is_linked for one in found.links):  # what was refused may explain it
            profiles = replace(profiles, refused=collectors.refused(self._case))
        facts = replace(self._facts, links=found, profiles=profiles)
        functions = collectors.unlabelled_functions(self._case, facts, uploads_of(facts))
        return replace(facts, links=replace(found, unlabelled_functions=functions))

    def _grafana(self) -> Facts:
        sources = self._sources
        if sources is None and self._client is not None:
            found = collectors.data_sources(self._client)
            if isinstance(found, GrafanaFacts):
                return replace(self._facts, grafana=found)
            sources = found
        if sources is None:
            return self._facts
        traces = self._facts.traces.traces if self._facts.traces else ()
        looked = collectors.grafana(self._case, sources, self._tempo_uid, self._facts.focus, traces)
        return replace(self._facts, grafana=looked)
