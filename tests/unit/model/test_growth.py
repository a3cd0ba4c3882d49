from __future__ import annotations

import pytest

from spanprofiles.model.growth import growth_of


@pytest.mark.parametrize(
    ("text", "growth"), [("10%", 0.1), (" 2.5 % ", 0.025), ("0.1", 0.1), ("1000%", 10.0), ("150%", 1.5)]
)
def test_a_growth_is_a_percentage_or_a_part(text: str, growth: float) -> None:
    assert growth_of(text) == pytest.approx(growth)


@pytest.mark.parametrize("text", ["10", "1", "0", "0%", "-5%", "1001%", "ten", "", "nan", "inf%", "1e-1", "٣%", "10%%"])
def test_what_could_mean_two_things_or_nothing_is_none(text: str) -> None:
    assert growth_of(text) is None
