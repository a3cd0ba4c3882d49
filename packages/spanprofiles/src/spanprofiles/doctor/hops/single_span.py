"""Hop: a sample carries a single span ID, that of the span that ran. Of several, Pyroscope keeps any one."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import LabelCheck, LinkFacts
from spanprofiles.model.languages import Language

_NAME = "one span a sample"

_SHOWN = 3


def judge(facts: Facts) -> Finding:
    """Judge whether samples carry labels of spans that have ended, or of neighbours."""
    checks = (facts.links or LinkFacts()).checks
    late = [check for check in checks if check.late_ns]
    foreign = [check for check in checks if check.foreign_ns]
    mixed = _mixed(checks)
    refused = facts.profiles.refused if facts.profiles else ()
    seen = {
        "checked": len(checks),
        "with_samples_after_their_end": [check.span.span_id for check in late],
        "with_another_spans_name": [check.span.span_id for check in foreign],
        "mixed": mixed,
        "refused": {refusal.reason: refusal.count for refusal in refused},
    }
    if not checks:
        evidence: tuple[str, ...] = ("no linked span ended long enough ago to tell",)
        return Finding(_NAME, Verdict.NOT_CHECKED, evidence, seen)
    if late:
        shown = ", ".join(f"{check.span.span_id} ({check.late_ns / 1e6:.0f} ms)" for check in late[:_SHOWN])
        evidence = (
            f"{len(late)} of {len(checks)} span(s) have samples in profiles that began after they ended: {shown}",
            *facts.refused_profiles,
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _LEAKED)
    if mixed:
        pairs = "; ".join(f"{other} on {name}" for name, other in mixed[:_SHOWN])
        evidence = (
            f"samples of {len(foreign)} of {len(checks)} span(s) carry the name of a span running in parallel: {pairs}",
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, facts.advice(_shared))
    if foreign:
        names = ", ".join(sorted({check.span.name for check in foreign})[:_SHOWN])
        evidence = (f"samples of {len(foreign)} of {len(checks)} span(s) carry another span's name: {names}",)
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, facts.advice(_mixed_up))
    return Finding(_NAME, Verdict.OK, (f"none of {len(checks)} span(s) has samples after its end",), seen)


def _mixed(checks: Sequence[LabelCheck]) -> list[tuple[str, str]]:
    """Return the pairs of a span's name and a neighbour's name on its samples.

    A renamed span has its first name on all of its samples, and another span may have that name. So a span counts only
    if it has samples with its own name too, from moments when it ran alone.
    """
    return sorted({(check.span.name, name) for check in checks if check.own_ns for name in check.neighbours})


_LEAKED = (
    "Labels stay on the thread after the span: it ends on a different thread from the one it began on, or the span"
    " processor does not remove them. They pile up, and once a sample has over 100 labels, Pyroscope refuses the whole"
    " profile. End spans where they began, or use a processor that removes labels span by span."
)


def _shared(language: Language) -> str:
    tasks = f"{language.tasks} that share a thread, or " if language.tasks else ""
    such_as = f", such as {language.follower}" if language.follower else ""
    return (
        f"Samples carry the labels of several spans at once, and Pyroscope keeps one of them: {tasks}a local root span"
        f" inside another. Use a processor that keeps them apart{such_as}."
    )


def _mixed_up(language: Language) -> str:
    tasks = f" ({language.tasks} in one thread): use a processor that follows tasks" if language.tasks else ""
    return (
        "Spans renamed while they run keep the first name on their samples, which is harmless. Where the name is a"
        f" neighbour's, samples carry the labels of several spans{tasks}."
    )


HOP = Hop(_NAME, judge)
