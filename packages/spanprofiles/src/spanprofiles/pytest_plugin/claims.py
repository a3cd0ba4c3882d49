"""What a test asks and claims about its requests and jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, Union

import pytest

from spanprofiles.linking import (
    Evidence,
    FollowedRequest,
    LinkedSpan,
    Linker,
    LinkError,
    NoSamplesError,
    Traced,
    TracedSession,
    Waiting,
    search_span,
)
from spanprofiles.measure.repetition import FEWEST_REQUESTS, LONGEST_S, MOST_REQUESTS, WARM_UP, Bounds
from spanprofiles.measure.span_group import MOST_TRACES, await_group
from spanprofiles.measure.until import Until
from spanprofiles.pytest_plugin import BEGAN, CLAIMS
from spanprofiles.pytest_plugin.programs import Program, programs_of

if TYPE_CHECKING:
    from spanprofiles.clients import PyroscopeClient, TempoClient
    from spanprofiles.measure.span_group import SpanGroup
    from spanprofiles.model import Endpoints, FlameGraph, Measurement, Span, Trace
    from spanprofiles.pytest_plugin.apps import RunningApp
    from spanprofiles.pytest_plugin.jobs import FinishedJob

_Answer = TypeVar("_Answer")
_Since = Union["FinishedJob", "RunningApp", float, None]

#: How well a measurement knows the request's CPU by default: to within this part of it.
DEFAULT_PRECISION = 0.1

_STILL_TO_COME_S = 1.0  # after an app has ended, what it has sent is found after so long, and what its server takes


class SpanProfiles:
    """Answers a test's questions about its requests and jobs. The value of the fixture ``span_profiles``.

    Attributes:
        endpoints: where the backend answers.
        linker: follows requests.
        seen: what was seen of the traces that the test asked about, by trace ID, the latest question last.
    """

    def __init__(self, endpoints: Endpoints, linker: Linker, item: pytest.Item) -> None:
        self.endpoints = endpoints
        self.linker = linker
        self._item = item
        self.seen: OrderedDict[str, Evidence] = OrderedDict()
        item.stash.setdefault(CLAIMS, []).append(self)

    @property
    def tempo(self) -> TempoClient:
        """Tempo, for your own questions."""
        return self.linker.tempo

    @property
    def pyroscope(self) -> PyroscopeClient:
        """Pyroscope, for your own questions."""
        return self.linker.pyroscope

    def session(self, base_url: str) -> TracedSession:
        """Return a ``requests`` session in which each request carries its own ``traceparent``."""
        return TracedSession(base_url)

    def linked_span(self, traced: Traced) -> LinkedSpan:
        """Wait for the linked span that answered the request.

        Args:
            traced: an answered request, a trace context, a trace ID, or a span that :meth:`find` has found.

        Raises:
            LinkError: a hop is missing; the message says which, and what was there.
        """
        __tracebackhide__ = True
        return self._asked(traced, FollowedRequest.linked_span)

    def linked_spans(self, traced: Traced, count: int = 1) -> list[LinkedSpan]:
        """Wait until the request's trace has ``count`` linked spans: one for each process it passed through.

        Raises:
            LinkError: a hop is missing; the message says which, and what was there.
        """
        __tracebackhide__ = True
        return self._asked(traced, lambda request: request.linked_spans(count))

    def trace(self, traced: Traced, until: Callable[[Trace], bool] = lambda _: True) -> Trace:
        """Wait for the request's trace, until it fulfils ``until``.

        Raises:
            TraceNotFoundError: it did not come.
        """
        __tracebackhide__ = True
        return self._asked(traced, lambda request: request.trace(until))

    def waiting_span(self, traced: Traced, *, at_most: float = 0.1) -> LinkedSpan:
        """Claim that the span that answered the request waited and did not compute.

        A missing profile does not prove that. So the claim also needs time for samples to arrive, an agent that ran in
        the process, and no CPU without a span ID that could be the span's work. If no labelled sample shows that an
        agent runs, an app that ``span_profiles_app`` started is asked for its readiness path, untraced, until its
        samples show it.

        Samples are 10 ms apart, so the span should last 100 ms or more.

        Args:
            traced: an answered request, a trace context, a trace ID, or a span that :meth:`find` has found.
            at_most: the part of its time that the span may have computed, 0 to 1.

        Returns:
            The span, with a flame graph that is empty or nearly so.

        Raises:
            NotWaitingError: it computed, or nothing shows that it did not; the message says which.
            LinkError: a hop before the samples is missing.
        """
        from spanprofiles.pytest_plugin.waiting_span import waiting_span

        __tracebackhide__ = True
        if not 0 <= at_most < 1:
            raise ValueError(f"at_most={at_most} is not a part of a span's time: give 0 to 1")
        program = self._program_of(traced)
        ask_app, ready_ns = (program.ask, program.ready_ns) if program else (None, 0)

        linker = self._linker_of(traced)

        def claim(request: FollowedRequest) -> LinkedSpan:
            return waiting_span(linker, request, at_most=at_most, ask_app=ask_app, app_ready_ns=ready_ns)

        return self._asked(traced, claim)

    def find(self, query: str, *, since: _Since = None, timeout: float | None = None) -> Span:
        """Wait for a span that a TraceQL query matches: the root span of a job, or of a message in a worker.

        It is the newest match; a failure's report names the others. If several spans of one trace match, it is the
        local root span, because that is the one with a span profile.

        Args:
            query: TraceQL, such as ``{ name = "nightly report" }`` or ``{ resource.service.name = "worker" }``.
            since: the span must not be older than this: a job, an app, or seconds since the epoch. By default it is the
                start of the last job of this test, or of the test itself.
            timeout: longest wait, s. By default that of all claims, plus the time that the server's search lags behind.

        Raises:
            TraceNotFoundError: no such span came; the message says which spans did.
            RequestRefusedError: Tempo refuses the query.
        """
        __tracebackhide__ = True
        waiting = self.linker.waiting
        timeout_s = waiting.timeout_s + self.endpoints.searchable_after_s if timeout is None else timeout
        try:
            found = search_span(self.tempo, query, self._start_ns(since), replace(waiting, timeout_s=timeout_s))
        except LinkError as error:
            raise self._explained(error) from None
        evidence = self._follow(found.span).evidence
        evidence.look(found.trace)
        if found.note:
            evidence.note(found.note)
        return found.span

    def find_all(self, query: str, *, since: _Since = None, at_least: int = 1, most: int = MOST_TRACES) -> SpanGroup:
        """Wait for spans that a TraceQL query matches, and return them with one flame graph of all their samples.

        Args:
            query: TraceQL, such as ``{ span.http.route = "/search" }``. The spans must carry a profile ID.
            since: no span may be older than this: a job, an app, or seconds since the epoch. By default it is the start
                of the last job of this test, or of the test itself.
            at_least: wait until this many spans are there.
            most: how many traces to take at most, the newest first.

        Raises:
            TraceNotFoundError: fewer spans came.
            NoProfileIdError: none of them carries a profile ID.
            NoSamplesError: none of them has samples.
            RequestRefusedError: Tempo refuses the query.
        """
        __tracebackhide__ = True
        waiting = self.linker.waiting
        waiting = replace(waiting, timeout_s=waiting.timeout_s + self.endpoints.searchable_after_s)
        try:
            group = await_group(self.linker, query, self._start_ns(since), waiting, at_least=at_least, most=most)
        except LinkError as error:
            if error.evidence is not None:
                self._remember(error.evidence)
            raise self._explained(error) from None
        longest = max(group.spans, key=lambda span: span.duration_ns)
        evidence = self._follow(longest.trace_id).evidence
        evidence.merged = (len(group.spans), group.flamegraph)
        return group

    def merged(self, traced: Iterable[Traced]) -> FlameGraph:
        """Wait for the spans that answered several requests, and return their samples in one flame graph.

        This is for requests that compute too briefly for a claim about a single one.

        Args:
            traced: answered requests, trace contexts, trace IDs or found spans; at least one.

        Raises:
            LinkError: a hop is missing; for example, no span has a sample.
            TypeError: a single request was given.
            ValueError: there are no requests.
        """
        __tracebackhide__ = True
        if isinstance(traced, str) or hasattr(traced, "request") or hasattr(traced, "trace_id"):
            raise TypeError("merged takes several requests: merged([response, another]); linked_span is for one")
        answers = self._answering_spans(traced)
        if not answers:
            raise ValueError("there are no requests, so there is nothing to merge")
        evidence, flamegraph = self._of_all(answers, self.linker.merged_samples)
        evidence.merged = (len(answers), flamegraph)
        return flamegraph

    def measure(
        self,
        send: Callable[[], Traced],
        *,
        until: Until | None = None,
        at_least: int = FEWEST_REQUESTS,
        at_most: int | None = None,
        timeout: float = LONGEST_S,
        warm_up: int = WARM_UP,
        name: str = "",
        app_version: str = "",
        seed: int | None = None,
        progress: Callable[[str], object] | None = None,
    ) -> Measurement:
        """Repeat a request until its CPU, or a function's, is known well enough, and return what was measured.

        Ask :attr:`.Measurement.is_precise` whether it is: a bound may come first. The requests go one after the other,
        in a few rounds; each round waits once for the samples of all its requests. With ``--span-profiles-record``
        the measurement is written into that folder.

        Args:
            send: sends the request and returns the response, such as ``lambda: shop.get("/search?title=whale")``.
            until: how well; by default the request's mean CPU to within 10 %. See :class:`.Until`.
            at_least: fewest requests.
            at_most: most requests; by default 200, or the number that ``until`` names.
            timeout: no request is sent later than this many seconds after the first one.
            warm_up: requests that are sent first and not counted.
            name: tells several measurements of one test apart.
            app_version: the app's version, for the recording; by default ``service.version`` of its spans.
            seed: what the requests' order or data was drawn from, for the recording.
            progress: is called with a line of text after each round; by default the lines go to standard error.

        Raises:
            MeasurementFailedError: a request was answered with a status of 500 or above, or two calls with one trace.
            LinkError: a hop is missing; for example, no span has a sample.
            RecordingFailedError: the recording cannot be written.
            ValueError: the bounds contradict one another.
        """
        from spanprofiles.pytest_plugin.measurements import MeasurementRun

        __tracebackhide__ = True
        until = until or Until.cpu(within=DEFAULT_PRECISION)
        most = max(MOST_REQUESTS, at_least, until.requests or 0) if at_most is None else at_most
        bounds = Bounds(at_least, most, timeout, warm_up)
        run = MeasurementRun(self._item, self.linker, name, app_version, seed)

        def collect(sent: list[Traced]) -> list[LinkedSpan]:
            __tracebackhide__ = True
            evidence, linked = self._of_all(self._answering_spans(sent), self.linker.samples_of_each)
            run.evidence = evidence
            return linked

        return run.measure(send, collect, until, bounds, progress)

    def flamegraph(self, span: Span) -> FlameGraph:
        """Ask once, without waiting, for the samples of a span that carries a profile ID.

        Raises:
            NoProfileIdError: it carries none.
        """
        return self.linker.flamegraph(span)

    def _answering_spans(self, traced: Iterable[Traced]) -> list[tuple[Span, Evidence]]:
        """Wait for the span that answered each request, and return it with what was seen."""
        __tracebackhide__ = True
        answers: list[tuple[Span, Evidence]] = []
        for each in traced:  # as they come: a request may be sent, and claimed of, only when it is its turn
            request = self._linker_of(each).follow(each)
            try:
                answers.append((request.answering_span(), request.evidence))
            except LinkError as error:
                self._remember(request.evidence)
                raise self._explained(error) from None
        return answers

    def _of_all(
        self, answers: list[tuple[Span, Evidence]], ask: Callable[[list[Span]], _Answer]
    ) -> tuple[Evidence, _Answer]:
        """Ask for something of several requests, and remember one report for all of them: that of the longest."""
        __tracebackhide__ = True
        _, evidence = max(answers, key=lambda pair: pair[0].duration_ns)
        try:
            return evidence, ask([span for span, _ in answers])
        except LinkError as error:
            evidence = (error.evidence if isinstance(error, NoSamplesError) else None) or evidence
            raise self._explained(error) from None
        finally:
            self._remember(evidence)

    def _asked(self, traced: Traced, ask: Callable[[FollowedRequest], _Answer]) -> _Answer:
        """Ask, remember what was seen, and let a failure point at the test's line: the lines below explain nothing."""
        __tracebackhide__ = True
        request = self._follow(traced)
        try:
            return ask(request)
        except LinkError as error:
            raise self._explained(error) from None

    def _follow(self, traced: Traced) -> FollowedRequest:
        """Follow a request, continue what was seen of its trace before, and remember it for the report."""
        linker = self._linker_of(traced)
        request = linker.follow(traced)
        known = self.seen.get(request.trace_id)
        if known is not None:
            request = linker.follow(traced, known)
        self._remember(request.evidence)
        return request

    def _remember(self, evidence: Evidence) -> None:
        self.seen[evidence.trace_id] = evidence
        self.seen.move_to_end(evidence.trace_id)

    def _linker_of(self, traced: Traced) -> Linker:
        """Return a linker that does not wait for the telemetry of an app that has ended."""
        program = self._program_of(traced)
        if program is None or program.is_anothers:
            return self.linker
        longest_s = self.endpoints.queryable_after_s + _STILL_TO_COME_S
        waiting = _WaitingForApp(**vars(self.linker.waiting), program=program, longest_after_end_s=longest_s)
        return self.linker.with_waiting(waiting)

    def _program_of(self, traced: Traced) -> Program | None:
        """Return the app that answered the request, where ``span_profiles_app`` has started it."""
        answered = str(getattr(getattr(traced, "request", None), "url", ""))
        programs = programs_of(self._item)
        return next((program for program in programs if program.url and answered.startswith(f"{program.url}/")), None)

    def _explained(self, error: LinkError) -> LinkError:
        """Add to an error which programs have ended, and how."""
        ended = [
            program
            for program in programs_of(self._item)
            if program.end and not (program.is_job and program.process.exit_code == 0)
        ]
        words = [f"{program.process.name} {program.end}; {program.last_words}" for program in ended]
        error.args = ("\n".join([str(error), *words]),)
        return error.with_traceback(None)

    def _start_ns(self, since: _Since) -> int:
        if since is None:
            jobs = [program.started_ns for program in programs_of(self._item) if program.is_job]
            return max(jobs, default=self._item.stash.get(BEGAN, 0))
        return int(since * 1e9) if isinstance(since, (int, float)) else since.started_ns


@dataclass(frozen=True)
class _WaitingForApp(Waiting):
    """Waits for an app's telemetry until a moment after the app has ended, at most.

    Attributes:
        program: the app.
        longest_after_end_s: how long that moment is, s.
    """

    program: Program | None = None
    longest_after_end_s: float = 0.0

    def attempts(self) -> Iterator[float]:
        """Yield the seconds waited so far, once for each attempt."""
        ended_s: float | None = None
        for waited in super().attempts():
            yield waited
            if ended_s is None and self.program is not None and not self.program.process.is_running:
                ended_s = waited
            if ended_s is not None and waited > ended_s + self.longest_after_end_s:
                return
