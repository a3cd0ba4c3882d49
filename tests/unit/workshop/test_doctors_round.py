"""The exercise in which a learner examines three patients."""

from __future__ import annotations

from pathlib import Path

import pytest

from rideshare.faults import FAULTS
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Judgement, Workbench
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.exercises.e09_doctors_round import judge as ward
from spanprofiles.workshop.exercises.e09_doctors_round.illnesses import ILLNESSES, drawn_fault, illness_named
from spanprofiles.workshop.exercises.e09_doctors_round.questions import QUESTIONS

EXERCISE = exercise_of(9)
NOWHERE = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:1")


class Round:
    """A learner's checks, one after the other."""

    def __init__(self, folder: Path, seed: int = 7, learner: str = "") -> None:
        self.folder, self.seed, self.learner = folder, seed, learner
        self.notes: dict[str, object] = {}

    def bench(self, answer: str = "") -> Workbench:
        return Workbench(
            EXERCISE, self.folder, NOWHERE, seed=self.seed, answer=answer, notes=self.notes, learner=self.learner
        )

    def check(self, answer: str) -> Judgement:
        return judged(self.bench(answer))

    @property
    def right(self) -> list[str]:
        return EXERCISE.drawn(self.bench()).split()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Let patients answer without waking up, and return what was asked of whom, with which fault."""
    found: list[tuple[str, str]] = []

    def woken(_: Workbench, service: str, fault: str) -> tuple[str, str]:
        found.append((service, fault))
        return service, fault

    monkeypatch.setattr(ward, "Patient", woken)
    monkeypatch.setattr(ward, "QUESTIONS", dict.fromkeys(QUESTIONS, lambda _: ["this was seen"]))
    return found


def test_each_fault_of_the_demo_is_an_illness() -> None:
    assert sorted(fault for illness in ILLNESSES for fault in illness.faults) == sorted(FAULTS)


def test_learners_can_read_each_illness_and_each_question() -> None:
    text = EXERCISE.given["illnesses.md"]

    assert all(f"| `{illness.name}` |" in text for illness in ILLNESSES)
    assert all(f"| `{question}` |" in text for question in QUESTIONS)


def test_an_illness_may_be_called_by_the_name_of_its_fault() -> None:
    assert illness_named("`Agent-before-fork`") is illness_named("no-samples")
    assert illness_named("a cold") is None


def test_patients_differ_from_each_other_and_between_learners(tmp_path: Path) -> None:
    rounds = [tuple(Round(tmp_path, seed).right) for seed in range(40)]

    assert all(len(set(names)) == 3 for names in rounds)
    assert len(set(rounds)) > 30
    assert {name for names in rounds for name in names} == {illness.name for illness in ILLNESSES}


def test_a_patient_answers_three_questions_and_then_no_more(tmp_path: Path, asked: list[tuple[str, str]]) -> None:
    learner = Round(tmp_path)

    answers = [learner.check("A trace") for _ in range(4)]

    assert [answer.seen[0] for answer in answers[:3]] == ["this was seen"] * 3
    assert "2 questions left" in answers[0].text
    assert "no question left" in answers[2].text
    assert "your diagnosis of A" in answers[3].text
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_the_doctors_word_counts_as_two_questions(tmp_path: Path, asked: list[tuple[str, str]]) -> None:
    learner = Round(tmp_path)

    first, second = learner.check("b doctor"), learner.check("B doctor")

    assert "1 question left" in first.text
    assert "counts as 2" in second.text
    assert len(asked) == 1


def test_three_right_diagnoses_solve_it_one_by_one_as_well(tmp_path: Path) -> None:
    learner = Round(tmp_path)
    first, second, third = learner.right

    assert not learner.check(f"C: {third}").passed
    assert not learner.check(f"A = {first}").passed
    found = learner.check(f"patient B {second}")

    assert found.passed
    assert all(name in found.text for name in (first, second, third))


def test_after_a_wrong_diagnosis_somebody_else_lies_in_the_bed(tmp_path: Path, asked: list[tuple[str, str]]) -> None:
    learner = Round(tmp_path)
    wrong = next(illness for illness in ILLNESSES if illness.name not in learner.right)
    for _ in range(3):
        learner.check("A trace")

    answer = learner.check(f"A {wrong.name}")
    learner.check("A trace")

    assert wrong.sign in answer.text
    assert "A (3 questions left)" in answer.text
    assert asked[-1][0] == "patient-a-2"


def test_each_learner_on_shared_servers_has_patients_of_their_own(tmp_path: Path, asked: list[tuple[str, str]]) -> None:
    for learner in ("anna", "ben"):
        Round(tmp_path, learner=learner).check("A trace")

    assert [service for service, _ in asked] == ["patient-a-1-anna", "patient-a-1-ben"]


def test_patients_with_one_illness_may_have_different_faults() -> None:
    illness = illness_named("no-samples")
    assert illness is not None

    assert {drawn_fault(seed, "A", 0, illness) for seed in range(60)} == set(illness.faults)


@pytest.mark.parametrize("answer", ["A", "A B C", "A trace now", "no-agent", "A A no-agent no-agent"])
def test_what_is_neither_question_nor_diagnosis_is_explained(tmp_path: Path, answer: str) -> None:
    judgement = Round(tmp_path).check(answer)

    assert "neither a question to a patient nor a diagnosis" in judgement.text
    assert "A (3 questions left)" in judgement.text
