from __future__ import annotations

import io

import pytest

from spanprofiles.stack.__main__ import _say


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  | \x1b[31mlevel=error\x1b[0m", "  | level=error"),
        ("  | \x1b]0;x\x07", r"  | \x1b]0;x\x07"),
        (" ::error::x", r" \x3a:error::x"),
        ("  | ##[error]x", r"  | \x23#[error]x"),
        ("make up: 注文 a::b", "make up: 注文 a::b"),
    ],
)
def test_a_line_of_a_containers_log_steers_neither_the_terminal_nor_a_ci(line: str, shown: str) -> None:
    written = io.StringIO()
    _say(f"first\n{line}", written)
    assert written.getvalue() == f"first\n{shown}\n"
