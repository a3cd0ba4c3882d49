"""``spanprofiles flame``: one flame graph of all spans that a query finds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from spanprofiles.cli.exits import reported
from spanprofiles.cli.options import Period, Seconds, backend_options, endpoints_of, profile_type_option
from spanprofiles.cli.output import say, say_json, show
from spanprofiles.cli.show import flamegraph_document, write_flamegraph
from spanprofiles.linking import Linker, Waiting
from spanprofiles.measure.span_group import LONGEST_S, MOST_TRACES, SpanGroup, find_group
from spanprofiles.model import PROFILE_ID_ATTRIBUTE
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.printable import LONGEST_LINE, printable

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("query")
@click.option(
    "--since",
    "since_s",
    metavar="TIME",
    type=Period(LONGEST_S),
    default="10m",
    show_default=True,
    help="How far to look back.",
)
@click.option("--limit", "most", type=click.IntRange(1), default=MOST_TRACES, show_default=True, help="Traces at most.")
@click.option("--wait", "wait_s", type=Seconds(0), default=3.0, show_default=True, help="Longest wait for samples, s.")
@click.option("--top", "count", type=click.IntRange(1), default=10, show_default=True, help="Rows of the top table.")
@profile_type_option
@click.option("--svg", "picture", type=_FILE, help="Write the flame graph here.")
@click.option("--pprof", "profile", type=_FILE, help="Write it as a pprof profile, for any viewer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@backend_options
def command(
    query: str,
    since_s: float,
    most: int,
    wait_s: float,
    count: int,
    profile_type: str,
    picture: Path | None,
    profile: Path | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Show one flame graph of all spans that QUERY finds, such as '{ span.http.route = "/search" }'.

    QUERY is TraceQL. The spans must carry a profile ID, as local root spans do.

    The exit code is 1 if no span matches, none carries a profile ID, or none has samples.
    """
    if not query.strip():
        raise click.BadParameter("it is empty: { } finds all spans", param_hint="QUERY")
    with reported():
        linker = Linker.of(endpoints_of(dict(os.environ), options), waiting=Waiting(wait_s), profile_type=profile_type)
        group = find_group(linker, query, time.time_ns() - round(since_s * 1e9), most)
    if picture is not None:
        from spanprofiles.report.svg import flame_document

        write_flamegraph(picture, flame_document(group.flamegraph, title=title_of(group)).encode())
    if profile is not None:
        first_ns = min(span.start_ns for span in group.spans)
        last_ns = max(span.end_ns for span in group.spans)
        write_flamegraph(profile, pprof_profile(group.flamegraph, time_ns=first_ns, duration_ns=last_ns - first_ns))
    if as_json:
        say_json(_document(group))
    else:
        _print(group, count)


def title_of(group: SpanGroup) -> str:
    """Return what a group is, in a line."""
    many = f"{len(group.spans):,} span{'s' * (len(group.spans) != 1)}"
    return printable(f"{many} of {', '.join(group.services)} by {group.query}", LONGEST_LINE)


def _print(group: SpanGroup, count: int) -> None:
    from rich.text import Text

    from spanprofiles.cli import render

    console = render.console()
    show(console, Text(title_of(group), style="bold"))
    say(f"{group.flamegraph.amount}, {group.mean.as_text(group.mean.total)} a span")
    for note in _notes(group):
        say(note)
    show(console, "", render.picture_and_top(group.flamegraph, console, count))


def _notes(group: SpanGroup) -> list[str]:
    notes = []
    if group.is_cut:
        notes.append("There may be more: these are the newest; --limit takes more of them.")
    if group.unlinked:
        notes.append(f"{group.unlinked:,} more spans match, and carry no {PROFILE_ID_ATTRIBUTE}.")
    return notes


def _document(group: SpanGroup) -> dict[str, Any]:
    return {
        "query": group.query,
        "spans": [
            {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "name": span.name,
                "service": span.service,
                "start_ns": span.start_ns,
                "duration_ns": span.duration_ns,
                "profile_id": span.profile_id,
            }
            for span in group.spans
        ],
        "unlinked": group.unlinked,
        "is_cut": group.is_cut,
        **flamegraph_document(group.flamegraph),
    }
