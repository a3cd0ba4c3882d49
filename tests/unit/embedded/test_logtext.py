"""Lines of the pair's log: one each, whatever strangers send."""

from __future__ import annotations

import io
import logging
import re

import pytest

from spanprofiles.embedded.logtext import LineFormatter, escaped
from spanprofiles.embedded.settings import LOG_FORMAT

_HOSTILE = [
    "a\x1b]0;owned\x07",
    "a\n::error::forged\r",
    " ::error::forged",
    "##[error]x",
    "\u202e\u200b\u2028",
    "\ud800",
]


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize("log_format", [LOG_FORMAT, "%(message)s"])
def test_a_line_of_the_log_stays_one_and_is_no_command(name: str, log_format: str) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter(log_format))
    logger = logging.Logger("a logger of its own")
    logger.addHandler(handler)
    logger.warning("%s", name)
    line = written.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert not re.search(r"^\s*::|##\w*\[", line)
    line.encode()
    try:
        raise ValueError(name)
    except ValueError:
        logger.exception("GET %s failed", name)
    for line in written.getvalue().split("\n"):
        assert line.isprintable()
        assert not re.search(r"^\s*::|##\w*\[", line)
    assert "Traceback (most recent call last):\n" in written.getvalue()


def test_what_is_printable_stays_as_it_is() -> None:
    assert escaped("GET /api/traces: std::vector, 注文") == "GET /api/traces: std::vector, 注文"
