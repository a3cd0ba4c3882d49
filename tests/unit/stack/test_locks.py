"""The locks: each package that is installed, pip among them, is one that somebody chose, byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.repository import ROOT

INSTALLED = ("requirements-pip.lock", "requirements.lock")
LOCKS = (*INSTALLED, "requirements-quality.lock")
INSTALLERS = {"pip", "setuptools"}
_ENTRY = re.compile(r"(?P<pin>[a-z0-9.-]+==[^ ;\\]+(?: ; [^\\]+)?)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def pins(lock: str) -> list[Requirement]:
    return [Requirement(entry["pin"]) for entry in _ENTRY.finditer((ROOT / lock).read_text())]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_made_of_exact_pins_with_hashes_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert _ENTRY.sub("", text) == ""
    assert "://" not in text


def test_what_installs_all_else_is_locked_by_itself() -> None:
    assert {pin.name for pin in pins("requirements-pip.lock")} == INSTALLERS
    assert not INSTALLERS & {pin.name for pin in pins("requirements.lock")}
    for python, expected in (("3.10.0", INSTALLERS), ("3.11.7", INSTALLERS), ("3.12.0", {"pip"})):
        wanted = {
            pin.name
            for pin in pins("requirements-pip.lock")
            if pin.marker is None or pin.marker.evaluate({"python_full_version": python})
        }
        assert wanted == expected, python


def test_make_installs_the_locked_pip_first_and_takes_nothing_without_its_hash() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "install"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    installs = [line for line in told.stdout.splitlines() if "pip" in line and " install " in line]
    assert [re.findall(r" -r (\S+)", line) for line in installs] == [*([lock] for lock in INSTALLED), []]
    assert all("--require-hashes" in line for line in installs[:-1])
    assert "--no-deps --no-build-isolation" in installs[-1]


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="make install did not make this environment")
def test_this_environment_has_the_locked_pip() -> None:
    for pin in pins("requirements-pip.lock"):
        try:
            assert pin.specifier.contains(version(pin.name)), pin
        except PackageNotFoundError:  # of this Python's environments it is no part
            assert pin.marker is not None
