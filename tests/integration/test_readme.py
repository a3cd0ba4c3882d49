"""The README is short, and what it shows is what there is. Its commands are run here and in the files beside this."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import documentation
from tests.support.documentation import ROOT, page, run
from tests.support.installed import Installed

README = page("README.md")
MOST_WORDS = 900


def test_the_readme_has_at_most_nine_hundred_words() -> None:
    assert len(README.prose.split()) <= MOST_WORDS


def test_the_readme_has_one_picture() -> None:
    assert README.text.count("![") == 1


def test_the_test_in_the_readme_is_that_of_the_bookshop() -> None:
    assert README.files == {"test_bookshop.py": (ROOT / "examples" / "bookshop" / "test_bookshop.py").read_text()}


@pytest.mark.slow
def test_the_test_in_the_readme_passes_in_an_empty_folder_from_the_wheels(
    tmp_path: Path, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (ROOT / "examples" / "bookshop").glob("*.py"):
        if not file.name.startswith("test_"):
            shutil.copy(file, tmp_path)
    for name, code in README.files.items():
        (tmp_path / name).write_text(code)
    monkeypatch.setattr(documentation, "PROGRAMS", installed.programs)

    passed = run("pytest", tmp_path)

    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout


def test_make_test_is_what_ci_runs_and_runs_everything() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    steps = run("make --dry-run --always-make test VENV=/nonexistent").stdout

    assert [line.strip() for line in ci.splitlines() if line.strip().startswith("make ")] == [
        "make test",
        "make slow",
        "make slow FLEET=no",
        "make exhaustive",
    ]
    for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "tests/unit", "tests/integration"):
        assert step in steps


def test_make_test_runs_each_unit_test_once() -> None:
    steps = run("make --dry-run --always-make test VENV=/nonexistent").stdout
    halves = [set(line.split()) for line in steps.splitlines() if " tests/unit/" in line]

    assert len(halves) == 2
    for room in ("unit", "conformance"):
        for file in (ROOT / "tests" / room).rglob("test_*.py"):
            names = {str(path.relative_to(ROOT)) for path in (file, *file.parents) if path.is_relative_to(ROOT)}
            assert [bool(names & half) for half in halves].count(True) == 1, file


def test_without_the_fleet_make_slow_leaves_out_what_builds_go_or_java() -> None:
    whole, rest = (
        set(run(f"make --dry-run --always-make integration-slow VENV=/nonexistent {without}").stdout.split())
        for without in ("", "FLEET=no")
    )

    names = ("fleet", "broken_regions", "workshop_in_go")
    assert whole - rest == {f"tests/integration/test_{name}.py" for name in names}
    assert rest <= whole


def test_make_slow_runs_the_processors_and_the_browser() -> None:
    steps = run("make --dry-run --always-make slow VENV=/nonexistent").stdout

    for step in ("tests/processor", "tests/integration", "tests/browser", "test_soak.py", "tests/unit"):
        assert step in steps


def test_make_slow_exhaustive_and_upstream_leave_out_no_marked_test() -> None:
    tiers = (("slow", "slow", 10), ("exhaustive long-soak", "exhaustive", 10), ("upstream", "upstream", 1))
    for target, mark, least in tiers:
        steps = run(f"make --dry-run --always-make {target} VENV=/nonexistent").stdout
        files = [file for file in (ROOT / "tests").rglob("test_*.py") if f"mark.{mark}" in file.read_text()]
        marked = [str(file.relative_to(ROOT)) for file in files]

        assert len(marked) >= least
        assert [file for file in marked if file not in steps.split() and not file.startswith("tests/processor")] == []
