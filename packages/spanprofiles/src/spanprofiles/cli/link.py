"""``spanprofiles link``: what Grafana's button "Profiles for this span" would send, and what would come."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from spanprofiles.cli.exits import BROKEN, COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import Seconds, backend_options, data_source_options, endpoints_of, one_place
from spanprofiles.cli.output import Styled, say, say_json
from spanprofiles.clients import RequestRefusedError
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.linking import Linker, TraceNotFoundError, Waiting
from spanprofiles.linking.grafana import (
    Answer,
    DataSource,
    DataSources,
    GrafanaLink,
    GrafanaLinker,
    SettingsError,
    SpanProfileQuery,
    profile_url,
    read_data_sources,
    settled,
    trace_url,
)
from spanprofiles.model import (
    PROFILE_ID_ATTRIBUTE,
    Endpoints,
    FlameGraph,
    Trace,
    parse_span_id,
    parse_trace_id,
)
from spanprofiles.model.printable import printable
from spanprofiles.model.withheld import why_no_profile_id


@click.command()
@click.argument("trace_id")
@data_source_options
@click.option("--span", "span_id", help="Look only at this span, with or without a profile ID.")
@click.option("--wait", "wait_s", type=Seconds(0), default=3.0, show_default=True, help="Longest wait, s.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@backend_options
def command(
    trace_id: str,
    files: tuple[str, ...],
    uid: str | None,
    span_id: str | None,
    wait_s: float,
    as_json: bool,
    **options: str | None,
) -> None:
    """Show what Grafana makes of the trace TRACE_ID: for each span with a profile ID, the button and its query.

    It then sends the query to Pyroscope, exactly as Grafana would, and also through a Grafana if you name one. The exit
    code is 1 if a button is missing or leads to no samples.
    """
    with reported():
        endpoints = endpoints_of(dict(os.environ), options)
        client = _grafana(endpoints, files, options.get("grafana_url"))
        try:
            sources = read_data_sources(files) if client is None else _of_grafana(client)
            linker = Linker.of(endpoints, waiting=Waiting(wait_s))
            through = GrafanaLinker.of(sources, linker, uid)
        except SettingsError as error:
            leave(COULD_NOT_LOOK, str(error))
        trace = _trace(linker, parse_trace_id(trace_id), span_id)
        links = _links(through, trace, span_id)
        looked = [_look(link, through, client, endpoints.grafana) for link in links]
    url = trace_url(endpoints.grafana, through.source, trace)
    _print_json(trace, through.source, url, looked) if as_json else _print(trace, through.source, url, looked)
    if not looked:
        leave(
            BROKEN,
            f"no span of this trace carries {PROFILE_ID_ATTRIBUTE}: {why_no_profile_id(trace.local_roots)}",
        )
    broken = [printable(checked.link.span.name) for checked in looked if not checked.works]
    if broken:
        leave(BROKEN, f"the way from Grafana to the profile is broken for {', '.join(broken)}")


@dataclass(frozen=True)
class _Looked:
    """One span: its link, what the query returned, and where Grafana shows it."""

    link: GrafanaLink
    url: str = ""
    answer: Answer | None = None
    outcome: str = ""
    embedded: bool | None = None
    through_grafana: str = ""
    agrees: bool = True

    @property
    def works(self) -> bool:
        return self.answer is not None and self.answer.has_samples and self.agrees


def _grafana(endpoints: Endpoints, files: Sequence[str], url: str | None) -> GrafanaClient | None:
    one_place(files, url)
    if files:
        return None
    if not endpoints.grafana:
        raise click.UsageError("say where the data sources are: --grafana URL, or --datasource FILE")
    return GrafanaClient(endpoints.grafana, endpoints.credentials_for("grafana"))


def _of_grafana(client: GrafanaClient) -> DataSources:
    client.health()
    return DataSources([DataSource.of(source) for source in client.data_sources()])


def _trace(linker: Linker, trace_id: str, span_id: str | None) -> Trace:
    wanted = parse_span_id(span_id) if span_id else None
    request = linker.follow(trace_id)

    def is_there(trace: Trace) -> bool:
        if wanted:
            return trace.span(wanted) is not None
        return any(PROFILE_ID_ATTRIBUTE in span.attributes for span in trace.spans)

    try:
        return request.trace(is_there)
    except TraceNotFoundError:
        trace = request.evidence.trace
        if trace is None:
            raise
        if wanted:
            named = ", ".join(f"{span.span_id} ({printable(span.name)})" for span in trace.spans)
            leave(BROKEN, f"the trace {trace_id} has no span {wanted}; its spans: {named}")
        return trace


def _links(through: GrafanaLinker, trace: Trace, span_id: str | None) -> list[GrafanaLink]:
    if span_id is None:
        return through.resolve_trace(trace)
    span = trace.span(parse_span_id(span_id))
    return [] if span is None else [through.resolve(span, trace)]


def _look(link: GrafanaLink, through: GrafanaLinker, client: GrafanaClient | None, grafana: str) -> _Looked:
    if link.query is None:
        return _Looked(link)
    answer = through.answer(link.query)
    embedded = None
    if link.embedded is not None and not answer.refusal:
        embedded = GrafanaLinker(through.source, through.sources, through.pyroscope, Waiting(0)).answer(link.embedded)
    comparison, agrees = _compare(client, link.query, answer) if client else ("", True)
    return _Looked(
        settled(link, answer),
        profile_url(grafana, link.query),
        answer,
        through.explain(answer),
        None if embedded is None else embedded.is_drawn_when_embedded,
        comparison,
        agrees,
    )


def _compare(client: GrafanaClient, query: SpanProfileQuery, answer: Answer) -> tuple[str, bool]:
    try:
        found = client.ds_query(query.target(), query.start_ms, query.end_ms)
    except RequestRefusedError as error:
        return f"refused with {error.status}: {error.answer}", bool(answer.refusal)
    if found == answer.flamegraph:
        return "the same samples", True
    return f"other samples: {_size(found)}, not {_size(answer.flamegraph)}", False


def _size(flamegraph: FlameGraph) -> str:
    value = f"{flamegraph.cpu_ns / 1e6:.0f} ms" if flamegraph.cpu_ns else flamegraph.as_text(flamegraph.total)
    return f"{len(flamegraph.functions)} functions with {value}"


def _print(trace: Trace, source: DataSource, url: str, looked: Sequence[_Looked]) -> None:
    say(f"trace {trace.trace_id}, looked at with the data source {source.uid} ({source.name})")
    say(f"  in Explore: {url}")
    for checked in looked:
        span, query = checked.link.span, checked.link.query
        say()
        service = printable(span.service) or "a service without a name"
        say(Styled(f"{printable(span.name)} in {service}, span {span.span_id}", bold=True))
        if query is None:
            reason = checked.link.no_button.value if checked.link.no_button else ""
            say("  button    ", Styled("no", "red"), f": {reason}")
            say(f"            {checked.link.explanation}")
            _print_warnings(checked.link)
            continue
        say("  button    ", Styled("yes", "green"))
        say(f"  asks      {query.label_selector}, span {query.span_selector[0]!r}, {query.profile_type!r}")
        say(f"  range     {_clock(query.start_ms)} to {_clock(query.end_ms)}")
        say(f"  Explore   {checked.url}")
        _print_warnings(checked.link)
        say("  came      ", Styled(checked.outcome, "green" if checked.works else "red"))
        if checked.embedded is not None:
            drawn = "drawn" if checked.embedded else "nothing is drawn, and nothing said"
            say(f"  in trace  flame graph inside the trace view: {drawn}")
        if checked.through_grafana:
            say(f"  Grafana   {checked.through_grafana}")


def _clock(milliseconds: int) -> str:
    """Write a moment, ms since the epoch, as a date and a time of this machine's clock."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _print_warnings(link: GrafanaLink) -> None:
    for warning in link.warnings:
        say("  ", Styled("warning", "yellow"), f"   {warning.text}")


