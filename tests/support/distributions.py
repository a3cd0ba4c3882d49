"""Builds what ``make dist`` builds, and installs it where there is nothing but what it asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packages"
LONGEST_S = 300


def run(command: list[str], directory: Path, *, expected: int = 0) -> str:
    """Run a command with none of this process's settings; its output.

    Raises:
        AssertionError: It ends with another code than expected; the message has its output.
    """
    ours = ("PYTHON", "PYTEST", "SPAN_PROFILES", "OTEL_", "PYROSCOPE_", "VIRTUAL_ENV", "PIP_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert done.returncode == expected, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Built:
    """What was built of one package."""

    wheel: Path
    sdist: Path


def build(package: str, folder: Path) -> Built:
    """Build a package's wheel and source distribution as ``make dist`` does."""
    run([sys.executable, "-m", "hatchling", "build", "--directory", str(folder)], PACKAGES / package)
    stem = package.replace("-", "_")
    (wheel,), (sdist,) = folder.glob(f"{stem}-*.whl"), folder.glob(f"{stem}-*.tar.gz")
    return Built(wheel, sdist)


def wheel_of(sdist: Path, folder: Path) -> Path:
    """Build the wheel of a source distribution, from what is in that alone."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(sdist)], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def closure(requirements: Iterable[str], extras: Iterable[str] = ()) -> dict[str, Distribution]:
    """All distributions that requirements lead to, by name, of those that are installed here.

    Args:
        requirements: As ``Requires-Dist`` has them.
        extras: The extras that were asked for of whatever has these requirements.
    """
    found: dict[str, Distribution] = {}
    pending = [(requirements, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        some, wanted = pending.pop()
        for requirement in map(Requirement, some):
            environments = [{"extra": extra} for extra in (wanted or {""})]
            if requirement.marker and not any(map(requirement.marker.evaluate, environments)):
                continue
            name, asked = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if (name, asked) not in seen:
                seen.add((name, asked))
                found[name] = distribution(name)
                pending.append((found[name].requires or [], asked))
    return found


class EmptyEnvironment:
    """A virtual environment without network, where only chosen distributions of this one can be imported."""

    def __init__(self, home: Path) -> None:
        run([sys.executable, "-m", "venv", "--without-pip", str(home)], home.parent)
        self.home = home
        self.python = home / "bin" / "python"
        (self._packages,) = home.glob("lib/python*/site-packages")

    def link(self, distributions: Iterable[Distribution]) -> None:
        """Make distributions of this environment importable there, file by file: some share their folders."""
        for each in distributions:
            for file in each.files or []:
                target = self._packages / file
                if ".." in file.parts or file.suffix == ".pyc" or target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(Path(str(file.locate())).resolve())

    def install(self, wheel: Path) -> None:
        """Install a wheel, and see that all it requires is there."""
        options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
        run([*self._pip, "install", *options, str(wheel)], self.home)
        run([*self._pip, "check"], self.home)

    def distributions(self) -> dict[str, str]:
        """The versions of all that is installed there, by name."""
        listed = json.loads(run([*self._pip, "list", "--format", "json"], self.home))
        return {canonicalize_name(each["name"]): each["version"] for each in listed}

    def can_import(self, *names: str) -> list[str]:
        """Which of these modules can be imported there."""
        program = "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
        return run([str(self.python), "-c", program, *names], self.home).split()

    @property
    def _pip(self) -> list[str]:
        return [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
