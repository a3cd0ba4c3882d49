"""The README tells the truth: its commands run, its code is the code, its tables name what is there."""

from __future__ import annotations

import re
import shlex
import shutil
import sys

import pytest

from spanprofiles.backends import ManagedProcess
from tests.support.readme import PATIENCE_S, README, ROOT, commands, needs_the_venv_of_make, run


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    assert commands() == [
        "make demo",  # this and the next three in test_the_readmes_demo.py
        ".venv/bin/spanprofiles verify http://127.0.0.1:5003/car",
        ".venv/bin/spanprofiles show TRACE_ID",
        "curl http://127.0.0.1:5001/scooter",
        "make test",
        *(line for line in commands() if line.startswith("pip install ")),  # in test_installing.py
        "make integration BACKEND=native",
        ".venv/bin/spanprofiles serve --tempo-port 0 --otlp-http-port 0 --pyroscope-port 0",
        ".venv/bin/spanprofiles doctor --service ride-sharing-app",
        ".venv/bin/spanprofiles ui --port 0",  # there too, and the doctor and the link
        "make up",  # these two in test_stack.py
        "make down",
        ".venv/bin/spanprofiles link TRACE_ID --datasource grafana/provisioning/datasources",
        ".venv/bin/spanprofiles demo --once --fault slow-search",  # in test_demo.py
        "make bench",
    ]


@needs_the_venv_of_make
def test_serve_runs_until_it_is_stopped() -> None:
    command = next(one for one in commands() if " serve " in one)
    with ManagedProcess("serve", shlex.split(command), directory=ROOT) as process:
        lines = process.wait_for_line(lambda line: line == "ready", PATIENCE_S)
        process.stop(PATIENCE_S)

    assert [line.split()[0] for line in lines] == ["tempo", "otlp-http", "pyroscope", "ready"]
    assert process.exit_code == 0


@needs_the_venv_of_make
@pytest.mark.skipif(not (shutil.which("tempo") and shutil.which("pyroscope")), reason="no real servers on PATH")
def test_the_integration_tests_run_on_another_backend() -> None:
    (command,) = [
        line for line in run("make --dry-run integration BACKEND=native").stdout.splitlines() if "pytest" in line
    ]

    result = run(f"{command} -k test_child_spans_carry_no_profile_id")

    assert result.returncode == 0, result.stdout
    assert "span profiles: native backend" in result.stdout


@pytest.mark.slow
@needs_the_venv_of_make
def test_make_bench_measures_and_says_against_what() -> None:
    (command,) = [line for line in run("make --dry-run bench").stdout.splitlines() if "bench." in line]

    result = run(f"{command} --runs 1")

    assert result.returncode == 0, result.stderr
    assert re.search(r"first span flame graph: median \d+\.\d+ s .*1 runs", result.stdout)


def test_make_test_is_what_ci_runs_and_runs_everything() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    steps = run("make --dry-run --always-make test VENV=/nonexistent").stdout

    assert ci.rstrip().endswith("make test")
    for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "tests/unit", "tests/integration"):
        assert step in steps


def test_the_code_in_the_readme_is_the_code_of_the_foreign_project() -> None:
    shown = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", README, re.DOTALL))

    assert set(shown) == {"conftest.py", "test_bookshop.py"}
    for name, code in shown.items():
        assert code == (ROOT / "tests" / "foreign_project" / name).read_text()


def test_the_lines_that_matter_are_those_of_the_foreign_app() -> None:
    (excerpt,) = re.findall(r"```python\n(    .*?)```", README, re.DOTALL)
    app = (ROOT / "tests" / "foreign_project" / "bookshop.py").read_text()

    assert [line for line in excerpt.splitlines() if line.strip() not in app] == []


def test_every_option_of_the_plugin_is_in_the_readme_and_no_other() -> None:
    help_text = run(f"{sys.executable} -m pytest --help --rootdir=/ -c /dev/null /dev/null").stdout

    assert set(re.findall(r"--span-profiles-[a-z-]+", README)) == set(re.findall(r"--span-profiles-[a-z-]+", help_text))


def test_every_folder_and_file_the_readme_names_is_there() -> None:
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", README)) | set(
        re.findall(r"^\| `([a-z_/]+/[a-z_]*)`", README, re.MULTILINE)
    )

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