def _print_json(trace: Trace, source: DataSource, url: str, looked: Sequence[_Looked]) -> None:
    document = {
        "trace_id": trace.trace_id,
        "datasource": source.uid,
        "explore_url": url,
        "spans": [_as_json(checked) for checked in looked],
    }
    say_json(document)


def _as_json(checked: _Looked) -> dict[str, Any]:
    link, query, answer = checked.link, checked.link.query, checked.answer
    return {
        "span_id": link.span.span_id,
        "name": link.span.name,
        "service": link.span.service,
        "button": link.has_button,
        "reason": link.no_button.name.lower() if link.no_button else None,
        "explanation": link.explanation or None,
        "warnings": [{"doubt": warning.doubt.name.lower(), "text": warning.text} for warning in link.warnings],
        "query": None if query is None else {**query.target(), "from": query.start_ms, "to": query.end_ms},
        "explore_url": checked.url or None,
        "samples": None if answer is None else answer.has_samples,
        "refusal": (answer.refusal or None) if answer else None,
        "outcome": checked.outcome or None,
        "cpu_ns": answer.flamegraph.cpu_ns if answer else None,
        "value": answer.flamegraph.total if answer else None,
        "embedded_is_drawn": checked.embedded,
        "through_grafana": checked.through_grafana or None,
        "works": checked.works,
    }
