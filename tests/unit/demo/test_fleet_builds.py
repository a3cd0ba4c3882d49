"""A region of the fleet is built once, again when its sources change, and not at all where a tool is missing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.fleet import FleetRegion, Libraries, go_region, java_region
from tests.support.repository import ROOT

LIBRARY = "app/web-1.0.jar"
OWN = "app/rideshare-1.0.0.jar"
#: Notes that it ran, and fails where two run at once.
BUILD = f"""
echo ran >> runs
mkdir running && cp App.java target/{OWN.rpartition("/")[2]} && sleep 0.05 && rmdir running
mkdir -p target/app && mv target/*.jar target/app && printf web > target/{LIBRARY}
"""
REGIONS = (go_region(), java_region())


@pytest.fixture
def region(tmp_path: Path) -> FleetRegion:
    """One whose build notes each of its runs."""
    listed = tmp_path / "checksums.sha256"
    listed.write_text(f"{hashlib.sha256(b'web').hexdigest()}  {LIBRARY}\n")
    (tmp_path / "App.java").write_text("class App {}")
    target = tmp_path / "target"
    return FleetRegion(
        name="sa-east",
        language="Java",
        folder=tmp_path,
        made=target,
        tools=("sh",),
        build=("sh", "-ec", BUILD),
        command=(),
        start_s=1.0,
        environment=lambda *_: {},
        libraries=Libraries(listed, target, ("app",), (OWN,), "make lock-fleet"),
        sources=("App.java", "more"),
    )


def runs(region: FleetRegion) -> int:
    return len((region.folder / "runs").read_text().splitlines())


def test_what_is_up_to_date_is_not_built_again(region: FleetRegion) -> None:
    for _ in range(3):
        region.make()

    assert runs(region) == 1
    assert (region.made / OWN).read_text() == "class App {}"


def change_a_source(region: FleetRegion) -> None:
    (region.folder / "App.java").write_text("class App2 {}")


def add_a_source(region: FleetRegion) -> None:
    (region.folder / "more").mkdir()
    (region.folder / "more" / "New.java").write_text("")


def remove_what_was_built(region: FleetRegion) -> None:
    (region.made / OWN).unlink()


def remove_a_library(region: FleetRegion) -> None:
    (region.made / LIBRARY).unlink()


def change_a_library(region: FleetRegion) -> None:
    (region.made / LIBRARY).write_text("another")


CHANGES = (change_a_source, add_a_source, remove_what_was_built, remove_a_library, change_a_library)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_after_a_change_it_is_built_again(region: FleetRegion, change: Callable[[FleetRegion], None]) -> None:
    region.make()
    change(region)

    region.make()

    assert runs(region) == 2
    assert (region.made / OWN).read_text() == (region.folder / "App.java").read_text()
    assert (region.made / LIBRARY).read_text() == "web"


def test_with_another_command_it_is_built_again(region: FleetRegion) -> None:
    region.make()

    replace(region, build=("sh", "-ec", f"{BUILD}true")).make()

    assert runs(region) == 2


def test_a_file_that_it_is_not_built_from_changes_nothing(region: FleetRegion) -> None:
    region.make()
    (region.folder / "README").write_text("new")

    region.make()

    assert runs(region) == 1


def test_a_build_that_fails_is_tried_again(region: FleetRegion) -> None:
    with pytest.raises(DemoError, match="the region in Java cannot be built"):
        replace(region, build=("false",)).make()

    region.make()

    assert runs(region) == 1


def test_of_several_at_once_one_builds_and_the_others_wait(region: FleetRegion) -> None:
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(region.make) for _ in range(4)]:
            made.result()

    assert runs(region) == 1


def test_where_the_command_looks_for_changes_itself_it_is_always_run(region: FleetRegion) -> None:
    for _ in range(2):
        replace(region, sources=()).make()

    assert runs(region) == 2


def test_where_the_command_looks_for_changes_itself_its_libraries_are_checked(region: FleetRegion) -> None:
    (region.folder / "checksums.sha256").write_text(f"{hashlib.sha256(b'old').hexdigest()}  {LIBRARY}\n")

    with pytest.raises(DemoError, match="its libraries are not the pinned ones"):
        replace(region, sources=()).make()


def test_what_builds_it_needs_no_package_that_is_installed() -> None:
    sources = ROOT / "packages" / "spanprofiles" / "src"
    command = [sys.executable, "-S", "-c", "from spanprofiles.demo.fleet import go_region; print(go_region().language)"]

    told = subprocess.run(
        command, env={"PYTHONPATH": str(sources)}, capture_output=True, text=True, check=True, timeout=60
    )

    assert told.stdout == "Go\n"


@pytest.mark.parametrize(
    ("region", "tool"),
    [pytest.param(region, tool, id=f"{region.language}-{tool}") for region in REGIONS for tool in region.tools],
)
def test_a_tool_that_is_missing_is_named(
    region: FleetRegion, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in {*region.tools} - {tool}:
        (tmp_path / other).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert region.missing() == f"no region in {region.language}: {tool} must be on the PATH to build it"


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.language)
def test_where_all_tools_are_there_nothing_is_missing(
    region: FleetRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in region.tools:
        (tmp_path / tool).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert region.missing() == ""


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.language)
def test_the_sources_of_a_region_are_in_its_folder(region: FleetRegion) -> None:
    assert [source for source in region.sources if not (region.folder / source).exists()] == []
    assert region.made.parent == region.folder
