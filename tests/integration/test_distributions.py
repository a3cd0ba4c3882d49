"""What ``make dist`` builds, installed in environments with nothing but what it requires."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import spanprofiles
import spanprofiles_processor
from tests.support.distributions import PACKAGES, Built, EmptyEnvironment, build, closure, run, wheel_of

pytestmark = pytest.mark.slow

PROCESSOR, HARNESS = "spanprofiles-processor", "spanprofiles"

ONE_SPAN = """
from opentelemetry.sdk.trace import TracerProvider
from spanprofiles_processor import SpanProfileProcessor, __version__

provider = TracerProvider()
provider.add_span_processor(SpanProfileProcessor(start_profiling=True))
with provider.get_tracer("order").start_as_current_span("order") as span:
    print(__version__, span.attributes["pyroscope.profile.id"] == f"{span.get_span_context().span_id:016x}")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """Give a function that builds a package, once."""
    folder = tmp_path_factory.mktemp("dist")
    done: dict[str, Built] = {}

    def of(package: str) -> Built:
        if package not in done:
            done[package] = build(package, folder)
        return done[package]

    return of


def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        lines = opened.read(name).decode().splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]


def test_the_processor_comes_with_the_sdk_and_the_agent_alone_and_works(
    built: Callable[[str], Built], tmp_path: Path
) -> None:
    found = built(PROCESSOR).wheel
    needed = closure(requirements(found))
    environment = EmptyEnvironment(tmp_path / "environment")
    environment.link(needed.values())

    environment.install(found)

    installed = environment.distributions()
    assert installed.keys() == needed.keys() | {PROCESSOR}
    assert installed[PROCESSOR] == spanprofiles_processor.__version__
    assert not {"pytest", "flask", "lark", "google-re2", "requests", "spanprofiles"} & installed.keys()
    assert environment.can_import("pytest", "flask", "lark", "re2", "requests", "spanprofiles", "rideshare") == []
    printed = run([str(environment.python), "-c", ONE_SPAN], tmp_path)
    assert printed.split() == [spanprofiles_processor.__version__, "True"]


def test_the_empty_environment_has_nothing_else_and_a_missing_package_is_noticed(
    built: Callable[[str], Built], tmp_path: Path
) -> None:
    """The tests above can fail."""
    found = built(PROCESSOR).wheel
    environment = EmptyEnvironment(tmp_path / "environment")
    environment.link(closure(["opentelemetry-sdk"]).values())

    with pytest.raises(AssertionError, match="requires pyroscope-io, which is not installed"):
        environment.install(found)

    assert environment.can_import("opentelemetry.sdk", "pyroscope") == ["opentelemetry.sdk"]


@pytest.mark.parametrize("package", [PROCESSOR, HARNESS])
def test_both_distributions_have_their_types_their_licence_and_their_texts(
    built: Callable[[str], Built], package: str
) -> None:
    module = package.replace("-", "_")
    with zipfile.ZipFile(built(package).wheel) as opened:
        in_wheel = set(opened.namelist())
    with tarfile.open(built(package).sdist) as opened_sdist:
        in_sdist = {name.partition("/")[2] for name in opened_sdist.getnames()}

    assert f"{module}/py.typed" in in_wheel
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in in_wheel)
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", f"src/{module}/py.typed"} <= in_sdist
    assert not [name for name in in_wheel | in_sdist if name.startswith("tests") or name.endswith(".pyc")]


def test_a_wheel_has_every_module_of_its_package(built: Callable[[str], Built]) -> None:
    for package in (PROCESSOR, HARNESS):
        sources = PACKAGES / package / "src"
        written = {file.relative_to(sources).as_posix() for file in sources.rglob("*.py")}
        with zipfile.ZipFile(built(package).wheel) as opened:
            assert written - set(opened.namelist()) == set()


def test_the_harness_runs_its_demo_in_an_empty_folder_without_a_clone(
    built: Callable[[str], Built], tmp_path: Path
) -> None:
    found = built(HARNESS).wheel
    needed = closure(requirements(found), extras=["demo"])
    environment = EmptyEnvironment(tmp_path / "environment")
    environment.link(needed.values())
    environment.install(found)
    folder = tmp_path / "empty"
    folder.mkdir()
    program = str(environment.home / "bin" / "spanprofiles")

    assert environment.distributions().keys() == needed.keys() | {HARNESS}
    assert environment.distributions()[HARNESS] == spanprofiles.__version__
    assert environment.can_import("rideshare", "loadgen", "spanprofiles_processor", "hypothesis") == []
    assert run([program, "--version"], folder).split()[-1] == spanprofiles.__version__
    printed = run([program, "demo", "--once", "--wait", "60"], folder)
    assert "find_nearest_vehicle" in printed
    assert list(folder.iterdir()) == []


def test_the_harness_alone_brings_neither_the_processor_nor_the_demos_packages(built: Callable[[str], Built]) -> None:
    needed = closure(requirements(built(HARNESS).wheel))
    assert not {"spanprofiles-processor", "pyroscope-io", "opentelemetry-sdk", "gunicorn", "locust"} & needed.keys()


def test_both_kinds_of_the_harness_have_the_same_files(built: Callable[[str], Built], tmp_path: Path) -> None:
    """Whatever works from a wheel does so from the source distribution, too."""

    def files(wheel: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(wheel) as opened:
            return {name: opened.read(name) for name in opened.namelist()}

    for package in (PROCESSOR, HARNESS):
        folder = tmp_path / package
        folder.mkdir()
        assert files(wheel_of(built(package).sdist, folder)) == files(built(package).wheel)
