"""An experiment: both builds answer the same, each request is named, and builds that answer differently are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.experiment import trial as trials
from spanprofiles.experiment.build import Build
from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.request_list import ListedRequest
from spanprofiles.experiment.trial import Trial, names_of, run_trial
from spanprofiles.linking import LinkedSpan
from spanprofiles.model import FlameGraph, Span
from tests.support.grafana_settings import a_span

SEARCH, ORDER = ListedRequest("GET", "/search"), ListedRequest("POST", "/orders", {}, b"7")
MS = 1_000_000


@dataclass
class Answer:
    side: str
    status_code: int = 200


class Builds:
    """Both builds, as far as an experiment sees them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bool]] = []
        self.running: set[str] = set()
        self.status: dict[str, int] = {}

    def make(self, build: Build, _environment: object) -> RunningBuild:
        return RunningBuild(build.side, self)


@dataclass
class RunningBuild:
    side: str
    builds: Builds
    pid: int = 0

    def start(self, _ready: str, _timeout_s: float) -> None:
        self.builds.running.add(self.side)

    def send(self, request: ListedRequest, *, sampled: bool = True) -> Answer:
        assert self.builds.running == {"base", "head"}
        self.builds.sent.append((self.side, request.path, sampled))
        return Answer(self.side, self.builds.status.get(self.side, 200))

    def stop(self) -> None:
        self.builds.running.discard(self.side)


class FakeLinker:
    """Finds the span of each answer; the head's have twice the CPU."""

    upload_interval_s = 1.0

    def answering_span(self, answer: Answer) -> Span:
        return a_span(name=answer.side)

    def samples_of_each(self, spans: list[Span]) -> list[LinkedSpan]:
        cost = {"base": 100 * MS, "head": 200 * MS}
        path: tuple[str, ...] = ("search",)
        return [LinkedSpan(span, FlameGraph({path: cost[span.name]})) for span in spans]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    made = Builds()
    monkeypatch.setattr(trials, "RunningBuild", made.make)
    yield made
    assert made.running == set()  # whatever happened


def tried() -> Trial:
    base, head = (Build(side, ("app",), Path(), side.upper()) for side in ("base", "head"))
    return Trial(base, head, requests=(SEARCH, ORDER), count=3, warm_up=1, seed=7)


def run(trial: Trial) -> Any:
    linker: Any = FakeLinker()
    return run_trial(trial, {}, linker)


def test_each_request_is_measured_on_either_build_as_often_as_asked(builds: Builds) -> None:
    base, head = run(tried())

    assert [each.name for each in base] == [each.name for each in head] == ["GET /search", "POST /orders"]
    assert [len(each.requests) for each in (*base, *head)] == [3, 3, 3, 3]
    assert [each.cpu.value for each in (base[0], head[0])] == [100 * MS, 200 * MS]
    assert (base[0].environment.app_version, head[0].environment.app_version) == ("BASE", "HEAD")
    assert base[0].environment.seed == 7
    assert len([sampled for _, _, sampled in builds.sent if not sampled]) == 4  # the warm-up
    assert builds.sent[:4] == [(side, path, False) for side, path, _ in builds.sent[:4]]


def test_builds_that_answer_differently_are_not_compared(builds: Builds) -> None:
    builds.status["head"] = 404

    with pytest.raises(ExperimentError, match="GET /search is not the same work: base answers with 200, head with 404"):
        run(tried())


def test_requests_with_the_same_path_are_told_apart() -> None:
    other = ListedRequest("POST", "/orders", {}, b"8")

    assert names_of([ORDER, SEARCH, other]) == ["POST /orders", "GET /search", "POST /orders (2)"]
