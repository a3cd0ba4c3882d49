"""A comparison as lines, as Markdown and as JSON: figures with intervals, and names that cannot be markup."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from spanprofiles.model import FlameGraph
from spanprofiles.model.comparison import Basis, Change
from spanprofiles.model.comparison_report import ComparisonReport, compare_recordings
from spanprofiles.model.intervals import Interval
from spanprofiles.report.comparison_figures import change_words
from spanprofiles.report.comparison_json import report_document
from spanprofiles.report.comparison_markdown import code, report_markdown
from spanprofiles.report.comparison_picture import averages
from spanprofiles.report.comparison_text import conclusion, report_lines
from spanprofiles.report.difference_text import difference_lines
from tests.support.compared_measurements import HERE, measurement, recording

MS = 1_000_000


@pytest.fixture(scope="module")
def slower() -> ComparisonReport:
    """A report of a slower search, an equal health check, a test that is new and one that is gone."""
    base = recording(
        measurement({"search": 200, "render": 100}, name="search"),
        measurement({"health": 300}, name="health"),
        measurement({"a": 100}, name="old", requests=6),
    )
    head = recording(
        measurement({"search": 400, "render": 100}, name="search"),
        measurement({"health": 300}, name="health"),
        measurement({"a": 100}, name="young", requests=6),
    )
    return compare_recordings(base, head)


def test_each_measurement_has_its_verdict_and_the_function_that_grew(slower: ComparisonReport) -> None:
    lines = report_lines(slower)

    assert [line for line in lines if line and not line.startswith(" ")] == [
        "no regression  health",
        "gone           old",
        "regression     search",
        "new            young",
        "regression: 1 no regression, 1 gone, 1 regression, 1 new; threshold 10%",
    ]
    (function,) = [line for line in lines if line.startswith("  search: ")]
    assert function.startswith("  search: +200 ms (+1")
    assert "200 ms -> 400 ms, +100 % (" in function
    assert function.endswith("own code")
    assert not [line for line in lines if line.startswith("  handle: ")]  # its caller grew with it, which is no news


def test_nothing_to_compare_is_said_so() -> None:
    assert conclusion(compare_recordings({}, {})) == "cannot say: nothing to compare; threshold 10%"


def test_what_cannot_be_said_comes_with_how_many_more_requests_it_takes() -> None:
    few = recording(measurement({"search": 200}, requests=2))
    text = "\n".join(report_lines(compare_recordings(few, few)))

    assert "about 4 more requests on each side would tell" in text


def test_as_markdown_there_is_a_table_of_measurements_and_one_of_functions(slower: ComparisonReport) -> None:
    text = report_markdown(slower)

    assert text.startswith("## A request has become slower\n\n| measured |")
    assert "| `search` | **regression** | 300 ms → 500 ms | +20" in text
    assert "| `young` | new |  |  |  |" in text
    assert "| `search` | own code | 200 ms | 400 ms | +200 ms (+1" in text
    assert text.endswith("Smallest growth that counts: 10% of a request's CPU.\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "`plain`"),
        ("a | b", "`a \\| b`"),
        ("`tick", "`` `tick ``"),
        ("a``b", "```a``b```"),
        ("<img src=x onerror=alert(1)>", "`<img src=x onerror=alert(1)>`"),
        ("@everybody [a](http://b)", "`@everybody [a](http://b)`"),
        ("two\nlines", "`two\\nlines`"),
        ("", "`  `"),
    ],
)
def test_a_name_can_be_no_markup(name: str, shown: str) -> None:
    assert code(name) == shown


def test_a_hostile_function_stands_between_backticks_wherever_it_is_named() -> None:
    hostile = "[free](http://evil) @all <b>"
    base, head = (recording(measurement({hostile: cpu_ms}, requests=12)) for cpu_ms in (200, 800))
    text = report_markdown(compare_recordings(base, head))

    assert hostile in text
    assert f"`{hostile}`" in text
    assert hostile not in text.replace(f"`{hostile}`", "")


def test_as_json_it_has_all_figures_and_is_plain_json(slower: ComparisonReport) -> None:
    document = json.loads(json.dumps(report_document(slower), allow_nan=False))

    assert (document["verdict"], document["threshold"]) == ("regression", 0.1)
    search = next(each for each in document["measurements"] if each["name"] == "search")
    assert (search["verdict"], search["basis"], search["top_regression"]) == ("regression", "cpu", "search")
    assert (search["base_requests"], search["head_requests"], search["more_requests"]) == (60, 60, 0)
    assert search["request"]["base"] == pytest.approx(300 * MS, rel=0.05)
    low, high = search["request"]["interval"]
    assert 0 < low < search["request"]["change"] < high
    function = search["functions"][0]
    assert function["name"] == "search"
    assert function["self"]["is_significant"] is True
    young = next(each for each in document["measurements"] if each["name"] == "young")
    assert (young["verdict"], young["in_base"], young["in_head"]) == (None, False, True)


@pytest.mark.parametrize(
    ("change", "basis", "words"),
    [
        (
            Change(180 * MS, 270 * MS, Interval(81 * MS, 98 * MS), Interval(0.41, 0.6), is_significant=True),
            Basis.CPU,
            ("180 ms", "270 ms", "+90 ms", "+81 to +98 ms", "+50 % (+41 to +60 %)"),
        ),
        (
            Change(2.5 * MS, 2.0 * MS, Interval(-0.9 * MS, -0.1 * MS), None, is_significant=True),
            Basis.CPU,
            ("2.5 ms", "2.0 ms", "-0.5 ms", "-0.9 to -0.1 ms", "-20 %"),
        ),
        (
            Change(0, 30 * MS, Interval(20 * MS, 40 * MS), None, is_significant=True),
            Basis.CPU,
            ("0 ms", "30 ms", "+30 ms", "+20 to +40 ms", "new"),
        ),
        (
            Change(30 * MS, 0, Interval(-40 * MS, -20 * MS), Interval(-1, -1), is_significant=True),
            Basis.CPU,
            ("30 ms", "0 ms", "-30 ms", "-40 to -20 ms", "gone"),
        ),
        (
            Change(0.25, 0.5, Interval(0.2, 0.3), Interval(0.8, 1.2), is_significant=True),
            Basis.SHARE,
            ("25 %", "50 %", "+25 points", "+20 to +30 points", "+100 % (+80 to +120 %)"),
        ),
        (
            Change(MS, 2 * MS, Interval(0.5 * MS, 1.5 * MS), Interval(0.1, math.inf), is_significant=False),
            Basis.CPU,
            ("1.0 ms", "2.0 ms", "+1.0 ms", "+0.5 to +1.5 ms", "+100 %"),
        ),
        (Change(0, 0, None, None, is_significant=False), Basis.CPU, ("0 us", "0 us", "+0 us", "+0 to +0 us", "")),
    ],
    ids=["grown", "shrunk", "new", "gone", "share", "without an end", "nothing"],
)
def test_figures_end_where_the_next_digit_would_be_a_guess(
    change: Change, basis: Basis, words: tuple[str, ...]
) -> None:
    said = change_words(change, basis)

    assert (said.base, said.head, said.change, said.interval, said.relative) == words


def test_the_picture_is_of_an_average_request_however_many_there_were() -> None:
    base = recording(measurement({"search": 200}, requests=10))
    head = recording(measurement({"search": 300}, requests=80))
    before, after = averages(compare_recordings(base, head).measurements[0])

    assert before.total == pytest.approx(200 * MS, rel=0.1)
    assert after.total == pytest.approx(300 * MS, rel=0.1)


def test_between_machines_both_sides_of_the_picture_are_as_wide() -> None:
    base = recording(measurement({"search": 200}, requests=8))
    head = recording(measurement({"search": 900}, requests=8, environment=replace(HERE, host="b")))
    before, after = averages(compare_recordings(base, head).measurements[0])

    assert after.total == pytest.approx(before.total, rel=0.01)


def test_the_difference_in_lines_names_the_function_and_not_those_above_it() -> None:
    base = measurement({"search": 200, "render": 100, "log": 50}, requests=8)
    head = measurement({"search": 500, "render": 100, "log": 20}, requests=8)
    lines = difference_lines(base.flamegraph.divided(8), head.flamegraph.divided(8))

    assert [line.split()[2] for line in lines if line.split()[2] != "total"] == ["handle", "search", "log"]
    assert lines[-2].lstrip().startswith("+300.0 ms")
    assert lines[-2].endswith("search  (200 ms -> 500 ms)")


def test_equal_flame_graphs_have_no_difference_to_show() -> None:
    same = measurement({"search": 200}, requests=8).flamegraph

    assert difference_lines(same, same) == ["nothing changed by as much as a two-hundredth of the whole"]


def test_without_samples_on_either_side_there_is_no_difference_and_no_picture(slower: ComparisonReport) -> None:
    assert difference_lines(FlameGraph(), FlameGraph()) == ["no samples on either side"]
    assert difference_lines(FlameGraph([(("f",), 10)]), FlameGraph()) != ["no samples on either side"]
    pictures = {each.name: [not graph.is_empty for graph in averages(each)] for each in slower.measurements}
    assert pictures == {"search": [True, True], "health": [True, True], "old": [False, False], "young": [False, False]}


def test_a_function_that_is_all_of_both_sides_has_no_change_in_its_row() -> None:
    base = recording(measurement({"search": 200}, requests=8))
    head = recording(measurement({"search": 900}, requests=8, environment=replace(HERE, host="b")))
    elsewhere = report_markdown(compare_recordings(base, head)).splitlines()
    here = report_markdown(compare_recordings(base, recording(measurement({"search": 900}, requests=8)))).splitlines()
    rows = [next(line for line in lines if line.startswith("| `test_shop")) for lines in (elsewhere, here)]
    assert ["→" in row for row in rows] == [False, True]
