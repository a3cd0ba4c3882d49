"""Each exercise of the workshop, judged three ways: as it is given, solved, and after typical wrong attempts.

They are found by their folders: an exercise that is added is tested without a line here. ``make slow`` takes the first
solution of each exercise that is judged quickly, and ``make exhaustive`` all the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Judgement, Workbench, all_exercises
from spanprofiles.workshop.attempt import read_attempt
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.exercise import exercise_of
from tests.support.guarded_servers import guarded_pair
from tests.support.repository import ROOT

LEARNERS_SEED = 20_077
#: The numbers of those whose judge runs several programs, or tests against each of them.
LONG = {6, 8, 10, 13}
SOLUTIONS = [
    pytest.param(
        exercise, patch, marks=pytest.mark.exhaustive if number or exercise.number in LONG else pytest.mark.slow
    )
    for exercise in all_exercises()
    for number, patch in enumerate(exercise.solutions)
]
ATTEMPTS = [(exercise, patch) for exercise in all_exercises() for patch in exercise.attempts]


def _named(value: object) -> str:
    return value.stem if isinstance(value, Path) else getattr(value, "name", str(value))


def judge(
    exercise: Exercise, folder: Path, endpoints: Endpoints, patch: Path | None = None, end: str = "", end_of: str = ""
) -> Judgement:
    """Judge a learner's folder, as it is given or after a patch, perhaps with another end of one file."""
    if exercise.absence:
        pytest.skip(f"exercise {exercise.number} is not here: {exercise.absence}")
    files = dict(exercise.given)
    bench = Workbench(exercise, folder, endpoints, seed=LEARNERS_SEED)
    if patch is not None:
        files |= exercise.attempted(patch, exercise.drawn(bench))
    if end_of:
        files[end_of] += end
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return judged(bench)


@pytest.mark.exhaustive
@pytest.mark.parametrize("exercise", all_exercises(), ids=_named)
def test_untouched_it_fails_and_the_first_hint_fits(
    exercise: Exercise, tmp_path: Path, span_profiles_endpoints: Endpoints
) -> None:
    judgement = judge(exercise, tmp_path / exercise.name, span_profiles_endpoints)

    assert not judgement.passed
    assert (judgement.hint, bool(judgement.seen), bool(judgement.missing)) == (1, True, True), judgement.text


@pytest.mark.parametrize(("exercise", "patch"), SOLUTIONS, ids=_named)
def test_with_each_solution_it_passes(
    exercise: Exercise, patch: Path, tmp_path: Path, span_profiles_endpoints: Endpoints
) -> None:
    judgement = judge(exercise, tmp_path / exercise.name, span_profiles_endpoints, patch)

    assert judgement.passed, judgement.text
    assert judgement.seen
    assert not judgement.missing


@pytest.mark.exhaustive
@pytest.mark.parametrize(("exercise", "patch"), ATTEMPTS, ids=_named)
def test_a_wrong_attempt_fails_and_is_told_what_is_missing(
    exercise: Exercise, patch: Path, tmp_path: Path, span_profiles_endpoints: Endpoints
) -> None:
    expected = read_attempt(patch)

    judgement = judge(exercise, tmp_path / exercise.name, span_profiles_endpoints, patch)

    assert not judgement.passed, judgement.text
    assert [fragment for fragment in expected.must_say if fragment not in judgement.text] == [], judgement.text
    assert expected.hint in {None, judgement.hint}, judgement.text


@pytest.mark.parametrize("exercise", all_exercises(), ids=_named)
def test_it_has_what_an_exercise_needs(exercise: Exercise) -> None:
    assert exercise.text.startswith(f"# {exercise.title}\n")
    assert all(f"**{part}.**" in exercise.text for part in ("See", "Mend", "Prove"))
    assert len(exercise.hints) == 3
    assert len(exercise.solutions) >= 2
    assert len(exercise.attempts) >= 2
    assert all(read_attempt(patch).must_say for patch in exercise.attempts)
    assert ROOT in exercise.source.parents


@pytest.mark.exhaustive
@pytest.mark.parametrize("patch", exercise_of(10).solutions, ids=_named)
def test_an_app_of_ones_own_is_proven_on_servers_that_want_credentials(patch: Path, tmp_path: Path) -> None:
    with guarded_pair() as endpoints:
        judgement = judge(exercise_of(10), tmp_path / "own", endpoints, patch)

    assert judgement.passed, judgement.text


@pytest.mark.exhaustive
def test_there_too_tests_without_a_claim_do_not_solve_it(tmp_path: Path) -> None:
    (patch,) = (found for found in exercise_of(10).attempts if found.stem == "tests_without_a_claim")

    with guarded_pair() as endpoints:
        judgement = judge(exercise_of(10), tmp_path / "own", endpoints, patch)

    assert not judgement.passed
    assert "your tests notice when the link is cut" in judgement.text


@pytest.mark.exhaustive
def test_a_lab_that_sends_nothing_when_it_ends_passes_all_the_same(
    tmp_path: Path, span_profiles_endpoints: Endpoints
) -> None:
    judgement = judge_lab_without_last_words(exercise_of(7).solutions[0], tmp_path, span_profiles_endpoints)

    assert judgement.passed, judgement.text


@pytest.mark.exhaustive
def test_such_a_lab_fails_where_its_last_labels_stay(tmp_path: Path, span_profiles_endpoints: Endpoints) -> None:
    (patch,) = (found for found in exercise_of(7).attempts if found.stem == "the_last_labels_stay")

    judgement = judge_lab_without_last_words(patch, tmp_path, span_profiles_endpoints)

    assert not judgement.passed
    assert "belongs to some that are not traced" in judgement.text


def judge_lab_without_last_words(patch: Path, folder: Path, endpoints: Endpoints) -> Judgement:
    """Judge a photo lab that ends without sending the spans and samples that it has left."""
    return judge(exercise_of(7), folder / "lab", endpoints, patch, end="    os._exit(0)\n", end_of="photo_lab.py")
