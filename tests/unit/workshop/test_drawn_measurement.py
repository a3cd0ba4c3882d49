"""Measurements whose truth is known, and the exercises that are made of them."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path
from random import Random

import pytest

from spanprofiles.model import CPU, Endpoints, FlameGraph
from spanprofiles.model.comparison import ComparisonVerdict
from spanprofiles.model.comparison_report import compare_recordings
from spanprofiles.model.measurement_json import read_text, write_text
from spanprofiles.workshop import Judgement, Workbench
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.drawn_measurement import drawn_measurement
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.exercises.e11_which_commit import judge as commits
from spanprofiles.workshop.exercises.e12_ten_samples.claims import claims_about

NOWHERE = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:1")
WORK = {("serve", "plan"): 0.5, ("serve", "plan", "search"): 12.0, ("serve", "render"): 6.0}


def bench(number: int, folder: Path, answer: str = "", seed: int = 5) -> Workbench:
    return Workbench(exercise_of(number), folder, NOWHERE, seed=seed, answer=answer)


def check(number: int, folder: Path, answer: str, seed: int = 5) -> Judgement:
    return judged(bench(number, folder, answer, seed))


def test_drawn_requests_cost_what_they_should_on_average() -> None:
    measured = drawn_measurement(Random(1), "GET /x", WORK, requests=400, service="shop")

    assert statistics.mean(measured.cpu_values) == pytest.approx(185e6, rel=0.03)
    assert measured.share("search").value == pytest.approx(12 / 18.5, rel=0.03)
    assert measured.flamegraph.total == sum(measured.cpu_values)
    assert measured.flamegraph.total_of("plan") == sum(measured.total_values("plan"))


def test_the_samples_of_drawn_requests_vary_as_counts_of_random_moments_do() -> None:
    measured = drawn_measurement(Random(2), "GET /x", {("search",): 20.0}, requests=600, service="shop")

    counts = [request.samples for request in measured.requests]

    assert statistics.variance(counts) / statistics.mean(counts) == pytest.approx(1.13, abs=0.25)


def test_a_drawn_measurement_is_a_recording_like_any_other() -> None:
    measured = drawn_measurement(Random(3), "GET /x", WORK, requests=5, service="shop", version="commit 1")

    assert read_text(write_text(measured).encode(), "x") == measured


@pytest.mark.parametrize("seed", [1, 2])
def test_a_comparison_finds_the_slow_commit_of_each_learner(tmp_path: Path, seed: int) -> None:
    slow, function, _ = commits.drawn(bench(11, tmp_path, seed=seed)).split()
    recordings = [commits._measured(bench(11, tmp_path, seed=seed), number) for number in range(1, 6)]
    found = {}
    for number, (base, head) in enumerate(itertools.pairwise(recordings), 2):
        report = compare_recordings({"x": base}, {"x": head})
        comparison = report.compared[0].comparison
        top = comparison.top_regression if comparison else None
        found[str(number)] = (report.verdict is ComparisonVerdict.REGRESSION, top.name if top else "")

    assert {number for number, (is_slower, _) in found.items() if is_slower} == {slow}
    assert found[slow] == (True, function)


def test_the_recordings_are_put_into_the_learners_folder(tmp_path: Path) -> None:
    answer = check(11, tmp_path, "")

    assert answer.hint == 1
    assert sorted(path.name for path in (tmp_path / "recordings").iterdir()) == ["1", "2", "3", "4", "5"]


def test_each_part_of_a_wrong_answer_is_told_by_its_figures(tmp_path: Path) -> None:
    slow, function, pair = commits.drawn(bench(11, tmp_path)).split()
    other = "5" if slow != "5" else "4"

    assert check(11, tmp_path, f"{slow} {function}() {pair.replace('=', '-')}").passed
    assert "no more than chance" in check(11, tmp_path, f"{other} {function} {pair}").text
    assert "it calls what is slow" in check(11, tmp_path, f"{slow} check_detours {pair}").text
    assert "the own code of find_path cost" in check(11, tmp_path, f"{slow} find_path {pair}").text
    assert "the slow commit lies between them" in check(11, tmp_path, f"{slow} {function} 1=5").text
    assert "there are the commits 1 to 5" in check(11, tmp_path, f"{slow} {function} 1=9").text


def test_of_ten_samples_some_claims_hold_some_do_not_and_some_are_open() -> None:
    for search in (5, 6, 7):
        own = {"search": search, "sort": 9 - search, "render": 1}
        stacks: dict[tuple[str, ...], int] = {("serve", name): count * 10**7 for name, count in own.items()}
        verdicts = [claim.verdict for claim in claims_about(FlameGraph(stacks, CPU))]

        assert verdicts[:2] == ["yes", "open"]
        assert verdicts[3:] == ["no", "yes", "open", "no"]


def test_learners_get_the_claims_in_an_order_of_their_own(tmp_path: Path) -> None:
    answers = {exercise_of(12).drawn(bench(12, tmp_path, seed=seed)) for seed in range(12)}

    assert len(answers) > 8


def test_a_wrong_word_is_answered_with_the_interval(tmp_path: Path) -> None:
    right = exercise_of(12).drawn(bench(12, tmp_path)).split()
    wrong = ["open" if word == "yes" else word for word in right]

    answer = check(12, tmp_path, " ".join(wrong))

    assert not answer.passed
    assert "is possible" in answer.text or "of both together" in answer.text
    assert check(12, tmp_path, ", ".join(right).upper()).passed
