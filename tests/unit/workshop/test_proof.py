"""What the judge of the cinema's tests says, from what they said of each cinema: no program is run."""

from __future__ import annotations

from pathlib import Path

from spanprofiles.workshop.exercises.e06_short_and_waiting import judge as short
from spanprofiles.workshop.exercises.e08_prove_it import judge as prove
from spanprofiles.workshop.variant_verdict import ShareClaim, Variant, Verdict

MENDED, BROKEN, MOVED, LARGE = (
    Variant(name, Path("cinema.py"), is_healthy=is_healthy)
    for name, is_healthy in ((prove.MENDED, True), (prove.BROKEN, False), (prove.MOVED, False), (prove.LARGE, True))
)
SUBJECT = "the share of rate_seats"


def passes(variant: Variant, share: float, bound: float = 0.6) -> Verdict:
    return Verdict(variant, passed=("test_seats",), share=share, claims=(ShareClaim(SUBJECT, share, bound),))


def fails(variant: Variant, share: float, bound: float = 0.6) -> Verdict:
    failed = {"test_seats": f"AssertionError: assert {share} > {bound}"}
    return Verdict(variant, failed, share=share, claims=(ShareClaim(SUBJECT, share, bound),))


def solved(bound: float = 0.6) -> list[Verdict]:
    return [passes(MENDED, 0.97, bound), fails(BROKEN, 0.1, bound), fails(MOVED, 0.09, bound), passes(LARGE, 1, bound)]


def test_the_verdict_shows_the_share_in_each_cinema() -> None:
    judgement = prove._judged(solved())

    assert judgement.passed
    assert "on the mended cinema (rate_seats had 97 % of the CPU) your tests pass" in judgement.text
    assert "on the broken cinema (rate_seats had 10 % of the CPU) test_seats fails" in judgement.text
    assert "no room" not in judgement.text


def test_a_bound_next_to_a_share_is_told_to_have_no_room() -> None:
    judgement = prove._judged(solved(0.95))

    assert judgement.passed
    assert "your bound has no room: the share of rate_seats was 97 %, and you compare it with 95 %" in judgement.text
    assert "A bound halfway, near 54 %, holds" in judgement.text


def test_runs_that_disagree_are_told_with_what_they_saw() -> None:
    last = Verdict(
        MOVED,
        passed=("test_seats",),
        share=0.53,
        claims=(ShareClaim(SUBJECT, 0.53, 0.5),),
        is_by_chance=True,
        shares=(0.53, 0.15),
        runs=3,
    )

    text = prove._judged([passes(MENDED, 0.97), fails(BROKEN, 0.1), last]).text

    assert "did not agree in 3 runs: rate_seats had 53 % and 15 % of the CPU: it is chance" in text


def test_a_time_is_told_to_depend_on_the_machine() -> None:
    stopwatch = Verdict(LARGE, {"test_quick": "AssertionError: assert 0.9 < 0.3"})

    text = prove._judged([passes(MENDED, 0.97), fails(BROKEN, 0.1), fails(MOVED, 0.1), stopwatch]).text

    assert "milliseconds depend on the machine and how busy it is: claim a share" in text


def test_a_misspelt_function_is_named_with_the_one_that_may_be_meant() -> None:
    misspelt = Verdict(MENDED, {"test_seats": "assert 0.0 > 0.5"}, unknown={"rate_seat": ["rate_seats"]})

    assert "no function is called 'rate_seat'; there are rate_seats" in prove._judged([misspelt]).text
    assert "no function is called 'rate_seat'; there are rate_seats" in short._judged([misspelt]).text


def test_a_function_that_another_cinema_has_is_not_told_to_be_unknown() -> None:
    healthy = Verdict(MENDED, passed=("test_quick",), unknown={"drop_double_bookings": []})

    assert "no function is called" not in prove._judged([healthy, Verdict(BROKEN, passed=("test_quick",))]).text


def test_an_error_in_a_test_is_all_that_is_told_of_too_few_stamps() -> None:
    mistake = Verdict(MENDED, {"test_stamps": "TypeError: no"}, requests={"/stamp": 1})

    judgement = short._judged([mistake])

    assert "TypeError: no" in judgement.text
    assert "one stamp" not in judgement.text
