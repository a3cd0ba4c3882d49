"""``spanprofiles show``: a trace, and the flame graphs of its linked spans."""

from __future__ import annotations

import os
from functools import reduce
from operator import add
from pathlib import Path
from string import hexdigits
from typing import Any

import click

from spanprofiles.cli.exits import BROKEN, COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import Seconds, backend_options, endpoints_of, profile_type_option
from spanprofiles.cli.output import say_json, show
from spanprofiles.doctor import Diagnosis, diagnose
from spanprofiles.linking import (
    Evidence,
    FollowedRequest,
    LinkedSpan,
    Linker,
    NoSamplesError,
    TraceNotFoundError,
    Waiting,
)
from spanprofiles.model import CPU, FlameGraph, Span, Trace
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.withheld import why_no_profile_id

_DIAGNOSED = 6
_SHORTEST = 16  # digits: an ID of 64 bits; what is missing before them are zeros


@click.command()
@click.argument("trace_id")
@click.option("--wait", "wait_s", type=Seconds(0), default=3.0, show_default=True, help="Longest wait, s.")
@click.option("--top", "count", type=click.IntRange(1), default=10, show_default=True, help="Rows of the top table.")
@profile_type_option
@click.option("--svg", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Write the flame graph here.")
@click.option("--whole-trace", is_flag=True, help="One flame graph of all linked spans together.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@backend_options
def command(
    trace_id: str,
    wait_s: float,
    count: int,
    profile_type: str,
    picture: Path | None,
    whole_trace: bool,
    as_json: bool,
    **options: str | None,
) -> None:
    """Show the trace TRACE_ID: its spans, and for each linked span the flame graph and the top table.

    --svg writes the flame graph of the first linked span as a picture, or with --whole-trace that of all of them.

    The exit code is 1 if there is no such trace, no span carries a profile ID, or a profile ID leads to no samples
    (unless its span waited, or is too short for a sample).
    """
    if set(trace_id.strip()) <= set(hexdigits) and len(trace_id.strip()) < _SHORTEST:
        text = f"{trace_id!r} is the beginning of a trace ID at most: 32 hexadecimal digits are expected"
        raise click.BadParameter(text, param_hint="TRACE_ID")
    with reported():
        linker = Linker.of(endpoints_of(dict(os.environ), options), waiting=Waiting(wait_s), profile_type=profile_type)
        request = linker.follow(trace_id)
        evidence = request.evidence
        try:
            trace = request.trace(lambda found: bool(found.linkable))
        except TraceNotFoundError:
            if evidence.trace is None:
                raise
            trace = evidence.trace  # there, but without a profile ID: worth a look all the same
        linked = [_samples(request, span) for span in (*trace.linkable, *trace.late_roots)]
        said = _diagnoses(linked, linker, evidence)
    whole = _merged(linked) if whole_trace else None
    if picture is not None and linked:
        if whole is None:
            _write_svg(picture, linked[0].flamegraph, linked[0].name)
        else:
            _write_svg(picture, whole, f"trace {trace.trace_id}")
    if as_json:
        _print_json(trace, linked, said, whole)
    else:
        _print(trace, linked, said, evidence, count, whole)
    if not trace.linkable:
        missing = why_no_profile_id(trace.local_roots)
        leave(BROKEN, f"no local root span of this trace carries pyroscope.profile.id: {missing}")
    dead = [span.name for span in linked if span.flamegraph.is_empty and span.profile_id not in evidence.excused]
    if dead:
        leave(BROKEN, f"no samples for the profile ID of {', '.join(dead)}: a dead link")


def _samples(request: FollowedRequest, span: Span) -> LinkedSpan:
    try:
        return request.samples(span)
    except NoSamplesError:
        return LinkedSpan(span, FlameGraph())  # shown as the dead link it is


def _diagnoses(linked: list[LinkedSpan], linker: Linker, evidence: Evidence) -> dict[str, Diagnosis]:
    """Return what the doctor says about the spans without samples, by profile ID, and note which are in order."""
    said = {}
    for unlinked in [span for span in linked if span.flamegraph.is_empty][:_DIAGNOSED]:
        evidence.excused.pop(unlinked.profile_id, None)
        diagnosis = diagnose(unlinked.span, linker)
        if diagnosis is not None:
            said[unlinked.profile_id] = diagnosis
            if diagnosis.excuse:
                evidence.excused[unlinked.profile_id] = diagnosis.excuse
    return said


def _merged(linked: list[LinkedSpan]) -> FlameGraph:
    """Return the samples of all linked spans together, of one type: CPU time before others."""
    found = [span.flamegraph for span in linked if not span.flamegraph.is_empty]
    types = sorted({graph.profile_type for graph in found}, key=lambda name: (name != CPU, name))
    alike = [graph for graph in found if graph.profile_type == types[0]] if types else []
    return reduce(add, alike, FlameGraph())


def _write_svg(picture: Path, flamegraph: FlameGraph, title: str) -> None:
    from spanprofiles.report.svg import flame_document

    write_flamegraph(picture, flame_document(flamegraph, title=title).encode())


def write_flamegraph(path: Path, octets: bytes) -> None:
    """Write a flame graph where the user wants it, or end the program with the reason why that cannot be."""
    try:
        path.write_bytes(octets)
    except OSError as error:
        leave(COULD_NOT_LOOK, f"the flame graph cannot be written to {path}: {error.strerror}")


def _print(
    trace: Trace,
    linked: list[LinkedSpan],
    said: dict[str, Diagnosis],
    evidence: Evidence,
    count: int,
    whole: FlameGraph | None,
) -> None:
    from rich.text import Text

    from spanprofiles.cli import render

    console = render.console()
    show(console, Text(f"trace {trace.trace_id}", style="bold"), render.trace_tree(evidence))
    if whole is not None:
        spans = sum(span.profile_type == whole.profile_type and not span.flamegraph.is_empty for span in linked)
        words = f"all {spans} linked spans" if spans != 1 else "the only linked span"
        show(console, "", Text(f"{words}: {whole.amount}"), "", render.picture_and_top(whole, console, count))
    for span in linked:
        if whole is None or span.flamegraph.is_empty:
            show(console, "", render.linked_span(span, console, count))
        if span.profile_id in said:
            show(console, Text(said[span.profile_id].line))


def _print_json(trace: Trace, linked: list[LinkedSpan], said: dict[str, Diagnosis], whole: FlameGraph | None) -> None:
    spans = [
        {
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "name": span.name,
            "service": span.service,
            "start_ns": span.start_ns,
            "duration_ns": span.duration_ns,
            "profile_id": span.profile_id,
        }
        for span in trace.spans
    ]
    profiles = [
        {
            "span_id": span.span_id,
            "profile_id": span.profile_id,
            "service": span.service,
            **flamegraph_document(span.flamegraph),
            "diagnosis": said[span.profile_id].as_json() if span.profile_id in said else None,
        }
        for span in linked
    ]
    document: dict[str, Any] = {"trace_id": trace.trace_id, "spans": spans, "span_profiles": profiles}
    if whole is not None:
        document["whole_trace"] = flamegraph_document(whole)
    say_json(document)


def flamegraph_document(flamegraph: FlameGraph) -> dict[str, Any]:
    """Return a flame graph for JSON: its total with samples and 95 % interval, and its call paths."""
    interval = flamegraph.total_interval()
    return {
        "cpu_ns": flamegraph.cpu_ns,
        "profile_type": flamegraph.profile_type,
        "value": flamegraph.total,
        "unit": ProfileType.of(flamegraph.profile_type).unit,
        "samples": flamegraph.samples,
        "interval": list(interval) if interval is not None else None,
        "stacks": _stacks(flamegraph),
    }


def _stacks(flamegraph: FlameGraph) -> list[dict[str, Any]]:
    in_ns = ProfileType.of(flamegraph.profile_type).unit == "nanoseconds"
    return [
        {"functions": list(path), "value": value, **({"value_ns": value} if in_ns else {})}
        for path, value in flamegraph.stacks.items()
    ]
