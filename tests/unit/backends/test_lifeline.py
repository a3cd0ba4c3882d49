"""What a program started ends with it, also when it is killed; what it stopped itself is nobody's any more."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from spanprofiles.backends.lifeline import _GOODBYE_S, Lifeline
from spanprofiles.backends.watcher import began, end, left_over
from spanprofiles.linking import Waiting

pytestmark = pytest.mark.slow

_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
_WAITS = "import signal; print('waiting', flush=True); signal.pause()"

#: Starts a process, and prints its number; then whatever the test asks for.
_PROGRAM = """
import sys, signal
from spanprofiles.backends import ManagedProcess
process = ManagedProcess("the server", [sys.executable, "-S", "-u", "-c", sys.argv[1]]).start()
process.wait_for_line(lambda line: line == "waiting", 20)
print(process.pid, flush=True)
{rest}
"""

Run = Callable[..., "tuple[subprocess.Popen[str], int]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Give a function that runs the program, and returns it with the number of the process it started."""
    with ExitStack() as stack:

        def start(rest: str, server: str = _WAITS) -> tuple[subprocess.Popen[str], int]:
            command = [sys.executable, "-c", _PROGRAM.format(rest=rest), server]
            program = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(program.kill)
            assert program.stdout is not None
            return program, int(program.stdout.readline())

        yield start


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def is_gone_within(pid: int, seconds: float) -> bool:
    return Waiting(seconds).until(lambda: not is_running(pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_the_program_that_started_it_and_was_killed(run: Run, number: signal.Signals) -> None:
    program, pid = run("signal.pause()")
    assert is_running(pid)

    program.send_signal(number)

    assert is_gone_within(pid, 20)


def test_a_stubborn_process_is_killed(run: Run) -> None:
    program, pid = run("signal.pause()", server=_STUBBORN + _WAITS)

    program.kill()

    assert is_gone_within(pid, 20)


def test_a_process_that_was_never_stopped_ends_with_its_program(run: Run) -> None:
    program, pid = run("")

    assert program.wait(20) == 0

    assert is_gone_within(pid, 20)


def test_a_forked_child_neither_holds_the_pipe_nor_ends_its_parents_processes(run: Run) -> None:
    """As a pool of workers does, which is still there when the program that made it is killed."""
    program, pid = run("import os, time; os.fork() or (time.sleep(1), sys.exit()); signal.pause()")

    assert not is_gone_within(pid, 1.5), "the child's end is not the program's"
    program, pid = run("import os, time; os.fork() or (time.sleep(20), sys.exit()); signal.pause()")
    program.kill()

    assert is_gone_within(pid, 15), "before the child ends"


def test_with_a_forked_child_the_last_stop_waits_for_nothing(run: Run) -> None:
    program, _ = run(
        "import os, time; os.fork() or (time.sleep(20), sys.exit()); began = time.monotonic(); process.stop();"
        " print(time.monotonic() - began, flush=True); signal.pause()"
    )
    assert program.stdout is not None

    assert float(program.stdout.readline()) < _GOODBYE_S


def test_a_watcher_that_was_killed_is_replaced_by_the_next_start(run: Run) -> None:
    program, pid = run(
        "print('again', flush=True); sys.stdin.readline();"
        " other = ManagedProcess('another', process.command).start(); print(other.pid, flush=True); signal.pause()"
    )
    assert program.stdout is not None
    assert program.stdin is not None
    program.stdout.readline()
    (watcher,) = (
        child for child in psutil.Process(program.pid).children() if "watcher.py" in " ".join(child.cmdline())
    )
    watcher.terminate()  # which it does not heed
    watcher.kill()
    assert is_gone_within(watcher.pid, 20), "a signal that is sent has not yet ended anything"

    program.stdin.write("\n")
    program.stdin.flush()
    other = int(program.stdout.readline())
    program.kill()

    assert is_gone_within(pid, 20)
    assert is_gone_within(other, 20)


def test_a_process_goes_on_while_its_program_does(run: Run) -> None:
    program, pid = run("signal.pause()")

    assert not is_gone_within(pid, 0.5)
    assert program.poll() is None


def test_no_watcher_is_left_when_everything_was_stopped(run: Run) -> None:
    program, pid = run("process.stop(); print('stopped', flush=True); signal.pause()")
    assert program.stdout is not None

    assert program.stdout.readline() == "stopped\n"

    assert not is_running(pid)
    assert psutil.Process(program.pid).children() == []


def test_a_group_that_was_let_go_is_not_left_over() -> None:
    groups = left_over(["+1000001\n", "+1000002\n", "-1000001\n"])
    assert groups == {1000002: ""}


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    """The leader of a process group of its own, which waits."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _WAITS], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        try:
            assert leader.stdout is not None
            leader.stdout.readline()
            yield leader
        finally:
            leader.kill()


def test_a_group_whose_number_is_anothers_by_now_is_left_alone(group: subprocess.Popen[bytes]) -> None:
    start = began(group.pid)
    assert start.isdigit() == Path("/proc/self/stat").exists()

    end({group.pid: "1"} if start else {})
    assert group.poll() is None

    end({group.pid: start})
    assert group.wait(10) == -signal.SIGTERM


def test_nobody_waits_for_a_group_that_has_ended(
    group: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanprofiles.backends.watcher.END_TIMEOUT_S", 60.0)
    began_s = time.monotonic()

    end({group.pid: began(group.pid)})  # whose end nobody has asked for yet

    assert time.monotonic() - began_s < 30


def test_a_number_without_a_process_began_never() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""], start_new_session=True) as ended:
        ended.wait()
    assert began(ended.pid) == ""


def test_the_watcher_is_there_before_a_process_and_goes_if_none_could_be_started() -> None:
    before = set(psutil.Process().children())
    lifeline = Lifeline()

    with suppress(OSError), lifeline.ready():
        (watcher,) = set(psutil.Process().children()) - before
        # A program that has just been started has no command line for a moment.
        command = Waiting(60).until(watcher.cmdline)
        assert "watcher.py" in command[-1]
        raise FileNotFoundError

    assert not watcher.is_running() or watcher.status() == psutil.STATUS_ZOMBIE
