"""The page's control of the load, on a real Locust: its routes and their methods are its own, and change with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import TracedSession, Waiting, await_answer
from spanprofiles.ui import DemoControls

pytestmark = pytest.mark.exhaustive

START_S = 60
RIDERS = """
from locust import User, constant, task

class Rider(User):
    wait_time = constant(1)

    @task
    def wait(self) -> None: ...
"""


@pytest.fixture
def controls(tmp_path: Path) -> Iterator[DemoControls]:
    """The controls of a Locust with three riders."""
    (tmp_path / "riders.py").write_text(RIDERS)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "locust", "-f", "riders.py", "--web-host", "127.0.0.1", "--web-port", str(port)]
    command += ["--autostart", "--users", "3", "--spawn-rate", "3", "--loglevel", "WARNING"]
    with ManagedProcess("Locust", command, directory=tmp_path) as process:
        answers = await_answer(TracedSession(url), "/", START_S, lambda: process.is_running)
        assert answers, process.failure("does not answer")
        yield DemoControls(locust_url=url)


def come_to(controls: DemoControls, riders: int) -> bool:
    return Waiting(START_S).until(lambda: controls.riders() == riders)


def test_riders_are_sent_home_to_the_last_and_called_again(controls: DemoControls) -> None:
    assert come_to(controls, 3)

    for riders in (5, 0, 2, 1):
        controls.set_riders(riders)
        assert come_to(controls, riders), f"{controls.riders()} riders instead of {riders}"
