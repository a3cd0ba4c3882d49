"""The exercise in Go: what its folder holds, and machines that cannot build it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import NotHereError, Workbench
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.exercise import exercise_of

MILL = exercise_of(13)
NOWHERE = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9", otlp_http="http://127.0.0.1:9")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MILL.absence), reason=f"the exercise is not here: {MILL.absence}"),
]


def write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_without_its_libraries_it_is_not_here_and_go_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    write(tmp_path / "mine", MILL.given)

    with pytest.raises(NotHereError) as raised:
        judged(Workbench(MILL, tmp_path / "mine", NOWHERE))

    assert str(raised.value).startswith("exercise 13 is not here: Go cannot build the mill as it was given: ")
    assert "GOPROXY=off" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_learners_get_and_are_shown_is_formatted_as_go_wants(tmp_path: Path) -> None:
    for number, texts in enumerate([MILL.given, *(MILL.attempted(patch) for patch in MILL.solutions)]):
        write(tmp_path / str(number), texts)
    formatter = Path(os.path.realpath(shutil.which("go") or "go")).with_name("gofmt")

    listed = subprocess.run([formatter, "-l", tmp_path], capture_output=True, text=True, check=True)

    assert listed.stdout == ""
