"""Jobs: run to their end, with exit code, output and a deadline."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from spanprofiles.linking import Waiting
from spanprofiles.pytest_plugin import JobRunner
from tests.unit.plugin.conftest import Python

pytestmark = pytest.mark.slow

_FAILED = pytest.fail.Exception


def test_a_job_is_run_to_its_end(run: JobRunner, python: Python) -> None:
    before_ns = time.time_ns()

    job = run(python("import os\nprint('counted', os.environ['UNIT'])"), {"UNIT": "books"}, check=True)

    assert (job.exit_code, job.output) == (0, "counted books")
    assert job.log.read_text() == "counted books\n"
    assert before_ns <= job.started_ns < job.ended_ns <= time.time_ns()


def test_a_job_gets_its_arguments(run: JobRunner, python: Python) -> None:
    assert run([*python("import sys; print(sys.argv[1:])"), "a b", "c"]).output == "['a b', 'c']"


def test_a_job_that_fails_fails_its_test_with_its_traceback(run: JobRunner, python: Python) -> None:
    with pytest.raises(_FAILED, match=r"the job under test failed: it has ended with exit code 1[^$]*KeyError: 'page'"):
        run(python("{}['page']"))


def test_a_job_may_fail_where_its_exit_code_is_not_checked(run: JobRunner, python: Python) -> None:
    job = run(python("import sys; print('no pages', file=sys.stderr); sys.exit(4)"), check=False)

    assert (job.exit_code, job.output) == (4, "no pages")


def test_a_job_that_is_killed_has_a_negative_exit_code(run: JobRunner, python: Python) -> None:
    job = run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), check=False)

    assert job.exit_code == -9


def test_a_job_that_takes_too_long_is_stopped(run: JobRunner, python: Python) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

    with pytest.raises(
        _FAILED, match=r"the night job has not ended after 3 s, and was stopped\n[^$]*  \| \d+"
    ) as failed:
        run(python(code), timeout=3, name="the night job")

    (pid,) = re.findall(r"^  \| (\d+)$", str(failed.value), re.MULTILINE)
    assert not _is_alive(int(pid))


def test_what_a_job_leaves_behind_is_ended_with_it(run: JobRunner, python: Python) -> None:
    code = (
        "import subprocess, sys\n"
        "nap = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\nprint(nap.pid)"
    )

    job = run(python(code))

    assert Waiting(30).until(lambda: not _is_alive(int(job.output)))


def test_a_job_runs_in_the_folder_of_the_test_that_asks(run: JobRunner, python: Python, tmp_path: Path) -> None:
    where = python("import os; print(os.getcwd())")

    assert run(where).output == str(Path(__file__).parent)
    assert run(where, cwd=tmp_path).output == str(tmp_path)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_is_none_is_refused(run: JobRunner, python: Python, seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout="):
        run(python(""), timeout=seconds)


def test_a_job_that_cannot_be_started_is_named(run: JobRunner) -> None:
    with pytest.raises(_FAILED, match="the job under test cannot be started: no-such-program: No such file"):
        run(["no-such-program"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] not in "ZX"
