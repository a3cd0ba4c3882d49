"""One request on its way through the backend: its trace, its local root spans, their profile IDs, their samples."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from spanprofiles.clients import ClientError, TempoClient
from spanprofiles.linking import explanations
from spanprofiles.linking.errors import LinkError, NoProfileIdError, NoSamplesError, TraceNotFoundError
from spanprofiles.linking.evidence import Evidence
from spanprofiles.linking.explanations import Explanation
from spanprofiles.linking.linked_span import LinkedSpan
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.linking.session import AnsweredRequest, trace_context_of
from spanprofiles.model import FlameGraph, Span, SpanKind, Trace, TraceContext, parse_trace_id
from spanprofiles.waiting import Waiting

Traced = AnsweredRequest | TraceContext | Span | str
"""What names a trace: an answered request, a trace context, one of its spans, or a trace ID."""

# Spans of one request come in several batches, perhaps of several processes: how much later than each other, s, and how
# long OpenTelemetry's exporter keeps them, s.
_EXPORT_UNDER_WAY_S = 1.0
_EXPORTER_DELAY_S = 5.0

_SPAN_ID = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")


class FollowedRequest:
    """Follows one request hop by hop, and keeps what it has seen. :meth:`.Linker.follow` makes one.

    Each method waits for its answer until the deadline. The errors carry :attr:`evidence`.

    Args:
        traced: an answered request, a trace context, one of the trace's spans, or a trace ID.
        tempo: where its trace is.
        collector: gets its samples.
        waiting: the deadline for each question.
        evidence: what is known of the trace already; it is added to.

    Attributes:
        evidence: what was seen so far.

    Raises:
        NotTracedError: the request carried no ``traceparent``.
        IdentifierError: the text is not a trace ID.
    """

    def __init__(
        self,
        traced: Traced,
        tempo: TempoClient,
        collector: SampleCollector,
        waiting: Waiting,
        evidence: Evidence | None = None,
    ) -> None:
        named = traced if isinstance(traced, Span | str | TraceContext) else trace_context_of(traced)
        self._named = named
        self._tempo = tempo
        self._collector = collector
        self._waiting = waiting
        self.evidence = evidence or Evidence(parse_trace_id(named) if isinstance(named, str) else named.trace_id)

    @property
    def trace_id(self) -> str:
        """The trace, 32 hex digits."""
        return self.evidence.trace_id

    def look(self) -> Trace | None:
        """Ask Tempo once for the trace, and return it; None if Tempo has no span of it.

        Raises:
            ClientError: Tempo failed.
        """
        return self.evidence.look(self._tempo.trace(self.trace_id))

    def trace(self, until: Callable[[Trace], bool] = lambda _: True) -> Trace:
        """Wait for the trace.

        Args:
            until: what the trace must show before it is returned; spans arrive in batches.

        Raises:
            TraceNotFoundError: Tempo had no span of it by the deadline, or not what ``until`` asks.
            ClientError: Tempo failed.
        """
        for _ in self._waiting.attempts():
            trace = self.look()
            if trace is not None and until(trace):
                return trace
        if trace is None:
            raise self._no_trace()
        seen = ", ".join(span.name for span in trace.spans)
        raise TraceNotFoundError(
            f"the trace {self.trace_id} is not as expected after {self._waiting.timeout_s:g} s; its spans: {seen}",
            self.evidence,
        )

    def linked_span(self) -> LinkedSpan:
        """Wait for the linked span that answered the request: :meth:`answering_span`, then :meth:`samples`.

        Raises:
            LinkError, ClientError: as :meth:`linked_spans`.
        """
        return self.samples(self.answering_span())

    def linked_spans(self, count: int = 1) -> list[LinkedSpan]:
        """Wait until ``count`` local root spans carry profile IDs, and all of them lead to samples.

        Args:
            count: how many linked spans there must be: one for each process that the request passes through.

        Returns:
            The linked spans in order of their start.

        Raises:
            ValueError: ``count`` is less than 1.
            TraceNotFoundError: Tempo had no span of it by the deadline.
            NoProfileIdError: fewer than ``count`` local root spans carry a profile ID.
            NoSamplesError: a profile ID leads to no samples.
            ClientError: a server failed.
        """
        if count < 1:
            raise ValueError(f"{count} linked spans are no claim: ask for 1 or more")
        return [self.samples(span) for span in self._await_spans(lambda _span, _trace: True, count)]

    def answering_span(self) -> Span:
        """Wait for the local root span that answered the request, with its profile ID.

        That is not a span of a service further down. If only a trace ID is known, it is the local root span with no
        other span of the trace above it. If a span was given, it is that span.

        Raises:
            TraceNotFoundError, NoProfileIdError, ClientError: as :meth:`linked_spans`.
        """
        if isinstance(self._named, Span):
            return self._with_profile_id(self._named)
        parent_id = None if isinstance(self._named, str) else self._named.span_id

        def answers(span: Span, trace: Trace) -> bool:
            return span.parent_id == parent_id if parent_id else trace.parent(span) is None

        # where a request was sent again with the same header, it is the last that was answered
        return self._await_spans(answers, 1)[-1]

    def samples(self, span: Span) -> LinkedSpan:
        """Wait until all samples of a span have arrived; :class:`.SampleCollector` says when that is.

        Raises:
            NoProfileIdError: the span carries no profile ID.
            NoSamplesError: there were no samples by the deadline.
            ClientError: Pyroscope failed.
        """
        flamegraph, waited_s = self._collector.await_complete(
            lambda: self.flamegraph(span), span.last_sample_ns, self._waiting, one_process=True
        )
        if flamegraph.is_empty or span.added:
            latest = self.with_later_children(span)
            if len(latest.added) > len(span.added):
                span, flamegraph = latest, self.flamegraph(latest)
        if flamegraph.is_empty:
            raise self.dead_link(span)
        return LinkedSpan(span, flamegraph, waited_s)

    def with_later_children(self, span: Span) -> Span:
        """Return the span with the children that count for it by now: one that outlasts its root is exported later.

        If Tempo fails, it is the span as it was: what was found holds without them.
        """
        try:
            trace = self._tempo.trace(self.trace_id)
        except ClientError:
            return span
        found = trace.span(span.span_id) if trace else None
        if found is None or found.profile_id != span.profile_id:
            return span
        self.evidence.look(trace)
        return replace(span, added=found.added)

    def all_samples(self, span: Span, enough_ns: float = math.inf) -> FlameGraph:
        """Wait as long as samples of a span can take to arrive, and return them; there may be none.

        Args:
            span: a span that carries a profile ID.
            enough_ns: stop waiting once there is more CPU than this, ns.

        Raises:
            NoProfileIdError, NoSamplesError, ClientError: as :meth:`flamegraph`.
        """
        ended_ns = span.last_sample_ns
        return self._collector.await_uploads(lambda: self.flamegraph(span), ended_ns, self._waiting, enough_ns)

    def flamegraph(self, span: Span) -> FlameGraph:
        """Ask once for the samples with a span's profile ID, in its service and around its time; there may be none.

        Those of the spans that count for it are among them. The flame graph's ``profile_type`` tells which type of
        profile has them.

        Raises:
            NoProfileIdError: the span carries no profile ID.
            NoSamplesError: the profile ID is not a span ID, so there can be no samples with it.
            ClientError: Pyroscope failed.
        """
        profile_id = self.profile_id_of(span)
        query = self._collector.query(span)
        found = self._collector.ask([(query, span.profile_ids)])
        self.evidence.note_samples(profile_id, query, found)
        return found

    def profile_id_of(self, span: Span) -> str:
        """Return the profile ID that a span carries.

        Raises:
            NoProfileIdError: the span carries none.
            NoSamplesError: it is not a span ID. Pyroscope would refuse it with an error that hides the reason.
        """
        if span.profile_id is None:
            message = f"the span {span.span_id} ({span.name}) carries no pyroscope.profile.id"
            raise NoProfileIdError(message, self.evidence)
        if not _SPAN_ID.fullmatch(span.profile_id):
            self.evidence.flamegraphs[span.profile_id] = FlameGraph()
            raise NoSamplesError(
                f"the profile ID {span.profile_id!r} of the span {span.span_id} ({span.name}) is not 16 hexadecimal"
                " digits, so no samples can be found by it",
                self.evidence,
            )
        return span.profile_id

    def dead_link(self, span: Span, prefix: str = "") -> NoSamplesError:
        """Return the error for a span without samples: it says where samples are instead.

        Args:
            span: the span.
            prefix: put before the message.
        """
        query, trace = self._collector.query(span), self.evidence.trace
        explanation = explanations.no_samples(
            span, trace, query, self._collector.pyroscope, self._collector.upload_interval_s
        )
        if explanation.excuse:
            self.evidence.excused[span.profile_id or ""] = explanation.excuse
        self.evidence.note(*explanation.notes)
        return NoSamplesError(f"{prefix}{explanation.message}", self.evidence)

    def _no_trace(self) -> LinkError:
        explanation: Explanation
        if self.evidence.was_there:
            explanation = explanations.lost_trace(self.trace_id)
        else:
            explanation = explanations.no_trace(self.trace_id, self._tempo, self._waiting.timeout_s)
        self.evidence.note(*explanation.notes)
        return TraceNotFoundError(explanation.message, self.evidence)

    def _with_profile_id(self, span: Span) -> Span:
        trace = self.look()
        if not span.profile_id:
            raise NoProfileIdError(explanations.no_profile_id_on(span, trace), self.evidence)
        return span

    def _await_spans(self, is_wanted: Callable[[Span, Trace], bool], count: int) -> list[Span]:
        """Wait for ``count`` spans with a profile ID.

        A span is exported once, with all its attributes: a wanted span that arrived without a profile ID will never
        have one. Other spans of the request may still be on their way, so they get as long again as these took.
        """
        over_at: float | None = None
        for waited in self._waiting.attempts():
            trace = self.look()
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
        if trace is None:
            raise self._no_trace()
        raise NoProfileIdError(explanations.no_profile_id(trace, count), self.evidence)


def _is_bare_root(span: Span) -> bool:
    """Tell whether a span is certainly a local root, not a child whose parent is late, and carries no profile ID."""
    is_sure = not span.parent_id or bool(span.parent_is_remote) or span.kind in {SpanKind.SERVER, SpanKind.CONSUMER}
    return is_sure and not span.profile_id


def _others_may_take_s(spans: Iterable[Span]) -> float:
    """Return how long other spans of a request may still take to arrive, s: as long again as these took."""
    took_s = time.time() - max(span.end_ns for span in spans) / 1e9
    return max(0.0, took_s) + _EXPORT_UNDER_WAY_S if took_s < _EXPORTER_DELAY_S else 0.0
