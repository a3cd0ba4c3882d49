"""The GitLab template's script, run with stand-ins for the programs that it calls: what it calls, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack.ci_rules import TEMPLATE
from tests.support.stack.workflow_rules import content

pytestmark = pytest.mark.slow

JOB = content(TEMPLATE.read_text(encoding="utf-8"))["span-profiles"]

# Notes what it was called with. spanprofiles compare writes its summary, and curl answers with the comments.
_STAND_IN = """
import json, os, pathlib, sys
name, call = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open("calls", "a") as calls:
    calls.write(json.dumps([name, *call]) + "\\n")
if call[:1] == ["compare"]:
    pathlib.Path("span-profiles").mkdir(exist_ok=True)
    pathlib.Path("span-profiles/summary.md").write_text("## A summary\\n")
    sys.exit(int(os.environ["COMPARED"]))
if name == "curl" and "--request" not in call:
    print(os.environ["NOTES"])
"""


def run(folder: Path, **variables: str) -> tuple[int, list[list[str]]]:
    """Run the script; return its exit code, and the calls of programs."""
    for name in ("spanprofiles", "curl", "git"):
        (folder / name).write_text(f"#!{sys.executable} -S\n{_STAND_IN}")
        (folder / name).chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    given = {
        "PATH": os.pathsep.join([str(folder), os.environ["PATH"]]),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_API_V4_URL": "http://gitlab/api",
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "2",
        "NOTES": "[]",
    }
    script = "\n".join(line for line in JOB["script"] if not line.startswith("python -m pip"))
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=given | JOB["variables"] | variables,
        capture_output=True,
        check=False,
    )
    calls = (folder / "calls").read_text().splitlines()
    return done.returncode, [json.loads(line) for line in calls]


@pytest.mark.parametrize(
    ("compared", "cannot_say", "code"), [("0", "pass", 0), ("1", "pass", 1), ("2", "pass", 0), ("2", "fail", 2)]
)
def test_it_ends_with_the_verdict(tmp_path: Path, compared: str, cannot_say: str, code: int) -> None:
    ended, calls = run(tmp_path, COMPARED=compared, CANNOT_SAY=cannot_say)

    assert ended == code
    assert calls[0] == ["git", "fetch", "origin", "main"]
    base, head, comparison = (call for call in calls if call[0] == "spanprofiles")
    setup = JOB["variables"]["INSTALL"]
    assert base[1:] == ["record", "span-profiles/base", "--revision", "FETCH_HEAD", "--setup", setup, "--", "tests"]
    assert head[1:5] == ["record", "span-profiles/head", "--setup", setup]
    assert comparison[1:6] == ["compare", "span-profiles/base", "span-profiles/head", "--threshold", "10%"]
    assert not [call for call in calls if call[0] == "curl"]  # without a token there are no comments


@pytest.mark.parametrize(
    ("notes", "method", "address"),
    [
        ([{"id": 5, "body": "another"}], "POST", "merge_requests/2/notes"),
        (
            [{"id": 5, "body": "another"}, {"id": 6, "body": "<!-- spanprofiles -->\nold"}],
            "PUT",
            "merge_requests/2/notes/6",
        ),
    ],
    ids=["first comment", "later comment"],
)
def test_with_a_token_it_keeps_one_comment(
    tmp_path: Path, notes: list[dict[str, object]], method: str, address: str
) -> None:
    ended, calls = run(tmp_path, COMPARED="1", GITLAB_COMMENT_TOKEN="a-token", NOTES=json.dumps(notes))

    assert ended == 1
    *_, written = calls
    assert written[written.index("--request") + 1] == method
    assert written[-1] == f"http://gitlab/api/projects/1/{address}"
    assert (tmp_path / "span-profiles" / "comment.md").read_text() == "<!-- spanprofiles -->\n## A summary\n"
