"""Runs git for tests, as somebody with a name."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SETTINGS = ["user.name=A Reader", "user.email=reader@example", "commit.gpgsign=false", "init.defaultBranch=main"]


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints."""
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
