"""Judges the tests of a cinema: they must notice the mistake wherever it is made, and pass where there is none."""

from __future__ import annotations

from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.variants import Variant, Verdict, verdicts
from spanprofiles.workshop.workbench import Workbench

WITNESS = "/seats"  # every variant computes for it
FIXTURE = "cinema"
SERVICE = "cinema"

MENDED = "the mended cinema"
BROKEN = "the broken cinema"
MOVED = "a cinema where the cost moved"
LARGE = "a mended cinema with a large hall"

RUNS = 2
"""How often the tests run against the cinema where the cost moved: a claim that notices it by chance is no proof."""

_WHAT_IT_IS = {
    MENDED: "it sells tickets as it should",
    LARGE: "it has three times the seats to rate, and its bank takes its time; nothing is wrong with it",
}


def judge(bench: Workbench) -> Judgement:
    """Run the tests against two cinemas that are in order, and two that are not."""
    originals, mutants = bench.exercise.files, bench.exercise.source / "mutants"
    mended = {"PYTHONPATH": str(originals / "mended")}
    variants = [
        Variant(MENDED, originals / "mended" / "cinema.py", is_healthy=True),
        Variant(BROKEN, originals / "broken" / "cinema.py", is_healthy=False),
        Variant(MOVED, mutants / "cost_moved.py", is_healthy=False, environment=mended, runs=RUNS),
        Variant(LARGE, mutants / "large_hall.py", is_healthy=True, environment=mended),
    ]
    found = verdicts(bench, FIXTURE, variants, service=bench.service_name(SERVICE), witness=WITNESS)
    last = found[-1]
    seen = [_seen(verdict) for verdict in found]
    judgement = _judged(last, seen)
    return judgement.showing(last.trace_id)


def _judged(last: Verdict, seen: list[str]) -> Judgement:
    """Judge by the last verdict, which is the only one that may be wrong."""
    if last.is_right:
        return Judgement.passes(seen)
    if last.is_by_chance:
        return Judgement.fails(
            [
                *seen,
                f"on {last.variant.name} they were run twice, and said something else the other time: it is chance",
            ],
            "a claim that chance cannot turn: a bound that is further from the share that you see, or several requests"
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


def _seen(verdict: Verdict) -> str:
    """Say what the tests said of one cinema."""
    name = verdict.variant.name
    if not verdict.failed:
        passed = ", ".join(verdict.passed)
        return f"on {name} your tests pass: {passed}" if passed else f"on {name} your tests are all skipped"
    return "; ".join(f"on {name} {test} fails: {why}" for test, why in verdict.failed.items())


def _cries_wolf(verdict: Verdict) -> tuple[str, int]:
    if not verdict.failed:
        return "tests that run to their end", 1
    missing = "an assertion that holds in every cinema that is in order"
    if verdict.variant.name == MENDED:
        return f"{missing}, and this one is: it must pass here before it can be worth anything elsewhere", 1
    return f"{missing}: about a share of the request's CPU, or about another request, and not about a fixed time", 3
