"""The workshop's commands that start no program."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.cli.options import endpoints_of
from spanprofiles.cli.workshop.start import program_of_environment
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Judgement, Workbench, WorkshopError, all_exercises
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import DEFAULT_NAME, LearnersFolder
from spanprofiles.workshop.session import Session, announce, claimed

NOWHERE = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9", otlp_http="http://127.0.0.1:9")
Workshop = Callable[..., Result]
START = import_module("spanprofiles.cli.workshop.start")  # its package has the command under this name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    LearnersFolder(tmp_path / "mine").fill()
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def workshop(folder: Path) -> Iterator[Workshop]:
    """Run a command in a folder whose workshop runs, as far as the command can see."""
    with claimed(folder / ".workshop"):
        announce(folder / ".workshop", Session.of(NOWHERE, "http://127.0.0.1:3000"))
        yield lambda *arguments: CliRunner().invoke(main, ["workshop", *arguments])


def right_answer(folder: Path) -> str:
    look = exercise_of(1)
    return look.drawn(Workbench(look, folder / look.name, NOWHERE, LearnersFolder(folder).progress().seed))


def test_status_names_each_exercise_the_page_and_the_next_step(workshop: Workshop, folder: Path) -> None:
    result = workshop("status")

    assert result.exit_code == 0
    assert f"The workshop in {folder}, its page at http://127.0.0.1:3000/workshop" in result.stdout
    assert [exercise.title for exercise in all_exercises() if exercise.title not in result.stdout] == []
    assert "Next is exercise 1, in 01_look:" in result.stdout
    assert "spanprofiles workshop check 1" in result.stdout


def test_an_answer_is_judged_and_the_next_exercise_named(workshop: Workshop, folder: Path) -> None:
    wrong = workshop("check", "1", "guess", "it")
    assert (wrong.exit_code, "'guess it' did not use the slow ride's CPU" in wrong.stdout) == (1, True)

    right = workshop("check", "1", right_answer(folder))

    assert (right.exit_code, right.stderr) == (0, "")
    assert "✓ solved   exercise 1: One slow ride" in right.stdout
    assert "Next is exercise 2, Traces and no flame graphs: spanprofiles workshop show 2" in right.stdout
    status = json.loads(workshop("status", "--json").stdout)
    assert (status["next"], status["exercises"][0]["passed"], status["exercises"][0]["checks"]) == (2, True, 2)


def test_a_judgement_as_json_is_one_document(workshop: Workshop) -> None:
    result = workshop("check", "1", "settle_fare", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout).keys() >= {"exercise", "passed", "seen", "missing", "hint"}


def test_without_a_number_commands_are_about_the_next_exercise(workshop: Workshop) -> None:
    assert "One slow ride" in workshop("show").stdout
    assert workshop("hint").stdout.startswith("exercise 1, hint 1 of 3\n")
    assert "Traces and no flame graphs" in workshop("show", "2").stdout


def test_hints_come_one_by_one_and_the_last_leads_to_the_solution(workshop: Workshop) -> None:
    given = [workshop("hint", "2").stdout for _ in range(4)]

    assert [text.splitlines()[0] for text in given] == [f"exercise 2, hint {number} of 3" for number in (1, 2, 3, 3)]
    assert ["workshop solution 2" in text for text in given] == [False, False, True, True]


def test_the_solution_is_shown_against_the_learners_file(workshop: Workshop, folder: Path) -> None:
    (folder / "02_instrument" / "bakery.py").write_text("print('mine')\n")

    result = workshop("solution", "2")

    assert "--- a/02_instrument/bakery.py\n" in result.stdout
    assert "\n-print('mine')\n" in result.stdout


def test_reset_says_where_the_backup_is(workshop: Workshop, folder: Path) -> None:
    (folder / "02_instrument" / "bakery.py").write_text("mine")

    result = workshop("reset", "2")

    backup = Path(result.stdout.strip().rpartition("your files are in ")[2])
    assert (folder / backup / "bakery.py").read_text() == "mine"


def test_reset_of_the_folder_that_one_stands_in_names_the_backups_path(
    workshop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "02_instrument")

    assert f"your files are in {folder / '.workshop' / 'backups'}" in workshop("reset", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "77"], "there is no exercise 77: choose one of 1, 2, 3, 4"),
        (["check", "2", "--dir", "/"], "there is no workshop in /: "),
        (["start", "."], "already; its page is http://127.0.0.1:3000/workshop"),
        (["start", ".", "--resume"], "already; its page is http://127.0.0.1:3000/workshop"),
        (["start", "--resume", "../nowhere"], "leave out --resume to begin one there"),
        (["start", "../there", "--learner", "Anna B"], "--learner 'Anna B': up to 40 letters, digits and hyphens"),
        (["start", "../there", "--backend", "external"], "--otlp (SPAN_PROFILES_OTLP_URL)"),
        (["check", "2", "--tempo", "http://127.0.0.1:9", "--pyroscope", "http://127.0.0.1:9"], "--otlp"),
        (["check", "2", "--tempo", "nonsense"], "'nonsense', which is not an address"),
        (["show", "0"], "0 is not in the range x>=1"),
        (["check", "3x"], "'3x' is no exercise: give a number from 1 to 13"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_why(workshop: Workshop, arguments: list[str], message: str) -> None:
    result = workshop(*arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("../there").exists()


@pytest.mark.parametrize("inside", [".", "02_instrument"])
@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_start_goes_on_with_the_workshop_that_one_stands_in(
    folder: Path, inside: str, resume: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    monkeypatch.setattr(START, "_run", lambda learners, *_: begun.append(learners.path))
    monkeypatch.chdir(folder / inside)

    result = CliRunner().invoke(main, ["workshop", "start", *resume])

    assert (result.exit_code, begun) == (0, [folder]), result.stderr


def test_start_goes_on_in_the_usual_folder_and_in_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LearnersFolder(tmp_path / DEFAULT_NAME).fill()
    begun: list[Path] = []
    monkeypatch.setattr(START, "_run", lambda learners, *_: begun.append(learners.path))
    monkeypatch.chdir(tmp_path)

    results = [CliRunner().invoke(main, ["workshop", "start", *named]) for named in ([], [DEFAULT_NAME], ["other"])]

    assert [result.exit_code for result in results] == [0, 0, 0]
    assert begun == [tmp_path / DEFAULT_NAME, tmp_path / DEFAULT_NAME, tmp_path / "other"]


def test_no_workshop_is_begun_inside_another(folder: Path) -> None:
    result = CliRunner().invoke(main, ["workshop", "start", "another"])

    assert result.exit_code == 2
    assert f"{folder / 'another'} is inside the workshop in {folder}" in result.stderr
    assert not (folder / "another").exists()


def test_the_line_for_a_new_terminal_names_the_virtual_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "my venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").touch()
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    monkeypatch.setattr("sys.prefix", str(programs.parent))
    monkeypatch.setenv("PATH", str(programs))

    assert program_of_environment() == f". '{programs}/activate'"

    (programs / "activate").unlink()
    assert program_of_environment() == f"PATH='{programs}':\"$PATH\""

    elsewhere = tmp_path / "elsewhere" / "spanprofiles"
    elsewhere.parent.mkdir()
    elsewhere.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{programs}:{elsewhere.parent}")
    assert program_of_environment() == ""


def test_a_solved_check_is_noted_although_nobody_reads_to_the_end(
    workshop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("spanprofiles.cli.workshop.judge.print_judgement", closed)

    workshop("check", "1", right_answer(folder))

    assert LearnersFolder(folder).progress().of("01_look").passed


def test_a_judgement_is_printed_before_the_programs_are_stopped(
    workshop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr("spanprofiles.cli.workshop.judge.print_judgement", lambda *_: order.append("printed"))
    monkeypatch.setattr(Workbench, "__exit__", lambda *_: order.append("stopped"))

    workshop("check", "1", right_answer(folder))

    assert order == ["printed", "stopped"]


def test_the_programs_are_stopped_although_nothing_can_be_judged(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def fails(*_: object) -> None:
        raise WorkshopError("no room")

    monkeypatch.setattr("spanprofiles.workshop.exercise.Exercise.judge", fails)
    monkeypatch.setattr(Workbench, "__exit__", lambda *_: order.append("stopped"))

    assert "no room" in workshop("check", "2").stderr
    assert order == ["stopped"]


def test_commands_in_the_workshops_folder_ask_the_servers_of_the_workshop(
    workshop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "05_grafana")
    nothing: dict[str, str | None] = {}

    assert endpoints_of({}, nothing).tempo == NOWHERE.tempo
    assert endpoints_of({}, {"tempo_url": "http://127.0.0.1:7"}).tempo == "http://127.0.0.1:7"

    workshop("status")
    monkeypatch.chdir("/")
    assert endpoints_of({}, nothing).tempo == "http://127.0.0.1:3200"


def test_a_look_at_untouched_files_is_no_failed_check(
    workshop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Judgement.fails("no profile ID", "the agent", hint=1)
    monkeypatch.setattr("spanprofiles.workshop.exercise.Exercise.judge", lambda *_: failed)

    look = workshop("check", "2")

    assert look.exit_code == 1
    assert "◦ seen   exercise 2" in look.stdout
    assert "  to do    the agent" in look.stdout
    assert [word for word in ("not yet", "missing", "stuck") if word in look.stdout] == []
    assert LearnersFolder(folder).progress().of("02_instrument").checks == 0

    (folder / "02_instrument" / "bakery.py").write_text("mine")
    failed_check = workshop("check", "2")

    assert "✗ not yet   exercise 2" in failed_check.stdout
    assert "stuck?" in failed_check.stdout
    assert "on the page: http://127.0.0.1:3000/workshop?exercise=2" in failed_check.stdout
    assert LearnersFolder(folder).progress().of("02_instrument").checks == 1


def test_a_hint_can_be_read_once_more(workshop: Workshop) -> None:
    workshop("hint", "2")
    workshop("hint", "2")

    assert workshop("hint", "2", "1").stdout.startswith("exercise 2, hint 1 of 3\n")
    assert workshop("hint", "2").stdout.startswith("exercise 2, hint 3 of 3\n")


def test_an_exercise_that_was_removed_is_named_with_the_way_back(workshop: Workshop, folder: Path) -> None:
    (folder / "02_instrument").rename(folder / "elsewhere")

    result = workshop("check", "2")

    assert (result.exit_code, "`spanprofiles workshop reset 2` puts it back" in result.stderr) == (2, True)


def test_a_result_that_cannot_be_noted_is_told_all_the_same(workshop: Workshop, folder: Path) -> None:
    answer = right_answer(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", _no_room)
        result = workshop("check", "1", answer)

    assert result.exit_code == 2
    assert "✓ solved   exercise 1" in result.stdout
    assert "exercise 1 is solved, but that could not be saved: " in result.stderr
    assert "No space left on device" in result.stderr


def test_a_full_disk_at_the_start_is_told_with_the_way_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", _no_room)

    result = CliRunner().invoke(main, ["workshop", "start", str(tmp_path / "mine"), "--port", "0"])

    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert f"`spanprofiles workshop start {tmp_path / 'mine'}` goes on" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_while_tests_are_judged_is_told(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spanprofiles.workshop.variants._Tests.run", no_room)

    result = workshop("check", "8")

    assert result.exit_code == 2
    assert "your tests cannot be run: No space left on device" in result.stderr


def test_signals_are_handled_as_before_when_a_command_has_ended(workshop: Workshop) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    workshop("status")

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def _no_room(_: object) -> None:
    raise OSError(28, "No space left on device")
