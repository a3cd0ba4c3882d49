"""The rideshare app in three regions, sending to whatever backend the run was asked to use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import LinkedSpan, TracedSession, await_answer
from spanprofiles.pytest_plugin import SpanProfiles
from tests.support.gunicorn import RIDESHARE
from tests.support.installed import Installed
from tests.support.installed import installed as make_installed

ROOT = Path(__file__).parents[2]
SERVICE = "ride-sharing-app"
NEIGHBOURS = {"eu-north": "us-east", "us-east": "ap-south", "ap-south": "eu-north"}


#: The tests of these files share nothing that costs much to start.
APART = ("test_broken_regions", "test_examples", "test_the_doctor_on_faults", "test_demo", "test_workshop_exercises")
#: What waits longest begins first, that it does not go on alone.
LONGEST = (
    "slow-upload",
    "test_workshop_texts",
    "test_fleet",
    "test_more_of_the_fleet",
    "test_slowest_request",
    "test_faults",
    "test_the_story",
    "test_site",
    "tests/browser",
    "test_workshop.py",
    "test_tutorial",
    "test_slow_commit",
    "test_broken_regions",
    "zero_code",
    "celery",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Among several workers, give the tests of a file to one, for what they share; of others each to any.

    The marks that pytest-xdist has for that go by an attribute of a test that pytest 9.2 does not read.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if Path(file).stem in APART else file

    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what waits longest first; a worker knows of `--dist loadgroup` by another option."""
    if config.getoption("loadgroup", default=False):
        items.sort(key=lambda item: next((at for at, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Both distributions as users install them: for what the pages tell readers without a clone to type."""
    folder = tmp_path_factory.getbasetemp()
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    return make_installed(folder.parent if is_one_of_several else folder)


class StartRegion(Protocol):
    """Starts a region of its own for one test, with something changed in its environment."""

    def __call__(self, **changes: str) -> TracedSession: ...


@contextmanager
def running(environment: Mapping[str, str], name: str, port: int, **changes: str) -> Iterator[TracedSession]:
    settings = {
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_RESOURCE_ATTRIBUTES": f"region={name},host.name=rideshare-{name}",
        "RIDESHARE_REGION": name,
        "RIDESHARE_BIND": f"127.0.0.1:{port}",
        **changes,
    }
    everything = {**os.environ, **environment, **settings}
    with ManagedProcess(f"region {name}", RIDESHARE, environment=everything, directory=ROOT) as process:
        session = TracedSession(f"http://127.0.0.1:{port}")
        assert await_answer(session, "/health", 30, lambda: process.is_running), process.failure("does not answer")
        yield session


@pytest.fixture(scope="session")
def regions(span_profiles_environment: dict[str, str]) -> Iterator[dict[str, TracedSession]]:
    ports = dict(zip(NEIGHBOURS, free_ports(len(NEIGHBOURS)), strict=True))
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running(
                    span_profiles_environment,
                    name,
                    port,
                    RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS="30",
                    RIDESHARE_NEIGHBOUR_URL=f"http://127.0.0.1:{ports[NEIGHBOURS[name]]}",
                )
            )
            for name, port in ports.items()
        }


@pytest.fixture(scope="session")
def rideshare(regions: dict[str, TracedSession]) -> TracedSession:
    """The region that has every kind of vehicle."""
    return regions["eu-north"]


@pytest.fixture(scope="session")
def car_ride(rideshare: TracedSession) -> requests.Response:
    """A ride by car, for the tests that only look at what it left: each ride computes, and waits for its upload."""
    return rideshare.get("/car")


@pytest.fixture(scope="session")
def region_without_cars(regions: dict[str, TracedSession]) -> TracedSession:
    return regions["ap-south"]


@pytest.fixture
def start_region(span_profiles_environment: dict[str, str]) -> Iterator[StartRegion]:
    with ExitStack() as stack:

        def start(**changes: str) -> TracedSession:
            (port,) = free_ports(1)
            return stack.enter_context(running(span_profiles_environment, "us-east", port, **changes))

        yield start


@pytest.fixture
def await_uploads(span_profiles: SpanProfiles, rideshare: TracedSession) -> Callable[[], LinkedSpan]:
    """Wait until all the region did so far has been uploaded: until a later ride's samples are there."""
    return lambda: span_profiles.linked_span(rideshare.get("/car"))
