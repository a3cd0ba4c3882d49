"""Pyroscope's query API: the Connect protocol's JSON, ``POST /querier.v1.QuerierService/<Method>``; times in ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spanprofiles.clients import flamebearer
from spanprofiles.clients.errors import UnexpectedAnswerError
from spanprofiles.clients.http import DEFAULT_TIMEOUT_S, HttpClient
from spanprofiles.model import CPU, Credentials, FlameGraph, IdentifierError, parse_span_id, parse_trace_id

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


class PyroscopeClient:
    """Asks one Pyroscope.

    Args:
        url: its address, such as ``http://127.0.0.1:4040``.
        credentials: sent with every request.
        timeout_s: (connect, read), s.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: tuple[float, float] = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.http = HttpClient(_SERVER, url, credentials, timeout_s)

    def check_ready(self) -> None:
        """Return if the server says that it is ready (which does not mean that it takes pushes).

        Raises:
            ClientError: it does not.
        """
        self.http.get("/ready")

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
        answer = self._call("ProfileTypes", {"start": start_ms, "end": end_ms})
        return [str(one["ID"]) for one in answer.get("profileTypes", [])]

    def label_names(self, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the names of the labels that series have; names with dots are left out by the server.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        answer = self._call("LabelNames", {"matchers": list(matchers), "start": start_ms, "end": end_ms})
        return [str(name) for name in answer.get("names", [])]

    def label_values(self, name: str, start_ms: int, end_ms: int, matchers: Sequence[str] = ()) -> list[str]:
        """Return the values of one label.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"name": name, "matchers": list(matchers), "start": start_ms, "end": end_ms}
        return [str(value) for value in self._call("LabelValues", body).get("names", [])]

    def series(
        self, start_ms: int, end_ms: int, matchers: Sequence[str] = (), label_names: Sequence[str] = ()
    ) -> list[dict[str, str]]:
        """Return the label sets of the series, cut down to ``label_names`` where given.

        Raises:
            ClientError: the server did not answer, or refused the query.
        """
        body = {"matchers": list(matchers), "labelNames": list(label_names), "start": start_ms, "end": end_ms}
        answer = self._call("Series", body)
        return [{pair["name"]: pair["value"] for pair in one.get("labels", [])} for one in answer.get("labelsSet", [])]

    def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.http.post_json(_SERVICE + method, body)

    def _flamegraph(self, method: str, body: dict[str, Any]) -> FlameGraph:
        answer = self._call(method, body)
        try:
            return flamebearer.flamegraph(answer.get("flamegraph") or {})
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            url = self.http.url + _SERVICE + method
            raise UnexpectedAnswerError(_SERVER, url, f"not a flame graph ({error})") from error
