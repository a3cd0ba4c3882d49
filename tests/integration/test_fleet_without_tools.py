"""Machines without Go, a JDK and Maven: the fleet's tests in these languages are skipped, each with one reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fleet import BUILT, ROOT

FILES = [f"tests/integration/test_{name}.py" for name in ("fleet", "broken_regions", "more_of_the_fleet")]
SKIPPED = re.compile(r"^SKIPPED \[\d+\] \S+ (.*)$", re.MULTILINE)
REASONS = {
    "Go": "no region in Go: go must be on the PATH to build it",
    "Java": "no region in Java: java and javac and mvn must be on the PATH to build it",
}


@pytest.mark.slow
def test_without_go_a_jdk_and_maven_their_tests_are_skipped_with_a_reason(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PATH"] = str(tmp_path)  # an empty folder
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tests'}"]
    command += ["-k", "(go or java or fleet_shows) and not Python", *FILES]

    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    assert set(REASONS) == {region.language for region in BUILT}
    assert set(SKIPPED.findall(result.stdout)) == {*REASONS.values(), "; ".join(REASONS.values())}
    (counts,) = re.findall(r"^=+ (.* skipped.*) in .*=+$", result.stdout, re.MULTILINE)
    assert "passed" not in counts
