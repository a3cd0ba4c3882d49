"""``/tour``: what a span profile is, shown on a real request."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from spanprofiles.report.svg import Origin, waterfall_svg
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.origins import ServiceFiles
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_profile import ProfileState, span_marks, span_profile, span_to_open
from spanprofiles.ui.trace_list import LinkState, list_traces
from spanprofiles.ui.views.traces import find_span, find_trace, profile_values

views = Blueprint("tour", __name__)

_CPU_TIMEOUT_S = 2.0
_SHARE = 0.5


@views.get("/tour")
def tour() -> str | Response:
    """Go through a request step by step: the one in the address, or the one with the most CPU."""
    trace_id = request.args.get("trace", "")
    if not trace_id:
        found = _example()
        return redirect(url_for("tour.tour", trace=found), 303) if found else render_template("tour.html", span=None)
    trace = find_trace(trace_id)
    marks = span_marks(trace, sources().cpu_cache)
    span = find_span(trace, request.args["span"]) if request.args.get("span") else span_to_open(trace, marks)
    profile = span_profile(trace, span, sources().linker) if span else None
    if profile is None or profile.state is not ProfileState.LINKED:
        return render_template("tour.html", span=None, trace=trace)
    svg, _ = waterfall_svg(trace, marks, chosen=profile.span.span_id, label="The request's spans")
    values = profile_values(profile, trace=trace.trace_id)
    files = values["files"]
    own = [row for row in profile.flamegraph.top(None) if _is_own(files, row.name)]
    hottest = (own or profile.flamegraph.top(1))[0]
    picture = Markup(svg)  # noqa: S704  # its texts are escaped there
    return render_template("tour.html", trace=trace, waterfall=picture, hottest=hottest, **values)


def _is_own(files: object, name: str) -> bool:
    return isinstance(files, ServiceFiles) and files.origin_of(name) is not Origin.LIBRARY


def _example() -> str:
    """Return the ID of a recent trace with much to show, or an empty text."""
    listing = list_traces(sources().linker.tempo, sources().cpu_cache, Filters(linked=True, sort="cpu"), _CPU_TIMEOUT_S)
    linked = [row for row in listing.rows if row.link is LinkState.LINKED]
    # CPU is counted in whole samples and can exceed the duration: true, but confusing at the start
    plain = [row for row in linked if _SHARE * row.request.duration_ns <= (row.cpu_ns or 0) <= row.request.duration_ns]
    return (plain or linked)[0].request.trace_id if linked else ""
