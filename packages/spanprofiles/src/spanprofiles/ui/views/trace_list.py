"""``/``: the list of traces with its filters, figures by route, and the demo's controls."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from spanprofiles.clients import RequestRefusedError
from spanprofiles.model import parse_trace_id
from spanprofiles.model.sampling import FEW_PERIODS, SAMPLE_PERIOD_NS
from spanprofiles.report import duration
from spanprofiles.report.svg import Series, bar_svg, plot_svg
from spanprofiles.ui.figures import RouteFigures
from spanprofiles.ui.filters import LIMIT, SORTS, STATUSES, WINDOWS, FilterError, Filters
from spanprofiles.ui.found_request import FoundRequest
from spanprofiles.ui.scatter import find_scatter
from spanprofiles.ui.sources import sources
from spanprofiles.ui.trace_list import LinkState, Listing, list_traces
from spanprofiles.ui.views.demo import controls_part
from spanprofiles.workshop import WorkshopError

views = Blueprint("trace_list", __name__)

_CPU_TIMEOUT_S = 0.3
_TITLES = {"time": "Started", "request": "Request", "region": "Region", "duration": "Duration", "cpu": "CPU"}


@views.get("/")
def home() -> str | Response | tuple[str, int]:
    """Show the list. A script asks for ``part=list`` and ``part=figures`` again and again."""
    if _is_learners_first_visit():
        return redirect(url_for("workshop.workshop"))
    part = request.args.get("part", "")
    if part == "figures":
        return render_template("figures_part.html", **_figures())
    try:
        filters, refused = Filters.read(request.args), None
    except FilterError as error:
        filters, refused = Filters(), error
    if part == "scatter" and refused is None:
        return render_template("scatter_part.html", **_scatter(filters))
    listing = None
    if refused is None:
        try:
            listing = list_traces(
                sources().linker.tempo, sources().cpu_cache, filters, _CPU_TIMEOUT_S, sources().latencies
            )
        except RequestRefusedError as error:
            if not filters.query or error.status >= 500:
                raise
            refused = FilterError("q", f"Tempo does not take this TraceQL: {error.answer}")
    values = _list_values(filters, listing, refused)
    if part == "list":
        return render_template("trace_list_part.html", **values), 400 if refused else 200
    values |= (
        _choices()
        | _figures()
        | (_scatter(filters) if listing else {"scatter": None})
        | {"windows": WINDOWS, "statuses": STATUSES, "refused": refused}
    )
    return render_template("trace_list.html", **values), 400 if refused else 200


def _is_learners_first_visit() -> bool:
    """Tell whether a learner who has solved nothing typed the page's address: there is no trace to see yet."""
    folder = sources().workshop
    if folder is None or request.args or request.headers.get("Sec-Fetch-Site") != "none":
        return False
    try:
        return not any(record.passed for record in folder.progress().records.values())
    except WorkshopError:
        return False


@views.get("/trace")
def trace_by_id() -> Response:
    """Redirect from the field in the page's head to a trace."""
    text = request.args.get("id", "").strip()
    if not text:
        abort(400, "a trace ID is needed: 32 hexadecimal digits")
    return redirect(url_for("traces.trace", trace_id=parse_trace_id(text)), 303)


def _list_values(filters: Filters, listing: Listing | None, refused: FilterError | None) -> dict[str, object]:
    most_cpu = max((row.cpu_ns or 0 for row in listing.rows), default=0) if listing else 0
    scale = max(listing.longest_ns if listing else 0, most_cpu) or 1
    return {
        "filters": filters,
        "listing": listing,
        "refused": refused,
        "links": LinkState,
        "limit": LIMIT,
        "few_periods": FEW_PERIODS,
        "shortest_sampled": FEW_PERIODS * SAMPLE_PERIOD_NS,
        "columns": [(name, _TITLES[name], _sort_address(filters, name)) for name in SORTS],
        "bar": lambda value, kind: Markup(bar_svg((value or 0) / scale, kind=kind)),  # noqa: S704  # numbers alone
        "address": url_for("trace_list.home", **filters.parameters()),
    }


def _scatter(filters: Filters) -> dict[str, object]:
    return {"scatter": find_scatter(sources(), filters, _address)}


def _address(found: FoundRequest) -> str:
    return url_for("traces.trace", trace_id=found.trace_id)


def _sort_address(filters: Filters, name: str) -> str:
    turn = filters.sort == name and not filters.ascending
    changes = {"sort": "" if name == "time" else name, "order": "ascending" if turn else ""}
    return url_for("trace_list.home", **filters.parameters(**changes))


def _choices() -> dict[str, object]:
    found = sources()
    return {
        "services": found.services(),
        "routes": found.values("span.http.route"),
        "regions": found.values("resource.region"),
        "controls": found.controls,
        "controls_open": controls_part() if found.controls and request.args.get("controls") == "open" else "",
    }


def _figures() -> dict[str, object]:
    figures = sources().traffic.routes()
    return {"figures": [(route, route.title.partition(" ")[2], _plot(route)) for route in figures]}


def _plot(route: RouteFigures) -> Markup:
    label = (
        f"{route.title}, last five minutes: bars are requests; the line is the median duration,"
        f" {duration(route.median_ns)} over all, the dashed line the 95th percentile, {duration(route.slow_ns)}"
    )
    lines = [Series(route.slows, second=True), Series(route.medians)]
    return Markup(plot_svg(lines, bars=route.counts, label=label))  # noqa: S704  # its texts are escaped there
