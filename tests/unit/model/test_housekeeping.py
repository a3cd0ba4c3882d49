"""What a process does besides serving requests is told by the names of its functions."""

from __future__ import annotations

import pytest

from spanprofiles.model import FlameGraph
from spanprofiles.model.housekeeping import exports_spans, without_start_up

IMPORT = ("<module>", "_find_and_load", "_load_unlocked", "exec_module", "search")


def test_imports_are_left_out_and_the_same_function_elsewhere_is_kept() -> None:
    found = without_start_up(FlameGraph({IMPORT: 30, ("serve", "search"): 70}))

    assert found.stacks == {("serve", "search"): 70}


@pytest.mark.parametrize(
    "name",
    [
        "OTLPSpanExporter.export",
        "OTLPSpanExporter._export",
        "io/opentelemetry/sdk/trace/export/BatchSpanProcessor$Worker.exportCurrentBatch",
        "go.opentelemetry.io/otel/sdk/trace.(*batchSpanProcessor).exportSpans",
    ],
)
def test_who_exports_spans_is_seen_to(name: str) -> None:
    assert exports_spans(FlameGraph([(("run", name, "send"), 10)]))


@pytest.mark.parametrize(
    "name",
    [
        "OTLPSpanExporter.__init__",
        "OTLPMetricExporter.export",
        "BatchProcessor.__init__",
        "BatchProcessor.worker",
        "BatchSpanProcessor.worker",
        "io/opentelemetry/sdk/trace/export/BatchSpanProcessor$Worker.run",
        "go.opentelemetry.io/otel/sdk/trace.(*batchSpanProcessor).processQueue",
        "export",
        "Arbiter.run",
    ],
)
def test_making_an_exporter_is_not_taken_for_exporting(name: str) -> None:
    assert not exports_spans(FlameGraph([(("run", name), 10)]))
