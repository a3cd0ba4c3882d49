"""The bench of the workshop's judges: what it judges, and what it takes for right."""

from __future__ import annotations

from bench.workshop_verdicts import Case, cases_of, in_turn
from spanprofiles.workshop import Judgement
from spanprofiles.workshop.exercise import exercise_of

SOLVED = Judgement.passes("it is linked")
FAILED = Judgement.fails("no samples", "the agent", hint=2)


def test_an_exercise_is_judged_as_it_is_given_solved_and_after_each_wrong_attempt() -> None:
    exercise = exercise_of(8)

    untouched, *others = cases_of(exercise)

    assert (untouched.passes, untouched.hint) == (False, 1)
    assert [case.passes for case in others] == [True] * len(exercise.solutions) + [False] * len(exercise.attempts)
    assert all(case.must_say for case in others if not case.passes)


def test_a_judgement_that_says_what_it_must_is_right() -> None:
    assert Case("solved", None, passes=True).problem_with(SOLVED) == ""
    assert Case("failed", None, passes=False, must_say=("the agent",), hint=2).problem_with(FAILED) == ""


def test_any_other_is_wrong_and_the_bench_says_why() -> None:
    assert Case("solved", None, passes=True).problem_with(FAILED) == "not solved: no samples / the agent"
    assert Case("failed", None, passes=False).problem_with(SOLVED) == "solved: it is linked"
    assert Case("failed", None, passes=False, must_say=("a name",)).problem_with(FAILED).startswith("does not say")
    assert Case("failed", None, passes=False, hint=1).problem_with(FAILED).startswith("hint 2 instead of 1")


def test_cases_come_in_turn_each_round_for_another_learner() -> None:
    cases = [Case("a", None, passes=True), Case("b", None, passes=True)]

    assert [(number, case.name) for number, case in in_turn(cases, 3)] == [(0, "a"), (0, "b"), (1, "a")]
