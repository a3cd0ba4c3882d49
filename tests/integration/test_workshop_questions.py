"""What the patients of the doctor's round answer: each is the demo's app, with a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import Workbench
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.exercises.e09_doctors_round.questions import QUESTIONS, Patient

pytestmark = pytest.mark.exhaustive

SHOWN = [
    ("agent-under-another-name", "pyroscope", "patient-x-profiles has"),
    ("no-processor", "grafana", "has no attribute pyroscope.profile.id"),
]


@pytest.mark.parametrize(("fault", "question", "sign"), SHOWN)
def test_a_question_shows_what_the_fault_does(
    tmp_path: Path, span_profiles_endpoints: Endpoints, fault: str, question: str, sign: str
) -> None:
    exercise = exercise_of(9)
    for name, text in exercise.given.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    with Workbench(exercise, tmp_path, span_profiles_endpoints) as bench:
        told = QUESTIONS[question](Patient(bench, "patient-x", fault))

    assert any(sign in line for line in told), "\n".join(told)
