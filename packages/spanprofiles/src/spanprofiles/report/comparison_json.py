"""A comparison as JSON, for programs. CPU is in ns; by shares it is a part of the request's CPU, 0 to 1."""

from __future__ import annotations

import math
from typing import Any

from spanprofiles.model.comparison import Change
from spanprofiles.model.comparison_report import ComparedMeasurement, ComparisonReport
from spanprofiles.model.intervals import Interval


def report_document(report: ComparisonReport) -> dict[str, Any]:
    """Return a report as what JSON is made of."""
    return {
        "verdict": report.verdict.value,
        "threshold": report.threshold,
        "measurements": [_measurement(compared) for compared in report.measurements],
    }


def _measurement(compared: ComparedMeasurement) -> dict[str, Any]:
    comparison = compared.comparison
    document: dict[str, Any] = {
        "name": compared.name,
        "in_base": compared.base is not None,
        "in_head": compared.head is not None,
        "verdict": compared.verdict.value if compared.verdict else None,
        "note": compared.note or None,
    }
    if comparison is None:
        return document
    top = comparison.top_regression
    return document | {
        "basis": comparison.basis.value,
        "reason": comparison.reason,
        "base_requests": comparison.base_requests,
        "head_requests": comparison.head_requests,
        "more_requests": comparison.more_requests,
        "request": _change(comparison.request),
        "top_regression": top.name if top else None,
        "functions": [
            {"name": function.name, "self": _change(function.self), "total": _change(function.total)}
            for function in comparison.functions
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "base": change.base,
        "head": change.head,
        "change": change.change,
        "interval": _interval(change.interval),
        "relative": change.relative,
        "relative_interval": _interval(change.relative_interval),
        "is_significant": change.is_significant,
    }


def _interval(interval: Interval | None) -> list[float | None] | None:
    """Return the ends of an interval; None for an end that is not finite, which JSON cannot say."""
    if interval is None:
        return None
    return [end if math.isfinite(end) else None for end in interval]
