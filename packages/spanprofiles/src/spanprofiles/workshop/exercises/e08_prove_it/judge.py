"""Judges the tests of a cinema: they must notice the mistake wherever it is made, and pass where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.model.amounts import percent
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.variant_verdict import Variant, Verdict
from spanprofiles.workshop.variants import verdicts
from spanprofiles.workshop.workbench import Workbench

WITNESS = "/seats"  # every variant computes for it, and none for long
FIXTURE = "cinema"
SERVICE = "cinema"

MENDED = "the mended cinema"
BROKEN = "the broken cinema"
MOVED = "a cinema where the cost moved"
LARGE = "a mended cinema with a large hall"

RUNS = 2
"""How often the tests run against the cinema where the cost moved: a claim that notices it by chance is no proof."""

CONFIRMATIONS = 2
"""How often they run once more before chance is blamed on them: a busy machine can turn one run."""

ROOM = 0.1
"""A bound that is nearer than this to a share that was seen is told to have no room."""

_WORK = "rate_seats"
_BY_THE_MACHINE = "milliseconds depend on the machine and how busy it is: claim a share of the request's CPU instead"

_WHAT_IT_IS = {
    MENDED: "it sells tickets as it should",
    LARGE: "it has six times the seats to rate, and its bank takes its time; nothing is wrong with it",
}


def judge(bench: Workbench) -> Judgement:
    """Run the tests against two cinemas that are in order, and two that are not."""
    originals, mutants = bench.exercise.files, bench.exercise.source / "mutants"
    mended = {"PYTHONPATH": str(originals / "mended")}
    variants = [
        Variant(MENDED, originals / "mended" / "cinema.py", is_healthy=True, confirmations=CONFIRMATIONS),
        Variant(BROKEN, originals / "broken" / "cinema.py", is_healthy=False),
        Variant(
            MOVED,
            mutants / "cost_moved.py",
            is_healthy=False,
            environment=mended,
            runs=RUNS,
            confirmations=CONFIRMATIONS,
        ),
        Variant(LARGE, mutants / "large_hall.py", is_healthy=True, environment=mended, confirmations=CONFIRMATIONS),
    ]
    service = bench.service_name(SERVICE)
    found = verdicts(bench, FIXTURE, variants, service=service, witness=WITNESS, function=_WORK)
    return _judged(found).showing_all([(verdict.variant.name, verdict.trace_id) for verdict in reversed(found)])


def _judged(found: Sequence[Verdict]) -> Judgement:
    """Judge by the last verdict, which is the only one that may be wrong."""
    last, seen = found[-1], [_seen(verdict) for verdict in found]
    if all(verdict.unknown.keys() >= last.unknown.keys() for verdict in found):
        seen += last.unknown_in_words()
    if last.is_right:
        return Judgement.passes([*seen, *_without_room(found)])
    if last.is_by_chance and (last.claims or not last.variant.is_healthy):
        shares = " and ".join(percent(share) for share in dict.fromkeys(last.shares))
        disagreed = f": {_WORK} had {shares} of the CPU" if shares else ""
        return Judgement.fails(
            [*seen, f"on {last.variant.name} your tests did not agree in {last.runs} runs{disagreed}: it is chance"],
            "a claim that chance cannot change: a bound further from the share that you see, or several requests"
            " in one flame graph (span_profiles.merged)",
            3,
        )
    if last.variant.is_healthy:
        return Judgement.fails([*seen, f"{last.variant.name}: {_WHAT_IT_IS[last.variant.name]}"], *_cries_wolf(last))
    if last.variant.name == BROKEN:
        return Judgement.fails(
            [*seen, "in it, GET /tickets compares every booking with all before it, which is most of its CPU"],
            "an assertion about where GET /tickets spends its CPU, true of the mended cinema, false of the broken one",
            1,
        )
    return Judgement.fails(
        [
            *seen,
            "in it, drop_double_bookings is as quick as in the mended cinema, and another function, count_guests,"
            " compares every booking with all before it",
        ],
        "an assertion that names what GET /tickets *should* spend its CPU on, and not only what was to blame once",
        2,
    )


def _without_room(found: Sequence[Verdict]) -> list[str]:
    """Say of each bound that is next to a share that was seen what a busy day can do to it."""
    shares: dict[tuple[str, float], list[float]] = {}
    for verdict in found:
        for claim in verdict.claims:
            shares.setdefault((claim.subject, claim.bound), []).append(claim.share)
    said = []
    for (subject, bound), seen in shares.items():
        nearest = min(seen, key=lambda share: abs(share - bound))
        if abs(nearest - bound) < ROOM:
            below = max((share for share in seen if share < bound), default=0.0)
            above = min((share for share in seen if share > bound), default=1.0)
            said.append(
                f"your bound has no room: {subject} was {percent(nearest)}, and you compare it with {percent(bound)}."
                f" On a busy day it fails. A bound halfway, near {percent((below + above) / 2)}, holds"
            )
    return said


def _seen(verdict: Verdict) -> str:
    """Say what the tests said of one cinema, and what the share of the seats was that they saw."""
    share = f" ({_WORK} had {percent(verdict.share)} of the CPU)" if verdict.share is not None else ""
    name = f"{verdict.variant.name}{share}"
    if not verdict.failed:
        passed = ", ".join(verdict.passed)
        return f"on {name} your tests pass: {passed}" if passed else f"on {name} your tests are all skipped"
    return "; ".join(f"on {name} {test} fails: {why}" for test, why in verdict.failed.items())


def _cries_wolf(verdict: Verdict) -> tuple[str, int]:
    if not verdict.failed:
        return "tests that run to their end", 1
    missing = "an assertion that holds in every cinema that is in order"
    by_the_machine = "" if verdict.claims or verdict.unknown else f". If it is about a time: {_BY_THE_MACHINE}"
    if verdict.variant.name == MENDED:
        always = "and this one is: it must pass here before it can prove anything elsewhere"
        return f"{missing}, {always}{by_the_machine}", 1
    return f"{missing}{by_the_machine or ', whatever the size of its hall'}", 3
