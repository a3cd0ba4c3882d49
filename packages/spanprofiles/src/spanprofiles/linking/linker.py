"""Follows a request hop by hop: its trace, its local root spans, their profile IDs, their samples."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from spanprofiles.clients import ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.linking import explanations
from spanprofiles.linking.errors import LinkError, NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.linking.evidence import Evidence
from spanprofiles.linking.linked_span import LinkedSpan
from spanprofiles.linking.session import AnsweredRequest, trace_context_of
from spanprofiles.linking.span_samples import SpanSamples
from spanprofiles.model import (
    CPU,
    Endpoints,
    FlameGraph,
    Span,
    SpanKind,
    Trace,
    TraceContext,
    label_selector,
    parse_trace_id,
)
from spanprofiles.model.endpoints import QUERYABLE_AFTER_S
from spanprofiles.model.margins import BUTTON_MARGIN_MS
from spanprofiles.waiting import Waiting

Traced = AnsweredRequest | TraceContext | Span | str
"""What names a trace: an answered request, a trace context, one of its spans, or a trace ID."""

# An upload that was under way when the request ended cannot hold its last samples. The server has it by then, s.
_UPLOAD_UNDER_WAY_S = 0.25

# Spans of one request come in several batches, perhaps of several processes: how much later than each other, s, and how
# long OpenTelemetry's exporter keeps them, s.
_EXPORT_UNDER_WAY_S = 1.0
_EXPORTER_DELAY_S = 5.0

# How far the app's clock may be behind this one before a span is taken for older than it is.
_CLOCKS_AGREE_WITHIN_S = 1.0

_SPAN_ID = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")


class Linker:
    """Follows requests through one backend.

    Args:
        tempo: where traces are.
        pyroscope: where profiles are.
        waiting: the deadline for each question.
        upload_interval_s: the agent's upload interval, s. A span that straddles two uploads is complete only after the
            second.
        profile_type: which profiles. Where samples of CPU time, the default, do not carry a span's profile ID and
            samples of another type of time do (wall time, counts of samples), the span is linked by that type.
        queryable_after_s: how long after a push was answered its samples may not be found yet, s.
        margin_ms: how much earlier and later than the span profiles are looked for, ms. A profile is dated by the start
            of its upload window, so this must be longer than the upload interval.
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
        self._samples = SpanSamples(profile_type)

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

    def trace(
        self, traced: Traced, until: Callable[[Trace], bool] = lambda _: True, evidence: Evidence | None = None
    ) -> Trace:
        """Wait for the trace of a request.

        Args:
            traced: an answered request, a trace context or a trace ID.
            until: what the trace must show before it is returned; spans arrive in batches.
            evidence: is filled with what was seen, for whoever reports a failure.

        Raises:
            NotTracedError: the request carried no ``traceparent``.
            TraceNotFoundError: Tempo had no span of it by the deadline, or not what ``until`` asks.
            ClientError: Tempo failed.
        """
        evidence = evidence or self.evidence(traced)
        for _ in self.waiting.attempts():
            evidence.look(self.tempo.trace(evidence.trace_id))
            if evidence.trace is not None and until(evidence.trace):
                return evidence.trace
        if evidence.trace is None:
            raise TraceNotFoundError(explanations.no_trace(evidence, self), evidence)
        seen = ", ".join(span.name for span in evidence.trace.spans)
        message = (
            f"the trace {evidence.trace_id} is not as awaited after {self.waiting.timeout_s:g} s; its spans: {seen}"
        )
        raise TraceNotFoundError(message, evidence)

    def linked_spans(self, traced: Traced, count: int = 1, evidence: Evidence | None = None) -> list[LinkedSpan]:
        """Wait until the request's trace has that many local root spans with a profile ID, and all lead to samples.

        Args:
            traced: an answered request, a trace context or a trace ID.
            count: how many there must be; one for each process the request passes.
            evidence: is filled with what was seen, for whoever reports a failure.

        Returns:
            The linked spans in order of their start.

        Raises:
            ValueError: ``count`` is less than 1.
            NotTracedError: the request carried no ``traceparent``.
            TraceNotFoundError: Tempo had no span of it by the deadline.
            NoProfileIdError: fewer than ``count`` local root spans carry a profile ID.
            NoSamplesError: a profile ID leads to no samples.
            ClientError: a server failed.
        """
        if count < 1:
            raise ValueError(f"{count} linked spans are no claim: ask for 1 or more")
        evidence = evidence or self.evidence(traced)
        spans = self._await_spans(evidence, lambda _span, _trace: True, count)
        return [self.samples(span, evidence) for span in spans]

    def linked_span(self, traced: Traced, evidence: Evidence | None = None) -> LinkedSpan:
        """Wait for the linked span that answered the request: :meth:`answering_span`, then :meth:`samples`.

        Raises:
            LinkError, ClientError: as :meth:`linked_spans`.
        """
        evidence = evidence or self.evidence(traced)
        return self.samples(self.answering_span(traced, evidence), evidence)

    def answering_span(self, traced: Traced, evidence: Evidence | None = None) -> Span:
        """Wait for the local root span that answered the request, with its profile ID: not one further down.

        Where a trace ID is all that is known, that is the local root span with none of the trace above it. A span
        stands for itself.

        Raises:
            NotTracedError, TraceNotFoundError, NoProfileIdError, ClientError: as :meth:`linked_spans`.
        """
        if isinstance(traced, Span):
            return self._with_profile_id(traced, evidence or self.evidence(traced))
        parent_id = None if isinstance(traced, str) else _context(traced).span_id

        def answers(span: Span, trace: Trace) -> bool:
            return span.parent_id == parent_id if parent_id else trace.parent(span) is None

        # where a request was sent again with the same header, it is the last that was answered
        return self._await_spans(evidence or self.evidence(traced), answers, 1)[-1]

    def _with_profile_id(self, span: Span, evidence: Evidence) -> Span:
        evidence.look(self.tempo.trace(span.trace_id))
        if not span.profile_id:
            raise NoProfileIdError(explanations.no_profile_id_on(span, evidence), evidence)
        return span

    def evidence(self, traced: Traced) -> Evidence:
        """Return an empty record for what will be seen of the request.

        Raises:
            NotTracedError: the request carried no ``traceparent``.
            IdentifierError: the text is no trace ID.
        """
        if isinstance(traced, Span):
            return Evidence(traced.trace_id)
        return Evidence(parse_trace_id(traced) if isinstance(traced, str) else _context(traced).trace_id)

    def _await_spans(self, evidence: Evidence, is_wanted: Callable[[Span, Trace], bool], count: int) -> list[Span]:
        """Wait for so many spans with a profile ID.

        A span is exported once, with all its attributes: where the wanted spans are there without a profile ID, none
        will come. Others of the request may still be on their way, so it is waited as long again as these took.
        """
        over_at: float | None = None
        for waited in self.waiting.attempts():
            trace = evidence.look(self.tempo.trace(evidence.trace_id))
            if trace is None:
                continue
            spans = [span for span in trace.linkable if is_wanted(span, trace)]
            if len(spans) >= count:
                return spans
            bare = [span for span in trace.local_roots if _is_bare_root(span) and is_wanted(span, trace)]
            if len(spans) + len(bare) < count:
                over_at = None
            elif over_at is None:
                over_at = waited + _others_may_take_s(bare)
            elif waited >= over_at:
                break
        if evidence.trace is None:
            raise TraceNotFoundError(explanations.no_trace(evidence, self), evidence)
        raise NoProfileIdError(explanations.no_profile_id(evidence, count), evidence)

    def samples(self, span: Span, evidence: Evidence | None = None) -> LinkedSpan:
        """Wait for the samples of a span that carries a profile ID, and until all of them have arrived.

        A span that straddles two uploads has its samples in both. They are complete when they came with an upload that
        began after the request had ended, or when an upload interval has passed since then, and with it the time that
        an upload takes (0.25 s) and that the server may need to find its samples (``queryable_after_s``). Samples that
        are there are waited for until they are complete, also where :attr:`waiting` would end sooner.

        Raises:
            NoProfileIdError: the span carries no profile ID.
            NoSamplesError: there were no samples by the deadline.
            ClientError: Pyroscope failed.
        """
        evidence = evidence or Evidence(span.trace_id)
        flamegraph, waited_s = self._await_all(lambda: self.flamegraph(span, evidence), span.end_ns, one_process=True)
        if flamegraph.is_empty:
            raise NoSamplesError(explanations.no_samples(span, evidence, self), evidence)
        return LinkedSpan(span, flamegraph, waited_s)

    def _await_all(
        self, look: Callable[[], FlameGraph], ended_ns: int, *, one_process: bool
    ) -> tuple[FlameGraph, float]:
        """Look until there are samples and all have arrived, or the deadline passes.

        Returns:
            What was seen last, and after how many seconds of waiting.
        """
        found, empty_until = FlameGraph(), 0.0
        under_way_s = _UPLOAD_UNDER_WAY_S + self.queryable_after_s
        all_uploaded_s = self.upload_interval_s + under_way_s
        ended_long_ago = time.time() - ended_ns / 1e9 > all_uploaded_s + _CLOCKS_AGREE_WITHIN_S
        # samples that are there are waited for until they are complete, however short the deadline
        longest = replace(self.waiting, timeout_s=max(self.waiting.timeout_s, all_uploaded_s + under_way_s))
        for waited in longest.attempts():
            found = look()
            if found.is_empty:
                empty_until = waited
                if waited >= self.waiting.timeout_s:
                    break
            elif ended_long_ago or waited > all_uploaded_s:
                break
            elif one_process and empty_until > under_way_s and found.profile_type == self.profile_type:
                break  # a stand-in may have come moments before the type that is asked for
        return found, waited

    def all_samples(self, span: Span, evidence: Evidence | None = None, enough_ns: float = math.inf) -> FlameGraph:
        """Wait until all samples of a span must have arrived, and return them; there may be none.

        Args:
            span: a span that carries a profile ID.
            evidence: is filled with what was seen.
            enough_ns: wait no longer for what is more than this already, ns of CPU.

        Raises:
            NoProfileIdError, NoSamplesError, ClientError: as :meth:`flamegraph`.
        """
        all_uploaded_s = self.upload_interval_s + _UPLOAD_UNDER_WAY_S + self.queryable_after_s
        ended_long_ago = time.time() - span.end_ns / 1e9 > all_uploaded_s + _CLOCKS_AGREE_WITHIN_S
        found = FlameGraph()
        for _ in replace(self.waiting, timeout_s=0.0 if ended_long_ago else all_uploaded_s).attempts():
            found = self.flamegraph(span, evidence)
            if found.cpu_ns > enough_ns:
                break
        return found

    def flamegraph(self, span: Span, evidence: Evidence | None = None) -> FlameGraph:
        """Ask once for the samples of a span by its profile ID, in its service, around its time; empty where none are.

        Its ``profile_type`` tells which type of profile has them.

        Raises:
            NoProfileIdError: the span carries no profile ID.
            NoSamplesError: what it carries is no span ID, so there can be no samples of it.
            ClientError: Pyroscope failed.
        """
        profile_id = _profile_id_to_ask_with(span, evidence)
        query = self.query(span)
        found = self._samples.of(self.pyroscope, [(query, [profile_id])])
        if evidence is not None:
            evidence.selectors[profile_id] = query.selector
            evidence.window_ms = (query.start_ms, query.end_ms)
            evidence.flamegraphs[profile_id] = found
        return found

    def merged_samples(self, spans: Iterable[Span]) -> FlameGraph:
        """Wait for the samples of several spans, merged, and until all of them have arrived.

        For spans that are too short to have samples each: one that computes for 10 ms is missed one time in three, a
        hundred of them together have a hundred samples.

        Args:
            spans: spans that carry a profile ID, within a day.

        Raises:
            ValueError: there are no spans.
            NoProfileIdError: one of them carries no profile ID.
            NoSamplesError: none of them had a sample by the deadline, which the message explains of the longest; or a
                profile ID is no span ID.
            ClientError: Pyroscope failed.
        """
        spans = list(spans)
        if not spans:
            raise ValueError("no spans, so there is nothing to merge")
        asked = [(query, [self._profile_id_to_merge(span) for span in some]) for query, some in self._by_service(spans)]

        def look() -> FlameGraph:
            return self._samples.of(self.pyroscope, asked)

        # processes upload each in its own time: the first samples to come are not the last
        found, _ = self._await_all(look, max(span.end_ns for span in spans), one_process=False)
        if found.is_empty:
            longest = max(spans, key=lambda span: span.duration_ns)
            evidence = Evidence(longest.trace_id, self.tempo.trace(longest.trace_id))
            self.flamegraph(longest, evidence)
            reason = explanations.no_samples(longest, evidence, self)
            raise NoSamplesError(f"none of {len(spans)} spans has samples; of the longest: {reason}", evidence)
        return found

    def _profile_id_to_merge(self, span: Span) -> str:
        try:
            return _profile_id_to_ask_with(span)
        except LinkError:  # once more, for a report that shows which of them it is
            return _profile_id_to_ask_with(span, Evidence(span.trace_id, self.tempo.trace(span.trace_id)))

    def _by_service(self, spans: list[Span]) -> list[tuple[ProfileQuery, list[Span]]]:
        """Return the spans of each service, and the query for its profiles around all of them."""
        services: dict[str, list[Span]] = {}
        for span in spans:
            services.setdefault(span.service, []).append(span)
        queries = []
        for some in services.values():
            around = [self.query(span) for span in some]
            start_ms, end_ms = min(one.start_ms for one in around), max(one.end_ms for one in around)
            queries.append((replace(around[0], start_ms=start_ms, end_ms=end_ms), some))
        return queries

    def query(self, span: Span) -> ProfileQuery:
        """Return the query for the profiles of a span's service around the span's time."""
        return ProfileQuery(
            label_selector({"service_name": span.service} if span.service else {}),
            span.start_ns // 1_000_000 - self.margin_ms,
            span.end_ns // 1_000_000 + self.margin_ms,
            self.profile_type,
        )


