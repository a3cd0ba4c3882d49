"""``/compare``: two spans, two groups of requests, a route before and after a moment, or a route in two regions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from spanprofiles.model import FlameGraph
from spanprofiles.model.comparison import Comparison as RequestComparison
from spanprofiles.model.selector import traceql_text
from spanprofiles.report import duration
from spanprofiles.report.comparison_figures import function_rows, more_requests_words
from spanprofiles.report.excess import cpu_excess
from spanprofiles.report.svg import difference_layout, difference_svg
from spanprofiles.report.svg.difference import BEFORE_AND_AFTER, change_text, change_with_interval, difference_data
from spanprofiles.ui.change_points import first_change_point
from spanprofiles.ui.chosen_groups import MOST_REQUESTS, ChosenGroup, compare_chosen
from spanprofiles.ui.comparison import Comparison, Group, Side, compare_groups
from spanprofiles.ui.filters import DEFAULT_WINDOW, WINDOWS, Filters
from spanprofiles.ui.origins import ServiceFiles
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_profile import span_marks, span_profile, span_to_open
from spanprofiles.ui.trace_list import Row, list_traces
from spanprofiles.ui.views.pictures import address_of_box, files_of
from spanprofiles.ui.views.traces import find_span, find_trace

views = Blueprint("compare", __name__)

KINDS = {
    "spans": "Two requests",
    "groups": "Two groups of requests",
    "moment": "Before and after a moment",
    "regions": "Two regions",
}
STRETCHES = {"30": "30 s", "60": "1 min", "300": "5 min", "1800": "30 min"}
_STRETCH = "60"
_PARAMETERS = (
    *("kind", "first", "second", "first_region", "second_region", "service", "route", "region"),
    *("moment", "stretch", "window", "frame"),
)
_FIRST_STRETCHES = (60, 300, 1800)
_CHANGES = 25
_JUDGED = 10
_FIRST_GROUP, _SECOND_GROUP = "in the first group", "in the second group"
_CPU_TIMEOUT_S = 1.0
_LOCAL_TIME = "%Y-%m-%dT%H:%M:%S"


@views.get("/compare")
def compare() -> str | Response:
    """Show the form for a kind of comparison, and the comparison where the address names its sides."""
    if request.args.getlist("pick"):
        return _picked(request.args.getlist("pick"))
    kind = request.args.get("kind", "spans")
    if kind not in KINDS:
        abort(400, f"there is no comparison {kind!r}: choose one of {', '.join(KINDS)}")
    asked = {name: request.args[name] for name in _PARAMETERS if name in request.args}
    if kind == "moment" and not asked.get("moment"):
        asked |= _start(asked)
    comparison: Comparison | None
    judged: RequestComparison | None = None
    if kind == "groups":
        comparison, judged = _groups(asked)
    else:
        comparison = {"spans": _spans, "moment": _moment, "regions": _regions}[kind](asked)
    values: dict[str, object] = {
        "kind": kind,
        "kinds": KINDS,
        "stretches": STRETCHES,
        "stretch": asked.get("stretch", _STRETCH),
        "asked": asked,
        "address": _address(asked) if asked.keys() - request.args.keys() else "",
        "routes": sources().values("span.http.route"),
        "regions": sources().values("resource.region"),
        "moment": _moment_text(asked.get("moment", "")),
        "comparison": comparison,
        "windows": WINDOWS,
        "window": asked.get("window", DEFAULT_WINDOW),
        "judged": judged,
        "judged_rows": function_rows(judged, _JUDGED) if judged else ([], 0),
        "more_requests": more_requests_words(judged) if judged else "",
        "change_text": change_text,
        "changes": list(sources().changes)[::-1],
    }
    words = BEFORE_AND_AFTER if kind == "moment" else ("in the first", "in the second")
    values["words"] = words
    if kind == "spans":
        values["suggestions"] = _suggestions()
    if comparison and not comparison.obstacle:
        values |= _difference(comparison.first, comparison.second, asked, words)
    return render_template("compare.html", **values)


def _difference(before: Side, after: Side, asked: Mapping[str, str], words: tuple[str, str]) -> dict[str, object]:
    both = before.flamegraph + after.flamegraph
    files = _files(both)
    difference = difference_layout(before.flamegraph, after.flamegraph, origin_of=files.origin_of, sides=words)
    focus = difference.layout.find(asked.get("frame", ""))
    parameters: dict[str, Any] = {name: value for name, value in asked.items() if name != "frame"}
    drawn = difference_svg(
        difference, focus=focus, address=address_of_box(**parameters), label="Difference flame graph"
    )
    data = difference_data(difference)
    data["files"] = [files.place_of(name) for name in data["names"]]
    found = before.flamegraph.diff(after.flamegraph)
    return {
        "picture": Markup(drawn.svg),  # noqa: S704  # its texts are escaped there
        "data": data,
        "reset": url_for("compare.compare", **parameters),
        "boxes": drawn.drawn,
        "folded": drawn.folded,
        "rows": [change for change in found.changes if change.self_change][:_CHANGES],
        "knows_chance": found.has_intervals,
        "noise_note": difference.noise_note,
        "change_of": partial(change_with_interval, found),
        "top_regression": found.top_regression,
        "total_change": found.total_change,
        "largest": max((abs(change.self_change) for change in found.changes), default=0),
    }


def _files(flamegraph: FlameGraph) -> ServiceFiles:
    """Return the known files of the functions; a comparison does not ask for more."""
    return sources().origins.remembered(flamegraph.functions)


def _picked(trace_ids: list[str]) -> Response:
    """Redirect from rows picked in the list to their comparison.

    Two are compared with each other, the faster request first; more, with the other requests of their routes.
    """
    if not 2 <= len(trace_ids) <= MOST_REQUESTS:
        wanted = "two rows, or more" if len(trace_ids) < 2 else f"{MOST_REQUESTS} rows at most"
        abort(400, f"{len(trace_ids)} rows were picked: go back and tick {wanted}")
    if len(trace_ids) == 2:
        faster, slower = sorted(map(find_trace, trace_ids), key=lambda trace: trace.duration_ns)
        return redirect(url_for("compare.compare", kind="spans", first=faster.trace_id, second=slower.trace_id), 303)
    roots = [root for trace_id in trace_ids for root in find_trace(trace_id).linkable[:1]]
    names = dict.fromkeys((root.service, root.name) for root in roots)
    query = " || ".join(
        f"{{ resource.service.name = {traceql_text(service)} && name = {traceql_text(name)} }}"
        for service, name in names
    )
    picked = ", ".join(trace_ids)
    return redirect(url_for("compare.compare", kind="groups", first=query or "{ }", second=picked), 303)


def _groups(asked: Mapping[str, str]) -> tuple[Comparison | None, RequestComparison | None]:
    texts = asked.get("first", "").strip(), asked.get("second", "").strip()
    window = asked.get("window", DEFAULT_WINDOW)
    if window not in WINDOWS:
        abort(400, f"there is no window {window!r}: choose one of {', '.join(WINDOWS)}")
    if not all(texts):
        return None, None
    first, second = (ChosenGroup(text, window) for text in texts)
    return compare_chosen(sources().linker, first, second, (_FIRST_GROUP, _SECOND_GROUP), _noun())


def _address(asked: Mapping[str, str]) -> str:
    parameters: dict[str, Any] = {"kind": "moment", **asked}
    return url_for("compare.compare", **{name: value for name, value in parameters.items() if value})


def _noun() -> str:
    return "ride" if sources().controls else "request"


def _spans(asked: Mapping[str, str]) -> Comparison | None:
    texts = asked.get("first", "").strip(), asked.get("second", "").strip()
    if not all(texts):
        return None
    first, second = map(_side_of_span, texts)
    without = 2 - first.spans - second.spans
    reason = f"{'Neither has' if without == 2 else 'One of them has no'} samples: choose linked {_noun()}s."
    return Comparison(first, second, reason if without else "")


def _side_of_span(text: str) -> Side:
    """Return a side of ``<trace ID>`` or ``<trace ID>/<span ID>``."""
    trace_id, _, span_id = text.partition("/")
    trace = find_trace(trace_id)
    span = find_span(trace, span_id) if span_id else span_to_open(trace, span_marks(trace, sources().cpu_cache))
    if span is None:
        abort(404, f"the trace {trace_id} has no spans")
    profile = span_profile(trace, span, sources().linker)
    if not profile.flamegraph.is_empty:
        files_of(span, profile.flamegraph, sources().linker)
    region = span.resource.get("region")
    where = f" in {region}" if isinstance(region, str) and region else ""
    title = f"{span.name}{where}, {duration(span.duration_ns)}"
    address = url_for("traces.flamegraph", trace_id=trace.trace_id, span_id=span.span_id)
    count = 0 if profile.flamegraph.is_empty else 1
    excess = cpu_excess(span, profile.flamegraph.cpu_ns)
    return Side(title, count, profile.flamegraph, span.duration_ns, address, excess=excess)


def _stretch(asked: Mapping[str, str]) -> int:
    stretch = asked.get("stretch", _STRETCH)
    if stretch not in STRETCHES:
        abort(400, f"there is no stretch {stretch!r}: choose one of {', '.join(STRETCHES)} seconds")
    return int(stretch)


def _group(asked: Mapping[str, str]) -> Group:
    now_s = int(time.time())
    return Group(
        title="",
        where="",
        service=asked.get("service", ""),
        route=asked.get("route", ""),
        region=asked.get("region", ""),
        start_s=now_s - _stretch(asked),
        end_s=now_s + 1,
    )


def _start(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters to begin with: a moment with linked requests on both sides, where there is one."""
    filters = Filters(asked.get("service", ""), asked.get("route", ""), asked.get("region", ""), linked=True)
    stretches = (_stretch(asked),) if asked.get("stretch") else _FIRST_STRETCHES
    changes = [(change.time_s, change.region) for change in list(sources().changes)[::-1]]
    found = first_change_point(sources().linker.tempo, filters, changes, stretches)
    if found is None:
        return {}
    return {"moment": str(found.time_s), "stretch": str(found.stretch_s), "region": found.region}


