"""What the spans of each process lead to. A process without a linked span, beside siblings with some, is dead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from spanprofiles.doctor.observations import Link
from spanprofiles.doctor.processes import process_of
from spanprofiles.doctor.uploads import Arrival, Uploads
from spanprofiles.model import Span
from spanprofiles.model.sampling import is_too_short

_MOSTLY = 0.5

# A process without a linked span is dead if, at its siblings' rates, so many of its spans should be linked.
_EXPECTED_LINKED = 2.5


@dataclass(frozen=True)
class ProcessLinks:
    """What the spans of one process lead to.

    Attributes:
        name: the resource attributes that tell it from others.
        links: its spans.
        expected: how many linked spans to expect, from its siblings' spans of the same names.
        has_profiles: whether Pyroscope has profiles of it; None where no label tells processes apart.
    """

    name: str
    links: tuple[Link, ...]
    expected: float
    has_profiles: bool | None

    @property
    def linked(self) -> int:
        """How many of its spans lead to samples."""
        return sum(link.is_linked for link in self.links)

    @property
    def is_dead(self) -> bool:
        """Whether nothing of it is linked though its siblings' spans are."""
        if self.linked:
            return False
        return self.expected >= _EXPECTED_LINKED or (self.has_profiles is False and self.expected >= _MOSTLY)


def links_by_process(links: Iterable[Link], uploads: Uploads) -> list[ProcessLinks]:
    """Return the processes of the spans, by name."""
    grouped: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        grouped[process_of(link.span)].append(link)
    found = []
    for name, own in sorted(grouped.items()):
        siblings = [link for other, theirs in grouped.items() if other != name for link in theirs if is_long(link.span)]
        rates = rates_by_name(siblings)
        expected = sum(
            rates.get(link.span.name, (0.0, 0.0))[0]
            for link in own
            if is_long(link.span) and uploads.arrival(link.span) is not Arrival.AWAITED
        )
        found.append(ProcessLinks(name, tuple(own), expected, uploads.has_process(own[0].span)))
    return found


def rates_by_name(links: Iterable[Link]) -> Mapping[str, tuple[float, float]]:
    """Return, by span name, the share that is linked (0 to 1) and the median CPU of the linked spans, ns."""
    grouped: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        grouped[link.span.name].append(link)
    rates = {}
    for name, alike in grouped.items():
        linked = [link.cpu_ns for link in alike if link.is_linked]
        rates[name] = (len(linked) / len(alike), median(linked) if linked else 0.0)
    return rates


def is_long(span: Span) -> bool:
    """Tell whether a span is so long that it almost surely has samples if it computes all the time."""
    return not is_too_short(span.duration_ns)