def _is_bare_root(span: Span) -> bool:
    """Tell whether a span is a local root for sure, not one whose parent is late, and carries no profile ID."""
    is_sure = not span.parent_id or bool(span.parent_is_remote) or span.kind in {SpanKind.SERVER, SpanKind.CONSUMER}
    return is_sure and not span.profile_id


def _others_may_take_s(spans: Iterable[Span]) -> float:
    """Return how long others of a request may still be on their way, s: as long again as these took to arrive."""
    took_s = time.time() - max((span.end_ns for span in spans), default=0) / 1e9
    return max(0.0, took_s) + _EXPORT_UNDER_WAY_S if took_s < _EXPORTER_DELAY_S else 0.0


def _profile_id_to_ask_with(span: Span, evidence: Evidence | None = None) -> str:
    if span.profile_id is None:
        raise NoProfileIdError(f"the span {span.span_id} ({span.name}) carries no pyroscope.profile.id", evidence)
    if not _SPAN_ID.fullmatch(span.profile_id):  # asked for all the same, the server's error would hide the reason
        if evidence is not None:
            evidence.flamegraphs[span.profile_id] = FlameGraph()
        raise NoSamplesError(
            f"the profile ID {span.profile_id!r} of the span {span.span_id} ({span.name}) is not 16 hexadecimal"
            " digits, so no samples can be found by it",
            evidence,
        )
    return span.profile_id


def _context(traced: AnsweredRequest | TraceContext) -> TraceContext:
    return traced if isinstance(traced, TraceContext) else trace_context_of(traced)
