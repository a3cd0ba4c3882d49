"""Prove that a trace's span leads to its own CPU flame graph.

The package in one breath: send a request with a ``traceparent`` of your own, find *its* trace in Tempo,
take the profile ID of its local root span, ask Pyroscope for *that* span's samples, and claim something about
the functions in them.

- :mod:`spanprofiles.model`: identifiers, spans, traces, flame graphs. Plain data, no I/O.
- :mod:`spanprofiles.clients`: Tempo and Pyroscope over HTTP.
- :mod:`spanprofiles.linking`: from a request to its flame graphs, with a deadline and a reason where it fails.
- :mod:`spanprofiles.backends`: what answers Tempo's and Pyroscope's APIs, and how it is started and stopped.
- :mod:`spanprofiles.embedded`: such a backend in one process, on SQLite.
- :mod:`spanprofiles.measure`: a request repeated until its figures are known well enough, and kept in files.
- :mod:`spanprofiles.report`: traces and flame graphs as text.
- :mod:`spanprofiles.pytest_plugin`: the fixtures.
- :mod:`spanprofiles.demo`, :mod:`spanprofiles.cli`: the demo and the command line.

What ``spanprofiles`` itself offers is the stable interface: it changes only with a new minor version, and the changelog
says how. The modules below it may change with any version. Each name is imported when it is first used, so that
``import spanprofiles`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanprofiles.backends import (
        Backend,
        BackendError,
        BackendSettings,
        EmbeddedBackend,
        ExternalBackend,
        NativeBackend,
    )
    from spanprofiles.clients import (
        ClientError,
        ProfileQuery,
        PyroscopeClient,
        RequestRefusedError,
        ServerUnreachableError,
        TempoClient,
        UnexpectedAnswerError,
    )
    from spanprofiles.doctor import Examination, Finding, SeveralServicesError, Verdict, examine
    from spanprofiles.linking import (
        Evidence,
        FollowedRequest,
        LinkedSpan,
        Linker,
        LinkError,
        NoProfileIdError,
        NoSamplesError,
        NotTracedError,
        NotWaitingError,
        TracedSession,
        TraceNotFoundError,
    )
    from spanprofiles.measure import (
        MeasurementError,
        MeasurementFailedError,
        RecordingFailedError,
        Until,
        read_measurement,
        read_measurements,
        write_measurement,
    )
    from spanprofiles.model import (
        Basis,
        Change,
        Comparison,
        ComparisonVerdict,
        Credentials,
        Endpoints,
        Estimate,
        FlameGraph,
        FlameGraphDifference,
        FunctionChange,
        FunctionComparison,
        FunctionCpu,
        FunctionTotals,
        IdentifierError,
        Interval,
        MeasuredRequest,
        Measurement,
        MeasurementEnvironment,
        Precision,
        Span,
        SpanKind,
        SpanStatus,
        Trace,
        TraceContext,
        compare_measurements,
    )
    from spanprofiles.pytest_plugin import AppEndedError, AppStarter, FinishedJob, JobRunner, RunningApp, SpanProfiles
    from spanprofiles.waiting import Waiting

__all__ = [
    "AppEndedError",
    "AppStarter",
    "Backend",
    "BackendError",
    "BackendSettings",
    "Basis",
    "Change",
    "ClientError",
    "Comparison",
    "ComparisonVerdict",
    "Credentials",
    "EmbeddedBackend",
    "Endpoints",
    "Estimate",
    "Evidence",
    "Examination",
    "ExternalBackend",
    "Finding",
    "FinishedJob",
    "FlameGraph",
    "FlameGraphDifference",
    "FollowedRequest",
    "FunctionChange",
    "FunctionComparison",
    "FunctionCpu",
    "FunctionTotals",
    "IdentifierError",
    "Interval",
    "JobRunner",
    "LinkError",
    "LinkedSpan",
    "Linker",
    "MeasuredRequest",
    "Measurement",
    "MeasurementEnvironment",
    "MeasurementError",
    "MeasurementFailedError",
    "NativeBackend",
    "NoProfileIdError",
    "NoSamplesError",
    "NotTracedError",
    "NotWaitingError",
    "Precision",
    "ProfileQuery",
    "PyroscopeClient",
    "RecordingFailedError",
    "RequestRefusedError",
    "RunningApp",
    "ServerUnreachableError",
    "SeveralServicesError",
    "Span",
    "SpanKind",
    "SpanProfiles",
    "SpanStatus",
    "TempoClient",
    "Trace",
    "TraceContext",
    "TraceNotFoundError",
    "TracedSession",
    "UnexpectedAnswerError",
    "Until",
    "Verdict",
    "Waiting",
    "__version__",
    "compare_measurements",
    "examine",
    "read_measurement",
    "read_measurements",
    "write_measurement",
]

__version__ = "0.1.0"

# The module of each name, as type checkers and editors see it above.
_MODULES = {
    "spanprofiles.backends": (
        "Backend",
        "BackendError",
        "BackendSettings",
        "EmbeddedBackend",
        "ExternalBackend",
        "NativeBackend",
    ),
    "spanprofiles.clients": (
        "ClientError",
        "ProfileQuery",
        "PyroscopeClient",
        "RequestRefusedError",
        "ServerUnreachableError",
        "TempoClient",
        "UnexpectedAnswerError",
    ),
    "spanprofiles.doctor": (
        "Examination",
        "Finding",
        "SeveralServicesError",
        "Verdict",
        "examine",
    ),
    "spanprofiles.linking": (
        "Evidence",
        "FollowedRequest",
        "LinkError",
        "LinkedSpan",
        "Linker",
        "NoProfileIdError",
        "NoSamplesError",
        "NotTracedError",
        "NotWaitingError",
        "TraceNotFoundError",
        "TracedSession",
    ),
    "spanprofiles.measure": (
        "MeasurementError",
        "MeasurementFailedError",
        "RecordingFailedError",
        "Until",
        "read_measurement",
        "read_measurements",
        "write_measurement",
    ),
    "spanprofiles.model": (
        "Basis",
        "Change",
        "Comparison",
        "ComparisonVerdict",
        "Credentials",
        "Endpoints",
        "Estimate",
        "FlameGraph",
        "FlameGraphDifference",
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
        "SpanKind",
        "SpanStatus",
        "Trace",
        "TraceContext",
        "compare_measurements",
    ),
    "spanprofiles.pytest_plugin": (
        "AppEndedError",
        "AppStarter",
        "FinishedJob",
        "JobRunner",
        "RunningApp",
        "SpanProfiles",
    ),
    "spanprofiles.waiting": ("Waiting",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # a type checker would take any name to be there

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
