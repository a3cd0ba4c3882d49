"""What share of spans is predicted to have a sample, where the clocks know the whole request alone."""

from __future__ import annotations

import pytest

from bench.capture import most_captured

MS = 1_000_000


def test_a_span_has_no_more_cpu_than_the_time_it_lasted() -> None:
    """A quote in Java: its server works for 3 ms, its span lasts 1 ms."""
    assert most_captured([(3 * MS, 1 * MS)] * 3) == pytest.approx(0.1)


def test_a_span_that_waits_has_no_more_cpu_than_the_clocks_say() -> None:
    assert most_captured([(2 * MS, 300 * MS)]) == pytest.approx(0.2)


def test_a_span_of_ten_milliseconds_of_cpu_or_more_is_predicted_to_be_seen() -> None:
    assert most_captured([(10 * MS, 10 * MS), (80 * MS, 90 * MS)]) == 1.0
    assert most_captured([(80 * MS, 90 * MS), (5 * MS, 5 * MS)]) == pytest.approx(0.75)
