"""Judges the tests of a post office: what they say of one that is in order, and of three that are not."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.variant_verdict import Variant, Verdict
from spanprofiles.workshop.variants import verdicts
from spanprofiles.workshop.workbench import Workbench

WITNESS = "/parcel"  # every variant computes for it
FIXTURE = "post_office"
SERVICE = "post-office"

FEWEST_STAMPS = 20
"""So many stamps have samples enough for a claim: about one sample each."""

CONFIRMATIONS = 2
"""How often the tests run once more on the post office that is in order before a claim that failed is blamed."""

COPIES = 2
"""Claims about a letter and about stamps wait for an upload each, and do so at once with a post office for each."""

HEALTHY = "all is as it was"
_COMPUTES = "a letter computes"
_MOVED = "a stamp's time is spent elsewhere"
_ELSEWHERE = "a letter computes on another thread"

_WENT_UNNOTICED = {
    _COMPUTES: (
        "in the first of the judge's three post offices, a letter computes instead of waiting, and your tests pass",
        "a claim that a letter waits: span_profiles.waiting_span",
        2,
    ),
    _MOVED: (
        "in the third of the judge's three post offices, a stamp costs as much as before, but in look_up_price and not"
        " in print_stamp, and your tests pass",
        "a claim about the function in which the stamps spend their CPU",
        3,
    ),
    _ELSEWHERE: (
        "in the second of the judge's three post offices, a letter computes on a thread without a label, so its span"
        " has no sample, and your tests pass: no samples are no proof of waiting",
        "a claim that asks for more than an empty flame graph: span_profiles.waiting_span also looks for CPU without a"
        " span ID, and for an agent",
        2,
    ),
}


def judge(bench: Workbench) -> Judgement:
    """Run the tests against a post office that is in order, then against those that are not."""
    mutants = bench.exercise.source / "mutants"
    original = {"PYTHONPATH": str(bench.exercise.files)}
    variants = [
        Variant(
            HEALTHY,
            bench.exercise.files / "post_office.py",
            is_healthy=True,
            fewest_requests={"/stamp": FEWEST_STAMPS},
            copies=COPIES,
            confirmations=CONFIRMATIONS,
        ),
        Variant(_COMPUTES, mutants / "letter_computes.py", is_healthy=False, environment=original),
        Variant(_ELSEWHERE, mutants / "letter_computes_elsewhere.py", is_healthy=False, environment=original),
        Variant(_MOVED, mutants / "stamp_looks_up_prices.py", is_healthy=False, copies=COPIES, environment=original),
    ]
    found = verdicts(bench, FIXTURE, variants, service=bench.service_name(SERVICE), witness=WITNESS)
    shown = next((verdict.trace_id for verdict in (found[-1], found[0]) if verdict.trace_id), "")
    return _judged(found).showing(shown)


def _judged(found: Sequence[Verdict]) -> Judgement:
    """Judge by what the tests said of each post office, up to the first that they were wrong about."""
    healthy, last = found[0], found[-1]
    stamps = healthy.requests.get("/stamp", 0)
    if healthy.has_mistake:
        return Judgement.fails(_failed(healthy), "tests that run without an error of their own", 3)
    if 0 < stamps < FEWEST_STAMPS:  # whether so few have a sample is chance, and so is whether their test passes
        return Judgement.fails(
            [*_failed(healthy), f"they buy {_count(stamps)}; each uses less CPU than the 10 ms between two samples"],
            f"{FEWEST_STAMPS} stamps or more in one claim: a test about fewer passes on one day and fails on the next",
            3,
        )
    by_chance = [
        verdict for verdict in found if verdict.variant.name in {HEALTHY, _ELSEWHERE} and _awaits_error(verdict)
    ]
    if by_chance:  # now and then a letter has a sample of the server's own code
        _, missing, hint = _WENT_UNNOTICED[_ELSEWHERE]
        return Judgement.fails(
            [
                f"where {by_chance[0].variant.name}, a letter had a sample, and your test expects an error that"
                " depends on chance: no samples are no proof of waiting"
            ],
            missing,
            hint,
        )
    if healthy.failed or not healthy.passed:
        return _cries_wolf(healthy)
    seen = [f"on the post office as it is, your tests pass: {', '.join(healthy.passed)}"]
    if not stamps:
        return Judgement.fails([*seen, "they buy no stamp"], f"a claim about {FEWEST_STAMPS} stamps or more", 3)
    if not last.is_right:
        what, missing, hint = _WENT_UNNOTICED[last.variant.name]
        return Judgement.fails([*seen, what], missing, hint)
    caught = [f"where {verdict.variant.name}, this fails: {', '.join(verdict.failed)}" for verdict in found[1:]]
    return Judgement.passes([*seen, f"they buy {_count(stamps)} for one claim", *caught])


def _awaits_error(verdict: Verdict) -> bool:
    """Tell whether a test failed because an error that it awaited did not come."""
    return any(why.startswith("Failed: DID NOT RAISE") for why in verdict.failed.values())


def _cries_wolf(healthy: Verdict) -> Judgement:
    if not healthy.failed:
        return Judgement.fails("none of your tests ran to its end: they were skipped", "tests that pass", 1)
    waits = any("/letter" in why or "letter" in name for name, why in healthy.failed.items())
    missing = "claims that hold for a request that waits, and for one that is too short for a sample"
    return Judgement.fails(_failed(healthy), missing, 1 if waits else 3)


def _failed(healthy: Verdict) -> list[str]:
    failed = [f"on the post office as it is, {name} fails: {why}" for name, why in healthy.failed.items()]
    return [*failed, *healthy.unknown_in_words()]


def _count(stamps: int) -> str:
    return "one stamp" if stamps == 1 else f"{stamps} stamps"
