"""``spanprofiles doctor``: which hop of the link is broken, with the evidence and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import click

from spanprofiles.cli.exits import BROKEN, COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import (
    Seconds,
    backend_options,
    data_source_options,
    endpoints_of,
    one_place,
    profile_type_option,
)
from spanprofiles.cli.output import say_json, show
from spanprofiles.doctor import (
    HARMLESS,
    LONGEST_SINCE_S,
    Cause,
    Examination,
    Explanation,
    Finding,
    SeveralServicesError,
    Verdict,
    examine,
)
from spanprofiles.linking.grafana import DataSources, SettingsError, read_data_sources
from spanprofiles.model import Endpoints
from spanprofiles.model.printable import LONGEST_LINE, printable

_SINCE = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_STYLES = {
    Verdict.OK: "green",
    Verdict.BROKEN: "bold red",
    Verdict.DOUBTFUL: "yellow",
    Verdict.NOT_CHECKED: "dim",
}
_SHOWN_OF_EACH = 3
_DEFAULT_TEMPO, _DEFAULT_OTLP = "http://127.0.0.1:3200", "http://127.0.0.1:4318"


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """Read a time span such as ``90s``, ``15m`` or ``2h``; a bare number is seconds."""
    match = _SINCE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r} is not a time span: 90s, 15m or 2h is expected", context, parameter)
    seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if not 0 < seconds <= LONGEST_SINCE_S:
        raise click.BadParameter(f"{value!r} is out of range: up to {LONGEST_SINCE_S / 3600:g}h", context, parameter)
    return seconds


@click.command()
@click.option("--service", default="", metavar="NAME", help="service.name. [default: the only one Tempo knows]")
@click.option("--since", "since_s", default="15m", show_default=True, callback=_seconds, help="How far back to look.")
@click.option("--trace", "trace_id", default="", metavar="ID", help="Look only at the spans of this trace.")
@profile_type_option
@data_source_options
@click.option("--probe", is_flag=True, help="Send a synthetic span and profile first, and read them back.")
@click.option("--otlp", "otlp_url", metavar="URL", help="OTLP/HTTP receiver, for --probe. [SPAN_PROFILES_OTLP_URL]")
@click.option(
    "--upload-interval", type=Seconds(0.1), help="The agent's upload interval, s. [default: as its uploads show]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@backend_options
def command(
    service: str,
    since_s: float,
    trace_id: str,
    profile_type: str,
    files: tuple[str, ...],
    uid: str | None,
    probe: bool,
    upload_interval: float | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Examine a service hop by hop, from its spans to the samples that Grafana would show, and say which is broken.

    Works on any service in any language. The exit code is 0 if nothing is broken (doubts are allowed), 1 if a hop is
    broken, 2 if it could not check.
    """
    one_place(files, options.get("grafana_url"))
    with reported():
        endpoints = _endpoints(options)
        try:
            examination = examine(
                endpoints,
                service=service,
                since_s=since_s,
                trace_id=trace_id,
                profile_type=profile_type,
                probe=probe,
                sources=_sources(files),
                tempo_uid=uid,
                upload_interval_s=upload_interval,
            )
        except SeveralServicesError as error:
            leave(COULD_NOT_LOOK, *_choose(error.services))
        except SettingsError as error:
            leave(COULD_NOT_LOOK, str(error))
    if as_json:
        say_json(examination.as_json())
    else:
        _print(examination)
    _leave(examination)


def _endpoints(options: dict[str, str | None]) -> Endpoints:
    endpoints = endpoints_of(dict(os.environ), options)
    if not endpoints.otlp_http and endpoints.tempo == _DEFAULT_TEMPO:
        return replace(endpoints, otlp_http=_DEFAULT_OTLP)
    return endpoints


def _sources(files: Sequence[str]) -> DataSources | None:
    return read_data_sources(files) if files else None


def _choose(services: Sequence[str]) -> list[str]:
    return ["Tempo knows several services, choose one:", *(f"  --service {printable(name)}" for name in services)]


def _leave(examination: Examination) -> None:
    if not examination.could_look:
        leave(COULD_NOT_LOOK, "a server did not answer as it should, so the rest could not be looked at")
    if examination.broken is not None:
        leave(BROKEN, f"the link is broken at: {examination.broken.hop}")


def _print(examination: Examination) -> None:
    from rich.table import Table
    from rich.text import Text

    from spanprofiles.cli import render

    console = render.console()
    table = Table(
        title=Text(f"service {printable(examination.service)}", "table.title") if examination.service else None,
        title_justify="left",
        expand=True,
    )
    table.add_column("hop", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("evidence", ratio=3, overflow="fold")
    table.add_column("what to do", ratio=2, overflow="fold")
    for finding in examination.findings:
        verdict = Text(finding.verdict.value, style=_STYLES[finding.verdict])
        table.add_row(
            Text(finding.hop), verdict, Text(_evidence(finding)), Text(printable(finding.advice, LONGEST_LINE))
        )
    show(console, table)
    if examination.unlinked:
        head = f"spans without samples where Grafana looks: {len(examination.unlinked)}"
        show(console, "", Text(head, style="bold"))
    shown = _some_of_each_cause(examination.unlinked)
    for explanation in shown:
        span = explanation.span
        line = f"  {span.span_id}  {printable(span.name)}  {explanation.cause.value}: {explanation.sentence}"
        show(console, Text(printable(line, LONGEST_LINE)))
    if len(examination.unlinked) > len(shown):
        show(console, Text(f"  and {len(examination.unlinked) - len(shown)} more: --json lists all"))


def _some_of_each_cause(unlinked: Sequence[Explanation]) -> list[Explanation]:
    """Return a few of each cause, the harmless ones last."""
    grouped: dict[Cause, list[Explanation]] = {}
    for explanation in unlinked:
        grouped.setdefault(explanation.cause, []).append(explanation)
    causes = sorted(grouped, key=lambda cause: cause in HARMLESS)
    return [explanation for cause in causes for explanation in grouped[cause][:_SHOWN_OF_EACH]]


def _evidence(finding: Finding) -> str:
    return "\n".join(printable(line, LONGEST_LINE) for line in finding.evidence)
