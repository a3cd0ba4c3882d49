"""What a user chooses, and what is said where that cannot be; the log that tells of it."""

from __future__ import annotations

import logging
import sys

import pytest

from spanprofiles.embedded.__main__ import main
from spanprofiles.embedded.loglines import FewLines, quieted
from spanprofiles.embedded.logtext import log_to_standard_error
from spanprofiles.embedded.settings import parse_age, parse_hosts, parse_size, parse_timeout


def test_the_limits_of_settings_are_taken_and_what_is_beyond_them_is_refused() -> None:
    assert [parse_timeout(text) for text in ("0.1", "3600", "1e1")] == [0.1, 3_600.0, 10.0]
    for wrong in ("0.09", "3600.1", "x", "nan", "inf", ""):
        with pytest.raises(ValueError) as refused:  # noqa: PT011  # its words follow
            parse_timeout(wrong)
        assert str(refused.value) == f"{wrong!r} is not a time for a query: write seconds, from 0.1 to 3600"
    assert (parse_age("1.5m"), parse_age(" 0 "), parse_size("32MiB"), parse_size(" 40000000 ")) == (
        90.0, 0.0, 2**25, 40_000_000,
    )  # fmt: skip
    refusals = {
        parse_age: ("5y", "'5y' is not a duration: write it like 90s, 30m, 48h or 7d; 0 means for ever"),
        parse_size: ("5x", "'5x' is not a size: write it like 500MB or 2GiB; 0 means without limit"),
        parse_hosts: (
            "box/", "'box/' is not a host name: write it as it stands in the URL, like box.example or 192.0.2.7",
        ),
    }  # fmt: skip
    for parse, (wrong, words) in refusals.items():
        with pytest.raises(ValueError) as refused:  # noqa: PT011  # likewise
            parse(wrong)
        assert str(refused.value) == words
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # likewise
        parse_size("33554431")
    assert str(refused.value) == "'33554431' is too small a size: the least is 32MiB"
    assert parse_hosts(" box.example, 192.0.2.7:80 [::1]:3200 ") == ("box.example", "192.0.2.7:80", "[::1]:3200")


def test_the_log_goes_to_standard_error_one_line_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    log_to_standard_error()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    root.warning("a\nb %s", "c")
    assert capsys.readouterr().err.partition(",")[2][4:] == "a\\nb c\n"


def test_loggers_are_quieted_while_it_is_asked_for() -> None:
    logger = logging.getLogger("tests.quieted")
    with quieted("tests.quieted", "tests.other"):
        assert [type(each) for each in logger.filters] == [FewLines]
        assert logger.filters == logging.getLogger("tests.other").filters
    assert logger.filters == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-age", "5y"], "argument --max-age: '5y' is not a duration: write it like 90s, 30m, 48h or 7d"),
        (["--max-size", "1kB"], "argument --max-size: '1kB' is too small a size: the least is 32MiB"),
        (["--query-timeout", "0"], "argument --query-timeout: '0' is not a time for a query: write seconds"),
        (["--allow-host", "box/"], "error: 'box/' is not a host name: write it as it stands in the URL"),
    ],
)
def test_an_option_that_cannot_be_read_is_told_with_what_to_write(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
