"""Text of somebody else: in one line, with nothing a terminal obeys, a reader cannot see or a CI takes as a command."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spanprofiles.model.addresses import shown_address, unreadable_address, without_login, without_secrets
from spanprofiles.model.printable import LONGEST_NAME, printable, printable_lines, visible, without_commands

_ANYTHING = st.text(st.characters(exclude_categories=()), max_size=40)
_COMMAND = re.compile(r"(?m)^\s*::|##\w*\[")


@given(_ANYTHING)
@example("\x1b]0;title\x07\x9b2J\x7f\r\n\u2028\u2029\u202e\u2066\u200b\ufeff\U000e0041\ud800\udc00")
@example(" \t::error::forged")
@example("###[error]##vso[task]##teamcity[x")
def test_whatever_a_name_holds_it_is_one_harmless_line(name: str) -> None:
    shown = printable(name)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert len(shown.splitlines()) <= 1
    assert not _COMMAND.search(shown)
    shown.encode()
    assert printable(shown) == shown


@given(_ANYTHING)
@example("a\u202eb\u2066c\u200bd\ufeff\U000e0041\ud800\x00\x9b\n\t")
def test_whatever_a_text_for_a_page_holds_can_be_seen_in_as_many_lines(text: str) -> None:
    shown = visible(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert shown.count("\n") == text.count("\n")
    shown.encode()
    assert visible(shown) == shown
    assert visible(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "GET /bike",
        "std::vector<int>::push_back",
        "注文 📦",
        "naïve",
        "C:\\new",
        "shop[/eu]",
        "a # b ## c",
        "\u3000x",
        "",
    ],
)
def test_a_name_that_is_printable_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202eabc", r"\u202eabc"),
        ("a\u200bb", r"a\u200bb"),
        ("\ud800", r"\ud800"),
        ("::error::x", r"\x3a:error::x"),
        ("##[error]x", r"\x23#[error]x"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_an_enormous_name_is_cut_with_an_ellipsis() -> None:
    assert printable("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    assert printable("x" * (LONGEST_NAME + 1)) == "x" * (LONGEST_NAME - 1) + "…"
    assert len(printable("\x00" * 10_000_000)) == LONGEST_NAME
    assert printable("x" * 1000, None) == "x" * 1000


@given(_ANYTHING)
def test_a_text_of_several_lines_has_as_many_and_each_of_them_is_harmless(text: str) -> None:
    shown = printable_lines(text)
    assert shown.count("\n") == text.count("\n")
    assert not _COMMAND.search(shown)


def test_colours_are_left_out_of_a_log_and_stay_in_what_is_laid_out() -> None:
    assert printable_lines("\x1b[31mred\x1b[0m\n  ::error::x") == "red\n  \\x3a:error::x"
    assert (
        without_commands("\x1b[1m::error\na::b\n\x1b[0m  ::x ##[y")
        == "\x1b[1m\\x3a:error\na::b\n\x1b[0m  \\x3a:x \\x23#[y"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://tempo:3200/a", "http://tempo:3200/a"),
        ("http://joe:s3cret@tempo:3200/a", "http://tempo:3200/a"),
        ("http://s3cret@tempo", "http://tempo"),
        ("http://:s3cret@tempo", "http://tempo"),
        ("http://joe:s3@cret@tempo", "http://tempo"),
        ("http://joe:s3cret@[::1]:80/", "http://[::1]:80/"),
        ("http://tempo/?token=s3cret&b=s3cret;c=s3cret#s3cret", "http://tempo/?token=***&b=***;c=***"),
        ("http://joe:s3cret@[::1/", "***@[::1/"),
        ("joe:s3cret@tempo", "***@tempo"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_address(url) == shown
    assert "s3cret" not in unreadable_address(url.partition("?")[0])
    assert "s3cret" not in without_secrets(f"cannot open {url.partition('?')[0]}: no") or "://" not in url


def test_the_login_of_an_address_is_unquoted() -> None:
    assert without_login("http://j%40e:p%3a%2f@h/") == ("http://h/", ("j@e", "p:/"))
    assert without_login("http://h/a@b") == ("http://h/a@b", None)


def test_an_address_that_cannot_be_read_loses_all_before_its_last_at_sign() -> None:
    assert unreadable_address("http://joe:p@ss@[tempo") == "***@[tempo"
    assert unreadable_address("http://[tempo") == "http://[tempo"


def test_each_line_of_a_text_has_the_limit_for_itself() -> None:
    assert printable_lines("a" * 30 + "\n" + "b" * 5, 10).split("\n")[1] == "bbbbb"
    assert len(printable_lines("a" * 30, 10)) < 30
