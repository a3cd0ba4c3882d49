"""Puts the demo's app and its load, which stand at the repository's root, into what is distributed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("rideshare", "loadgen")
IN_THE_WHEEL = "spanprofiles/demo/city"


class CityBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # takes any builder's settings
    """Adds the packages to wheels, where ``spanprofiles.demo.city`` looks for them, and to source distributions."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the packages; an editable installation finds them where they stand."""
        if version == "editable":
            return
        here = Path(self.root)
        for name in PACKAGES:
            # a source distribution holds them beside this file
            folder = next(
                parent / name for parent in (here, here.parents[1]) if (parent / name / "__init__.py").is_file()
            )
            target = name if self.target_name == "sdist" else f"{IN_THE_WHEEL}/{name}"
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.name != "Dockerfile" and "__pycache__" not in file.parts:
                    build_data["force_include"][str(file)] = f"{target}/{file.relative_to(folder).as_posix()}"
