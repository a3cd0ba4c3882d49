from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spanprofiles.report.svg import Point, scatter_svg
from spanprofiles.report.svg.scatter import HEIGHT_PX, duration_ticks

MS = 1_000_000


def point(time_ns: int, duration_ns: int, words: str = "GET /bike", *, failed: bool = False) -> Point:
    return Point(time_ns, duration_ns, words, 0, failed, f"/trace/{time_ns}")


def draw(*points: Point, start_ns: int = 0, end_ns: int = 1000) -> str:
    return scatter_svg(points, start_ns=start_ns, end_ns=end_ns, clock=lambda ns: f"at {ns}", label="all")


def places(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)%" cy="([\d.]+)"', svg)]


def test_later_is_further_right_and_longer_is_higher() -> None:
    (early, long), (late, short) = places(draw(point(900, 5 * MS), point(100, 500 * MS)))

    assert early < late
    assert long < short


def test_every_point_leads_to_its_request_and_says_what_it_is() -> None:
    svg = draw(point(100, 5 * MS, "GET /<b>"), point(200, 5 * MS))

    assert re.findall(r'href="([^"]+)"', svg) == ["/trace/100", "/trace/200"]
    assert svg.count("<title>") == 2
    assert "GET /&lt;b&gt;" in svg
    assert "<b>" not in svg


def test_a_failed_request_differs_by_more_than_its_colour() -> None:
    svg = draw(point(100, 5 * MS), point(200, 5 * MS, failed=True))

    assert re.findall(r'class="(failed|service-0)" cx="[^"]+" cy="[^"]+" r="([\d.]+)"', svg) == [
        ("service-0", "3.5"),
        ("failed", "4.5"),
    ]


def test_the_points_are_one_stop_of_the_tab_key() -> None:
    svg = draw(*(point(number, 5 * MS) for number in range(50)))

    assert svg.count('tabindex="0"') == 1
    assert svg.count('tabindex="-1"') == 49


@pytest.mark.parametrize(
    ("durations_ms", "expected_ms"),
    [
        ([5], [3, 10]),
        ([10], [10, 30]),
        ([5, 2500], [3, 10, 30, 100, 300, 1000, 3000]),
        ([1, 9000], [1, 10, 100, 1000, 10_000]),
    ],
)
def test_the_axis_of_durations_has_round_figures(durations_ms: list[int], expected_ms: list[int]) -> None:
    assert duration_ticks([duration_ms * MS for duration_ms in durations_ms]) == [
        duration_ms * MS for duration_ms in expected_ms
    ]


@given(some.lists(some.tuples(some.integers(0, 1000), some.integers(0, 10**17)), min_size=1, max_size=20))
def test_whatever_the_durations_the_picture_is_whole_and_holds_every_point(pairs: list[tuple[int, int]]) -> None:
    svg = draw(*(point(time_ns, duration_ns) for time_ns, duration_ns in pairs))

    ElementTree.fromstring(f"<both>{svg}</both>")  # noqa: S314  # it was made above
    assert len(places(svg)) == len(pairs)
    assert all(0 <= x <= 100 and 0 <= y <= HEIGHT_PX for x, y in places(svg))
