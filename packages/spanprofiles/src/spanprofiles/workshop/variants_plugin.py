"""A plugin of pytest that runs each test against several variants of one program, and writes down what came of it.

:mod:`.variants` starts pytest with it. It provides the fixture by which the tests get the program, and stops as soon as
the tests were wrong about a variant: the learner is told about one at a time.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from spanprofiles.waiting import Waiting

if TYPE_CHECKING:
    import requests

_SETTINGS: dict[str, Any] = json.loads(os.environ["SPAN_PROFILES_WORKSHOP_VARIANTS"])
_VARIANTS: list[dict[str, Any]] = _SETTINGS["variants"]
_FIXTURE: str = _SETTINGS["fixture"]
_MODULE = re.compile(r"^(\w+\.)+(?=\w+: )")  # of an exception's class


class _Results:
    """What the tests said of each variant so far."""

    def __init__(self) -> None:
        self.failed: dict[str, dict[str, str]] = {variant["name"]: {} for variant in _VARIANTS}
        self.passed: dict[str, list[str]] = {variant["name"]: [] for variant in _VARIANTS}
        self.requests: dict[str, Counter[str]] = {variant["name"]: Counter() for variant in _VARIANTS}
        self.left: Counter[str] = Counter()

    def write(self) -> None:
        """Write down the variants against which all tests were run."""
        found = {
            name: {"failed": self.failed[name], "passed": self.passed[name], "requests": self.requests[name]}
            for name, left in self.left.items()
            if left == 0
        }
        Path(_SETTINGS["results"]).write_text(json.dumps(found), encoding="utf-8")


_results = _Results()


@pytest.fixture(scope="session", name=_FIXTURE, params=_VARIANTS, ids=[str(variant["name"]) for variant in _VARIANTS])
def program(request: pytest.FixtureRequest, span_profiles_app: Callable[..., Any]) -> Iterator[Any]:
    """Start one variant of the program, and stop it after the tests that it is for."""
    variant: dict[str, Any] = request.param
    app = span_profiles_app(
        [sys.executable, variant["program"]],
        ready="/health",
        environment={"OTEL_SERVICE_NAME": _SETTINGS["service"], "PORT": "{port}", **variant["environment"]},
        name=f"the program ({variant['name']})",
    )
    app.hooks["response"].append(partial(_count, _results.requests[variant["name"]]))
    yield app
    app.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count the tests of each variant."""
    _results.left.update(variant["name"] for variant in map(_variant_of, items) if variant)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what cannot change the verdict: one test that fails settles it, on a mutant and on any other."""
    variant = _variant_of(item)
    if variant and _results.failed[variant["name"]]:
        pytest.skip("another test has failed")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Let claims about a variant wait no longer than its mistake can take to show."""
    claims = getattr(item, "funcargs", {}).get("span_profiles")
    timeout_s = _variant_of(item).get("timeout_s")
    if claims is not None and timeout_s:
        claims.linker = claims.linker.with_waiting(Waiting(timeout_s))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test ended; after the last of a variant, go on only if they were right about it."""
    report = yield
    variant = _variant_of(item)
    if not variant:
        return report
    name = variant["name"]
    test = getattr(item, "originalname", None) or item.name
    if report.failed and call.excinfo is not None:
        _results.failed[name].setdefault(test, _MODULE.sub("", call.excinfo.exconly().splitlines()[0]))
    elif report.when == "call" and report.passed:
        _results.passed[name].append(test)
    if report.when == "teardown":
        _results.left[name] -= 1
        if not _results.left[name]:
            _results.write()
            if not _is_right(variant):
                item.session.shouldstop = f"the tests are wrong about {name}"
    return report


def _is_right(variant: dict[str, Any]) -> bool:
    """Tell whether the tests say of a variant what it is; :attr:`.variants.Verdict.is_right`, in this process."""
    name = variant["name"]
    if not variant["is_healthy"]:
        return bool(_results.failed[name])
    asked = all(_results.requests[name][path] >= fewest for path, fewest in variant["fewest_requests"].items())
    return asked and bool(_results.passed[name]) and not _results.failed[name]


def _variant_of(item: pytest.Item) -> dict[str, Any]:
    """Return the variant against which a test runs; empty where it asks for none."""
    callspec = getattr(item, "callspec", None)
    variant: dict[str, Any] = callspec.params.get(_FIXTURE, {}) if callspec else {}
    return variant


def _count(counter: Counter[str], response: requests.Response, **_: object) -> None:
    counter[urlsplit(response.url).path] += 1
