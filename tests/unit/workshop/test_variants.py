"""What tests say of a program that is in order, and of one that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.workshop.variants import SETTINGS_VARIABLE, Variant, Verdict

HEALTHY = Variant("healthy", Path("shop.py"), is_healthy=True, fewest_requests={"/stamp": 20})
MUTANT = Variant("mutant", Path("mutant.py"), is_healthy=False)
ENOUGH = {"/stamp": 20}

STUB = """
import pytest, requests

class App(requests.Session):
    def __init__(self, environment):
        super().__init__()
        self.price = int(environment["PRICE"])
    def stop(self):
        print("stopped")

@pytest.fixture(scope="session")
def span_profiles_app():
    return lambda command, ready, environment, name: App(environment)
"""


def run(folder: Path, tests: str, **prices: int) -> dict[str, Any]:
    """Run tests against variants with these prices, of which only those of 7 are healthy; return what was written."""
    (folder / "conftest.py").write_text(STUB, encoding="utf-8")
    (folder / "test_shop.py").write_text(tests, encoding="utf-8")
    variants = [
        {
            "name": name,
            "program": "shop.py",
            "is_healthy": price == 7,
            "environment": {"PRICE": str(price)},
            "timeout_s": 0,
            "fewest_requests": {},
        }
        for name, price in prices.items()
    ]
    results = folder / "results.json"
    settings = {"fixture": "shop", "service": "shop", "variants": variants, "results": str(results)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:spanprofiles", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, "-p", "spanprofiles.workshop.variants_plugin", str(folder)],
        env={**os.environ, SETTINGS_VARIABLE: json.dumps(settings)},
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


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
def test_tests_run_until_they_are_wrong_about_a_variant(tmp_path: Path) -> None:
    tests = "def test_price(shop): assert shop.price < 9\n"

    found = run(tmp_path, tests, healthy=7, dear=9, cheap=5, never=9)

    assert list(found) == ["healthy", "dear", "cheap"]
    assert found["healthy"]["passed"] == ["test_price"]
    assert found["dear"]["failed"] == {"test_price": "AssertionError: assert 9 < 9"}
    assert found["cheap"]["passed"] == ["test_price"]


@pytest.mark.slow
def test_after_one_test_has_noticed_a_mutant_the_others_are_left_out(tmp_path: Path) -> None:
    tests = (
        "def test_price(shop): assert shop.price == 7\n"
        "def test_other(shop): assert shop.price < 8, 'spanprofiles.x: y'\n"
        "def test_of_nothing(): pass\n"
    )

    found = run(tmp_path, tests, healthy=7, dear=9)

    assert found["healthy"]["passed"] == ["test_price", "test_other"]
    assert list(found["dear"]["failed"]) == ["test_price"]
    assert found["dear"]["passed"] == []
