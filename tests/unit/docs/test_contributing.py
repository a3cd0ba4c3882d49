"""CONTRIBUTING.md leads a newcomer through code that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.support.documentation import ROOT, page

CONTRIBUTING = page("CONTRIBUTING.md")
HARNESS = ROOT / "packages" / "spanprofiles" / "src" / "spanprofiles"
PLACES = re.findall(r"`([\w/]+\.py): ([\w.]+)`", CONTRIBUTING.text)
FLOWS = re.findall(r"^### ([^.\n].*)\n\n((?:\d\. .*\n(?:   .*\n)*)+)", CONTRIBUTING.text, re.MULTILINE)


@cache
def names_of(file: Path) -> set[str]:
    """Return the functions, classes, methods and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize(("file", "name"), PLACES, ids=[f"{file}:{name}" for file, name in PLACES])
def test_the_code_that_the_page_names_is_there(file: str, name: str) -> None:
    path = next(folder / file for folder in (HARNESS, ROOT) if (folder / file).is_file())

    assert name in names_of(path)


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert "Linker.no_such_method" not in names_of(HARNESS / "linking" / "linker.py")


@pytest.mark.parametrize(
    ("number", "most_files"), [(0, 6), (1, 6), (2, 10), (3, 8)], ids=["a body", "a span", "the doctor", "a page"]
)
def test_each_flow_passes_few_files(number: int, most_files: int) -> None:
    _, steps = FLOWS[number]
    files = set(re.findall(r"^\d\. `([\w/]+\.\w+)", steps, re.MULTILINE))

    assert 1 < len(files) <= most_files


def test_there_are_four_flows() -> None:
    assert len(FLOWS) == 4


def test_each_folder_of_the_architecture_is_there() -> None:
    named = re.findall(r"^\| ((?:`[\w/-]+`(?:, )?)+) \|", page("docs/explanation/architecture.md").text, re.MULTILINE)
    folders = [folder for row in named for folder in re.findall(r"`([\w/-]+)`", row)]

    assert len(folders) > 15
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_each_hook_before_a_commit_runs_a_program_that_make_installs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert [repository["repo"] for repository in config["repos"]] == ["local"]  # nothing is downloaded
    for hook in hooks:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        package = {"lint-imports": "import-linter"}.get(Path(program).name, Path(program).name)
        assert re.search(rf"^{package}==", locked, re.MULTILINE)
