"""What the service's profilers can and cannot do: evidence and advice for samples without span IDs."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import ProfileFacts
from spanprofiles.model import profilers
from spanprofiles.model.languages import Language

_SHOWN = 4


def evidence(facts: Facts) -> tuple[str, ...]:
    """Return why samples carry no span IDs, as far as the labels of profiles show it, one sentence each."""
    found = facts.profiles or ProfileFacts()
    return (*_cannot(found), *_strange(facts, found), *_foreign(found), *_by_event(found))


def other_types(facts: Facts) -> tuple[str, ...]:
    """Return which types of profile other than time have samples with the spans' IDs, one sentence each."""
    found = facts.profiles or ProfileFacts()
    return tuple(
        f"samples of type {profile_type} carry the spans' IDs"
        for profile_type in found.carried_by
        if profile_type != found.looked_at
    )


def cannot_link(facts: Facts) -> bool:
    """Tell whether the service's samples cannot carry span IDs, whatever its spans do."""
    return bool((facts.profiles or ProfileFacts()).cannot_link)


def advice(facts: Facts) -> str:
    """Return what to do so that samples carry span IDs."""
    found = facts.profiles or ProfileFacts()
    if found.cannot_link:
        return facts.advice(_own_agent)
    if found.foreign_labels:
        return facts.advice(
            lambda language: f"{language.processor_advice}; Pyroscope finds spans by the label span_id alone"
        )
    return facts.advice(_labelled)


def _labelled(language: Language) -> str:
    if not language.has_processor:
        return language.no_processor
    return f"{language.labels}; {language.fork_advice}" if language.after_fork else language.labels


def _own_agent(language: Language) -> str:
    if not language.has_processor:
        return language.no_processor
    return f"profile with the agent made for {language.name}: {language.start_agent}; {language.add_processor}"


def _cannot(found: ProfileFacts) -> tuple[str, ...]:
    return tuple(f"the profiles are taken by {profiler.name}: {profiler.cannot_link}" for profiler in found.cannot_link)


def _strange(facts: Facts, found: ProfileFacts) -> tuple[str, ...]:
    of_profiles = profilers.languages_of(found.signs or found.series)
    if not of_profiles or not facts.languages or set(of_profiles) & set(facts.languages):
        return ()
    profiled, traced = (", ".join(language.name for language in of) for of in (of_profiles, facts.languages))
    return (f"the profiles are from {profiled}, the spans from {traced}: two programs share one service name",)


def _foreign(found: ProfileFacts) -> tuple[str, ...]:
    owners: dict[str, list[str]] = {}
    for name, owner in found.foreign_labels.items():
        owners.setdefault(owner, []).append(repr(name))
    return tuple(
        f"samples carry labels of {owner}, which Pyroscope ignores: {', '.join(sorted(names)[:_SHOWN])}"
        for owner, names in owners.items()
    )


def _by_event(found: ProfileFacts) -> tuple[str, ...]:
    events = profilers.events_of(found.signs or found.series)
    return (f"the Java profiler samples by the event {', '.join(events)}",) if events == ("wall",) else ()
