"""The slow tests of a file share what is dear to start: one worker runs them all, and what waits longest is first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import LONGEST, ROOT

pytestmark = pytest.mark.slow

CONFTEST = "from tests.integration.conftest import pytest_collection_modifyitems, pytest_xdist_make_scheduler\n"
TESTS = """
import os, pytest

@pytest.mark.parametrize("number", range(6))
def test_any(number):
    with open(os.environ["RAN"], "a") as file:
        file.write(f"{__name__} {os.environ['PYTEST_XDIST_WORKER']}\\n")
"""


@pytest.fixture
def ran(tmp_path: Path) -> list[tuple[str, str]]:
    """File and worker of each test of a project under the rules of this folder, in the order of their ends."""
    assert "test_faults" in LONGEST
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_b", "test_c", "test_faults"):
        (tmp_path / f"{name}.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(ROOT), "RAN": str(tmp_path / "ran")}
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "18 passed" in result.stdout, result.stdout
    return [(file, worker) for file, worker in map(str.split, (tmp_path / "ran").read_text().splitlines())]


def test_each_file_has_one_worker_and_the_longest_is_first(ran: list[tuple[str, str]]) -> None:
    workers: dict[str, set[str]] = {}
    for file, worker in ran:
        workers.setdefault(file, set()).add(worker)

    assert {file: len(found) for file, found in workers.items()} == {"test_b": 1, "test_c": 1, "test_faults": 1}
    assert set().union(*workers.values()) == {"gw0", "gw1"}
    (its_worker,) = workers["test_faults"]
    assert next(file for file, worker in ran if worker == its_worker) == "test_faults"
