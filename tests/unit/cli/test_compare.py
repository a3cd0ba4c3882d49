"""``spanprofiles compare``: the verdict as an exit code, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.measure.files import write_measurement
from spanprofiles.model import Measurement
from tests.support.compared_measurements import measurement

FAST, SLOW = measurement({"search": 200}, requests=12), measurement({"search": 800}, requests=12)


def compare(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def recorded(folder: Path, *measurements: Measurement) -> Path:
    for each in measurements:
        write_measurement(folder, each)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return recorded(tmp_path / "base", FAST)


@pytest.fixture
def head(tmp_path: Path) -> Path:
    return recorded(tmp_path / "head", SLOW)


def test_a_regression_ends_with_1_and_names_the_function(base: Path, head: Path) -> None:
    result = compare(base, head)

    assert result.exit_code == 1
    assert result.stdout.startswith("regression     test_shop.py::test_a_search\n")
    assert "\n  search: +600 ms (" in result.stdout
    assert result.stdout.endswith("regression: 1 regression; threshold 10%\n")
    assert result.stderr == ""


def test_no_regression_ends_with_0(base: Path) -> None:
    assert compare(base, base, "--threshold", "50%").exit_code == 0


def test_too_few_samples_end_with_2_and_say_how_many_more_requests_would_tell(tmp_path: Path) -> None:
    few = recorded(tmp_path / "few", measurement({"search": 200}, requests=2))
    result = compare(few, few)

    assert result.exit_code == 2
    assert "about 4 more requests on each side would tell" in result.stdout


def test_two_files_can_be_compared_as_well(base: Path, head: Path) -> None:
    files = [next(folder.glob("*.json")) for folder in (base, head)]

    assert compare(*files).exit_code == 1


def test_it_writes_markdown_and_a_difference_flame_graph_where_asked_to(base: Path, head: Path, tmp_path: Path) -> None:
    markdown, pictures = tmp_path / "new" / "summary.md", tmp_path / "pictures"
    result = compare(base, head, "--markdown", markdown, "--svg", pictures)

    assert result.exit_code == 1
    assert markdown.read_text().startswith("## A request has become slower\n")
    (picture,) = pictures.iterdir()
    assert picture.name.endswith("-difference.svg")
    assert ">+" in picture.read_text()
    assert str(picture) in result.stderr


def test_as_json_standard_output_has_nothing_else(base: Path, head: Path, tmp_path: Path) -> None:
    result = compare(base, head, "--json", "--svg", tmp_path / "pictures")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "regression"


def test_a_place_that_cannot_be_written_is_named(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = compare(base, base, "--markdown", tmp_path / "file" / "summary.md")

    assert result.exit_code == 2
    assert "file cannot be written: " in result.stderr


def test_a_folder_that_is_not_there_says_how_to_make_one(base: Path, tmp_path: Path) -> None:
    result = compare(base, tmp_path / "nowhere")

    assert result.exit_code == 2
    assert "pytest --span-profiles-record" in result.stderr


def test_an_empty_base_makes_all_measurements_new_and_cannot_say(head: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = compare(tmp_path / "empty", head, "--markdown", tmp_path / "summary.md")

    assert result.exit_code == 2
    assert result.stdout.startswith("new            test_shop.py::test_a_search\n")
    assert "empty holds no measurement: tests leave some with pytest --span-profiles-record=" in result.stderr
    assert (tmp_path / "summary.md").read_text().startswith("## It cannot be said whether a request has become slower")


@pytest.mark.parametrize("threshold", ["10", "0%", "much"])
def test_a_threshold_that_is_none_is_refused(base: Path, threshold: str) -> None:
    result = compare(base, base, "--threshold", threshold)

    assert result.exit_code == 2
    assert f"'{threshold}' is not a growth: 10% or 0.1, above 0 and up to 1000%, is expected" in result.stderr


def test_a_name_that_would_forge_a_line_of_a_ci_is_shown_as_text(tmp_path: Path) -> None:
    hostile = measurement({"search": 200}, name="a\n::error::b \x1b[2J", requests=12)
    folder = recorded(tmp_path / "hostile", hostile)
    result = compare(folder, folder, "--threshold", "50%")

    assert "\n::error" not in result.stdout
    assert "\x1b[2J" not in result.stdout
