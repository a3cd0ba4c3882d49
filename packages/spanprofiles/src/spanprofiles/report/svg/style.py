"""The colours of the pictures: the same rules in the page's stylesheet and inside complete files."""

from __future__ import annotations

from pathlib import Path

#: CSS. Every colour is a variable, with a second value for people who prefer dark.
STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
