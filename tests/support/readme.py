"""What the README has in it: its blocks of code and its commands, and how a command of it is run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
