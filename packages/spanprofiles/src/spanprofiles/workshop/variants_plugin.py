"""A plugin of pytest that runs tests against one variant of a program, and writes down what came of it.

:mod:`.variants` has each run of pytest load it. It provides the fixture by which the tests get the program, which runs
already.
"""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from spanprofiles.waiting import Waiting
from spanprofiles.workshop.program import START_S
from spanprofiles.workshop.variant_verdict import SETTINGS_VARIABLE

if TYPE_CHECKING:
    import requests

    from spanprofiles.linking import Evidence, Linker, TracedSession
    from spanprofiles.model import FlameGraph

_SETTINGS: dict[str, Any] = json.loads(os.environ[SETTINGS_VARIABLE])
_FIXTURE: str = _SETTINGS["fixture"]
_MODULE = re.compile(r"^(\w+\.)+(?=\w+: )")  # of an exception's class
_READY = "/health"
_NAMED = 3  # functions, where none has a name like the one that a test asked about


class _Results:
    """What the tests said so far; see :class:`.variants.Verdict`."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.passed: list[str] = []
        self.requests: Counter[str] = Counter()
        self.traces: dict[str, str] = {}
        self.share: float | None = None
        self.claims: list[tuple[str, float, float]] = []
        self.unknown: dict[str, list[str]] = {}
        self.unimportable: list[str] = []
        self.tests = 0
        self.of_program = 0

    def write(self) -> None:
        """Write them down."""
        Path(_SETTINGS["results"]).write_text(json.dumps(vars(self)), encoding="utf-8")


_results = _Results()
_elsewhere: set[str] = set()


@pytest.fixture(scope="session", name=_FIXTURE)
def program(span_profiles_app: Any) -> Iterator[Any]:
    """Give the tests the variant, as soon as it answers."""
    from spanprofiles.linking import await_answer

    app = span_profiles_app.attach(
        f"the program ({_SETTINGS['name']})",
        _SETTINGS["port"],
        ready=_READY,
        started_ns=_SETTINGS["started_ns"],
        log=Path(_SETTINGS["results"]).with_suffix(".log"),
    )
    if not await_answer(app, _READY, START_S, lambda: True):
        pytest.fail(f"{_SETTINGS['name']}: the program did not answer within {START_S:g} s", pytrace=False)
    app.program.ready_ns = _SETTINGS["ready_ns"] or time.time_ns()
    app.hooks["response"].append(partial(_count, _results.requests))
    yield app
    app.close()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down how many tests there are, though none has run."""
    ours = [item for item in session.items if _is_ours(item)]
    _results.tests = len(session.items)
    _results.of_program = len(ours)
    _results.write()
    part, parts = _SETTINGS["part"]
    first, end = (-(-len(ours) * number // parts) for number in (part, part + 1))
    _elsewhere.update(item.nodeid for item in [*ours[:first], *ours[end:]])


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
    """Note which of the learner's files cannot be imported, and why."""
    if isinstance(node, pytest.Collector) and call.excinfo is not None:
        _results.unimportable.append(_why_unimportable(node.path, call.excinfo.value))
        _results.write()


def _why_unimportable(path: Path, error: BaseException) -> str:
    """Say in one line why a file cannot be imported, without the folders of this machine."""
    error = error.__cause__ or error
    if isinstance(error, SyntaxError):
        where, why = error.lineno, error.msg
        file = Path(error.filename or path).name
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        where, why = lines[-1] if lines else None, f"{type(error).__name__}: {error}".splitlines()[0]
        file = path.name
    place = f"{file}: line {where}: " if where and file != path.name else f"line {where}: " if where else ""
    return f"{path.name} cannot be imported: {place}{why}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what cannot change the verdict: one test that fails settles it, on a mutant and on any other."""
    if _is_ours(item) and _results.failed:
        pytest.skip("another test has failed")
    if item.nodeid in _elsewhere:
        pytest.skip("it runs against another copy of the program")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Let claims wait no longer than until nothing can come any more."""
    funcargs = getattr(item, "funcargs", {})
    claims, app = funcargs.get("span_profiles"), funcargs.get(_FIXTURE)
    if claims is not None and app is not None and _SETTINGS["witness"]:
        waiting = WaitingForWitness(**vars(claims.linker.waiting), app=app, path=_SETTINGS["witness"])
        waiting.linker.append(claims.linker)
        claims.linker = claims.linker.with_waiting(waiting)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test ended."""
    report = yield
    if not _is_ours(item):
        return report
    test = getattr(item, "originalname", None) or item.name
    if report.failed and call.excinfo is not None:
        _results.failed.setdefault(test, _MODULE.sub("", call.excinfo.exconly().splitlines()[0]))
    elif report.when == "call" and report.passed:
        _results.passed.append(test)
    if report.when == "call":
        seen = getattr(getattr(item, "funcargs", {}).get("span_profiles"), "seen", None)
        if seen:
            _results.traces[test] = next(reversed(seen))
            _note_shares([graph for evidence in seen.values() for graph in _flamegraphs_of(evidence)])
    _results.write()
    return report


@dataclass(frozen=True)
class WaitingForWitness(Waiting):
    """Waits until a later request of the same program has arrived with its samples: what is missing then stays missing.

    A process exports its spans in the order in which they end, and uploads its samples in that of its windows. So no
    clock has to say how long a busy machine may take.

    Attributes:
        app: the program.
        path: a request to it that computes for some sample periods.
        linker: finds the later request; one entry.
        first_after_s: how long to wait before it is sent, s. Samples that come at all are mostly there by then, and it
            would only slow them down.
    """

    app: TracedSession | None = None
    path: str = ""
    linker: list[Linker] = field(default_factory=list, compare=False)
    first_after_s: float = 2.0

    def attempts(self) -> Iterator[float]:
        """Yield the seconds waited so far, once for each attempt; the last one comes after the witness."""
        witness: requests.Response | None = None
        for waited in super().attempts():
            yield waited
            if self.app is None or waited < self.first_after_s:
                continue
            if witness is None:
                witness = self.app.get(self.path)
            elif self._has_arrived(witness):
                self.sleep(self.linker[0].queryable_after_s)
                yield waited + self.timeout_s  # the last attempt, for whoever counts
                return

    def _has_arrived(self, witness: requests.Response) -> bool:
        request = self.linker[0].follow(witness)
        trace = request.look()
        return trace is not None and any(not request.flamegraph(span).is_empty for span in trace.linkable)


def _is_ours(item: pytest.Item) -> bool:
    """Tell whether a test asks for the program."""
    return _FIXTURE in getattr(item, "fixturenames", ())


def _flamegraphs_of(evidence: Evidence) -> list[FlameGraph]:
    return [*evidence.flamegraphs.values(), *([evidence.merged[1]] if evidence.merged else [])]


def _note_shares(flamegraphs: list[FlameGraph]) -> None:
    """Note what a test claimed about shares, and what the share of the function was that the judge asks about."""
    for graph in flamegraphs:
        if graph.is_empty:
            continue
        largest = [row.name for row in graph.top(_NAMED)]
        _results.unknown |= {name: similar or largest for name, similar in graph.unknown_functions.items()}
        _results.claims += [
            (claim.subject, claim.value / graph.total, claim.bound) for claim in graph.claims if claim.is_share
        ]
        if _SETTINGS["function"]:
            _results.share = graph.total_of(_SETTINGS["function"]) / graph.total


def _count(counter: Counter[str], response: requests.Response, **_: object) -> None:
    counter[urlsplit(response.url).path] += 1
