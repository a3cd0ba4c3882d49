"""How the page writes times, rates and values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.ui import formats


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s ago"), (3, "3 s ago"), (89, "89 s ago"), (91, "2 min ago"), (5399, "90 min ago"), (7200, "2 h ago")],
)
def test_how_long_ago_is_written_in_the_unit_that_fits(
    seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "time", SimpleNamespace(time=lambda: 10_000.0))

    assert formats.ago(round((10_000 - seconds) * 1e9)) == expected


@pytest.mark.parametrize(("per_second", "expected"), [(12.34, "12.3"), (1, "1.0"), (0.123, "0.12"), (0, "0.00")])
def test_a_rate_has_two_significant_figures(per_second: float, expected: str) -> None:
    assert formats.rate(per_second) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("text", "text"), (True, "true"), (False, "false"), (None, ""), (3, "3"), ([1], "[1]")]
)
def test_an_attribute_is_written_as_json_would(value: Any, expected: str) -> None:
    assert formats.attribute(value) == expected


def test_a_distance_has_its_sign() -> None:
    assert (formats.offset(12_500_000), formats.offset(-12_500_000)) == ("+12.5 ms", "-12.5 ms")


def test_a_sentence_begins_with_a_capital_letter_and_keeps_the_rest() -> None:
    assert formats.capitalized("the doctor of HTTP") == "The doctor of HTTP"
    assert formats.without({"a": 1, "b": 2, "c": 3}, "a", "c") == {"b": 2}
