"""The commands that the exercises' texts give, in their order, as learners type them: in an empty folder, installed
from the wheels.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanprofiles.backends import ManagedProcess
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Workbench, all_exercises
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import DEFAULT_NAME, LearnersFolder
from tests.support.documentation import ROOT, Page
from tests.support.installed import Installed

#: The others' are for ``make exhaustive``.
IN_MAKE_SLOW = ("01_look",)
EXERCISES = "tests/integration/test_workshop_exercises.py::test_untouched_it_fails_and_the_first_hint_fits"
QUESTIONS = "tests/integration/test_workshop_questions.py::test_a_question_shows_what_the_fault_does"
ELSEWHERE = {
    r"spanprofiles workshop check (3|4|6|7|8|10)": EXERCISES,
    r"spanprofiles workshop check 9 A \S+": QUESTIONS,
    r"spanprofiles workshop watch": (
        "tests/integration/test_workshop.py::test_watch_judges_each_save_and_ends_by_ctrl_c"
    ),
}
"""The commands that another test runs, by their form."""

CODES = {
    r"spanprofiles workshop check 1 \S+": 0,
    r"spanprofiles workshop check (1|2|5|11|12|13)( .*)?": 1,
    r"spanprofiles link .*": 1,
    r"diff .*": 1,
    r"CINEMA=mended pytest": 0,
    r"pytest": 0,
}
"""How a command ends, by its form; others may find something or not."""

START_S = 60
#: How long a command may take, s; one that builds a program first has to fetch libraries.
COMMAND_S, BUILD_S = 180, 600


def blocks_of(exercise: Exercise) -> list[list[str]]:
    """Return the commands of each block of an exercise's text."""
    blocks = Page(exercise.source / "exercise.md").blocks("console")
    return [[line[2:] for line in block.splitlines() if line.startswith("$ ")] for block in blocks]


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory, installed: Installed) -> Iterator[tuple[Path, dict[str, str]]]:
    """Somebody who has typed the first command in an empty folder."""
    empty = tmp_path_factory.mktemp("empty")
    ours = ("PYTEST", "SPAN_PROFILES", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**kept, **installed.environment, "SPAN_PROFILES_TIMEOUT": "4"}
    command = [str(installed.programs / "spanprofiles"), "workshop", "start", "--port", "0"]
    with ManagedProcess("the workshop", command, environment=environment, directory=empty) as workshop:
        workshop.wait_for_line(lambda line: line.startswith("Leave this terminal open"), START_S)
        yield empty / DEFAULT_NAME, environment


@pytest.mark.parametrize(
    "exercise",
    [
        pytest.param(
            exercise,
            marks=pytest.mark.slow if exercise.name in IN_MAKE_SLOW else pytest.mark.exhaustive,
            id=exercise.name,
        )
        for exercise in all_exercises()
    ],
)
def test_the_commands_of_its_text_do_what_the_text_says(
    exercise: Exercise, learner: tuple[Path, dict[str, str]]
) -> None:
    if exercise.absence:
        pytest.skip(f"exercise {exercise.number} is not here: {exercise.absence}")
    folder, environment = learner
    for block in blocks_of(exercise):
        directory = folder
        for command in block:
            if command.startswith("cd "):
                directory = directory / command[3:]
            elif not any(re.fullmatch(form, command) for form in ELSEWHERE):
                run(command, exercise, folder, directory, environment)


def run(command: str, exercise: Exercise, folder: Path, directory: Path, environment: dict[str, str]) -> None:
    """Run a command, with what the learner puts in the place of words in capitals."""
    words = shlex.split(_filled_in(command, exercise, folder))
    while re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment = {**environment, name: value}
    timeout_s = BUILD_S if exercise.tools else COMMAND_S
    done = subprocess.run(
        words, cwd=directory, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    expected = next((code for form, code in CODES.items() if re.fullmatch(form, command)), done.returncode)
    if command == "pytest" and exercise.number == 6:
        expected = 1  # a claim that cannot hold
    assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def _filled_in(command: str, exercise: Exercise, folder: Path) -> str:
    learners = LearnersFolder(folder)
    progress = learners.progress()
    if "THE_FUNCTION" in command:
        bench = Workbench(exercise, folder, Endpoints(tempo="", pyroscope=""), progress.seed)
        command = command.replace("THE_FUNCTION", exercise.drawn(bench))
    if "TRACE_ID" in command:
        judgement = progress.of(exercise.name).judgement
        assert judgement is not None
        command = command.replace("TRACE_ID", judgement.trace_id)
    return command


def test_each_command_that_another_test_runs_is_in_a_text() -> None:
    commands = [command for exercise in all_exercises() for block in blocks_of(exercise) for command in block]

    for form, test in ELSEWHERE.items():
        file, _, name = test.partition("::")
        assert [command for command in commands if re.fullmatch(form, command)], form
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_answer_in_json_is_what_the_page_shows(learner: tuple[Path, dict[str, str]]) -> None:
    folder, environment = learner
    command = ["spanprofiles", "workshop", "status", "--json"]

    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60)

    assert len(json.loads(done.stdout)["exercises"]) == len(all_exercises())
    assert exercise_of(1).title in done.stdout
