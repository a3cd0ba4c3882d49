"""The tables of "What 20 samples can tell you" hold what the product says."""

from __future__ import annotations

from spanprofiles.model.intervals import count_interval, share_interval
from spanprofiles.model.request_numbers import requests_to_decide_share
from spanprofiles.model.significance import directions
from tests.support.documentation import page

PAGE = page("docs/how-to/twenty-samples.md").text


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table with that first heading, without its headings."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_intervals_of_shares_are_those_of_the_page() -> None:
    for share, *cells in table("the share seems to be"):
        part = int(share.removesuffix(" %")) / 100
        for samples, cell in zip((20, 100, 400), cells, strict=True):
            low, high = share_interval(part * samples, samples)
            assert cell == f"{low * 100:.0f} to {high * 100:.0f} %"


def test_the_interval_of_the_whole_is_that_of_the_page() -> None:
    low, high = count_interval(20)
    assert f"{low * 10:.0f} to {high * 10:.0f} ms" in PAGE
    assert "Interval(low={:.3f}, high={:.3f})".format(*share_interval(10, 20)) in PAGE


def test_the_numbers_of_samples_that_decide_are_those_of_the_page() -> None:
    for share, samples, requests in table("the true share"):
        part = int(share.removesuffix(" %")) / 100
        assert requests_to_decide_share(part, 0.5, 1) == int(samples)
        assert requests_to_decide_share(part, 0.5, 20) == int(requests)


def test_the_samples_that_make_a_difference_are_those_of_the_page() -> None:
    others = [(5, 5)] * 3
    for before, after in table("in the first"):
        assert directions([*others, (int(before), int(after))])[-1] == 1
        assert directions([*others, (int(before), int(after) - 1)])[-1] == 0


def test_the_samples_that_make_a_request_larger_are_those_of_the_page() -> None:
    for before, after in ((20, 36), (100, 131), (400, 459)):
        assert str(after) in PAGE
        assert directions([(before, after)]) == [1]
        assert directions([(before, after - 1)]) == [0]


def test_most_is_safe_to_say_of_fifteen_in_twenty_and_not_of_fourteen() -> None:
    assert share_interval(15, 20).low > 0.5 > share_interval(14, 20).low
