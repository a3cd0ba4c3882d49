"""Links between the pages, and from them to files, lead somewhere. `make docs` checks those of the site too."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/*/*.md") for page in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")


@cache
def prose(page: Path) -> str:
    """Give a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as repositories' views make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in _LINK.finditer(prose(page)):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            broken.append(link[0])
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_of_the_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("link", ["[a](nowhere.md)", "[a](page.md#no-such-heading)", "[a](#no-such-heading)"])
def test_a_link_that_leads_nowhere_is_noticed(link: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A heading\n\n{link}, and [one that works](page.md#a-heading)\n")

    assert broken_links(page) == [link.removeprefix("[a")]


def test_each_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"^([a-z-]+(?:/[a-z-]+)*)$", (docs / "index.md").read_text(), re.MULTILINE))
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in PAGES if docs in page.parents}

    assert pages - {"index"} == listed
