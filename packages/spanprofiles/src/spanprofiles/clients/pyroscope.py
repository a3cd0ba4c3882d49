"""Pyroscope's query API: the Connect protocol's JSON, ``POST /querier.v1.QuerierService/<Method>``; times in ms."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Protocol

from spanprofiles.clients import flamebearer, pprof_json
from spanprofiles.clients.http import ServerClient
from spanprofiles.clients.json_values import fields, items, labels, moment_ms, number, text, whole
from spanprofiles.clients.refusals import PYROSCOPE_COUNTERS, Refusal, refusals
from spanprofiles.clients.storage import PYROSCOPE_FAILURES, FailedWrites, failed_writes
from spanprofiles.model import CPU, FlameGraph, IdentifierError, parse_span_id, parse_trace_id
from spanprofiles.model.selector import service_selector
from spanprofiles.model.source_lines import SourceLines

_SERVER = "Pyroscope"
_SERVICE = "/querier.v1.QuerierService/"
_PUSH = "/push.v1.PusherService/Push"
_NS_PER_MS = 1_000_000

# A local root span can have any number of spans below it with IDs of their own; a server takes so many in one question.
_IDS_AT_ONCE = 5_000


class TimedSpan(Protocol):
    """What the window of a span's profiles depends on."""

    @property
    def service(self) -> str:
        """``service.name`` of its process."""

    @property
    def start_ns(self) -> int:
        """Start, ns since the epoch."""

    @property
    def end_ns(self) -> int:
        """End, ns since the epoch."""


@dataclass(frozen=True)
class ProfileQuery:
    """Which profiles to merge.

    Attributes:
        selector: label selector, such as ``{service_name="x"}``; ``{}`` is all.
        start_ms: start of the window, ms since the epoch, inclusive. It is compared with the *start* of an upload
            window, so it must lie at least one upload interval before the span.
        end_ms: end of the window, ms since the epoch, inclusive; at most 24 h after the start.
        profile_type: ``name:type:unit:period type:period unit``.
    """

    selector: str
    start_ms: int
    end_ms: int
    profile_type: str = CPU

    @classmethod
    def around(
        cls, span: TimedSpan, margin_ms: int, *, selector: str | None = None, profile_type: str = CPU
    ) -> ProfileQuery:
        """Return the query for the profiles around a span.

        Args:
            span: the span.
            margin_ms: how much earlier than the span the window starts, and how much later it ends, ms.
            selector: label selector; by default that of the span's service.
            profile_type: which profiles.
        """
        return cls.around_all([span], margin_ms, selector=selector, profile_type=profile_type)

    @classmethod
    def around_all(
        cls, spans: Iterable[TimedSpan], margin_ms: int, *, selector: str | None = None, profile_type: str = CPU
    ) -> ProfileQuery:
        """Return the query for the profiles around several spans, by default of the first one's service.

        Raises:
            ValueError: there are no spans.
        """
        found = list(spans)
        if not found:
            raise ValueError("no spans, so there is no time to look at")
        return cls(
            service_selector(found[0].service) if selector is None else selector,
            min(span.start_ns for span in found) // _NS_PER_MS - margin_ms,
            max(span.end_ns for span in found) // _NS_PER_MS + margin_ms,
            profile_type,
        )

    def body(self) -> dict[str, Any]:
        """Return the fields all query methods share."""
        return {
            "profileTypeID": self.profile_type,
            "labelSelector": self.selector,
            "start": self.start_ms,
            "end": self.end_ms,
        }


