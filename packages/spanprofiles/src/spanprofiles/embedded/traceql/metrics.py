"""The engine's half of a metrics query: spans in, series of values out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.trace_filters import NO_TRACE, TraceFilter
from spanprofiles.embedded.traceql import syntax
from spanprofiles.embedded.traceql.comparison import ComparedSpans, everything_of
from spanprofiles.embedded.traceql.conditions import STRUCTURE
from spanprofiles.embedded.traceql.evaluation import Spanset, stage_of
from spanprofiles.embedded.traceql.fetcher import Fetcher, SpanView
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.measures import Measurement
from spanprofiles.embedded.traceql.metrics_plan import Plan, finds_nothing, plan_of
from spanprofiles.embedded.traceql.records import TraceRecord
from spanprofiles.embedded.traceql.sampling import samplers_of
from spanprofiles.embedded.traceql.second_stages import compared, ranked
from spanprofiles.embedded.traceql.series import Series, check_series, sort_key
from spanprofiles.embedded.traceql.syntax import Comparison, Metrics, Pipeline, Ranking, Stage


@dataclass(frozen=True)
class Result:
    """What a metrics query gives.

    Attributes:
        series: the series, in order.
        is_partial: whether there were as many as were asked for, so that others may be missing.
    """

    series: list[Series]
    is_partial: bool


def split(query: Pipeline) -> tuple[Pipeline, Metrics | None]:
    """Part a query from what it says of metrics, which is None where it is a search."""
    last = query.stages[-1]
    if isinstance(last, Metrics):
        return Pipeline(query.stages[:-1]), last
    return query, None


def _needs_traces(stage: Stage) -> bool:
    """Whether a stage looks at several spans of a trace."""
    if isinstance(stage, Pipeline):
        return any(map(_needs_traces, stage.stages))
    if isinstance(stage, syntax.ScalarFilter):
        return True
    return isinstance(stage, (syntax.SpansetOperation, syntax.Aggregate))


class MetricsQuery:
    """One metrics query, from traces to series.

    Args:
        pipeline: what finds spans.
        metrics: what is made of them.
        intervals: the steps.
        deadline: of the query.
        exemplars: how many exemplars there may be.
        limit: how many series are asked for; 0 for all.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        metrics: Metrics,
        intervals: Intervals,
        deadline: Deadline,
        exemplars: int = 0,
        limit: int = 0,
    ) -> None:
        self._metrics = metrics
        self._intervals = intervals
        self._deadline = deadline
        self._limit = limit
        self._exemplars_left = exemplars
        self._finds_nothing = finds_nothing(pipeline)
        self._plan: Plan = plan_of(pipeline, metrics, deadline, exemplars=exemplars > 0)
        self._fetcher = Fetcher(self._plan.first, deadline, every=self._plan.every)
        self._more = Fetcher(self._plan.second, deadline, every=False) if self._plan.second else None
        structure = (condition for condition in self._plan.first if condition.attribute == STRUCTURE)
        self._asked = (*structure, *self._plan.second)
        self._evaluate = stage_of(self._plan.pipeline, deadline) if self._plan.pipeline else None
        first = metrics.first
        self._measurement: Measurement | ComparedSpans = (
            ComparedSpans(first, intervals, exemplars, deadline)
            if isinstance(first, Comparison)
            else Measurement(first, intervals, exemplars, deadline)
        )
        by_trace = any(map(_needs_traces, pipeline.stages))
        self._trace_sampler, self._span_sampler = samplers_of(dict(metrics.hints), by_trace=by_trace)

    @property
    def traces(self) -> TraceFilter:
        """Which traces have to be given, others may be."""
        return NO_TRACE if self._finds_nothing else self._plan.traces

    def result(self, traces: Iterable[TraceRecord], *, is_searched: bool = True) -> Result:
        """Evaluate the query.

        Args:
            traces: those that its filter passes, in the order of their arrival.
            is_searched: whether there is anything to be searched in the time of the query.

        Raises:
            EvaluationError: it fails on a span.
            TraceQLError: it makes more series or values than it may.
            QueryTooLongError: the deadline passed.
        """
        if self._finds_nothing:
            return Result([], is_partial=False)
        seen = False
        for trace in traces:
            seen = True
            self._add(trace)
            if self._limit and self._measurement.length >= self._limit:
                break
        if not seen and not is_searched:
            return Result([], is_partial=False)
        found = self._measurement.series(self._factor)
        is_partial = bool(self._limit) and len(found) >= self._limit
        for stage in self._metrics.second:
            steps = self._intervals.count
            check_series(len(found), steps)
            if isinstance(stage, Ranking):
                found = ranked(found, stage, steps, self._deadline)
            else:
                found = compared(found, stage, steps, self._deadline)
        found = self._sorted(found)
        return Result(found[: self._limit] if is_partial else found, is_partial)

    def _sorted(self, found: list[Series]) -> list[Series]:
        """Return the series that have a value, in the order of an answer."""
        keys = sorted(
            (sort_key(series), place) for place, series in enumerate(self._deadline.watch(found)) if series.is_given()
        )
        return [found[place] for _, place in keys]

    @property
    def _factor(self) -> float:
        samplers = (self._trace_sampler, self._span_sampler)
        traces, spans = (sampler.factor if sampler is not None else 1.0 for sampler in samplers)
        return traces * spans

    def _add(self, trace: TraceRecord) -> None:
        if self._trace_sampler is not None and not self._trace_sampler.takes():
            return
        views = self._found(trace)
        if self._trace_sampler is not None and views:
            self._trace_sampler.measured(1)
        takes = self._intervals.takes
        views = [view for view in self._deadline.watch(views, PIECE) if takes(view.record.start_ns)]
        if self._span_sampler is not None:
            self._span_sampler.measured(len(views))
        for view in self._deadline.watch(views):
            self._measurement.add(view)
        if views and self._exemplars_left:
            self._exemplars_left -= 1
            self._measurement.add_exemplar(views[0])

    def _found(self, trace: TraceRecord) -> list[SpanView]:
        """Find the spans of a trace that the query is about, with all that it wants to know of them."""
        views = self._fetcher.fetch(trace)
        if self._span_sampler is not None:
            sampler = self._span_sampler
            views = [view for view in self._deadline.watch(views, PIECE) if sampler.takes()]
        if self._evaluate is not None:
            views = self._evaluated(views)
        if self._plan.everything:
            return [
                _joined(view, everything_of(view.record, trace, self._asked)) for view in self._deadline.watch(views)
            ]
        if self._more is None or not views:
            return views
        more = {id(view.record): view for view in self._deadline.watch(self._more.fetch(trace), PIECE)}
        return [_joined(view, more.get(id(view.record))) for view in self._deadline.watch(views, PIECE)]

    def _evaluated(self, views: list[SpanView]) -> list[SpanView]:
        """Return the spans that the query keeps, each once, in the order in which they were fetched."""
        assert self._evaluate is not None  # noqa: S101  # it was asked before
        spansets = self._evaluate([Spanset(views)]) if views else []
        watch = self._deadline.watch
        kept = {id(view) for spanset in watch(spansets) for view in watch(spanset.spans, PIECE)}
        return [view for view in watch(views, PIECE) if id(view) in kept]


def _joined(view: SpanView, more: SpanView | None) -> SpanView:
    """Put together what two readings found of a span."""
    if more is None:
        return view
    return SpanView(
        view.record,
        span=view.span + more.span,
        trace=view.trace + more.trace,
        event=view.event + more.event,
        link=view.link + more.link,
        scope=view.scope + more.scope,
        resource=view.resource + more.resource,
    )
