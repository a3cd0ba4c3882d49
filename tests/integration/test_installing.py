"""The tutorial's line installs the harness beside an app's telemetry, in an empty environment, with an old pip."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.documentation import page

pytestmark = [pytest.mark.exhaustive, pytest.mark.upstream]

ROOT = Path(__file__).parents[2]
OLDEST_PIP = "23.2"
PATIENCE_S = 300
HERE = "PATH_OF_THIS_REPOSITORY"
TUTORIAL = page("docs/tutorial/first-linked-span.md")


def the_tutorials_line() -> list[str]:
    """What the tutorial gives to `pip install`, with the path of this repository in it."""
    (line,) = [command for command in TUTORIAL.commands if command.startswith(f"pip install {HERE}")]
    return [word.replace(HERE, str(ROOT)) for word in shlex.split(line)[2:]]


def without_bounds(requirements: Sequence[str]) -> list[str]:
    return [word if word.startswith(str(ROOT)) else Requirement(word).name for word in requirements]


def locked() -> dict[str, Version]:
    """The lowest version of each package that the lock has: what is known to work."""
    pins: dict[str, Version] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.M):
        pins[name] = min(Version(version), pins.get(name, Version(version)))
    return pins


class Newcomer:
    """Somebody with an empty environment and an old pip."""

    def __init__(self, home: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=PATIENCE_S)
        self.python = home / "bin" / "python"
        self._report = home / "report.json"

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(Path("/"), "pip", *arguments)

    def run(self, directory: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = ("PYTHON", "PYTEST", "SPAN_PROFILES")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return subprocess.run(
            [str(self.python), "-m", module, *arguments],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def would_install(self, requirements: Sequence[str]) -> dict[str, Version]:
        answer = self.pip("install", "--dry-run", "--quiet", "--report", str(self._report), *requirements)
        assert answer.returncode == 0, answer.stderr[-3000:]
        return versions(package["metadata"] for package in json.loads(self._report.read_text())["install"])

    def has(self) -> dict[str, Version]:
        return versions(json.loads(self.pip("list", "--format", "json").stdout))


def versions(packages: Iterable[dict[str, str]]) -> dict[str, Version]:
    return {canonicalize_name(package["name"]): Version(package["version"]) for package in packages}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer"))
    answer = newcomer.pip("install", "--quiet", "--retries", "1", "--timeout", "20", f"pip=={OLDEST_PIP}")
    if answer.returncode != 0:
        pytest.skip(f"pip reaches no package registry: {answer.stderr.strip().splitlines()[-1]}")
    return newcomer


def assert_of_today(resolved: dict[str, Version]) -> None:
    """Nothing of the app's telemetry is older than what the lock has, and what is to be one release is one."""
    telemetry = {name: version for name, version in resolved.items() if re.match("opentelemetry|pyroscope", name)}
    assert {name: version for name, version in telemetry.items() if version < locked()[name]} == {}
    sdk, flask = telemetry["opentelemetry-sdk"], telemetry["opentelemetry-instrumentation-flask"]
    assert {telemetry[f"opentelemetry-{name}"] for name in ("api", "proto", "exporter-otlp-proto-http")} == {sdk}
    assert telemetry["opentelemetry-instrumentation"] == flask


def test_the_tutorials_line_names_every_package_an_app_is_instrumented_with() -> None:
    named = {canonicalize_name(Requirement(word).name) for word in the_tutorials_line()[1:]}

    assert named == {
        "pyroscope-io",
        "pyroscope-otel",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-instrumentation-flask",
    }


def test_a_line_without_bounds_resolves_to_todays_releases_with_the_oldest_pip(newcomer: Newcomer) -> None:
    assert_of_today(newcomer.would_install(without_bounds(the_tutorials_line())))


def test_the_tutorials_line_installs_todays_releases_and_its_project_passes(newcomer: Newcomer, tmp_path: Path) -> None:
    installed = newcomer.pip("install", "--quiet", *the_tutorials_line())
    assert installed.returncode == 0, installed.stderr[-3000:]
    assert_of_today(newcomer.has())
    whole = newcomer.pip("check")
    assert whole.returncode == 0, whole.stdout
    for name, code in TUTORIAL.files.items():
        (tmp_path / name).write_text(code)

    result = newcomer.run(tmp_path, "pytest", "--span-profiles-backend=embedded", "--span-profiles-timeout=60")

    assert result.returncode == 0, result.stdout[-3000:]
