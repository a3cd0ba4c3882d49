"""Follows requests through one backend, from a response to the flame graph of the span that answered it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace

from spanprofiles.clients import ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.linking.errors import LinkError
from spanprofiles.linking.evidence import Evidence
from spanprofiles.linking.followed_request import FollowedRequest, Traced
from spanprofiles.linking.linked_span import LinkedSpan
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.model import CPU, Endpoints, FlameGraph, Span, Trace
from spanprofiles.model.endpoints import QUERYABLE_AFTER_S
from spanprofiles.model.margins import BUTTON_MARGIN_MS
from spanprofiles.waiting import Waiting


class Linker:
    """Follows requests through one backend.

    Its methods answer one question each. :meth:`follow` is for several questions about one request.

    Args:
        tempo: where traces are.
        pyroscope: where profiles are.
        waiting: the deadline for each question.
        upload_interval_s: the agent's upload interval, s. The samples of a span that straddles two uploads are complete
            only after the second.
        profile_type: which profiles; CPU time by default. If no sample of CPU time carries a span's profile ID and
            samples of another type of time do (wall time, counts of samples), the span is linked by that type.
        queryable_after_s: how long samples may stay hidden after their push was answered, s.
        margin_ms: how far before and after the span to look for profiles, ms. A profile is dated by the start of its
            upload window, so the margin must be longer than the upload interval.
    """

    def __init__(
        self,
        tempo: TempoClient,
        pyroscope: PyroscopeClient,
        *,
        waiting: Waiting | None = None,
        upload_interval_s: float = 1.0,
        profile_type: str = CPU,
        queryable_after_s: float = QUERYABLE_AFTER_S,
        margin_ms: int = BUTTON_MARGIN_MS,
    ) -> None:
        self.tempo = tempo
        self.pyroscope = pyroscope
        self.waiting = waiting or Waiting()
        self.upload_interval_s = upload_interval_s
        self.profile_type = profile_type
        self.queryable_after_s = queryable_after_s
        self.margin_ms = margin_ms
        self._collector = SampleCollector(
            pyroscope,
            profile_type=profile_type,
            upload_interval_s=upload_interval_s,
            queryable_after_s=queryable_after_s,
            margin_ms=margin_ms,
        )

    @classmethod
    def of(
        cls,
        endpoints: Endpoints,
        *,
        waiting: Waiting | None = None,
        upload_interval_s: float = 1.0,
        profile_type: str = CPU,
    ) -> Linker:
        """Return a linker of a backend's endpoints."""
        return cls(
            TempoClient(endpoints.tempo, endpoints.credentials_for("tempo")),
            PyroscopeClient(endpoints.pyroscope, endpoints.credentials_for("pyroscope")),
            waiting=waiting,
            upload_interval_s=upload_interval_s,
            profile_type=profile_type,
            queryable_after_s=endpoints.queryable_after_s,
        )

    def with_waiting(self, waiting: Waiting) -> Linker:
        """Return a linker of the same backend with another way of waiting."""
        other = copy(self)
        other.waiting = waiting
        return other

    def follow(self, traced: Traced, evidence: Evidence | None = None) -> FollowedRequest:
        """Follow a request step by step. What comes back keeps what was seen on the way.

        Args:
            traced: an answered request, a trace context, one of the trace's spans, or a trace ID.
            evidence: what is known of the trace already; it is added to.

        Raises:
            NotTracedError: the request carried no ``traceparent``.
            IdentifierError: the text is not a trace ID.
        """
        return FollowedRequest(traced, self.tempo, self._collector, self.waiting, evidence)

    def trace(self, traced: Traced, until: Callable[[Trace], bool] = lambda _: True) -> Trace:
        """Wait for the trace of a request; see :meth:`.FollowedRequest.trace`."""
        return self.follow(traced).trace(until)

    def linked_span(self, traced: Traced) -> LinkedSpan:
        """Wait for the linked span that answered the request; see :meth:`.FollowedRequest.linked_span`."""
        return self.follow(traced).linked_span()

    def linked_spans(self, traced: Traced, count: int = 1) -> list[LinkedSpan]:
        """Wait for ``count`` linked spans of a request's trace; see :meth:`.FollowedRequest.linked_spans`."""
        return self.follow(traced).linked_spans(count)

    def answering_span(self, traced: Traced) -> Span:
        """Wait for the span that answered the request; see :meth:`.FollowedRequest.answering_span`."""
        return self.follow(traced).answering_span()

    def samples(self, span: Span) -> LinkedSpan:
        """Wait for all samples of a span that carries a profile ID; see :meth:`.FollowedRequest.samples`."""
        return self.follow(span).samples(span)

    def flamegraph(self, span: Span) -> FlameGraph:
        """Ask once for the samples of a span; see :meth:`.FollowedRequest.flamegraph`."""
        return self.follow(span).flamegraph(span)

    def query(self, span: Span) -> ProfileQuery:
        """Return the query for the profiles of a span's service around the span's time."""
        return self._collector.query(span)

    def merged_samples(self, spans: Iterable[Span]) -> FlameGraph:
        """Wait for all samples of several spans, merged.

        This is for spans that are too short to have samples each. A span that computes for 10 ms is missed one time in
        three, but a hundred such spans have about a hundred samples.

        Args:
            spans: spans that carry a profile ID, all within one day.

        Raises:
            ValueError: there are no spans.
            NoProfileIdError: a span carries no profile ID.
            NoSamplesError: no span had a sample by the deadline, and the message explains why the longest has none; or
                a profile ID is not a span ID.
            ClientError: Pyroscope failed.
        """
        spans = list(spans)
        if not spans:
            raise ValueError("no spans, so there is nothing to merge")
        services: dict[str, list[Span]] = {}
        for span in spans:
            services.setdefault(span.service, []).append(span)
        asked = [
            (
                ProfileQuery.around_all(some, self.margin_ms, profile_type=self.profile_type),
                [profile_id for span in some for profile_id in self._profile_ids_of(span)],
            )
            for some in services.values()
        ]
        # processes upload each in its own time: the first samples to come are not the last
        found, _ = self._collector.await_complete(
            lambda: self._collector.ask(asked),
            max(span.last_sample_ns for span in spans),
            self.waiting,
            one_process=False,
        )
        if found.is_empty:
            longest = max(spans, key=lambda span: span.duration_ns)
            request = self.follow(longest)
            request.look()
            request.flamegraph(longest)
            raise request.dead_link(longest, f"none of {len(spans)} spans has samples; of the longest: ")
        return found

    def samples_of_each(self, spans: Iterable[Span]) -> list[LinkedSpan]:
        """Wait for all samples of several spans once, and return each span with its own.

        A span that was too short for a sample has an empty flame graph. All flame graphs are of one type.

        Args:
            spans: spans that carry a profile ID, all within one day.

        Raises:
            ValueError, LinkError, ClientError: as :meth:`merged_samples`.
        """
        spans = list(spans)
        profile_type = self.merged_samples(spans).profile_type
        linked = []
        for span in spans:
            latest = self.follow(span).with_later_children(span) if span.added else span
            query = replace(self.query(latest), profile_type=profile_type)
            linked.append(LinkedSpan(latest, self.pyroscope.span_profile(query, latest.profile_ids)))
        return linked

    def _profile_ids_of(self, span: Span) -> tuple[str, ...]:
        request = self.follow(span)
        try:
            request.profile_id_of(span)
        except LinkError:
            request.look()  # a report shows in its trace which of the spans it is
            raise
        return span.profile_ids
