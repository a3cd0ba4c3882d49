"""The routes of Pyroscope's API.

Source: https://grafana.com/docs/pyroscope/latest/reference-server-api/ and the recorded answers of Pyroscope 2.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.metrics import RefusalRoutes
from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    PROFILE_FORMAT_PPROF,
    PROFILE_FORMAT_TREE,
    DiffRequest,
    DiffResponse,
    GetProfileStatsRequest,
    GetProfileStatsResponse,
    LabelNamesRequest,
    LabelValuesRequest,
    PprofProfile,
    ProfileTypesRequest,
    PushRequest,
    SelectHeatmapRequest,
    SelectMergeProfileRequest,
    SelectMergeSpanProfileRequest,
    SelectMergeSpanProfileResponse,
    SelectMergeStacktracesRequest,
    SelectMergeStacktracesResponse,
    SelectSeriesRequest,
    SeriesRequest,
)
from spanprofiles.embedded.pyroscope.connect import ConnectError, unary
from spanprofiles.embedded.pyroscope.flamegraph import difference, flamegraph, tree_bytes
from spanprofiles.embedded.pyroscope.ingest import Ingester
from spanprofiles.embedded.pyroscope.label_queries import LabelQueries
from spanprofiles.embedded.pyroscope.limits import QUERY_BYTES_LIMIT
from spanprofiles.embedded.pyroscope.merged_profile import merged_profile
from spanprofiles.embedded.pyroscope.otlp.http import PATH as OTLP_PATH
from spanprofiles.embedded.pyroscope.otlp.http import ProfilesHttp
from spanprofiles.embedded.pyroscope.otlp.receiver import ProfileReceiver
from spanprofiles.embedded.pyroscope.push import Pusher, note_profiles
from spanprofiles.embedded.pyroscope.queries import Selection, node_limit
from spanprofiles.embedded.pyroscope.render import Render
from spanprofiles.embedded.pyroscope.samples import Samples
from spanprofiles.embedded.pyroscope.timeseries import TimeSeries
from spanprofiles.embedded.refusals import Refusals, Signal, Way
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.upload_paths import note_wrong_path
from spanprofiles.embedded.web import Application, json_answer, text

Question = TypeVar("Question", bound=Message)
Merged = TypeVar("Merged", SelectMergeSpanProfileResponse, SelectMergeStacktracesResponse)
QUERIER, PUSHER = "/querier.v1.QuerierService/", "/push.v1.PusherService/"
FAILURES = {504: "deadline_exceeded", 422: "resource_exhausted", 503: "unavailable"}
"""Connect's codes for what a query may fail by."""
BUILD = {
    "version": "2.2.1",
    "revision": "spanprofiles",
    "branch": "embedded",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
"""The version of Pyroscope whose recorded answers the pair is held to, and what it is instead."""
ALL_NAMES = re.compile(r";\s*allow-utf8-labelnames\s*=\s*true\b")
"""In the header Accept of who can write names that need quotes, such as those with dots."""
INGEST = ("/ingest", "/pyroscope/ingest")
TAKES = (
    "this port takes profiles at /push.v1.PusherService/Push, /ingest and /v1development/profiles; spans go to the OTLP"
    " port, usually 4318"
)


class Pyroscope(Application):
    """The application on Pyroscope's port.

    Attributes:
        otlp_receiver: takes exports of profiles, over gRPC too.
    """

    def __init__(self, database: Database, body_limit: int, refusals: Refusals | None = None) -> None:
        self._refusals = refusals or Refusals()
        self._database = database
        self._body_limit = body_limit
        self._samples = Samples()
        pusher = Pusher(database)
        self.otlp_receiver = ProfileReceiver(pusher, self._refusals)
        ingester = Ingester(pusher, body_limit, self._refusals)
        labels = LabelQueries(database, self._samples.series)
        series = TimeSeries(database, self._samples)
        render = Render(database, self._samples, labels)
        queries = {
            "SelectMergeSpanProfile": self._query(SelectMergeSpanProfileRequest, self.span_profile),
            "SelectMergeStacktraces": self._query(SelectMergeStacktracesRequest, self.stacktraces),
            "SelectMergeProfile": self._query(SelectMergeProfileRequest, self.profile),
            "Diff": self._query(DiffRequest, self.diff),
            "SelectSeries": self._query(SelectSeriesRequest, series.select),
            "SelectHeatmap": self._query(SelectHeatmapRequest, series.heatmap),
            "ProfileTypes": self._query(ProfileTypesRequest, labels.profile_types),
            "LabelNames": self._query_by_names(LabelNamesRequest, labels.names),
            "LabelValues": self._query(LabelValuesRequest, labels.values),
            "Series": self._query_by_names(SeriesRequest, labels.series),
            "GetProfileStats": self._query(GetProfileStatsRequest, lambda _: GetProfileStatsResponse()),
        }
        super().__init__(
            [
                *RefusalRoutes(self._refusals, Signal.PROFILES).rules(),
                ("/ready", None, self.ready),
                ("/api/v1/status/buildinfo", ["GET"], self.build),
                (PUSHER + "Push", ["POST"], self._upload(PushRequest, pusher.push)),
                *((path, ["POST"], ingester.ingest) for path in INGEST),
                (OTLP_PATH, ["POST"], ProfilesHttp(self.otlp_receiver, body_limit).export),
            ],
            [
                ("/pyroscope/render", ["GET", "POST"], render.render),
                ("/pyroscope/label-values", ["GET"], render.label_values),
                *((QUERIER + method, ["POST"], answer) for method, answer in queries.items()),
            ],
            database,
        )

    def _upload(self, kind: type[Question], method: Callable[[Question], Message]) -> Callable[[Request], Response]:
        return lambda request: unary(request, self._body_limit, kind, method, self._database.deadline, self._note_push)

    def _query(self, kind: type[Question], method: Callable[[Question], Message]) -> Callable[[Request], Response]:
        limit = min(self._body_limit, QUERY_BYTES_LIMIT)
        return lambda request: unary(request, limit, kind, method, self._database.deadline)

    def _query_by_names(self, kind: type[Question], method: Callable[..., Message]) -> Callable[[Request], Response]:
        """Serve a query whose answer depends on which names of labels its sender can write."""

        def answer(request: Request) -> Response:
            all_names = ALL_NAMES.search(request.headers.get("Accept", "")) is not None
            return self._query(kind, partial(method, all_names=all_names))(request)

        return answer

    def _note_push(self, request: Request, error: ConnectError) -> None:
        note_profiles(self._refusals, request, Way.PUSH, error)

    def unmatched(self, request: Request) -> None:
        """Note uploads that were sent to another path."""
        note_wrong_path(self._refusals, request.environ, TAKES)

    def failure(self, message: str, status: int) -> Response:
        """Return the error in Connect's form."""
        return ConnectError(message, FAILURES.get(status, "internal")).response()

    def ready(self, _: Request) -> Response:
        """Say that the server is ready, which it is whenever it answers and can write.

        Raises:
            StoreUnavailableError: it cannot.
        """
        self._database.check_writing()
        return text("ready")

    def build(self, _: Request) -> Response:
        """Answer which version of Pyroscope this stands in for."""
        return json_answer({"status": "success", "data": BUILD})

    def _merged(
        self, request: SelectMergeSpanProfileRequest | SelectMergeStacktracesRequest, answer: type[Merged]
    ) -> Merged:
        """Merge a selection into a flame graph, or into the bytes of its tree where those are asked for."""
        limit = node_limit(request.max_nodes)
        connection = self._database.reader()
        tree = self._samples.tree(connection, Selection.of(request))
        if request.format == PROFILE_FORMAT_TREE:
            return answer(tree=tree_bytes(tree, limit, connection.deadline))
        return answer(flamegraph=flamegraph(tree, limit, connection.deadline))

    def span_profile(self, request: SelectMergeSpanProfileRequest) -> SelectMergeSpanProfileResponse:
        """``SelectMergeSpanProfile``: the flame graph of spans."""
        return self._merged(request, SelectMergeSpanProfileResponse)

    def stacktraces(self, request: SelectMergeStacktracesRequest) -> SelectMergeStacktracesResponse:
        """``SelectMergeStacktraces``: the flame graph of spans, of traces, or of everything."""
        if request.format == PROFILE_FORMAT_PPROF:
            return SelectMergeStacktracesResponse(pprof=PprofProfile(profile=self.profile(request)))
        return self._merged(request, SelectMergeStacktracesResponse)

    def profile(self, request: SelectMergeProfileRequest | SelectMergeStacktracesRequest) -> Profile:
        """``SelectMergeProfile``: the same as one pprof profile."""
        return merged_profile(self._database.reader(), self._samples, Selection.of(request))

    def diff(self, request: DiffRequest) -> DiffResponse:
        """``Diff``: two selections side by side in one flame graph."""
        left, right = Selection.of(request.left), Selection.of(request.right)
        limit = node_limit(max(request.left.max_nodes, request.right.max_nodes))
        connection = self._database.reader()
        left_tree, right_tree = self._samples.tree(connection, left), self._samples.tree(connection, right)
        return DiffResponse(flamegraph=difference(left_tree, right_tree, limit, connection.deadline))
