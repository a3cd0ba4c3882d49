"""The site of the documentation: `make docs` builds it without a warning, and it asks no other host for anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.documentation import DOCS, needs_the_venv_of_make, run

pytestmark = [pytest.mark.exhaustive, needs_the_venv_of_make]

_LOADED = re.compile(r"<(?:link|script|img|iframe|source)\b[^>]*?(?:src|href)=\"(?P<address>[^\"]+)\"")
_IN_A_STYLE = re.compile(r"(?:@import\s*|url\()[\"']?(?P<address>(?:https?:)?//[^\"')]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    steps = run("make --dry-run docs").stdout
    (command,) = [line for line in steps.splitlines() if "sphinx-build" in line]

    built = run(f"{command.removesuffix(' site')} {folder}")

    assert "--fail-on-warning" in command
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_each_page_is_in_the_site(site: Path) -> None:
    pages = [page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")]

    assert [page for page in pages if not (site / page).is_file()] == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = [
        (page.name, found["address"])
        for page in site.rglob("*.html")
        for found in _LOADED.finditer(page.read_text(encoding="utf-8"))
    ]
    styles = [found["address"] for style in site.rglob("*.css") for found in _IN_A_STYLE.finditer(style.read_text())]

    assert loaded
    assert [(page, address) for page, address in loaded if re.match(r"(https?:)?//", address)] == []
    assert styles == []


def test_the_python_interface_is_generated_from_the_docstrings(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")

    for name in ("spanprofiles.SpanProfiles.linked_span", "spanprofiles.FlameGraph.share", "spanprofiles.examine"):
        assert f'id="{name}"' in page
    assert 'id="spanprofiles_processor.SpanProfileProcessor"' in page
