"""What a process does besides serving requests is told by the names of its functions."""

from __future__ import annotations

import pytest

from spanprofiles.model import FlameGraph
from spanprofiles.model.housekeeping import (
    exports_spans,
    without_housekeeping,
    without_main_program,
    without_runtime,
)

IMPORT = ("<module>", "_find_and_load", "_load_unlocked", "exec_module", "search")


def test_imports_are_left_out_and_the_same_function_elsewhere_is_kept() -> None:
    found = without_housekeeping(FlameGraph({IMPORT: 30, ("serve", "search"): 70}))

    assert found.stacks == {("serve", "search"): 70}


def test_threads_that_compile_java_are_left_out_and_what_java_calls_is_kept() -> None:
    compiles = ("libc.so.6.start_thread", "libjvm.so.JavaThread::thread_main_inner", "libjvm.so.Compile::Code_Gen")
    premain = ("sun/instrument/InstrumentationImpl.loadClassAndCallPremain", "java/lang/String.hashCode")
    searches = ("java/lang/Thread.run", "rideshare/city/Fleet.find", "libjvm.so.JVM_Clone")
    natively = ("libc.so.6.start_thread", "libshop.so.search")
    everything = FlameGraph({compiles: 40, premain: 30, searches: 20, natively: 10})

    assert set(without_runtime(everything).stacks) == {premain, searches, natively}
    assert set(without_housekeeping(everything).stacks) == {searches, natively}


READS = ("_run_module_as_main", "_run_code", "<module>", "main", "read_titles", "loads")
IN_LOOP = ("_run_module_as_main", "_run_code", "<module>", "main", "run_forever", "loads")
IN_THREAD = ("Thread._bootstrap", "main", "loads")
GO_MAIN, GO_SERVES = ("runtime.main", "main.main", "main.draw"), ("net/http.(*conn).serve", "main.draw")
JAVA_MAIN, JAVA_SERVES = ("rideshare/city/App.main", "City.draw"), ("java/lang/Thread.run", "City.draw")


@pytest.mark.parametrize(
    ("of_spans", "program", "work"),
    [
        pytest.param(IN_THREAD, [READS, IN_LOOP], [IN_THREAD], id="served by threads"),
        pytest.param(IN_LOOP, [READS], [IN_LOOP, IN_THREAD], id="served by an event loop of the main program"),
        pytest.param(GO_SERVES, [GO_MAIN], [GO_SERVES], id="Go"),
        pytest.param(JAVA_SERVES, [JAVA_MAIN], [JAVA_SERVES], id="Java"),
        pytest.param(
            IN_THREAD, [READS], [IN_THREAD, ("shop.main", "loads"), ("net/http.serve", "loads")], id="other mains"
        ),
        pytest.param((*IN_LOOP[:5], "other"), [READS], [IN_LOOP], id="served by the same loop in another function"),
    ],
)
def test_what_the_main_program_does_beside_spans_is_left_out(
    of_spans: tuple[str, ...], program: list[tuple[str, ...]], work: list[tuple[str, ...]]
) -> None:
    everything = FlameGraph([(path, 10) for path in [*program, *work]])

    left = without_main_program(everything, FlameGraph({of_spans: 20}))

    assert set(left.stacks) == set(work)


def test_nothing_is_left_out_where_no_span_shows_what_is_their_work() -> None:
    everything = FlameGraph({READS: 10, IN_THREAD: 10})

    assert without_main_program(everything, FlameGraph()).stacks == everything.stacks


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


def test_what_is_left_is_of_the_same_type_and_the_same_samples() -> None:
    average = FlameGraph(
        {IMPORT: 30, ("serve", "search"): 70}, "wall:wall:nanoseconds:wall:nanoseconds", sample_value=10
    )

    left = without_housekeeping(average)

    assert (left.profile_type, left.sample_value) == (average.profile_type, 10)
