"""The projects of examples/ are whole projects of other teams: each passes by itself, in a folder of its own."""

from __future__ import annotations

import shutil

import pytest

from tests.support.documentation import NO_OTHER_PLUGINS, ROOT, pages

pytest_plugins = ["pytester"]
EXAMPLES = ROOT / "examples"
PROJECTS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and list(path.glob("test_*.py")))
#: The other frameworks' are for ``make exhaustive``.
IN_MAKE_SLOW = {"fastapi"}


def test_every_example_is_listed() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert [name for name in PROJECTS if f"[{name}]({name})" not in page] == []
    assert set(PROJECTS) > IN_MAKE_SLOW


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in IN_MAKE_SLOW else pytest.mark.exhaustive)
        for name in PROJECTS
    ],
)
def test_the_example_links_its_spans_and_the_doctor_names_what_breaks_its_twin(
    name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL", "TIMEOUT"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    for source in (EXAMPLES / name).glob("*.py"):
        shutil.copy(source, pytester.path)

    result = pytester.runpytest_subprocess(*NO_OTHER_PLUGINS, "--span-profiles-timeout=8")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == outcomes.get("errors", 0) == 0
    assert outcomes["passed"] >= 2


def test_what_the_how_to_guides_show_of_an_example_is_in_it() -> None:
    shown = [(name, code) for guide in pages() for name, code in guide.excerpts if name.startswith("examples/")]

    assert {name.split("/")[1] for name, _ in shown} >= {"bookshop", "fastapi", "django", "celery", "grpc", "zero_code"}
    for name, code in shown:
        file = (ROOT / name).read_text(encoding="utf-8")
        assert [part for part in code.split("...\n") if part not in file] == [], name
