from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.backends import ManagedProcess, ProcessFailedError
from spanprofiles.linking import Waiting

pytestmark = pytest.mark.slow

_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
_WAITS = "import signal; print('waiting', flush=True); signal.pause()"

Program = Callable[[str], ManagedProcess]


@pytest.fixture
def program() -> Iterator[Program]:
    """Give a function that prepares a Python program; all that were started are stopped after the test."""
    made: list[ManagedProcess] = []

    def make(code: str) -> ManagedProcess:
        made.append(ManagedProcess("the program", [sys.executable, "-u", "-S", "-c", code]))
        return made[-1]

    yield make
    for process in made:
        process.stop(timeout_s=0)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _is_gone_soon(pid: int) -> bool:
    return Waiting(5).until(lambda: not _is_alive(pid))


def test_output_and_errors_are_kept_together_in_order(program: Program) -> None:
    process = program("import os; os.write(1, b'one\\n'); os.write(2, b'two\\n'); os.write(1, b'three\\n')").start()
    assert process.wait_for_line(lambda line: line == "three", 10) == ["one", "two", "three"]
    assert process.output == ["one", "two", "three"]


def test_only_the_last_lines_are_kept(program: Program) -> None:
    process = program("for number in range(1800): print(number)\nprint('done')").start()
    process.wait_for_line(lambda line: line == "done", 10)
    assert process.output[0] == "801"
    assert len(process.output) == 1000


def test_all_of_it_is_in_the_log_where_one_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "the.log"
    code = "for number in range(1800): print(number)"
    with ManagedProcess("the program", [sys.executable, "-S", "-c", code], log=log) as process:
        assert process.wait(60) == 0
    assert log.read_text() == "".join(f"{number}\n" for number in range(1800))


def test_a_log_is_this_users_alone_and_no_link_is_followed_to_it(tmp_path: Path) -> None:
    precious, before = tmp_path / "precious", os.umask(0)
    precious.write_text("precious")
    (tmp_path / "link").symlink_to(precious)
    try:
        for name in ("the.log", "link"):
            with ManagedProcess("the program", ["echo", "one"], log=tmp_path / name) as process:
                assert process.wait(60) == 0
            assert process.output == ["one"]
    finally:
        os.umask(before)
    assert (tmp_path / "the.log").stat().st_mode & 0o777 == 0o600
    assert precious.read_text() == "precious"