def _moment(asked: Mapping[str, str]) -> Comparison | None:
    text = asked.get("moment", "")
    if not text:
        return None
    at = _seconds(text)
    group, length = _group(asked), _stretch(asked)
    shown = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
    before, after = f"before {shown}", f"after {shown}"
    return compare_groups(
        sources().linker,
        replace(group, title=before, where=before, start_s=at - length, end_s=at),
        replace(group, title=after, where=after, start_s=at, end_s=at + length),
        _noun(),
    )


def _seconds(text: str) -> int:
    """Read a moment: s since the epoch, or local date and time as a browser's field writes it."""
    try:
        return int(text) if text.isdecimal() else int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        abort(400, f"{text!r} is not a moment: 2026-01-31T14:05:00 is expected")


def _moment_text(asked: str) -> str:
    """Return the moment for the form's field: the one asked for, or now."""
    moment = datetime.fromtimestamp(_seconds(asked)) if asked else datetime.now()
    return moment.astimezone().strftime(_LOCAL_TIME)


def _regions(asked: Mapping[str, str]) -> Comparison | None:
    names = asked.get("first_region", ""), asked.get("second_region", "")
    if not all(names):
        return None
    group = _group(asked)
    first, second = (replace(group, title=name, where=f"in {name}", region=name) for name in names)
    return compare_groups(sources().linker, first, second, _noun())


def _suggestions() -> list[tuple[str, Row, Row]]:
    """Return, for each route, its fastest and its slowest recent linked request."""
    route = request.args.get("route", "")
    listing = list_traces(
        sources().linker.tempo, sources().cpu_cache, Filters(route=route, linked=True, sort="duration"), _CPU_TIMEOUT_S
    )
    by_title: dict[str, list[Row]] = {}
    for row in listing.rows:
        by_title.setdefault(row.request.title, []).append(row)
    return [(title, rows[-1], rows[0]) for title, rows in sorted(by_title.items()) if len(rows) > 1]
