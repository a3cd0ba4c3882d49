"""Judges the doctor's round: answers the learner's questions to three patients, and the diagnoses."""

from __future__ import annotations

import re
from typing import Any

from spanprofiles.workshop.exercises.e09_doctors_round.illnesses import (
    ILLNESSES,
    Illness,
    drawn_fault,
    drawn_illness,
    drawn_illnesses,
    illness_named,
)
from spanprofiles.workshop.exercises.e09_doctors_round.questions import QUESTIONS, Patient
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

PATIENTS = ("A", "B", "C")

MOST_QUESTIONS = 3
"""So many questions a patient answers."""

_COSTS = {"doctor": 2}
_BETWEEN_WORDS = re.compile(r"[\s,;:=]+")
_NOTES = "ward"


def drawn(bench: Workbench) -> str:
    """Return the names of the illnesses, in the order of the patients."""
    return " ".join(_illness(bench, patient).name for patient in PATIENTS)


def judge(bench: Workbench) -> Judgement:
    """Answer a question, judge diagnoses, or say how the patients are."""
    words = [word for word in _BETWEEN_WORDS.split(bench.answer) if word and word.lower() != "patient"]
    if not words:
        return _round(bench, [], hint=1)
    if len(words) == 2 and words[0].upper() in PATIENTS and words[1].lower() in QUESTIONS:
        return _answered(bench, words[0].upper(), words[1].lower())
    named = [word for word in words if word.upper() not in PATIENTS]
    letters = [word.upper() for word in words if word.upper() in PATIENTS] or list(PATIENTS)
    if not named or len(named) != len(letters) or len(set(letters)) != len(letters):
        return _round(bench, [f"{bench.answer!r} is neither a question to a patient nor a diagnosis"], hint=1)
    return _diagnosed(bench, dict(zip(letters, named, strict=True)))


def _answered(bench: Workbench, patient: str, question: str) -> Judgement:
    state = _state(bench, patient)
    left, cost = MOST_QUESTIONS - state["asked"], _COSTS.get(question, 1)
    if state["found"]:
        return _round(bench, [f"you have found what {patient} has: no need to ask"])
    if left < cost:
        return Judgement.fails(
            f"{patient} has {_count(left)} left, and {question!r} counts as {cost}",
            f"your diagnosis of {patient}: spanprofiles workshop check {bench.exercise.number} {patient} NAME",
            3,
        )
    visit = state["visit"]
    fault = drawn_fault(bench.seed, patient, visit, _illness(bench, patient))
    bench.tell(f"waking patient {patient}")
    name = bench.service_name(f"patient-{patient.lower()}-{visit + 1}")
    told = QUESTIONS[question](Patient(bench, name, fault))
    state["asked"] += cost
    _keep(bench, patient, state)
    return Judgement.fails(told, f"the diagnosis of {patient}, which has {_count(left - cost)} left", 2)


def _diagnosed(bench: Workbench, diagnoses: dict[str, str]) -> Judgement:
    unknown = [name for name in diagnoses.values() if illness_named(name) is None]
    if unknown:
        names = ", ".join(illness.name for illness in ILLNESSES)
        return Judgement.fails(
            f"{', '.join(map(repr, unknown))}: there is no such illness",
            f"a name that illnesses.md has: {names}",
            1,
        )
    seen = []
    for patient, name in diagnoses.items():
        said, state = illness_named(name), _state(bench, patient)
        if said is None or state["found"]:
            continue
        if said is _illness(bench, patient):
            state["found"] = said.name
            seen.append(f"{patient} has {said.name}: {said.sign}")
        else:
            state.update(asked=0, visit=state["visit"] + 1)
            seen.append(
                f"{patient} does not have {said.name}, which shows like this: {said.sign};"
                f" {patient} has gone to another doctor, and somebody else lies in the bed"
            )
        _keep(bench, patient, state)
    return _round(bench, seen, hint=2)


def _round(bench: Workbench, seen: list[str], hint: int = 0) -> Judgement:
    """Say what has been found, and what has not."""
    found = {patient: _state(bench, patient)["found"] for patient in PATIENTS}
    known = [f"{patient} has {name}" for patient, name in found.items() if name and not any(name in s for s in seen)]
    open_ones = [patient for patient, name in found.items() if not name]
    if not open_ones:
        return Judgement.passes([*seen, *known])
    lying = ", ".join(
        f"{patient} ({_count(MOST_QUESTIONS - _state(bench, patient)['asked'])} left)" for patient in open_ones
    )
    number = bench.exercise.number
    return Judgement.fails(
        [*seen, *known, f"waiting for a diagnosis: {lying}"],
        f"ask with `spanprofiles workshop check {number} A trace`, and answer with"
        f" `spanprofiles workshop check {number} A NAME`; illnesses.md has the questions and the names",
        hint,
    )


def _illness(bench: Workbench, patient: str) -> Illness:
    visit = _state(bench, patient)["visit"]
    if visit:
        return drawn_illness(bench.seed, patient, visit)
    return drawn_illnesses(bench.seed, len(PATIENTS))[PATIENTS.index(patient)]


def _state(bench: Workbench, patient: str) -> dict[str, Any]:
    """Return how often a patient was asked, the how-manieth it is in its bed, and what was found."""
    kept = bench.notes.get(_NOTES) or {}
    return {"asked": 0, "visit": 0, "found": "", **kept.get(patient, {})}


def _keep(bench: Workbench, patient: str, state: dict[str, Any]) -> None:
    bench.notes[_NOTES] = {**(bench.notes.get(_NOTES) or {}), patient: state}


def _count(questions: int) -> str:
    return "no question" if questions < 1 else f"{questions} question{'s' * (questions > 1)}"
