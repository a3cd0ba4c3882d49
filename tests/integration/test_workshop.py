"""The workshop as learners run it, installed from the wheels: programs in terminals, which end, fail and are closed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.linking import Waiting
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import LearnersFolder
from tests.support.installed import Installed

BAKERY = exercise_of(2)
START_S = 60

PROGRAM: list[str] = []
"""The command, as it was installed."""


@pytest.fixture(scope="module", autouse=True)
def installed_program(installed: Installed) -> Iterator[None]:
    """Run the program of the wheels, and nothing of the checkout."""
    PROGRAM[:] = [str(installed.programs / "spanprofiles"), "workshop"]
    yield
    PROGRAM.clear()


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the workshop's commands in a folder."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(folder: Path, *arguments: str) -> ManagedProcess:
    """Start a workshop, and return when the learner can begin."""
    process = ManagedProcess("the workshop", [*PROGRAM, "start", str(folder), *arguments]).start()
    process.wait_for_line(lambda line: line.startswith("Leave this terminal open"), START_S)
    return process


def children_of(process: ManagedProcess) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def have_ended(processes: Iterable[psutil.Process]) -> bool:
    """Tell whether none of these processes runs; one that its new parent has not waited for yet has ended."""
    return not any(map(_runs, processes))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def solve(folder: Path) -> None:
    for name, text in BAKERY.attempted(BAKERY.solutions[0]).items():
        (folder / BAKERY.name / name).write_text(text)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ManagedProcess]]:
    """One workshop for the tests that only use it; the port that it asks for is taken."""
    folder = tmp_path_factory.mktemp("learner") / "mine"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        start(folder, "--port", str(taken.getsockname()[1])) as process,
    ):
        yield folder, process


def page_of(process: ManagedProcess) -> str:
    found = re.search(r"its page at (http://\S+)/workshop", "\n".join(process.output))
    assert found, process.output
    return found[1]


@pytest.mark.slow
def test_a_taken_port_of_the_page_is_told_and_another_one_used(workshop: tuple[Path, ManagedProcess]) -> None:
    _, process = workshop

    assert re.search(r"port \d+ is taken by another program: the page uses \d+", "\n".join(process.output))
    assert requests.get(f"{page_of(process)}/workshop", timeout=30).ok


@pytest.mark.slow
def test_the_same_folder_twice_is_refused_with_the_first_ones_page(workshop: tuple[Path, ManagedProcess]) -> None:
    folder, process = workshop

    second = run("start", str(folder), folder=folder)

    assert (second.returncode, second.stdout) == (2, "")
    assert f"a workshop runs in {folder} already; its page is {page_of(process)}/workshop" in second.stderr


@pytest.mark.slow
def test_from_the_first_check_to_solved_on_its_servers_and_page(workshop: tuple[Path, ManagedProcess]) -> None:
    folder, process = workshop
    page = f"{page_of(process)}/workshop?exercise=2&part=state"
    assert "Not judged yet" in requests.get(page, timeout=30).text

    first = run("check", "2", folder=folder / BAKERY.name)

    assert (first.returncode, first.stderr) == (1, "")
    assert "◦ seen   exercise 2: Traces and no flame graphs" in first.stdout
    assert "  to do    the agent, which samples the program" in first.stdout
    shown = requests.get(page, timeout=30).text
    assert "carries no <code>pyroscope.profile.id</code>" in shown

    hint = run("hint", "2", folder=folder)
    assert hint.stdout.startswith("exercise 2, hint 1 of 3\n")
    solution = run("solution", "2", folder=folder)
    subprocess.run(["git", "apply", "-"], cwd=folder, input=solution.stdout, text=True, check=True)

    second = run("check", "2", "--json", folder=folder)

    assert (second.returncode, second.stderr) == (0, ""), second.stdout
    assert json.loads(second.stdout)["passed"] is True
    shown = requests.get(page, timeout=30).text
    assert 'data-judgement="passed"' in shown
    assert "arrange_cherries" in shown
    assert ">Hints</h2><span" in shown
    status = json.loads(run("status", "--json", folder=folder).stdout)
    (row,) = [row for row in status["exercises"] if row["number"] == 2]
    assert (row["passed"], row["checks"], row["hints"], status["page"]) == (True, 1, 1, page_of(process))


@pytest.mark.slow
def test_watch_judges_each_save_and_ends_by_ctrl_c(workshop: tuple[Path, ManagedProcess]) -> None:
    folder, _ = workshop
    answer = folder / "01_look" / "answer.txt"
    answer.write_text("settle_fare\n")
    with ManagedProcess("watch", [*PROGRAM, "watch", "1"], directory=folder) as watch:
        watch.wait_for_line(lambda line: line.startswith("Save a file"), START_S)
        assert any("settle_fare is in the slow ride alone" in line for line in watch.output)

        answer.write_text("def broken(\n")
        watch.wait_for_line(lambda line: "'def broken(' did not use" in line, START_S)

        os.kill(watch.pid, signal.SIGINT)
        assert watch.wait(30) == 0


@pytest.mark.exhaustive
def test_two_workshops_in_two_folders_run_at_once_and_stop_ends_one(
    workshop: tuple[Path, ManagedProcess], tmp_path: Path
) -> None:
    _, first = workshop
    with start(tmp_path / "second", "--port", "0") as second:
        children = children_of(second)
        assert children
        assert page_of(first) != page_of(second)

        stopped = run("stop", folder=tmp_path / "second")

        assert stopped.returncode == 0
        assert stopped.stdout.startswith(f"the workshop in {tmp_path / 'second'} has ended")
        assert second.wait(30) == 0
        assert Waiting(20).until(lambda: have_ended(children))
    assert first.is_running
    assert run("stop", folder=tmp_path / "second").stdout == f"no workshop runs in {tmp_path / 'second'}\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL], ids=["closed", "killed"])
def test_however_its_terminal_ends_no_process_is_left(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a program of a test run under nohup would survive it
    try:
        begun = start(tmp_path / "mine", "--port", "0")
    finally:
        signal.signal(signal.SIGHUP, before)
    with begun as process:
        children = children_of(process)

        os.kill(process.pid, number)

        assert process.wait(30) == (-9 if number is signal.SIGKILL else 0)
        assert Waiting(20).until(lambda: have_ended(children)), children


@pytest.mark.slow
def test_ended_by_ctrl_c_it_is_resumed_with_nothing_lost(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with start(folder, "--port", "0") as process:
        (folder / BAKERY.name / "bakery.py").write_text("my own work")
        seed = LearnersFolder(folder).progress().seed
        children = children_of(process)

        os.kill(process.pid, signal.SIGINT)

        assert process.wait(30) == 0
        assert process.output[-1] == "everything is stopped; your files are as you left them"
        assert Waiting(20).until(lambda: have_ended(children)), children
    with start(folder, "--port", "0", "--resume") as resumed:
        assert resumed.output[0] == f"going on in {folder}"
    assert (folder / BAKERY.name / "bakery.py").read_text() == "my own work"
    assert LearnersFolder(folder).progress().seed == seed


@pytest.mark.slow
def test_without_a_running_workshop_check_brings_its_own_servers(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    LearnersFolder(folder).fill()
    solve(folder)

    result = run("check", "2", "--dir", str(folder), folder=tmp_path)

    assert result.returncode == 0, result.stdout
    assert result.stderr.startswith("(no workshop runs in this folder")
    assert "arrange_cherries" in result.stdout


@pytest.mark.slow
def test_an_interrupted_check_leaves_no_process_and_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    LearnersFolder(folder).fill()
    (folder / BAKERY.name / "bakery.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    with ManagedProcess("check", [*PROGRAM, "check", "2"], directory=folder) as check:
        children = Waiting(START_S).until(
            lambda: [c for c in children_of(check) if "bakery.py" in " ".join(c.cmdline())]
        )
        assert children
        everything = children_of(check)

        os.kill(check.pid, signal.SIGINT)

        assert check.wait(30) == 130
        assert check.output[-1] == "spanprofiles: interrupted"
        assert Waiting(20).until(lambda: have_ended(everything))
    assert LearnersFolder(folder).progress().of(BAKERY.name).checks == 0


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive, id="interrupted"),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow, id="killed"),
    ],
)
def test_an_end_of_watch_leaves_none_of_the_programs_that_it_keeps(number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    LearnersFolder(folder).fill()
    with ManagedProcess("watch", [*PROGRAM, "watch", "8"], directory=folder) as watch:
        watch.wait_for_line(lambda line: line.startswith("Save a file"), START_S)
        everything = children_of(watch)
        assert any("cinema" in word for child in everything for word in child.cmdline())

        os.kill(watch.pid, number)

        assert watch.wait(30) is not None
        assert Waiting(20).until(lambda: have_ended(everything)), everything


@pytest.mark.exhaustive
def test_two_learners_of_one_name_on_shared_servers_are_on_the_board(tmp_path: Path) -> None:
    secret = {"SPAN_PROFILES_SERVE_TOKEN": "a-word-for-the-class", "SPAN_PROFILES_TOKEN": "a-word-for-the-class"}
    environment = {**os.environ, **secret}
    command = [PROGRAM[0], "serve", *(f"--{name}-port=0" for name in ("tempo", "pyroscope"))]
    with ManagedProcess("the class", [*command, "--otlp-http-port=0"], environment=environment) as servers:
        lines = servers.wait_for_line(lambda line: line == "ready", START_S)
        tempo, otlp, pyroscope = (line.split()[-1] for line in lines[:3])
        named = ["--tempo", tempo, "--pyroscope", pyroscope, "--otlp", otlp]
        first, second = tmp_path / "first", tmp_path / "second"
        begin = [*PROGRAM, "start", str(first), "--port", "0", "--learner", "anna", *named]
        with ManagedProcess("the first", begin, environment=environment) as workshop:
            workshop.wait_for_line(lambda line: line.startswith("Leave this terminal open"), START_S)
            LearnersFolder(second).fill("anna")
            solve(first)
            with (second / BAKERY.name / "bakery.py").open("a", encoding="utf-8") as wrong:
                wrong.write("# to be linked\n")
            with ExitStack() as stack:
                checks = [
                    stack.enter_context(
                        ManagedProcess(
                            "a check", [*PROGRAM, "check", "2", *options], environment=environment, directory=each
                        )
                    )
                    for each, options in ((first, []), (second, named))
                ]
                codes = [check.wait(120) for check in checks]
            assert codes == [0, 1], [check.output for check in checks]
            assert run("hint", "2", folder=first, **secret).returncode == 0

        shown = run("board", "--tempo", tempo, folder=tmp_path, **secret)
        found = json.loads(run("board", "--tempo", tempo, "--json", folder=tmp_path, **secret).stdout)["learners"]
        page = [*PROGRAM, "board", "--page", "--port", "0", "--tempo", tempo, "--pyroscope", pyroscope]
        with ManagedProcess("the board", page, environment=environment) as board:
            (line,) = board.wait_for_line(lambda line: line.startswith("board "), START_S)
            text = requests.get(line.split()[-1], timeout=30).text
            os.kill(board.pid, signal.SIGINT)
            assert board.wait(30) == 0

    assert [re.sub(r"[0-9a-f]{4}", "1234", row["learner"]) for row in found] == ["anna (1234)", "anna (1234)"]
    assert {(row["solved"], row["exercises"][1]["checks"], row["exercises"][1]["hints"]) for row in found} == {
        (1, 1, 1),
        (0, 1, 0),
    }
    assert len(re.findall(r"(?m)^anna \([0-9a-f]{4}\) ", shown.stdout)) == 2
    assert len(re.findall(r"(?m)^anna \([0-9a-f]{4}\), 2: missing ", shown.stdout)) == 1
    assert text.count('<th scope="row">anna (') == 2
