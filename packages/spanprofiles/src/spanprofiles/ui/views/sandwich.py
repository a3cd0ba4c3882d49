"""``/trace/<id>/span/<id>/function?name=<name>``: one function of a span, its callers above and its callees below."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, render_template, request, url_for
from markupsafe import Markup

from spanprofiles.model import FlameGraph
from spanprofiles.model.source_lines import SourceLines
from spanprofiles.report.svg import FlameBox, flame_layout, flame_svg
from spanprofiles.report.svg.flame import FlamePicture
from spanprofiles.ui.origins import ServiceFiles
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_lines import find_lines, own_place, place_words, places_of_boxes
from spanprofiles.ui.span_profile import ProfileState, span_profile
from spanprofiles.ui.views.pictures import files_of
from spanprofiles.ui.views.traces import find_span, find_trace

views = Blueprint("sandwich", __name__)

_ROWS = 50
_LONGEST_NAME = 2_000  # characters in an address: servers refuse longer ones anyway


@dataclass(frozen=True)
class Neighbour:
    """A caller or a callee of the function.

    Attributes:
        name: the function.
        total: value of the samples in which it is the neighbour.
        place: where it is in the source code, for a caller where it calls; or empty.
        origin: whose code it is.
    """

    name: str
    total: int
    place: str
    origin: str


@views.get("/trace/<trace_id>/span/<span_id>/function")
def function(trace_id: str, span_id: str) -> str:
    """Show the function that the address names."""
    name = request.args.get("name", "")
    trace = find_trace(trace_id)
    span = find_span(trace, span_id)
    profile = span_profile(trace, span, sources().linker)
    if profile.state is not ProfileState.LINKED:
        abort(404, f"the span {span_id} has no samples: {profile.state.value}")
    totals = profile.flamegraph.by_function.get(name)
    if totals is None:
        abort(404, f"no sample of the span {span_id} runs through a function {name!r}")
    lines = find_lines(span, profile.flamegraph, sources().linker)
    files = files_of(span, profile.flamegraph, sources().linker, lines)
    callers, callees = profile.flamegraph.callers_of(name), profile.flamegraph.callees_of(name)
    caller_lines, callee_lines = (lines.callers_of(name), lines.callees_of(name)) if lines else (None, None)
    above = _draw(name, callers, files, caller_lines, upwards=True)
    below = _draw(name, callees, files, callee_lines)
    return render_template(
        "sandwich.html",
        trace=trace,
        span=span,
        profile=profile,
        name=name,
        totals=totals,
        place=own_place(files, lines, profile.flamegraph.as_text, name),
        above=Markup(above.svg),  # noqa: S704  # its texts are escaped there
        below=Markup(below.svg) if callees.root.children else "",  # noqa: S704  # likewise
        folded=above.folded + below.folded,
        callers=_neighbours(callers, files, caller_lines),
        callees=_neighbours(callees, files, callee_lines),
        uncalled=callers.root.self,
        most=_ROWS,
    )


def _draw(
    name: str, flamegraph: FlameGraph, files: ServiceFiles, lines: SourceLines | None, *, upwards: bool = False
) -> FlamePicture:
    layout = flame_layout(flamegraph, title=name, origin_of=files.origin_of)
    places = places_of_boxes(layout, files, lines)
    label = f"{'Callers' if upwards else 'Callees'} of {name}: {flamegraph.amount}"
    return flame_svg(
        layout,
        address=_address,
        place_of=places.__getitem__,
        label=label,
        upwards=upwards,
        without_whole=not upwards,
    )


def _address(box: FlameBox) -> str:
    return url_for("sandwich.function", **(request.view_args or {}), name=box.names[-1][:_LONGEST_NAME])


def _neighbours(flamegraph: FlameGraph, files: ServiceFiles, lines: SourceLines | None) -> list[Neighbour]:
    found = []
    for frame in flamegraph.root.children:
        node = lines.below(lines.ROOT, frame.name) if lines else None
        place = place_words(lines.places(node), flamegraph.as_text) if lines and node is not None else ""
        origin = files.origin_of(frame.name).value
        found.append(Neighbour(frame.name, frame.total, place or files.place_of(frame.name), origin))
    return found