@dataclass(frozen=True)
class ProfileSeries:
    """The sums of profiles over time.

    Attributes:
        labels: the labels that were grouped by, as far as the profiles have them.
        points: (time, value); ms since the epoch, the end of the step in which profiles are dated, and their sum.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class SpanExemplar:
    """A span that has samples in a profile.

    Attributes:
        span_id: 16 hex digits, the label ``span_id`` of the samples.
        time_ms: date of the profile, ms since the epoch: the start of its upload window.
        value: what the samples sum up to; ns for CPU.
        labels: the labels of the series.
        trace_id: 32 hex digits, or an empty text where the samples have no label ``trace_id``.
    """

    span_id: str
    time_ms: int
    value: int
    labels: Mapping[str, str] = field(default_factory=dict)
    trace_id: str = ""


class PyroscopeClient(ServerClient):
    """Asks one Pyroscope server."""

    server = _SERVER

    def span_profile(self, query: ProfileQuery, span_ids: Sequence[str]) -> FlameGraph:
        """Return the flame graph of the samples that carry one of these span IDs (``SelectMergeSpanProfile``).

        This is the call Grafana's data source makes. An unknown span gives an empty flame graph.

        Raises:
            IdentifierError: there is no span ID, or one is malformed: the server answers an empty selector with the
                whole service, which would look like success.
            ClientError: the server did not answer, or refused the query.
        """
        if not span_ids:
            raise IdentifierError("a span profile needs at least one span ID")
        selected = [parse_span_id(span_id) for span_id in span_ids]
        parts = [selected[start : start + _IDS_AT_ONCE] for start in range(0, len(selected), _IDS_AT_ONCE)]
        return reduce(
            add, (self._flamegraph("SelectMergeSpanProfile", query.body() | {"spanSelector": part}) for part in parts)
        )

    def span_profile_as_sent(self, query: ProfileQuery, span_selector: Sequence[str]) -> FlameGraph:
        """Return the flame graph for a span selector that is sent unchecked, as Grafana sends it.

        Raises:
            ValueError: the span selector is empty, which the server answers with the whole service.
            RequestRefusedError: the server refuses the query, as it would refuse Grafana's.
            ClientError: the server did not answer, or not with a flame graph.
        """
        if not span_selector:
            raise ValueError("a query for a span's profile has a span selector")
        return self._flamegraph("SelectMergeSpanProfile", query.body() | {"spanSelector": list(span_selector)})

    def trace_profile(self, query: ProfileQuery, trace_id: str) -> FlameGraph:
        """Return the flame graph of the samples of all spans of a trace (``SelectMergeStacktraces``, from 2.2).

        Raises:
            IdentifierError: the trace ID is malformed.
            ClientError: the server did not answer, or refused the query.
        """
        body = query.body() | {"traceIdSelector": [parse_trace_id(trace_id)]}
        return self._flamegraph("SelectMergeStacktraces", body)

    def span_lines(self, query: ProfileQuery, span_ids: Sequence[str]) -> SourceLines:
        """Return the samples that carry one of these span IDs with their files and lines.

        That is ``SelectMergeStacktraces`` in the format pprof. A server before Pyroscope 2.2 ignores the span IDs and
        answers with the whole service, and one with the old storage knows no files. So compare the total with that of
        :meth:`span_profile`.

        Raises:
            IdentifierError: there is no span ID, or one is malformed.
            ClientError: the server did not answer, refused the query, or does not know the format.
        """
        if not span_ids:
            raise IdentifierError("a span profile needs at least one span ID")
        selected = [parse_span_id(span_id) for span_id in span_ids]
        method = "SelectMergeStacktraces"
        body = query.body() | {"spanSelector": selected, "format": "PROFILE_FORMAT_PPROF"}
        answer = self._http.post_json(_SERVICE + method, body)
        if answer and "pprof" not in answer:
            raise self._http.unexpected(_SERVICE + method, "no pprof in it")
        with self._http.decode_errors(_SERVICE + method, "a pprof profile"):
            return SourceLines(pprof_json.stacks(fields(fields(answer.get("pprof")).get("profile"))))

    def merged_profile(self, query: ProfileQuery) -> FlameGraph:
        """Return the flame graph of everything the selector finds (``SelectMergeStacktraces``).

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        return self._flamegraph("SelectMergeStacktraces", query.body())

    def function_files(self, query: ProfileQuery) -> dict[str, frozenset[str]]:
        """Return the files in which each function was seen, by the function's name (``SelectMergeProfile``).

        Raises:
            ClientError: the server did not answer, refused the query, or does not know this call.
        """
        method = "SelectMergeProfile"
        answer = self._http.post_json(_SERVICE + method, query.body())
        with self._http.decode_errors(_SERVICE + method, "a pprof profile"):
            return pprof_json.function_files(answer)

    def profile_types(self, start_ms: int, end_ms: int) -> list[str]:
        """Return the profile types that are there, as ``name:type:unit:period type:period unit``.

        Raises:
            ClientError: the server did not answer, or refused the window.
        """
        found = self._list("ProfileTypes", {"start": start_ms, "end": end_ms}, "profileTypes")
        with self._http.decode_errors(_SERVICE + "ProfileTypes", "profile types"):
            return [text(fields(profile_type)["ID"]) for profile_type in found]

    def label_names(self, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the names of the labels that series have; names with dots are left out by the server.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"matchers": list(matchers), "start": start_ms, "end": end_ms}
        found = self._list("LabelNames", body, "names")
        with self._http.decode_errors(_SERVICE + "LabelNames", "names of labels"):
            return [text(name) for name in found]

    def label_values(self, name: str, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the values of one label.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"name": name, "matchers": list(matchers), "start": start_ms, "end": end_ms}
        found = self._list("LabelValues", body, "names")
        with self._http.decode_errors(_SERVICE + "LabelValues", "values of a label"):
            return [text(value) for value in found]

    def series(
        self, start_ms: int, end_ms: int, matchers: Sequence[str] = (), label_names: Sequence[str] = ()
    ) -> list[dict[str, str]]:
        """Return the label sets of the series, cut down to ``label_names`` where given.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"matchers": list(matchers), "labelNames": list(label_names), "start": start_ms, "end": end_ms}
        found = self._list("Series", body, "labelsSet")
        with self._http.decode_errors(_SERVICE + "Series", "label sets"):
            return [labels(fields(series).get("labels")) for series in found]

    def totals(self, query: ProfileQuery, step_s: float, group_by: Sequence[str] = ()) -> list[ProfileSeries]:
        """Return what the profiles sum up to in each step of time (``SelectSeries``); steps without any are left out.

        Args:
            query: which profiles.
            step_s: length of a step, s.
            group_by: labels of which each set of values gets a series of its own.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        found = self._list("SelectSeries", query.body() | {"step": step_s, "groupBy": list(group_by)}, "series")
        with self._http.decode_errors(_SERVICE + "SelectSeries", "series"):
            return [
                ProfileSeries(
                    labels(fields(series).get("labels")),
                    tuple(
                        (moment_ms(fields(point)["timestamp"]), number(point.get("value", 0)))
                        for point in items(series.get("points"))
                    ),
                )
                for series in found
            ]

    def span_exemplars(self, query: ProfileQuery, step_s: float) -> list[SpanExemplar]:
        """Return examples of spans that have samples, without asking for their IDs (``SelectHeatmap``).

        They are examples: one of each cell of the heatmap. A span that is not among them may have samples, too.

        Raises:
            ClientError: the server did not answer, or does not know this call.
        """
        kinds = {"queryType": "HEATMAP_QUERY_TYPE_SPAN", "exemplarType": "EXEMPLAR_TYPE_SPAN"}
        found = self._list("SelectHeatmap", query.body() | {"step": step_s} | kinds, "series")
        with self._http.decode_errors(_SERVICE + "SelectHeatmap", "a heatmap"):
            return [
                _exemplar(fields(exemplar))
                for series in found
                for slot in items(fields(series).get("slots"))
                for exemplar in items(fields(slot).get("exemplars"))
            ]

    def refusals(self, since_s: float, service: str = "", until_s: float = float("inf")) -> tuple[Refusal, ...]:
        """Return the uploads or profiles that the server says it refused; nothing if it does not say.

        Args:
            since_s: leave out what is known to be older, s since the epoch.
            service: leave out what is known to be of another service; empty for all.
            until_s: leave out what is known to have begun later, s since the epoch.
        """
        return refusals(self._http, PYROSCOPE_COUNTERS, since_s, service, until_s)

    def failed_writes(self) -> FailedWrites:
        """Return how often the server says that it failed to write to its storage; a hosted one does not say."""
        return failed_writes(self._http, PYROSCOPE_FAILURES)

    def push(self, labels: Mapping[str, str], profile: bytes) -> None:
        """Push a profile, as an agent does.

        Args:
            labels: the labels of its series; ``__name__`` and ``service_name`` are among them.
            profile: pprof, compressed with gzip or not.

        Raises:
            ClientError: the server did not answer, or refused the push.
        """
        sample = {"ID": str(uuid.uuid4()), "rawProfile": base64.b64encode(profile).decode()}
        pairs = [{"name": name, "value": value} for name, value in labels.items()]
        self._http.post_json(_PUSH, {"series": [{"labels": pairs, "samples": [sample]}]})

    def _list(self, method: str, body: dict[str, Any], name: str) -> list[Any]:
        """Return the one field of an answer; a list that is empty is left out by the server."""
        answer = self._http.post_json(_SERVICE + method, body)
        found = answer.get(name, None if answer else [])
        if not isinstance(found, list):
            raise self._http.unexpected(_SERVICE + method, f"no list {name!r} in it")
        return found

    def _flamegraph(self, method: str, body: dict[str, Any]) -> FlameGraph:
        answer = self._http.post_json(_SERVICE + method, body)
        if answer and "flamegraph" not in answer:  # nothing at all is how a server may say that there are no samples
            raise self._http.unexpected(_SERVICE + method, "no flame graph in it")
        with self._http.decode_errors(_SERVICE + method, "a flame graph"):
            return flamebearer.flamegraph(fields(answer.get("flamegraph")), body["profileTypeID"])


def _exemplar(exemplar: Mapping[str, Any]) -> SpanExemplar:
    return SpanExemplar(
        span_id=parse_span_id(text(exemplar["spanId"])),
        time_ms=moment_ms(exemplar["timestamp"]),
        value=whole(exemplar.get("value", 0)),
        labels=labels(exemplar.get("labels")),
        trace_id=text(exemplar.get("traceId", "")).strip("0") and parse_trace_id(exemplar["traceId"]),
    )