def test_a_log_that_cannot_be_written_does_not_end_the_reading(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-c", "print('one')"]
    with ManagedProcess("the program", command, log=tmp_path / "nope" / "the.log") as process:
        assert process.wait(60) == 0
    assert process.output == ["one"]


def test_waiting_for_the_end_of_what_goes_on_ends_with_nothing(program: Program) -> None:
    process = program(_WAITS)
    assert process.wait(0.1) is None
    process.start()
    assert process.wait(0.1) is None


def test_a_line_that_came_before_it_was_waited_for_is_found(program: Program) -> None:
    process = program(_WAITS).start()
    for _ in range(2):
        assert process.wait_for_line(lambda line: line == "waiting", 10) == ["waiting"]
    assert process.is_running


def test_output_that_is_no_text_does_not_end_the_reading(program: Program) -> None:
    process = program("import os; os.write(1, b'\\xff\\xfe\\nready\\n')").start()
    assert process.wait_for_line(lambda line: line == "ready", 10)[-1] == "ready"


def test_a_process_that_ends_early_is_reported_with_its_exit_code_and_last_lines(program: Program) -> None:
    code = "import sys\nfor number in range(50): print('line', number)\nsys.exit('no port left')"
    process = program(code).start()
    with pytest.raises(ProcessFailedError) as failed:
        process.wait_for_line(lambda line: line == "ready", 10)
    lines = str(failed.value).splitlines()
    assert lines[0] == "the program ended with exit code 1; its last lines:"
    assert lines[-1] == "  | no port left"
    assert len(lines) == 13
    assert process.exit_code == 1


def test_a_process_that_ends_without_a_word_is_reported_as_such(program: Program) -> None:
    with pytest.raises(ProcessFailedError, match=r"with exit code 3; its last lines:\n  \| \(it printed nothing\)"):
        program("import os; os._exit(3)").start().wait_for_line(lambda _: True, 10)


def test_a_process_that_does_not_get_ready_in_time_is_reported_as_running(program: Program) -> None:
    process = program(_WAITS).start()
    process.wait_for_line(lambda line: line == "waiting", 10)
    with pytest.raises(ProcessFailedError) as failed:
        process.wait_for_line(lambda line: line == "ready", 0.05)
    assert str(failed.value) == "the program was not ready after 0.05 s; its last lines:\n  | waiting"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nope")
    with pytest.raises(ProcessFailedError, match=f"^the server cannot be started: {missing}: No such file"):
        ManagedProcess("the server", [missing]).start()


def test_a_folder_that_is_not_there_is_named_and_not_the_program(tmp_path: Path) -> None:
    missing = tmp_path / "nope"
    with pytest.raises(ProcessFailedError, match=f"^the server cannot be started: {missing}: No such file"):
        ManagedProcess("the server", [sys.executable], directory=missing).start()


def test_a_process_gets_the_environment_and_the_folder_it_is_given(tmp_path: Path) -> None:
    code = "import os; print(os.environ.get('GIVEN'), 'HOME' in os.environ, os.getcwd())"
    command = [sys.executable, "-u", "-S", "-c", code]
    with ManagedProcess("the program", command, environment={"GIVEN": "1"}, directory=tmp_path) as process:
        assert process.wait_for_line(lambda _: True, 10) == [f"1 False {tmp_path}"]


def test_before_the_start_and_after_the_end_a_process_does_not_run(program: Program) -> None:
    process = program(_WAITS)
    assert (process.pid, process.is_running, process.exit_code) == (0, False, None)
    process.stop()
    process.start()
    process.wait_for_line(lambda line: line == "waiting", 10)
    assert (process.pid > 0, process.is_running, process.exit_code) == (True, True, None)
    process.stop()
    assert (process.is_running, process.exit_code) == (False, -signal.SIGTERM)


def test_a_process_is_asked_to_end_and_may_finish_what_it_does(program: Program) -> None:
    process = program(
        "import signal, sys, time\n"
        "def end(*_): print('finished', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True)\n"
        "while True: time.sleep(0.1)"
    ).start()
    process.wait_for_line(lambda line: line == "ready", 10)
    process.stop()
    assert process.exit_code == 0
    assert process.output == ["ready", "finished"]


def test_a_stubborn_process_and_its_stubborn_child_are_killed(program: Program) -> None:
    child = f"[sys.executable, '-S', '-c', {_STUBBORN + '; ' + _WAITS!r}]"
    process = program(
        f"import subprocess, sys; {_STUBBORN}\nchild = subprocess.Popen({child}, stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); child.wait()"
    ).start()
    child_pid = int(process.wait_for_line(str.isdigit, 10)[-1])
    assert _is_alive(child_pid)
    process.stop(timeout_s=0.1)
    assert process.exit_code == -signal.SIGKILL
    assert _is_gone_soon(child_pid)


def test_children_that_outlived_their_parent_are_stopped_with_it(program: Program) -> None:
    child = f"[sys.executable, '-S', '-c', {_WAITS!r}]"
    process = program(
        f"import subprocess, sys\nchild = subprocess.Popen({child}, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)"
    ).start()
    child_pid = int(process.wait_for_line(str.isdigit, 10)[-1])
    assert Waiting(10).until(lambda: not process.is_running)
    assert _is_alive(child_pid)
    process.stop()
    assert _is_gone_soon(child_pid)


def test_nothing_but_its_own_group_is_stopped(program: Program) -> None:
    process, neighbour = program(_WAITS).start(), program(_WAITS).start()
    with subprocess.Popen([sys.executable, "-u", "-S", "-c", _WAITS], stdout=subprocess.PIPE) as sibling:
        try:
            for started in (process, neighbour):
                started.wait_for_line(lambda line: line == "waiting", 10)
            process.stop()
            assert neighbour.is_running
            assert sibling.poll() is None
            assert os.getpgid(neighbour.pid) == neighbour.pid != os.getpgid(0)
        finally:
            sibling.kill()


def test_interrupted_while_it_is_being_started_it_is_not_left_behind(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Interrupted(subprocess.Popen[str]):
        """Is interrupted as soon as there is a process, before anybody has hold of it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            if len(started) == 1:
                signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(subprocess, "Popen", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            program("import time; time.sleep(60)").start()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert _is_gone_soon(started[0])


def test_a_second_start_is_refused_and_the_first_process_goes_on(program: Program) -> None:
    process = program(_WAITS).start()
    pid = process.pid
    with pytest.raises(RuntimeError, match="the program was started before"):
        process.start()
    assert (process.pid, process.is_running) == (pid, True)


def test_a_second_stop_does_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    process = program(_WAITS).start()
    process.stop()
    signalled: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: signalled.append(group))
    process.stop()
    assert signalled == []


def test_a_process_as_a_context_ends_with_it(program: Program) -> None:
    with program(_WAITS) as process:
        assert process.is_running
    assert not process.is_running
