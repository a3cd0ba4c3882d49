"""The README is short, and what it shows is what there is. Its commands are run here and in the files beside this."""

from __future__ import annotations

from tests.support.documentation import ROOT, page, run

README = page("README.md")
MOST_WORDS = 900


def test_the_readme_has_at_most_nine_hundred_words() -> None:
    assert len(README.prose.split()) <= MOST_WORDS


def test_the_readme_has_one_picture() -> None:
    assert README.text.count("![") == 1


def test_the_test_in_the_readme_is_that_of_the_bookshop() -> None:
    assert README.files == {"test_bookshop.py": (ROOT / "examples" / "bookshop" / "test_bookshop.py").read_text()}


def test_make_test_is_what_ci_runs_and_runs_everything() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    steps = run("make --dry-run --always-make test VENV=/nonexistent").stdout

    assert ci.rstrip().endswith("make test")
    for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "tests/unit", "tests/integration"):
        assert step in steps


def test_make_slow_runs_the_processors_and_the_browser() -> None:
    steps = run("make --dry-run --always-make slow VENV=/nonexistent").stdout

    for step in ("tests/processor", "tests/integration", "tests/browser"):
        assert step in steps
