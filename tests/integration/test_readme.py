"""The README tells the truth: its commands run, its code is the code, its tables name what is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from spanprofiles.backends import ManagedProcess

pytestmark = pytest.mark.usefixtures("well_known_ports")

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PATIENCE_S = 180

needs_the_venv_of_make = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="the README's commands live in .venv, which `make install` makes"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [
        line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")
    ]


@pytest.fixture(scope="module")
def demo(well_known_ports: None) -> Iterator[tuple[ManagedProcess, list[str]]]:  # noqa: ARG001  # held meanwhile
    """The demo as the README starts it, up to its first live line."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ManagedProcess("make demo", ["make", "demo"], environment=environment, directory=ROOT) as process:
        yield process, process.wait_for_line(lambda line: "rides/s" in line, PATIENCE_S)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the whole foreground group
        process.wait_for_line(lambda line: "all processes are stopped" in line, PATIENCE_S)


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    assert commands() == [
        "make demo",
        ".venv/bin/spanprofiles verify http://127.0.0.1:5003/car",
        ".venv/bin/spanprofiles show TRACE_ID",
        "curl http://127.0.0.1:5001/scooter",
        "make test",
        *(line for line in commands() if line.startswith("pip install ")),  # in test_installing.py
        "make integration BACKEND=native",
        ".venv/bin/spanprofiles serve --tempo-port 0 --otlp-http-port 0 --pyroscope-port 0",
        ".venv/bin/spanprofiles doctor --service ride-sharing-app",
        ".venv/bin/spanprofiles ui --port 0",
        "make up",  # these two in test_stack.py
        "make down",
        ".venv/bin/spanprofiles link TRACE_ID --datasource grafana/provisioning/datasources",
        ".venv/bin/spanprofiles demo --once --fault slow-search",  # in test_demo.py
        "make bench",
    ]


@needs_the_venv_of_make
def test_make_demo_prints_what_the_readme_shows(demo: tuple[ManagedProcess, list[str]]) -> None:
    printed = "\n".join(demo[1])

    for line in blocks("text")[0].splitlines():
        if line.strip() and not re.match(r" ▌| *\d+\.\d ms |GET |└|  \w+ +\d", line):
            shape = re.sub(r"[0-9a-f]{16,32}|\\?\d+(\\\.\d+)?", lambda _: r"[0-9a-f.]+", re.escape(line))
            shape = shape.replace(r"\ ms", r"\ m?s")
            assert re.search(shape, printed), f"the demo prints nothing like: {line}"
    for step in ("find_nearest_vehicle", "check_driver", "plan_route", "calculate_price", "great_circle_km"):
        assert step in printed


@needs_the_venv_of_make
def test_the_commands_to_go_on_with_work_while_it_runs(demo: tuple[ManagedProcess, list[str]]) -> None:
    printed = "\n".join(demo[1])
    offered = dict(re.findall(r"^  (\S.*?)  +(\S.*)$", printed[printed.index("this ride again") - 2 :], re.MULTILINE))
    verify, show = offered["one that two regions serve"], offered["this ride again"]
    by_hand = offered["by hand"]

    followed, shown = run(verify), run(show)
    trace_id, *servers = show.split()[2:]
    link = next(one for one in commands() if " link " in one).replace("TRACE_ID", trace_id)
    linked = run(" ".join([link, "--uid tempo", *servers]))
    doctor = next(one for one in commands() if " doctor " in one)
    examined = run(" ".join([doctor, *servers]))
    url = by_hand.removeprefix("curl ").strip("'")
    answer = run(by_hand).stdout if shutil.which("curl") else requests.get(url, timeout=10).text

    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert followed.stdout.count("└ span profile") == 2
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "└ span profile" in shown.stdout
    assert '"ride_id"' in answer
    assert linked.returncode == 0, linked.stdout + linked.stderr
    assert "service_name=" in linked.stdout
    assert examined.returncode == 0, examined.stdout + examined.stderr
    if "is taken by another program" not in printed:
        assert commands()[1:4] == [verify, re.sub(r"[0-9a-f]{32}", "TRACE_ID", show), by_hand.replace("'", "")]


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


@needs_the_venv_of_make
def test_the_page_is_served_by_itself() -> None:
    command = next(one for one in commands() if " ui " in one)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ManagedProcess("the page", shlex.split(command), environment=environment, directory=ROOT) as process:
        line = process.wait_for_line(lambda one: "http://" in one, PATIENCE_S)[-1]
        page = requests.get(line.split()[-1] + "/tour", timeout=10)

    assert page.ok
    assert "span profile" in page.text


@needs_the_venv_of_make
def test_make_bench_measures_and_says_against_what() -> None:
    (command,) = [line for line in run("make --dry-run bench").stdout.splitlines() if "bench/" in line]

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
    help_text = run(f"{sys.executable} -m pytest --help").stdout

    assert set(re.findall(r"--span-profiles-[a-z-]+", README)) == set(re.findall(r"--span-profiles-[a-z-]+", help_text))


def test_every_folder_and_file_the_readme_names_is_there() -> None:
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", README)) | set(
        re.findall(r"^\| `([a-z_/]+/[a-z_]*)`", README, re.MULTILINE)
    )

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
