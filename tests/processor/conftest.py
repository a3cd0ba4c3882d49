"""Runs scenarios, each once for each processor that is asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.support.processor.outcomes import Outcome, PushServer, SpanSeen, running_push_server

REPOSITORY = Path(__file__).parents[2]
LIMIT_S = 120


class ScenarioError(Exception):
    """The scenario itself did not run to its end: no defect of a processor, and no expected failure either."""


class Scenarios:
    """Each scenario is run once for each processor, when it is first asked for."""

    def __init__(self, server: PushServer) -> None:
        self._server = server
        self._outcomes: dict[tuple[str, str], Outcome] = {}

    def outcome(self, scenario: str, processor: str) -> Outcome:
        """What a scenario came to with a processor."""
        if (scenario, processor) not in self._outcomes:
            self._outcomes[scenario, processor] = self._run(scenario, processor)
        return self._outcomes[scenario, processor]

    def _run(self, scenario: str, processor: str) -> Outcome:
        service = f"{scenario}-{processor}"
        command = [
            sys.executable,
            "-m",
            "tests.support.processor.scenarios",
            scenario,
            processor,
            self._server.url,
            service,
        ]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            # With whatever it has started, such as gunicorn.
            os.killpg(process.pid, signal.SIGKILL)
            _, errors = process.communicate()
            raise ScenarioError(f"{service} took more than {LIMIT_S} s:\n{errors}") from error
        if process.returncode != 0:
            raise ScenarioError(f"{service} ended with {process.returncode}:\n{errors}")
        told = json.loads(output.splitlines()[-1])
        return Outcome(
            spans=tuple(SpanSeen(**span) for span in told["spans"]),
            samples=tuple(self._server.samples(service)),
            notes=told["notes"],
            errors=errors,
        )


@pytest.fixture
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which anything is logged: the processor keeps its errors from the app, but not from the log."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


@pytest.fixture(scope="session")
def scenarios() -> Iterator[Scenarios]:
    with running_push_server() as server:
        yield Scenarios(server)
