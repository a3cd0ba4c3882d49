"""Reads Grafana's data sources, and presses the button of some linked spans."""

from __future__ import annotations

from dataclasses import replace

from spanprofiles.clients import ClientError, RequestRefusedError
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import GrafanaCheck, GrafanaFacts, Link
from spanprofiles.doctor.processes import process_of
from spanprofiles.linking import Waiting
from spanprofiles.linking.grafana import DataSource, DataSources, GrafanaLinker, SettingsError, settled
from spanprofiles.model import Span, Trace

_CHECKED = 6
_ONCE = Waiting(0.0)


def data_sources(client: GrafanaClient) -> DataSources | GrafanaFacts:
    """Ask a Grafana for its data sources; return why where it does not give them."""
    try:
        client.health()
        return DataSources([DataSource.of(settings) for settings in client.data_sources()])
    except (RequestRefusedError, SettingsError) as error:
        return GrafanaFacts(error=str(error))
    except ClientError as error:
        return GrafanaFacts(error=str(error), is_silent=True)


def has_settings(case: Case) -> bool:
    """Tell whether the user gave settings of Grafana, or a Grafana to ask for them."""
    return case.sources is not None or case.grafana is not None


def collect_grafana(case: Case, facts: Facts) -> Facts:
    """Add what Grafana makes of some linked spans.

    Raises:
        ClientError: Pyroscope failed.
    """
    sources: DataSources | GrafanaFacts | None = case.sources
    if sources is None and case.grafana is not None:
        sources = data_sources(case.grafana)
    if isinstance(sources, DataSources):
        return replace(facts, grafana=_checked(case, sources, facts))
    return replace(facts, grafana=sources)


def _checked(case: Case, sources: DataSources, facts: Facts) -> GrafanaFacts:
    """Press the button of the newest linked spans, one of each process and name."""
    try:
        source = sources.tempo(case.tempo_uid)
    except SettingsError as error:
        return GrafanaFacts(error=str(error))
    linker = GrafanaLinker(source, sources, case.pyroscope, _ONCE)
    by_id = {trace.trace_id: trace for trace in (facts.traces.traces if facts.traces else ())}
    chosen: dict[tuple[str, str], Link] = {}
    for link in facts.focus:
        if link.is_linked:
            chosen.setdefault((process_of(link.span), link.span.name), link)
    checks = [_check_work(linker, link.span, by_id[link.span.trace_id]) for link in list(chosen.values())[:_CHECKED]]
    return GrafanaFacts(source.uid, checks=tuple(checks))


def _check_work(linker: GrafanaLinker, span: Span, trace: Trace) -> GrafanaCheck:
    check = _check(linker, span, trace)
    if check.has_samples or not span.added:
        return check
    # Grafana adds nothing up: where all the work is below a local root, the button there has it.
    return _check(linker, max(span.added, key=lambda child: child.duration_ns), trace)


def _check(linker: GrafanaLinker, span: Span, trace: Trace) -> GrafanaCheck:
    button = linker.resolve(span, trace)
    if button.query is None:
        return GrafanaCheck(button)
    answer = linker.answer(button.query)
    embedded = linker.answer(button.embedded) if button.embedded is not None and answer.has_samples else None
    return GrafanaCheck(
        settled(button, answer),
        linker.explain(answer),
        answer.has_samples,
        None if embedded is None else embedded.is_drawn_when_embedded,
    )
