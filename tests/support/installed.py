"""An environment in which both distributions are installed as users have them: from their wheels."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from tests.support.distributions import build, run

DISTRIBUTIONS = ("spanprofiles-processor", "spanprofiles")
_READY = "ready"


@dataclass(frozen=True)
class Installed:
    """Where they are.

    Attributes:
        home: the virtual environment.
    """

    home: Path

    @property
    def programs(self) -> Path:
        """The folder with its programs."""
        return self.home / "bin"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a shell in which it is active."""
        return {"PATH": os.pathsep.join([str(self.programs), os.environ.get("PATH", os.defpath)])}


def installed(shared: Path) -> Installed:
    """Return the environment; the first of several test processes makes it.

    All but the two distributions comes from the environment of the tests: by a path alone, so that what is installed
    there in editable form cannot be imported.

    Args:
        shared: a folder that these processes share.
    """
    home = shared / "installed"
    with (shared / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / _READY).is_file():
            _make(home, shared)
            (home / _READY).touch()
    return Installed(home)


def _make(home: Path, shared: Path) -> None:
    wheels = [build(name, shared / "wheels" / name).wheel for name in DISTRIBUTIONS]
    run([sys.executable, "-m", "venv", "--without-pip", str(home)], shared)
    python = home / "bin" / "python"
    (packages,) = home.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "--no-deps", "--no-index", *map(str, wheels)], shared)
    (packages / "packages-of-the-tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for entry in entry_points(group="console_scripts"):
        program = home / "bin" / entry.name
        if not program.exists():
            program.write_text(
                f"#!{python}\nimport sys\nfrom {entry.module} import {entry.attr.partition('.')[0]}\n"
                f"sys.exit({entry.attr}())\n",
                encoding="utf-8",
            )
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
