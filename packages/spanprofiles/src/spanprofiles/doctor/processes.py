"""Processes, told apart by the resource of their spans and by the labels of their profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanprofiles.model import Span

#: Resource attributes that tell the processes of one service apart, the most exact first.
PROCESS_ATTRIBUTES = (
    "service.instance.id",
    "process.pid",
    "k8s.pod.name",
    "container.id",
    "host.name",
    "region",
    "cloud.region",
)

#: Those of them that a server lists as labels only to those who ask for them by name.
DOTTED_ATTRIBUTES = tuple(name for name in PROCESS_ATTRIBUTES if "." in name)

# Labels that tell what a profile is, and not which process it is of.
_NOT_OF_A_PROCESS = (
    "__",
    "service_name",
    "span_name",
    "otel.",
    "process.runtime.",
    "pyroscope_spy",
    "spy_name",
    "jfr_event",
)


@dataclass(frozen=True)
class ProcessLabel:
    """A label of profiles that names the same process as a resource attribute of spans.

    Attributes:
        attribute: the resource attribute, such as ``host.name``.
        label: the label, such as ``hostname``.
    """

    attribute: str
    label: str

    def value(self, span: Span) -> str:
        """Return what the label of the span's profiles should be."""
        return str(span.resource.get(self.attribute, ""))


def process_of(span: Span) -> str:
    """Return a text that all spans of a process have in common and, as far as their resource tells, no others."""
    pairs = [f"{name}={span.resource[name]!s}" for name in PROCESS_ATTRIBUTES if name in span.resource]
    return ", ".join(pairs) or "the only process that its resource names"


def process_labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a series that may tell which process it is of."""
    return {name: value for name, value in labels.items() if not name.startswith(_NOT_OF_A_PROCESS)}


def process_label(spans: Iterable[Span], series: Sequence[Mapping[str, str]]) -> ProcessLabel | None:
    """Find the label of profiles that tells processes apart: the one whose values match the most spans' resources."""
    of_spans: dict[str, set[str]] = {}
    for span in spans:
        for attribute in PROCESS_ATTRIBUTES:
            if attribute in span.resource:
                of_spans.setdefault(attribute, set()).add(str(span.resource[attribute]))
    of_profiles: dict[str, set[str]] = {}
    for labels in series:
        for name, value in process_labels_of(labels).items():
            of_profiles.setdefault(name, set()).add(value)
    found = [
        (len(values & shared), -order, attribute, label)
        for order, (attribute, values) in enumerate(of_spans.items())
        for label, shared in sorted(of_profiles.items())
        if values & shared
    ]
    if not found:
        return None
    _, _, attribute, label = max(found)
    return ProcessLabel(attribute, label)
