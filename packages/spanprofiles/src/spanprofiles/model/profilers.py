"""Which profiler took a profile, told from the labels of its series, and whether its samples can lead back to spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spanprofiles.model.languages import UNKNOWN, Language, language, of_runtime


@dataclass(frozen=True)
class Profiler:
    """One profiler.

    Attributes:
        name: as people write it.
        language: the ``telemetry.sdk.language`` of what it profiles; empty if that can be any.
        cannot_link: why its samples carry no span IDs, as a sentence; empty where they can carry them.
    """

    name: str
    language: str = ""
    cannot_link: str = ""


_NO_LINKER = "Pyroscope has no span processor for {}, so its samples carry no span IDs"
_FROM_OUTSIDE = "it profiles the process from outside, where Pyroscope's span processors cannot tell it of spans"

_PYTHON = Profiler("Pyroscope's Python agent", "python")
_GO = Profiler("Pyroscope's Go agent", "go")
_GO_SCRAPED = Profiler("Alloy's pyroscope.scrape", "")
_JAVA = Profiler("Pyroscope's Java agent", "java")
_DOTNET = Profiler("Pyroscope's .NET profiler", "dotnet")
_RUBY = Profiler("Pyroscope's Ruby agent", "ruby")
_NODE = Profiler("Pyroscope's Node.js agent", "nodejs", _NO_LINKER.format("Node.js"))
_RUST = Profiler("Pyroscope's Rust agent", "rust", _NO_LINKER.format("Rust"))
_PHP = Profiler("phpspy", "php", _NO_LINKER.format("PHP"))
_EBPF = Profiler("an eBPF profiler", "", _FROM_OUTSIDE)
_JAVA_FROM_OUTSIDE = Profiler("Alloy's pyroscope.java", "java", _FROM_OUTSIDE)

# By the labels pyroscope_spy (from /ingest) or spy_name (from the .NET profiler's pushes).
_SPIES = {
    "pyspy": _PYTHON,
    "gospy": _GO,
    "javaspy": _JAVA,
    "alloy.java": _JAVA_FROM_OUTSIDE,
    "grafana-agent.java": _JAVA_FROM_OUTSIDE,
    "dotnetspy": _DOTNET,
    "rbspy": _RUBY,
    "nodespy": _NODE,
    "pyroscope-rs": _RUST,
    "phpspy": _PHP,
    "ebpfspy": _EBPF,
    "alloy.ebpf": _EBPF,
    "grafana-agent.ebpf": _EBPF,
}

# By the label otel.scope.name.
_SCOPES = {
    "com.grafana.pyroscope/python": _PYTHON,
    "com.grafana.pyroscope/go": _GO,
    "com.grafana.pyroscope/godeltaprof": _GO,
    "com.grafana.pyroscope/java": _JAVA,
    "com.grafana.pyroscope/dotnet": _DOTNET,
    "com.grafana.pyroscope/ruby": _RUBY,
    "com.grafana.pyroscope/nodejs": _NODE,
    "com.grafana.pyroscope/rust": _RUST,
    "com.grafana.alloy/pyroscope.ebpf": _EBPF,
    "com.grafana.alloy/pyroscope.java": _JAVA_FROM_OUTSIDE,
    "com.grafana.alloy/pyroscope.scrape": _GO_SCRAPED,
}
_BY_LANGUAGE = {profiler.language: profiler for profiler in (_PYTHON, _GO, _JAVA, _DOTNET, _RUBY, _NODE, _RUST, _PHP)}

# Labels by which other tracers name what runs; Datadog's first. Compared without case, spaces and punctuation.
_FOREIGN = {
    "localrootspanid": "Datadog's tracer",
    "traceendpoint": "Datadog's tracer",
    "rootspanid": "another tracer",
    "ddspanid": "Datadog's tracer",
    "ddtraceid": "Datadog's tracer",
    "spanid": "another tracer",
    "otelspanid": "another tracer",
    "transactionid": "another tracer",
}
_OWN = {"span_id", "profile_id"}

#: The labels that tell of the profiler, and of other tracers. A server shows names with dots and spaces only to those
#: who ask for them.
TELLING_LABELS = (
    "pyroscope_spy",
    "spy_name",
    "jfr_event",
    "otel.scope.name",
    "process.runtime.name",
    "trace endpoint",
    "local root span id",
    "span id",
    "span.id",
    "dd.span_id",
    "transaction.id",
)


def profiler_of(labels: Mapping[str, str]) -> Profiler | None:
    """Return the profiler that took the profiles of a series; None if its labels do not tell."""
    scope = labels.get("otel.scope.name", "")
    known = _SCOPES.get(scope) or _SPIES.get(labels.get("pyroscope_spy") or labels.get("spy_name") or "")
    if known is None and "ebpf" in f"{scope} {labels.get('pyroscope_spy', '')}".lower():
        known = _EBPF
    if known is None and "jfr_event" in labels:
        known = _JAVA
    if known is None:
        known = _BY_LANGUAGE.get(of_runtime(labels.get("process.runtime.name", "")).key)
    return known


def profilers_of(series: Iterable[Mapping[str, str]]) -> tuple[Profiler, ...]:
    """Return the profilers that some series tell of, in the order in which they come."""
    return tuple(dict.fromkeys(profiler for labels in series if (profiler := profiler_of(labels)) is not None))


def languages_of(series: Iterable[Mapping[str, str]]) -> tuple[Language, ...]:
    """Return the languages that the profilers of some series tell of; none where none of them tells."""
    found = (language(profiler.language) for profiler in profilers_of(series))
    return tuple(dict.fromkeys(known for known in found if known is not UNKNOWN))


def cannot_link(series: Iterable[Mapping[str, str]]) -> tuple[Profiler, ...]:
    """Return the profilers, where none of those that took the profiles can label samples by span; else none."""
    told = [profiler_of(labels) for labels in series]
    if any(advice is None or not advice.cannot_link for advice in told):
        return ()
    return tuple(dict.fromkeys(advice for advice in told if advice is not None))


def events_of(series: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the events that a Java profiler sampled by: ``itimer``, ``cpu``, ``wall``."""
    return tuple(sorted({labels["jfr_event"] for labels in series if labels.get("jfr_event")}))


def foreign_labels(series: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the labels that another tracer put on samples, each with whose it is."""
    found = {}
    for labels in series:
        for name in labels:
            owner = _FOREIGN.get("".join(letter for letter in name.lower() if letter.isalnum()))
            if owner and name not in _OWN:
                found[name] = owner
    return found
