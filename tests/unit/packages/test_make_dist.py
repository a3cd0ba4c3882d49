"""``make dist``, with a stand-in for what builds one package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ["spanprofiles-processor", "spanprofiles"]

BUILD = """#!/bin/sh
# python -m hatchling build --directory FOLDER
test ! -e broken || { echo "this package is broken" >&2; exit 3; }
mkdir -p "$5"
touch "$5/$(basename "$PWD")-1.whl" "$5/$(basename "$PWD")-1.tar.gz"
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with an installed .venv, at a path with a space in it."""
    root = tmp_path / "a copy"
    for name in PACKAGES:
        (root / "packages" / name).mkdir(parents=True)
        (root / "packages" / name / "pyproject.toml").touch()
    for name in ("requirements-pip.lock", "requirements.lock", "pyproject.toml"):
        (root / name).touch()
    shutil.copy(ROOT / "Makefile", root)
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(BUILD)
    python.chmod(0o755)
    (root / ".venv" / "installed").touch()
    return root


def make_dist(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    return subprocess.run(
        ["make", "dist"], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_puts_a_wheel_and_a_source_distribution_of_each_package_into_dist(copy: Path) -> None:
    (copy / "dist").mkdir()
    (copy / "dist" / "of-yesterday.whl").touch()

    assert make_dist(copy).returncode == 0

    expected = {f"{name}-1.{kind}" for name in PACKAGES for kind in ("whl", "tar.gz")}
    assert {file.name for file in (copy / "dist").iterdir()} == expected


@pytest.mark.parametrize("broken", PACKAGES)
def test_where_one_package_does_not_build_it_fails_and_leaves_no_half_of_them(copy: Path, broken: str) -> None:
    (copy / "packages" / broken / "broken").touch()

    made = make_dist(copy)

    assert made.returncode != 0
    assert "this package is broken" in made.stderr
    assert f"packages/{broken} does not build" in made.stderr
    assert not (copy / "dist").exists()
