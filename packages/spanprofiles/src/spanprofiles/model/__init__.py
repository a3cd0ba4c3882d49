"""Identifiers, spans, traces, flame graphs, measurements and endpoints: plain data and arithmetic, no I/O."""

from __future__ import annotations

from spanprofiles.model.comparison import Basis, Change, Comparison, ComparisonVerdict, FunctionComparison
from spanprofiles.model.difference import FlameGraphDifference, FunctionChange
from spanprofiles.model.endpoints import Credentials, Endpoints
from spanprofiles.model.estimates import Estimate
from spanprofiles.model.flamegraph import FlameGraph, FunctionTotals
from spanprofiles.model.frame import Frame
from spanprofiles.model.identifiers import (
    IdentifierError,
    TraceContext,
    new_span_id,
    new_trace_id,
    parse_span_id,
    parse_trace_id,
)
from spanprofiles.model.intervals import Interval
from spanprofiles.model.measurement import (
    FunctionCpu,
    MeasuredRequest,
    Measurement,
    MeasurementEnvironment,
    Precision,
)
from spanprofiles.model.request_comparison import compare_measurements
from spanprofiles.model.selector import CPU, label_selector
from spanprofiles.model.span import (
    PROFILE_ID_ATTRIBUTE,
    PROFILE_MISSING_ATTRIBUTE,
    AttributeValue,
    Span,
    SpanEvent,
    SpanKind,
    SpanStatus,
)
from spanprofiles.model.trace import Trace

__all__ = [
    "CPU",
    "PROFILE_ID_ATTRIBUTE",
    "PROFILE_MISSING_ATTRIBUTE",
    "AttributeValue",
    "Basis",
    "Change",
    "Comparison",
    "ComparisonVerdict",
    "Credentials",
    "Endpoints",
    "Estimate",
    "FlameGraph",
    "FlameGraphDifference",
    "Frame",
    "FunctionChange",
    "FunctionComparison",
    "FunctionCpu",
    "FunctionTotals",
    "IdentifierError",
    "Interval",
    "MeasuredRequest",
    "Measurement",
    "MeasurementEnvironment",
    "Precision",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanStatus",
    "Trace",
    "TraceContext",
    "compare_measurements",
    "label_selector",
    "new_span_id",
    "new_trace_id",
    "parse_span_id",
    "parse_trace_id",
]
