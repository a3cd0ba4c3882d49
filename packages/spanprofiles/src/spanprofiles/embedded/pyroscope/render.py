"""``GET /pyroscope/render`` and ``/pyroscope/label-values``: the older API's questions."""

from __future__ import annotations

import re
import time
from typing import Any

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.proto.pyroscope_pb2 import ProfileTypesRequest
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.flamegraph import flamegraph
from spanprofiles.embedded.pyroscope.label_queries import LabelQueries
from spanprofiles.embedded.pyroscope.limits import TIMELINES_LIMIT
from spanprofiles.embedded.pyroscope.queries import (
    Selection,
    check_profile_type,
    check_window,
    node_limit,
    selector_of,
)
from spanprofiles.embedded.pyroscope.samples import Samples
from spanprofiles.embedded.pyroscope.selector import Selector
from spanprofiles.embedded.pyroscope.timeseries import chosen, step_of, timeline
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.web import written_answer

RELATIVE = re.compile(r"now(?:-([0-9]{1,9})(s|m|h|d|w|M|y))?")
DIGITS = re.compile(r"[0-9]{1,20}")
NODES = re.compile(r"-?[0-9]{1,20}")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}
EARLIEST_MS = -(2**63)
LEAST_STEP, STEPS = 15, 1500
OBJECTS = frozenset({"inuse_objects", "alloc_objects", "goroutine", "samples"})
# The profile type comes before the labels and has colons in it, which a metric's name may have.
QUERY = re.compile(r"\s*([^\s{}]+)\s*(\{.*\})?\s*", re.DOTALL)


def time_of(text: str | None, now_ms: int) -> int:
    """Read a time, in ms: digits of s, ms, us or ns since the epoch, or ``now-1h``; the present where it is neither."""
    if not text:
        return now_ms
    relative = RELATIVE.fullmatch(text)
    if relative:
        back_ms = int(relative[1]) * SECONDS[relative[2]] * 1000 if relative[1] else 0
        return max(now_ms - back_ms, EARLIEST_MS)
    if not DIGITS.fullmatch(text):
        return now_ms
    number = int(text)
    if number < 10**11:
        return number * 1000
    while number >= 10**14:
        number //= 1000
    return number


def step_seconds(start_ms: int, end_ms: int) -> int:
    """Choose the step of a timeline, in s: a round one with which there are some 1,500 points at most."""
    interval = (end_ms - start_ms) / 1000 / STEPS
    rounded = ((17.5, 15), (25, 20), (45, 30), (90, 60), (210, 120), (450, 300))
    return next((step for limit, step in rounded if interval <= limit), 600)


def parse_query(text: str | None) -> tuple[str, Selector]:
    """Parse a profile type and labels, ``type{labels}``.

    Raises:
        ConnectError: it is not of that form.
    """
    if not text:
        raise ConnectError('"query" is required')
    match = QUERY.fullmatch(text)
    if match is None or match[1].startswith("{"):
        raise ConnectError('"query" must contain a profile-type selection')
    check_profile_type(match[1])
    return match[1], selector_of(match[2] or "{}")


def _number(text: str) -> int:
    """Read a number of nodes; 0 if the text is not a number of 64 bits."""
    number = int(text) if NODES.fullmatch(text) else 0
    return number if abs(number) < 2**63 else 0


class Render:
    """The older API's answers."""

    def __init__(self, database: Database, samples: Samples, labels: LabelQueries) -> None:
        self._database = database
        self._samples = samples
        self._labels = labels

    def render(self, request: Request) -> Response:
        """Answer with a flame graph and a timeline."""
        now_ms = time.time_ns() // 10**6
        try:
            profile_type, selector = parse_query(request.args.get("query"))
            start_ms = time_of(request.args.get("from"), now_ms)
            end_ms = time_of(request.args.get("until"), now_ms)
            check_window(start_ms, end_ms)
            limit = node_limit(_number(request.args.get("max-nodes") or request.args.get("maxNodes") or ""))
        except ConnectError as error:
            return error.response()
        selection = Selection(profile_type, selector, start_ms, end_ms)
        connection = self._database.reader()
        tree = self._samples.tree(connection, selection)
        graph = flamegraph(tree, limit, connection.deadline)
        writer = JsonWriter(connection.deadline)
        try:
            timelines = self._timelines(selection, request.args.getlist("groupBy"), writer)
        except ConnectError as error:
            return error.response()
        return written_answer(
            writer,
            {
                "version": 1,
                "flamebearer": {
                    "names": iter(graph.names),
                    "levels": (list(level.values) for level in graph.levels),
                    "numTicks": graph.total,
                    "maxSelf": graph.max_self,
                },
                "metadata": _metadata(profile_type),
            }
            | timelines,
        )

    def _timelines(self, selection: Selection, group_by: list[str], writer: JsonWriter) -> dict[str, Any]:
        step = step_seconds(selection.start_ms, selection.end_ms)
        steps = 1 + (selection.end_ms - selection.start_ms) // (step * 1000)
        groups: dict[str, dict[int, int]] = {}
        for labels, time_ms, total in self._samples.profile_totals(self._database.reader(), selection):
            own = chosen(labels, group_by[:1])
            at = step_of(time_ms, selection.start_ms, step * 1000)
            points = groups.setdefault(own[0][1] if own else "*", {})
            if len(groups) * steps > TIMELINES_LIMIT:
                raise ConnectError(
                    f"the timelines would have more than {TIMELINES_LIMIT} steps: group by a label of fewer values"
                )
            points[at] = points.get(at, 0) + total
        whole = next(iter(groups.values())) if len(groups) == 1 else {}
        bounds = (selection.start_ms, selection.end_ms, step)
        return {
            "timeline": timeline(whole, *bounds),
            "groups": {name: writer.written(timeline(points, *bounds)) for name, points in groups.items()}
            if group_by
            else None,
            "heatmap": None,
        }

    def label_values(self, request: Request) -> Response:
        """Answer with the values of a label; without a window of time there are none, as on the real server."""
        label = request.args.get("label", "")
        if not label:
            return ConnectError("label parameter is required").response()
        if label != "__name__":
            return ConnectError("missing time range in the query").response()
        types = self._labels.profile_types(ProfileTypesRequest())
        return written_answer(JsonWriter(self._database.deadline), (kind.ID for kind in types.profile_types))


def _metadata(profile_type: str) -> dict[str, Any]:
    name, sample_type, unit = profile_type.split(":")[:3]
    del name
    rate = 1_000_000_000 if sample_type == "cpu" else 100
    units = "objects" if sample_type in OBJECTS else "samples" if sample_type == "cpu" else unit
    return {"format": "single", "spyName": "", "sampleRate": rate, "units": units, "name": sample_type}
