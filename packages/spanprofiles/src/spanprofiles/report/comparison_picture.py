"""A comparison as a difference flame graph: the average request of either side."""

from __future__ import annotations

from spanprofiles.model import FlameGraph
from spanprofiles.model.comparison import Basis
from spanprofiles.model.comparison_report import ComparedMeasurement
from spanprofiles.report.svg import difference_document


def comparison_picture(compared: ComparedMeasurement) -> str:
    """Return the difference of two measurements as an SVG file."""
    before, after = averages(compared)
    return difference_document(before, after, title=compared.name)


def averages(compared: ComparedMeasurement) -> tuple[FlameGraph, FlameGraph]:
    """Return the flame graph of an average request of either side.

    Where shares are compared, that of the head is as wide as that of the base.
    """
    if compared.base is None or compared.head is None:
        return FlameGraph(), FlameGraph()
    before = compared.base.flamegraph.divided(len(compared.base.requests) or 1)
    after = compared.head.flamegraph.divided(len(compared.head.requests) or 1)
    is_by_shares = compared.comparison is not None and compared.comparison.basis is Basis.SHARE
    if is_by_shares and before.total and after.total:
        after = after.divided(after.total / before.total)
    return before, after
