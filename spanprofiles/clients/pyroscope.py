"""Pyroscope's query API: the Connect protocol's JSON, ``POST /querier.v1.QuerierService/<Method>``; times in ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanprofiles.clients import flamebearer, pprof_json
from spanprofiles.clients.http import ServerClient
from spanprofiles.clients.refusals import PYROSCOPE_COUNTERS, Refusal, refusals
from spanprofiles.model import CPU, FlameGraph, IdentifierError, parse_span_id, parse_trace_id
from spanprofiles.model.source_lines import SourceLines

_SERVER = "Pyroscope"
_SERVICE = "/querier.v1.QuerierService/"


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
    """What profiles sum up to over time.

    Attributes:
        labels: the labels that were grouped by, as far as the profiles have them.
        points: (time, value); ms since the epoch, the end of the step in which profiles are dated, and their sum.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class SpanExemplar:
    """One span of which a profile has samples.

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
    """Asks one Pyroscope."""

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
        return self._flamegraph("SelectMergeSpanProfile", query.body() | {"spanSelector": selected})

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

        That is ``SelectMergeStacktraces`` in the format pprof. A server before Pyroscope 2.2 overlooks the span IDs and
        answers with the whole service, and one with the old storage tells no files: hold what comes against the
        total of :meth:`span_profile`.

        Raises:
            IdentifierError: there is no span ID, or one is malformed.
            ClientError: the server did not answer, refused the query, or does not know the format.
        """
        if not span_ids:
            raise IdentifierError("a span profile needs at least one span ID")
        selected = [parse_span_id(span_id) for span_id in span_ids]
        method = "SelectMergeStacktraces"
        body = query.body() | {"spanSelector": selected, "format": "PROFILE_FORMAT_PPROF"}
        answer = self.http.post_json(_SERVICE + method, body)
        if answer and "pprof" not in answer:
            raise self.http.unexpected(_SERVICE + method, "no pprof in it")
        try:
            return SourceLines(pprof_json.stacks((answer.get("pprof") or {}).get("profile") or {}))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise self.http.unexpected(_SERVICE + method, f"not a pprof profile ({error})") from error

    def merged_profile(self, query: ProfileQuery) -> FlameGraph:
        """Return the flame graph of everything the selector finds (``SelectMergeStacktraces``).

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        return self._flamegraph("SelectMergeStacktraces", query.body())

    def profile_types(self, start_ms: int, end_ms: int) -> list[str]:
        """Return the profile types that are there, as ``name:type:unit:period type:period unit``.

        Raises:
            ClientError: the server did not answer, or refused the window.
        """
        found = self._list("ProfileTypes", {"start": start_ms, "end": end_ms}, "profileTypes")
        try:
            return [str(one["ID"]) for one in found]
        except (KeyError, TypeError) as error:
            raise self.http.unexpected(_SERVICE + "ProfileTypes", f"not profile types ({error})") from error

    def label_names(self, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the names of the labels that series have; names with dots are left out by the server.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"matchers": list(matchers), "start": start_ms, "end": end_ms}
        return [str(name) for name in self._list("LabelNames", body, "names")]

    def label_values(self, name: str, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the values of one label.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"name": name, "matchers": list(matchers), "start": start_ms, "end": end_ms}
        return [str(value) for value in self._list("LabelValues", body, "names")]

    def series(
        self, start_ms: int, end_ms: int, matchers: Sequence[str] = (), label_names: Sequence[str] = ()
    ) -> list[dict[str, str]]:
        """Return the label sets of the series, cut down to ``label_names`` where given.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"matchers": list(matchers), "labelNames": list(label_names), "start": start_ms, "end": end_ms}
        found = self._list("Series", body, "labelsSet")
        try:
            return [{pair["name"]: pair["value"] for pair in one.get("labels", [])} for one in found]
        except (KeyError, TypeError, AttributeError) as error:
            raise self.http.unexpected(_SERVICE + "Series", f"not label sets ({error})") from error

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
        try:
            return [
                ProfileSeries(
                    {pair["name"]: pair["value"] for pair in one.get("labels", [])},
                    tuple((int(point["timestamp"]), float(point.get("value", 0))) for point in one.get("points", [])),
                )
                for one in found
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.http.unexpected(_SERVICE + "SelectSeries", f"not series ({error})") from error

    def span_exemplars(self, query: ProfileQuery, step_s: float) -> list[SpanExemplar]:
        """Return examples of spans that have samples, without asking for their IDs (``SelectHeatmap``).

        They are examples: one of each cell of the heatmap. That a span is not among them says nothing.

        Raises:
            ClientError: the server did not answer, or does not know this call.
        """
        kinds = {"queryType": "HEATMAP_QUERY_TYPE_SPAN", "exemplarType": "EXEMPLAR_TYPE_SPAN"}
        found = self._list("SelectHeatmap", query.body() | {"step": step_s} | kinds, "series")
        try:
            return [
                _exemplar(one)
                for series in found
                for slot in series.get("slots", [])
                for one in slot.get("exemplars", [])
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.http.unexpected(_SERVICE + "SelectHeatmap", f"not a heatmap ({error})") from error

    def refusals(self, since_s: float, service: str = "", until_s: float = float("inf")) -> tuple[Refusal, ...]:
        """Return what the server says that it refused: uploads, or profiles; nothing where it does not tell.

        Args:
            since_s: what is known to be older is left out, s since the epoch.
            service: what is known to be of another service is left out; empty for all.
            until_s: what is known to have begun later is left out, s since the epoch.
        """
        return refusals(self.http, PYROSCOPE_COUNTERS, since_s, service, until_s)

    def _list(self, method: str, body: dict[str, Any], name: str) -> list[Any]:
        """Return the one field of an answer; a list that is empty is left out by the server."""
        answer = self.http.post_json(_SERVICE + method, body)
        found = answer.get(name, None if answer else [])
        if not isinstance(found, list):
            raise self.http.unexpected(_SERVICE + method, f"no list {name!r} in it")
        return found

    def _flamegraph(self, method: str, body: dict[str, Any]) -> FlameGraph:
        answer = self.http.post_json(_SERVICE + method, body)
        if answer and "flamegraph" not in answer:  # nothing at all is how a server may say that there are no samples
            raise self.http.unexpected(_SERVICE + method, "no flame graph in it")
        try:
            return flamebearer.flamegraph(answer.get("flamegraph") or {}, body["profileTypeID"])
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise self.http.unexpected(_SERVICE + method, f"not a flame graph ({error})") from error


def _exemplar(one: Mapping[str, Any]) -> SpanExemplar:
    return SpanExemplar(
        span_id=parse_span_id(one["spanId"]),
        time_ms=int(one["timestamp"]),
        value=int(one.get("value", 0)),
        labels={pair["name"]: pair["value"] for pair in one.get("labels", [])},
        trace_id=str(one.get("traceId", "")).strip("0") and parse_trace_id(one["traceId"]),
    )
