"""Commands of the reference and of the how-to guides, as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from spanprofiles.backends import ManagedProcess
from tests.support.documentation import COMMAND_TIMEOUT_S, ROOT, needs_the_venv_of_make, page, readers_environment, run


@needs_the_venv_of_make
def test_serve_runs_until_it_is_stopped() -> None:
    command = next(command for command in page("docs/reference/embedded.md").commands if "-port 0" in command)

    with ManagedProcess("serve", shlex.split(command), environment=readers_environment(), directory=ROOT) as process:
        lines = process.wait_for_line(lambda line: line == "ready", COMMAND_TIMEOUT_S)
        process.stop(COMMAND_TIMEOUT_S)

    assert [line.split()[0] for line in lines] == ["tempo", "otlp-http", "pyroscope", "ready"]
    assert process.exit_code == 0


@needs_the_venv_of_make
@pytest.mark.skipif(not (shutil.which("tempo") and shutil.which("pyroscope")), reason="no real servers on PATH")
def test_the_integration_tests_run_on_another_backend() -> None:
    (documented,) = page("docs/reference/backends.md").commands
    steps = run(documented.replace("make ", "make --dry-run ")).stdout
    (command,) = [line for line in steps.splitlines() if "pytest" in line]

    result = run(f"{command} -k test_child_spans_carry_no_profile_id -n 0")  # workers do not print the backend

    assert result.returncode == 0, result.stdout
    assert "span profiles: native backend" in result.stdout


@pytest.mark.exhaustive
@needs_the_venv_of_make
def test_make_bench_measures_and_says_against_what() -> None:
    (command,) = [line for line in run("make --dry-run bench").stdout.splitlines() if "bench." in line]

    result = run(f"{command} --runs 1")

    assert result.returncode == 0, result.stderr
    assert re.search(r"first span flame graph: median \d+\.\d+ s .*1 runs", result.stdout)


@needs_the_venv_of_make
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("tests/unit", marks=pytest.mark.slow),
        pytest.param("tests/integration", marks=pytest.mark.exhaustive),
    ],
)
def test_one_test_is_run_as_the_page_for_contributors_says(place: str) -> None:
    (command,) = [command for command in page("CONTRIBUTING.md").commands if f"pytest {place}" in command]

    result = run(command)

    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"\b[1-9]\d* passed", result.stdout)
