"""``/trace/<id>``: the waterfall with one span beside it; ``/trace/<id>/span/<id>``: its flame graph at full width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from flask import Blueprint, Response, abort, render_template, request, url_for
from markupsafe import Markup

from spanprofiles.doctor import diagnose
from spanprofiles.model import Span, SpanStatus, Trace, parse_span_id
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.profile_types import note
from spanprofiles.report.excess import cpu_excess
from spanprofiles.report.folded import folded_lines
from spanprofiles.report.svg import SpanMark, flame_document, service_colours, waterfall_svg
from spanprofiles.report.svg.waterfall import MOST_ROWS
from spanprofiles.ui.grafana import grafana_address
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_lines import find_lines, own_place
from spanprofiles.ui.span_profile import ProfileState, SpanProfile, span_marks, span_profile, span_to_open
from spanprofiles.ui.trace_rank import rank_of_trace
from spanprofiles.ui.views.pictures import address_of_box, files_of, layout_of, picture_of, tree_rows

views = Blueprint("traces", __name__)

_TOP_ROWS = 100
_EVENTS = 100
_HTTP_STATUS = ("http.response.status_code", "http.status_code")


def find_trace(trace_id: str) -> Trace:
    """Return a trace.

    Raises:
        NotFound: Tempo has no span of it.
    """
    found = sources().linker.tempo.trace(trace_id)
    if found is None:
        abort(
            404,
            f"Tempo has no span of the trace {trace_id}. A trace that just ended arrives within a second or two;"
            " an old one may have been deleted.",
        )
    return found


def find_span(trace: Trace, span_id: str) -> Span:
    """Return a span of a trace.

    Raises:
        NotFound: the trace has none of that ID.
    """
    span = trace.span(parse_span_id(span_id))
    if span is None:
        abort(404, f"the trace {trace.trace_id} has no span {span_id}")
    return span


def profile_values(profile: SpanProfile, **parameters: str) -> dict[str, object]:
    """Return what the templates need of a span's profile."""
    span, linker = profile.span, sources().linker
    values: dict[str, object] = {"profile": profile, "span": span, "states": ProfileState, "picture": None}
    if profile.state is ProfileState.DEAD:
        values["diagnosis"] = diagnose(span, linker)
    if profile.state is ProfileState.LINKED:
        lines = find_lines(span, profile.flamegraph, linker)
        files = files_of(span, profile.flamegraph, linker, lines)
        layout = layout_of(profile.flamegraph, span.name, files)
        label = f"Flame graph of {span.name}: {profile.flamegraph.amount}"
        values["picture"] = picture_of(layout, files, label, address_of_box(**parameters), lines)
        values["layout"] = layout
        values["type_note"] = note(profile.flamegraph.profile_type)
        values["excess"] = cpu_excess(span, profile.flamegraph.cpu_ns)
        values["files"] = files
        values["own_place"] = partial(own_place, files, lines, profile.flamegraph.as_text)
        values["tells_lines"] = lines is not None
        values["top"] = profile.flamegraph.top(_TOP_ROWS)
        values["functions"] = len(profile.flamegraph.functions)
    return values


@views.get("/trace/<trace_id>")
def trace(trace_id: str) -> str:
    """Show a trace's waterfall, and beside it the span that the address names, or the one with the most CPU."""
    found = find_trace(trace_id)
    marks = span_marks(found, sources().cpu_cache)
    chosen = find_span(found, request.args["span"]) if request.args.get("span") else span_to_open(found, marks)
    if chosen is None:
        abort(404, f"the trace {trace_id} has no spans")
    svg, _ = waterfall_svg(
        found,
        marks,
        chosen=chosen.span_id,
        address=lambda span: url_for("traces.trace", trace_id=found.trace_id, span=span.span_id),
        label=f"Spans of the trace {found.trace_id}",
    )
    values = profile_values(span_profile(found, chosen, sources().linker), span=chosen.span_id)
    return render_template(
        "trace.html",
        trace=found,
        waterfall=Markup(svg),  # noqa: S704  # its texts are escaped there
        any_excess=any(_is_excessive(span, marks) for span in found.spans),
        colours=service_colours(found),
        left_out=max(0, len(found.spans) - MOST_ROWS),
        local_root=found.is_local_root(chosen),
        linked_above=_linked_above(found, chosen),
        rank=rank_of_trace(found, sources()),
        failed=chosen.status is SpanStatus.ERROR,
        http_status=next((chosen.attributes[name] for name in _HTTP_STATUS if chosen.attributes.get(name)), ""),
        most_events=_EVENTS,
        **values,
    )


@views.get("/trace/<trace_id>/span/<span_id>")
def flamegraph(trace_id: str, span_id: str) -> str:
    """Show a span's flame graph at full width, with its tables and downloads."""
    found = find_trace(trace_id)
    span = find_span(found, span_id)
    profile = span_profile(found, span, sources().linker)
    values = profile_values(profile)
    layout = values.get("layout")
    rows = tree_rows(layout) if layout is not None else []  # type: ignore[arg-type]  # a layout where there is one
    grafana = grafana_address(sources().endpoints, span, sources().linker, profile.flamegraph.profile_type)
    return render_template("flamegraph.html", trace=found, tree=rows, grafana=grafana, **values)


@views.get("/trace/<trace_id>/span/<span_id>/<any('profile.pb.gz', 'profile.folded', 'flamegraph.svg'):name>")
def download(trace_id: str, span_id: str, name: str) -> Response:
    """Give a span's profile as a file."""
    trace = find_trace(trace_id)
    span = find_span(trace, span_id)
    profile = span_profile(trace, span, sources().linker)
    if profile.state is not ProfileState.LINKED:
        abort(404, f"the span {span_id} has no samples: {profile.state.value}")
    body: str | bytes | Iterator[bytes]
    if name.endswith(".svg"):
        title = f"{span.name}, span {span.span_id}, trace {span.trace_id}"
        files = files_of(span, profile.flamegraph, sources().linker)
        layout = layout_of(profile.flamegraph, span.name, files)
        body, kind = flame_document(profile.flamegraph, title=title, layout=layout), "image/svg+xml"
    elif name.endswith(".folded"):
        body = (line.encode("utf-8", "replace") for line in folded_lines(profile.flamegraph))
        kind = "text/plain; charset=utf-8"
    else:
        lines = find_lines(span, profile.flamegraph, sources().linker)
        body = pprof_profile(profile.flamegraph, time_ns=span.start_ns, duration_ns=span.duration_ns, lines=lines)
        kind = "application/octet-stream"
    headers = {"Content-Disposition": f'attachment; filename="{span.span_id}.{name}"'}
    return Response(body, mimetype=None, content_type=kind, headers=headers)


def _is_excessive(span: Span, marks: Mapping[str, SpanMark]) -> bool:
    mark = marks.get(span.span_id)
    return mark is not None and (mark.cpu_ns or 0) > span.duration_ns


def _linked_above(trace: Trace, span: Span) -> Span | None:
    """Return the local root span above, whose profile holds this span's work; None where there is none."""
    above: Span | None = span
    for _ in trace.spans:
        if above is None or trace.is_local_root(above):
            break
        above = trace.parent(above)
    return above if above is not None and above is not span and above.profile_id else None
