"""What the two distributions say of themselves."""

from __future__ import annotations

import re
from importlib.metadata import metadata, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import spanprofiles
import spanprofiles_processor

ROOT = Path(__file__).parents[3]
NAMES = ["spanprofiles", "spanprofiles-processor"]


def needed(name: str) -> set[str]:
    return {found.name for found in map(Requirement, requires(name) or []) if not found.marker}


def test_the_processor_needs_opentelemetrys_sdk_and_the_agent_and_nothing_else() -> None:
    assert needed("spanprofiles-processor") == {"opentelemetry-sdk", "pyroscope-io"}
    assert len(requires("spanprofiles-processor") or []) == 2


def test_the_harness_needs_neither_the_sdk_nor_the_agent_nor_the_processor() -> None:
    assert not needed("spanprofiles") & {"opentelemetry-sdk", "pyroscope-io", "spanprofiles-processor"}


def test_a_distributions_version_is_its_packages() -> None:
    assert [version(name) for name in NAMES] == [spanprofiles.__version__, spanprofiles_processor.__version__]


@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_says_who_may_use_it_and_where(name: str) -> None:
    said = metadata(name)
    assert said["License-Expression"] == "Apache-2.0"
    assert said.get_all("License-File") == ["LICENSE"]
    assert said["Requires-Python"] == "<3.15,>=3.10"
    assert said["Author"]
    assert said.get_all("Project-URL")
    assert "Typing :: Typed" in (said.get_all("Classifier") or [])


@pytest.mark.parametrize("name", NAMES)
def test_the_versions_of_python_are_those_that_are_tested(name: str) -> None:
    classifiers = metadata(name).get_all("Classifier") or []
    minors = [text.rpartition(".")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)]
    assert minors == ["10", "11", "12", "13", "14"]


@pytest.mark.parametrize("name", NAMES)
def test_both_have_the_licence_of_the_repository(name: str) -> None:
    assert (ROOT / "packages" / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_changelog_begins_with_the_version_or_what_is_not_released(name: str) -> None:
    changelog = (ROOT / "packages" / name / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([^\]]*)\]", changelog, re.MULTILINE)[0] in {version(name), "Unreleased"}
