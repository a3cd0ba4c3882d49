"""``/flamegraph``: one flame graph of all requests that the list's filters find."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, abort, render_template, request, url_for

from spanprofiles.clients import RequestRefusedError
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.profile_types import note
from spanprofiles.report.folded import folded_lines
from spanprofiles.report.svg import flame_document
from spanprofiles.ui.filters import FilterError, Filters
from spanprofiles.ui.request_group import RequestGroup, find_requests
from spanprofiles.ui.sources import sources
from spanprofiles.ui.views.pictures import address_of_box, layout_of, picture_of

views = Blueprint("group", __name__)

_TOP_ROWS = 100


@views.get("/flamegraph")
def flamegraph() -> str:
    """Show the flame graph of all requests that the address's filters find, with the functions that have most CPU."""
    filters, group = _found()
    values: dict[str, object] = {"filters": filters, "group": group, "picture": None}
    if not group.flamegraph.is_empty:
        files = sources().origins.remembered(group.flamegraph.functions)
        layout = layout_of(group.flamegraph, "total", files)
        label = f"Flame graph of {len(group.requests)} requests: {group.flamegraph.amount}"
        parameters = filters.parameters()
        values["picture"] = picture_of(layout, files, label, address_of_box(**parameters))
        values["reset"] = url_for("group.flamegraph", **parameters)
        values["files"] = files
        values["type_note"] = note(group.flamegraph.profile_type)
        values["top"] = group.flamegraph.top(_TOP_ROWS)
    return render_template("group.html", **values)


@views.get("/flamegraph/<any('profile.pb.gz', 'profile.folded', 'flamegraph.svg'):name>")
def download(name: str) -> Response:
    """Give the flame graph as a file."""
    _, group = _found()
    if group.flamegraph.is_empty:
        abort(404, "no request that these filters find has samples")
    body: str | bytes | Iterator[bytes]
    if name.endswith(".svg"):
        body, kind = flame_document(group.flamegraph, title=f"{len(group.requests)} requests"), "image/svg+xml"
    elif name.endswith(".folded"):
        body = (line.encode("utf-8", "replace") for line in folded_lines(group.flamegraph))
        kind = "text/plain; charset=utf-8"
    else:
        first_ns = min(found.start_ns for found in group.requests)
        last_ns = max(found.start_ns + found.duration_ns for found in group.requests)
        body = pprof_profile(group.flamegraph, time_ns=first_ns, duration_ns=last_ns - first_ns)
        kind = "application/octet-stream"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, mimetype=None, content_type=kind, headers=headers)


def _found() -> tuple[Filters, RequestGroup]:
    try:
        filters = Filters.read(request.args)
    except FilterError as error:
        abort(400, str(error))
    try:
        return filters, find_requests(sources().linker, filters)
    except RequestRefusedError as error:
        if not filters.query or error.status >= 500:
            raise
        abort(400, f"Tempo does not take this TraceQL: {error.answer}")
