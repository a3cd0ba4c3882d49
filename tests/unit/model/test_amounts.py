"""Amounts are written with the unit in which they are read at once."""

from __future__ import annotations

import pytest

from spanprofiles.model.amounts import age, duration, percent, size

MS, S = 10**6, 10**9
KIB, MIB, GIB = 2**10, 2**20, 2**30


@pytest.mark.parametrize(
    ("value_ns", "written"),
    [
        (0, "0 us"),
        (184_000, "184 us"),
        (MS - 1000, "999 us"),
        (MS, "1.0 ms"),
        (MS + 1, "1.0 ms"),
        (12_500_000, "12.5 ms"),
        (999_900_000, "999.9 ms"),
        (S, "1.00 s"),
        (1_840_000_000, "1.84 s"),
        (12_345_670 * S // 100, "123456.70 s"),
        (987_654_321_98 * S // 100, "987654321.98 s"),
    ],
)
def test_a_duration(value_ns: int, written: str) -> None:
    assert duration(value_ns) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.0, "0 %"),
        (1e-9, "< 1 %"),
        (0.004, "< 1 %"),
        (0.01, "1 %"),
        (0.69, "69 %"),
        (0.99, "99 %"),
        (0.996, "> 99 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_that_is_not_all_or_nothing_never_reads_as_such(share: float, written: str) -> None:
    assert percent(share) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 B"),
        (KIB - 1, "1023 B"),
        (KIB, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (MIB, "1.0 MiB"),
        (3 * MIB + 209715, "3.2 MiB"),
        (GIB, "1.00 GiB"),
        (5 * GIB + GIB // 4, "5.25 GiB"),
    ],
)
def test_a_number_of_bytes(value: int, written: str) -> None:
    assert size(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-5.0, "0 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7199.0, "120 min"),
        (7200.0, "2 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
    ],
)
def test_an_age_is_in_the_largest_unit_of_which_there_are_two(seconds: float, written: str) -> None:
    assert age(seconds) == written
