"""A slow commit in a repository of the bookshop: the gate, the commands and the action name the function that it slowed
down. Its twin changes nothing, and passes.

The machine may be busy with other tests. So the slow commit costs five times the CPU, and the twin is compared side by
side.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documentation import (
    COMMAND_TIMEOUT_S,
    NO_OTHER_PLUGINS,
    ROOT,
    not_printed,
    page,
    readers_environment,
    run,
)
from tests.support.git import git
from tests.support.stack.ci_rules import ACTION, action_steps

GUIDE = page("docs/how-to/fail-a-slow-pull-request.md")
TEST = "test_speed.py::test_the_cpu_of_a_search"
REQUESTS = 8
(DIFF,) = GUIDE.blocks("diff")
RECORD, GATE, COMPARE, AB, *BY_HAND = GUIDE.commands


def slowed_down(code: str) -> str:
    """Return a bookshop with the guide's change."""
    (old,) = [line[1:] for line in DIFF.splitlines() if line.startswith("-")]
    new = "\n".join(line[1:] for line in DIFF.splitlines() if line.startswith("+"))
    assert old in code
    return code.replace(old, new)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Give a repository of the bookshop and the guide's test, with fewer titles and requests."""
    bookshop = (ROOT / "examples" / "bookshop" / "bookshop.py").read_text()
    (tmp_path / "bookshop.py").write_text(bookshop.replace("EDITIONS = 500", "EDITIONS = 150"))
    shutil.copy(ROOT / "examples" / "bookshop" / "conftest.py", tmp_path)
    speed = GUIDE.files["test_speed.py"].replace("Until.sent(30)", f"Until.sent({REQUESTS})")
    (tmp_path / "test_speed.py").write_text(speed)
    (requests,) = [text for text in GUIDE.blocks("text") if text.startswith("/")]
    (tmp_path / "requests.txt").write_text(requests)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=A bookshop")
    return tmp_path


def make_slow(shop: Path) -> None:
    (shop / "bookshop.py").write_text(slowed_down((shop / "bookshop.py").read_text()))


@pytest.mark.slow
def test_the_gate_and_both_comparisons_name_the_function_of_a_slow_change(shop: Path) -> None:
    before = run(RECORD, shop)
    assert before.returncode == 0, before.stdout
    make_slow(shop)

    gate = run(f"{GATE} --span-profiles-pictures=pictures", shop)  # other runs of pytest clear its temporary folders
    compared = run(COMPARE, shop)
    side_by_side = run(f"{AB} --count {REQUESTS} --json", shop)

    assert gate.returncode == 1, gate.stdout
    shown = next(text for text in GUIDE.blocks("text") if text.startswith("regression"))
    assert not_printed(shown, gate.stdout) == []
    pictures = set(re.findall(r"difference flame graph: (\S+\.svg)", gate.stdout))
    assert pictures
    assert all("edit_distance" in (shop / picture).read_text() for picture in pictures)
    assert compared.returncode == 1, compared.stderr
    assert f"regression     {TEST}" in compared.stdout
    assert "  edit_distance: +" in compared.stdout
    assert side_by_side.returncode == 1, side_by_side.stderr
    (measured,) = json.loads(side_by_side.stdout)["measurements"]
    assert (measured["name"], measured["top_regression"]) == ("GET /search?title=wite+wale", "edit_distance")
    assert len(git(shop, "worktree", "list").splitlines()) == 1


@pytest.mark.exhaustive
def test_its_twin_without_a_change_passes(shop: Path) -> None:
    command = f"spanprofiles ab --base git:HEAD --head 'python bookshop.py {{port}}' --requests {TEST} --ready /health"
    side_by_side = run(f"{command} --count {REQUESTS} --json --record recorded", shop)

    assert side_by_side.returncode in {0, 2}, side_by_side.stderr
    report = json.loads(side_by_side.stdout)
    (measured,) = report["measurements"]
    assert report["verdict"] in {"no regression", "cannot say"}
    assert (measured["base_requests"], measured["head_requests"]) == (REQUESTS, REQUESTS)
    assert measured["top_regression"] is None
    assert run("spanprofiles compare recorded/base recorded/head --json", shop).stdout == side_by_side.stdout


GH = """
import json, pathlib, sys
call = sys.argv[1:]
body = next((word.partition("@")[2] for word in call if word.startswith("body=@")), "")
log = pathlib.Path("calls.json")
calls = json.loads(log.read_text()) if log.exists() else []
log.write_text(json.dumps([*calls, [*call, pathlib.Path(body).read_text() if body else ""]]))
if "--jq" in call and len(calls) == 2:
    print(7)
"""


@pytest.mark.exhaustive
def test_the_actions_steps_end_with_the_verdict_and_keep_one_comment(shop: Path) -> None:
    make_slow(shop)
    git(shop, "commit", "--quiet", "--all", "--message=Find titles however they are capitalized")
    (shop / "gh").write_text(f"#!{sys.executable}\n{GH}")
    (shop / "gh").chmod(0o755)
    given = {
        "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_REPOSITORY": "a/shop",
        "PATH": os.pathsep.join([str(shop), readers_environment()["PATH"]]),
        "PYTEST_ADDOPTS": " ".join(NO_OTHER_PLUGINS),
    }
    inputs = {
        "BASE": "HEAD~1",
        "INSTALL": "test -f requests.txt",
        "TESTS": "test_speed.py",
        "THRESHOLD": "20%",
        "CANNOT_SAY": "pass",
        "PULL_REQUEST": "12",
        "GH_TOKEN": "none",
        "VERDICT": "1",
    }
    codes = {}
    steps = {step["name"]: step for step in action_steps(ACTION.read_text(encoding="utf-8")) if "run" in step}
    for name in [*list(steps)[1:], "update the comment"]:
        step = steps[name]
        own = {variable: inputs.get(variable, value) for variable, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=shop,
            env=readers_environment({**given, **own}),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        codes[name] = done.returncode
        assert name == "the verdict" or done.returncode == 0, done.stdout + done.stderr

    assert codes["the verdict"] == 1
    assert (shop / "output").read_text() == "verdict=1\n"
    summary = (shop / "summary.md").read_text()
    assert summary.startswith("## A request has become slower")
    assert "| `edit_distance` | own code |" in summary
    assert [path.suffix for path in (shop / "span-profiles" / "pictures").iterdir()] == [".svg"]
    assert (shop / "span-profiles" / "report.xml").exists()
    _, created, _, updated = json.loads((shop / "calls.json").read_text())
    assert created[3:5] == ["POST", "repos/a/shop/issues/12/comments"]
    assert updated[3:5] == ["PATCH", "repos/a/shop/issues/comments/7"]
    assert created[-1] == updated[-1] == f"<!-- spanprofiles -->\n{summary}"


def test_the_guides_commands_are_those_that_the_action_runs() -> None:
    action = ACTION.read_text(encoding="utf-8")
    for command in BY_HAND:
        program, name, *_ = shlex.split(command)
        assert f"{program} {name} " in action
        for option in re.findall(r"--[a-z]+", command):
            assert option in action
