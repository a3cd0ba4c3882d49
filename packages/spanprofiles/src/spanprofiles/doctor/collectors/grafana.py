"""Takes Grafana's data sources, and follows the buttons of some linked spans."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.clients import ClientError, RequestRefusedError
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import GrafanaFacts, GrafanaLook, Link
from spanprofiles.doctor.processes import process_of
from spanprofiles.linking import Waiting
from spanprofiles.linking.grafana import DataSource, DataSources, GrafanaLinker, SettingsError, settled
from spanprofiles.model import Trace

_LOOKS = 6
_ONCE = Waiting(0.0)


def data_sources(client: GrafanaClient) -> DataSources | GrafanaFacts:
    """Ask a Grafana for its data sources; where they cannot be had, return why."""
    try:
        client.health()
        return DataSources([DataSource.of(one) for one in client.data_sources()])
    except (RequestRefusedError, SettingsError) as error:
        return GrafanaFacts(error=str(error))
    except ClientError as error:
        return GrafanaFacts(error=str(error), is_silent=True)


def grafana(
    case: Case, sources: DataSources, uid: str | None, links: Sequence[Link], traces: Sequence[Trace]
) -> GrafanaFacts:
    """Press the button of the newest linked spans, of each process and name one.

    Raises:
        ClientError: Pyroscope failed.
    """
    try:
        source = sources.tempo(uid)
    except SettingsError as error:
        return GrafanaFacts(error=str(error))
    linker = GrafanaLinker(source, sources, case.pyroscope, _ONCE)
    by_id = {trace.trace_id: trace for trace in traces}
    chosen: dict[tuple[str, str], Link] = {}
    for one in links:
        if one.is_linked:
            chosen.setdefault((process_of(one.span), one.span.name), one)
    looks = [_look(linker, one, by_id[one.span.trace_id]) for one in list(chosen.values())[:_LOOKS]]
    return GrafanaFacts(source.uid, looks=tuple(looks))


def _look(linker: GrafanaLinker, one: Link, trace: Trace) -> GrafanaLook:
    link = linker.resolve(one.span, trace)
    if link.query is None:
        return GrafanaLook(link)
    answer = linker.answer(link.query)
    embedded = linker.answer(link.embedded) if link.embedded is not None and answer.has_samples else None
    return GrafanaLook(
        settled(link, answer),
        linker.explain(answer),
        answer.has_samples,
        None if embedded is None else embedded.is_drawn_when_embedded,
    )
