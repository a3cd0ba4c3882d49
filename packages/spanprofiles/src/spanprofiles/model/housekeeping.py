"""Recognizes work that belongs to no request: a process's start, its runtime's threads, the export of its telemetry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from spanprofiles.model.flamegraph import FlameGraph

# The functions that run a module for the first time; in Java, those that start agents before the program.
_IMPORTING = {
    "_find_and_load",
    "_find_and_load_unlocked",
    "_load_unlocked",
    "_call_with_frames_removed",
    "sun/instrument/InstrumentationImpl.loadClassAndCallPremain",
}

# Threads of Java's virtual machine, which compile code and collect garbage, run nothing but its library.
_JVM = "libjvm.so."

# The functions in which a program begins: Python's, Go's; Java's are the main methods of classes.
_BEGINNING = {"_run_module_as_main", "_run_code", "run_path", "<module>", "main", "runtime.main", "main.main"}

# Whoever exports spans works in these. An exporter's constructor may run elsewhere, and a batch processor's worker also
# wakes up in the parent of forked processes, with nothing to send.
_EXPORTING = re.compile(
    r"(.*[./$*(])?(OTLP\w*(Span|Trace)\w*Exporter|BatchSpanProcessor(\$\w+)?|batchSpanProcessor\)?)"
    r"[.:#](_?export\w*|doExport)",
    re.IGNORECASE,
)


def is_start_up(path: Iterable[str]) -> bool:
    """Tell whether a call path (outermost function first) is the import of a module."""
    return any(name in _IMPORTING for name in path)


def is_runtime(path: Sequence[str]) -> bool:
    """Tell whether a call path is of a thread of the runtime itself, which runs no code of the program."""
    return any(name.startswith(_JVM) for name in path) and not any("/" in name for name in path)


def without_runtime(flamegraph: FlameGraph) -> FlameGraph:
    """Return the flame graph without the runtime's own threads."""
    return _without(flamegraph, is_runtime)


def without_start_up(flamegraph: FlameGraph) -> FlameGraph:
    """Return the flame graph without the imports of modules."""
    return _without(flamegraph, is_start_up)


def without_housekeeping(flamegraph: FlameGraph) -> FlameGraph:
    """Return the flame graph without the imports of modules and the runtime's own threads."""
    return without_start_up(without_runtime(flamegraph))


def without_main_program(flamegraph: FlameGraph, of_spans: FlameGraph) -> FlameGraph:
    """Return the flame graph without what the main program does beside the work of spans: it reads data as it starts.

    Args:
        flamegraph: CPU without a span ID.
        of_spans: CPU of spans of the same program. Where that is empty, nothing is left out; and what it does in the
            main program, such as to run a server or an event loop, stays.
    """
    if not of_spans.total:
        return flamegraph
    known = set(map(_way_out, of_spans.stacks))
    return _without(flamegraph, lambda path: any(map(_is_beginning, path[:1])) and _way_out(path) not in known)


def _way_out(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the frames of a call path that are no more than the program's beginning, and the one after them."""
    return path[: sum(1 for _ in takewhile(_is_beginning, path)) + 1]


def _is_beginning(name: str) -> bool:
    return name in _BEGINNING or ("/" in name and name.endswith(".main"))


def _without(flamegraph: FlameGraph, is_left_out: Callable[[tuple[str, ...]], bool]) -> FlameGraph:
    kept = {path: value for path, value in flamegraph.stacks.items() if not is_left_out(path)}
    return FlameGraph(kept, flamegraph.profile_type, sample_value=flamegraph.sample_value)


def exports_spans(flamegraph: FlameGraph) -> bool:
    """Tell whether the process exported spans while it was sampled: an agent runs where the spans come from."""
    return any(_EXPORTING.fullmatch(name) for name in flamegraph.functions)
