"""Traces and flame graphs as text: pure functions from the model to lines, for terminals and failure messages."""

from __future__ import annotations

from spanprofiles.model.amounts import duration
from spanprofiles.model.printable import printable
from spanprofiles.report.failure import failure_report
from spanprofiles.report.icicle import Box, icicle
from spanprofiles.report.text import call_tree, flame_lines, span_tree, top_table

__all__ = [
    "Box",
    "call_tree",
    "duration",
    "failure_report",
    "flame_lines",
    "icicle",
    "printable",
    "span_tree",
    "top_table",
]
