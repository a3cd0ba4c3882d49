"""What tests say of a program that is in order, and of one that is not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.backends import ManagedProcess
from spanprofiles.linking import Waiting
from spanprofiles.workshop.pytest_runner import Job, Run, finished_path, job_path
from spanprofiles.workshop.variant_verdict import (
    SETTINGS_VARIABLE,
    ShareClaim,
    Variant,
    Verdict,
    confirmed,
    joined,
    merged,
)

HEALTHY = Variant("healthy", Path("shop.py"), is_healthy=True, fewest_requests={"/stamp": 20})
MUTANT = Variant("mutant", Path("mutant.py"), is_healthy=False)
ENOUGH = {"/stamp": 20}

STUB = """
import pytest

class App:
    def __init__(self, price):
        self.hooks, self.price, self.program = {"response": []}, price, self
    def get(self, *_, **__):
        return self
    def close(self):
        pass
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    status_code, ok, ready_ns = 200, True, 0

class Starter:
    def attach(self, name, port, **_):
        return App(port)

@pytest.fixture(scope="session")
def span_profiles_app():
    return Starter()
"""


def run(
    folder: Path, tests: str, *prices: int, by_fork: bool = True, parts: Sequence[tuple[int, int]] = ()
) -> list[dict[str, Any]]:
    """Run tests against variants with these prices, and return what was written of each; empty where nothing was.

    Args:
        folder: where.
        tests: their text.
        prices: of each variant.
        by_fork: whether each run is a fork.
        parts: which of how many parts of the tests run against each variant; by default all of them.
    """
    (folder / "conftest.py").write_text(STUB, encoding="utf-8")
    (folder / "test_shop.py").write_text(tests, encoding="utf-8")
    results = [folder / f"results-{number}.json" for number in range(len(prices))]
    settings = [
        json.dumps(
            {
                "name": f"at {price}",
                "part": part,
                "fixture": "shop",
                "port": price,
                "started_ns": 1,
                "ready_ns": 1,
                "witness": "",
                "function": "",
                "results": str(path),
            }
        )
        for price, path, part in zip(prices, results, parts or [(0, 1)] * len(prices), strict=True)
    ]
    plugins = ("-p", "no:spanprofiles", "-p", "no:cacheprovider", "-p", "spanprofiles.workshop.variants_plugin")
    runs = tuple(Run(("-q", *plugins, str(folder)), {SETTINGS_VARIABLE: text}) for text in settings)
    Job(str(folder), runs, by_fork).write(job_path(folder, 0))
    command = [sys.executable, "-m", "spanprofiles.workshop.pytest_runner", str(folder)]
    with ManagedProcess("the runner", command):
        finished = [finished_path(folder, 0, number) for number in range(len(prices))]
        assert Waiting(120).until(lambda: all(path.is_file() for path in finished))
    return [json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {} for path in results]


def test_tests_that_pass_on_a_healthy_program_are_right() -> None:
    assert Verdict(HEALTHY, passed=("test_price",), requests=ENOUGH).is_right


def test_a_test_that_fails_on_a_healthy_program_cries_wolf() -> None:
    assert not Verdict(HEALTHY, {"test_price": "assert 7 < 5"}, ("test_other",), ENOUGH).is_right


def test_tests_that_are_all_skipped_say_nothing_of_a_healthy_program() -> None:
    assert not Verdict(HEALTHY, requests=ENOUGH).is_right


def test_tests_that_ask_too_seldom_are_not_right_of_a_healthy_program() -> None:
    verdict = Verdict(HEALTHY, passed=("test_price",), requests={"/stamp": 19, "/letter": 90})

    assert not verdict.is_right
    assert verdict.too_few_requests == {"/stamp": 19}


def test_one_test_that_fails_on_a_mutant_is_enough() -> None:
    assert Verdict(MUTANT, {"test_price": "assert 9 < 5"}, ("test_other",)).is_right
    assert not Verdict(MUTANT, passed=("test_price", "test_other")).is_right


@pytest.mark.slow
@pytest.mark.parametrize("by_fork", [True, False], ids=["forks", "programs"])
def test_tests_run_against_each_variant_at_once(tmp_path: Path, by_fork: bool) -> None:
    tests = "def test_price(shop): assert shop.price < 9\n"

    healthy, dear = run(tmp_path, tests, 7, 9, by_fork=by_fork)

    assert (healthy["passed"], healthy["failed"]) == (["test_price"], {})
    assert (dear["passed"], dear["failed"]) == ([], {"test_price": "AssertionError: assert 9 < 9"})


@pytest.mark.slow
def test_after_one_test_has_noticed_a_mutant_the_others_are_left_out(tmp_path: Path) -> None:
    tests = (
        "def test_price(shop): assert shop.price == 7\n"
        "def test_other(shop): assert shop.price < 8, 'spanprofiles.x: y'\n"
        "def test_of_nothing(): pass\n"
    )

    healthy, dear = run(tmp_path, tests, 7, 9)

    assert healthy["passed"] == ["test_price", "test_other"]
    assert list(dear["failed"]) == ["test_price"]
    assert dear["passed"] == []


@pytest.mark.slow
def test_divided_tests_each_run_against_one_copy_and_keep_their_order(tmp_path: Path) -> None:
    tests = "".join(f"def test_{name}(shop): assert shop.price\n" for name in "abc") + "def test_of_nothing(): pass\n"

    first, second = run(tmp_path, tests, 7, 8, parts=[(0, 2), (1, 2)])

    assert (first["passed"], second["passed"]) == (["test_a", "test_b"], ["test_c"])
    assert [(found["tests"], found["of_program"]) for found in (first, second)] == [(4, 3), (4, 3)]


@pytest.mark.slow
def test_a_single_test_is_not_divided(tmp_path: Path) -> None:
    first, second = run(tmp_path, "def test_price(shop): assert shop.price\n", 7, 8, parts=[(0, 2), (1, 2)])

    assert (first["passed"], second["passed"], second["failed"]) == (["test_price"], [], {})


@pytest.mark.slow
def test_where_no_test_asks_for_the_program_that_is_written(tmp_path: Path) -> None:
    (result,) = run(tmp_path, "def test_of_nothing(): pass\n", 7)

    assert (result["tests"], result["of_program"], result["unimportable"]) == (1, 0, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("def test_price(shop)\n    pass\n", "line 1: expected ':'"),
        ("\n\nprice = cost\n", "line 3: NameError: name 'cost' is not defined"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
    ],
    ids=["syntax", "name", "import"],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line(tmp_path: Path, tests: str, why: str) -> None:
    (result,) = run(tmp_path, tests, 7)

    assert result["unimportable"] == [f"test_shop.py cannot be imported: {why}"]


def test_parts_that_pass_are_one_run_of_all_tests() -> None:
    claim, other = ShareClaim("the share of f", 0.6, 0.5), ShareClaim("the share of g", 0.2, 0.1)
    first = Verdict(HEALTHY, {}, ("test_a",), {"/stamp": 12}, {"test_a": "a" * 32}, 0.6, (claim,), {"f": ["g"]})
    second = Verdict(HEALTHY, {}, ("test_b",), {"/stamp": 9, "/letter": 1}, {"test_b": "b" * 32}, None, (other,))

    whole = joined([first, second])

    assert whole.is_right
    assert (whole.passed, whole.failed) == (("test_a", "test_b"), {})
    assert (whole.requests, whole.traces) == ({"/stamp": 21, "/letter": 1}, {**first.traces, **second.traces})
    assert (whole.share, whole.claims, whole.unknown) == (0.6, (claim, other), {"f": ["g"]})


def test_a_failed_part_ends_the_run_as_a_failed_test_would() -> None:
    failed = Verdict(HEALTHY, {"test_a": "assert 7 < 5"}, requests={"/letter": 1})

    def parts() -> Iterator[Verdict]:
        yield failed
        raise AssertionError("the second part is asked for")

    assert joined(parts()) == failed
    passed = Verdict(HEALTHY, passed=("test_b",))
    assert joined([passed, failed]).failed == failed.failed
    assert joined([passed, failed]).passed == ("test_b",)


def test_a_mutant_that_only_one_of_two_runs_notices_was_noticed_by_chance() -> None:
    noticed, unnoticed = Verdict(MUTANT, {"test_price": "assert 9 < 5"}), Verdict(MUTANT, passed=("test_price",))

    assert (merged([noticed, unnoticed]).is_right, merged([noticed, unnoticed]).is_by_chance) == (False, True)
    assert (merged([unnoticed, unnoticed]).is_right, merged([unnoticed, unnoticed]).is_by_chance) == (False, False)
    assert merged([noticed, noticed]).is_right


def test_a_claim_that_fails_on_a_healthy_program_in_one_of_two_runs_fails_by_chance() -> None:
    passed = Verdict(HEALTHY, passed=("test_price",), requests=ENOUGH)

    found = merged([passed, Verdict(HEALTHY, {"test_price": "assert 7 < 5"}, requests=ENOUGH)])

    assert (found.is_right, found.is_by_chance) == (False, True)


def test_a_wrong_run_does_not_count_where_all_runs_after_it_are_right() -> None:
    noticed, unnoticed = Verdict(MUTANT, {"test_price": "assert 9 < 5"}), Verdict(MUTANT, passed=("test_price",))

    assert confirmed([noticed, unnoticed], iter([noticed, noticed])).is_right
    assert confirmed([noticed, unnoticed], iter([])).is_by_chance


def test_a_wrong_run_after_others_ends_the_confirmation_as_chance() -> None:
    noticed = Verdict(MUTANT, {"test_price": "assert 0.15 > 0.5"}, share=0.15)
    unnoticed = Verdict(MUTANT, passed=("test_price",), share=0.53)
    further = iter([noticed, unnoticed, noticed])

    found = confirmed([noticed, unnoticed], further)

    assert (found.is_right, found.is_by_chance, found.runs) == (False, True, 4)
    assert found.shares == (0.15, 0.53, 0.15, 0.53)
    assert list(further) == [noticed]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict(HEALTHY, {"test_price": "AssertionError: assert 7 < 5"}, requests=ENOUGH), True),
        (Verdict(HEALTHY, {"test_price": "TypeError: no"}, requests=ENOUGH), False),
        (Verdict(HEALTHY, {"test_price": "assert 0.0 > 0.5"}, requests=ENOUGH, unknown={"ratings": []}), False),
        (Verdict(HEALTHY, {"test_price": "assert 7 < 5"}), False),
        (Verdict(HEALTHY, passed=("test_price",), requests=ENOUGH), False),
        (Verdict(MUTANT, passed=("test_price",)), False),
        (Verdict(MUTANT, passed=("test_price",), is_by_chance=True), True),
    ],
    ids=["a claim", "a mistake", "an unknown function", "too few requests", "right", "unnoticed", "disagreed"],
)
def test_only_a_claim_that_failed_may_be_chance(verdict: Verdict, expected: bool) -> None:
    assert verdict.may_be_chance == expected


def test_the_trace_to_show_is_that_of_a_test_that_failed() -> None:
    traces = {"test_other": "a" * 32, "test_price": "b" * 32}

    assert Verdict(MUTANT, {"test_price": "assert 9 < 5"}, traces=traces).trace_id == "b" * 32
    assert Verdict(MUTANT, passed=("test_other",), traces=traces).trace_id == "a" * 32
    assert Verdict(MUTANT, {"test_price": "assert 9 < 5"}).trace_id == ""
