"""Processes of one service that run side by side, and whose profiles have the same labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spanprofiles.doctor.causes import Cause, Explanation
from spanprofiles.doctor.observations import Link, ProfileFacts
from spanprofiles.doctor.processes import DOTTED_ATTRIBUTES, process_labels_of, process_of
from spanprofiles.model import languages
from spanprofiles.model.languages import Language
from spanprofiles.model.profilers import profiler_of

# A process runs beside others if so many of its spans lie in the time that all of them have in common.
_SPANS_SIDE_BY_SIDE = 2

_SHOWN = 4


@dataclass(frozen=True)
class AlikeReplicas:
    """Processes that run side by side, more than their profiles have sets of labels: some of them share all labels.

    Attributes:
        language: what they are written in.
        processes: the resource attributes that tell each from the others.
        label_sets: the sets of labels that their profiles have.
    """

    language: Language
    processes: tuple[str, ...]
    label_sets: tuple[Mapping[str, str], ...]

    @property
    def sentence(self) -> str:
        """Say what was seen."""
        shown = "; ".join(
            ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "no label of their own"
            for labels in self.label_sets[:_SHOWN]
        )
        return (
            f"{len(self.processes)} processes ran side by side, and their profiles have {len(self.label_sets)} set(s)"
            f" of labels to tell them apart: {shown}"
        )


def alike_replicas(links: Sequence[Link], profiles: ProfileFacts) -> AlikeReplicas | None:
    """Find processes that share all labels where that loses samples; None where nothing proves that there are any.

    It takes processes that each have a linked span, so that Pyroscope had profiles of each. If they are more than the
    sets of labels, some of them have the same labels. Labels that profiles had at another time, or that change within a
    process, only make it less likely that anything is found.
    """
    spans_of: dict[Language, list[Link]] = defaultdict(list)
    for link in links:
        language = languages.of_resource(link.span.resource)
        if language.same_labels:
            spans_of[language].append(link)
    for language, own in spans_of.items():
        processes = _side_by_side(own)
        label_sets = _label_sets(profiles, language)
        if label_sets and len(processes) > len(label_sets):
            return AlikeReplicas(language, processes, label_sets)
    return None


def with_loss(explanations: Sequence[Explanation], alike: AlikeReplicas | None) -> list[Explanation]:
    """Doubt that spans of such processes waited: without their samples they look as if they had."""
    if alike is None:
        return list(explanations)
    return [
        replace(explanation, cause=Cause.UNCLEAR, sentence=f"{explanation.sentence}; or {_LOST}")
        if explanation.cause is Cause.WAITING and process_of(explanation.span) in alike.processes
        else explanation
        for explanation in explanations
    ]


_LOST = "its samples were lost, since its process may have the same labels as others beside it"


def _side_by_side(links: Sequence[Link]) -> tuple[str, ...]:
    """Return the most processes whose spans are interleaved, by name; of those alone that have a linked span."""
    linked = {process_of(link.span) for link in links if link.is_linked}
    starts: dict[str, list[int]] = defaultdict(list)
    for link in links:
        if process_of(link.span) in linked:
            starts[process_of(link.span)].append(link.span.start_ns)
    runs = {process: (min(moments), max(moments)) for process, moments in starts.items()}
    most: tuple[str, ...] = ()
    for moment, _ in runs.values():
        running = [process for process, (first, last) in runs.items() if first <= moment <= last]
        until = min(runs[process][1] for process in running)
        together = tuple(
            process
            for process in sorted(running)
            if sum(moment <= start <= until for start in starts[process]) >= _SPANS_SIDE_BY_SIDE
        )
        most = max(most, together, key=len)
    return most


def _label_sets(found: ProfileFacts, language: Language) -> tuple[Mapping[str, str], ...]:
    """Return the sets of labels that tell the processes of a language apart; none where that is unknown.

    Names with dots are listed apart from the other labels, so that it is unknown which go together.
    """
    if len({tuple(labels.get(name, "") for name in DOTTED_ATTRIBUTES) for labels in found.signs}) > 1:
        return ()
    own = []
    for labels in found.series:
        profiler = profiler_of(labels)
        if profiler is None or profiler.language in {"", language.key}:
            own.append(labels)
    return tuple({tuple(sorted(kept.items())): kept for kept in map(process_labels_of, own)}.values())
