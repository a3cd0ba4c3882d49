"""The pytest plugin: a backend for the session, an app under test that sends its telemetry there, and the claims.

A suite can override each fixture with its own of the same name:

- ``span_profiles_endpoints``: where Tempo and Pyroscope answer (session)
- ``span_profiles_environment``: environment variables for the app under test (session)
- ``span_profiles_waiting``: how long to wait (session)
- ``span_profiles_upload_interval``: the agent's upload interval, s (session)
- ``span_profiles_app``: starts the app under test as a process and gives a client of it (session)
- ``span_profiles_job``: runs a program to its end (session)
- ``span_profiles``: the claims (function)
- ``span_profiles_doctor``: examines a service hop by hop (function)

Options and environment variables are listed by ``pytest --help`` under "span profiles".

Every pytest run loads this module if the package is installed. It imports the rest of the package only when a test uses
a fixture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from spanprofiles.doctor import Examination
    from spanprofiles.linking import Waiting
    from spanprofiles.model import Endpoints, Measurement
    from spanprofiles.pytest_plugin.apps import AppEndedError, AppStarter, RunningApp
    from spanprofiles.pytest_plugin.claims import SpanProfiles
    from spanprofiles.pytest_plugin.jobs import FinishedJob, JobRunner
    from spanprofiles.pytest_plugin.programs import Program

__all__ = ["AppEndedError", "AppStarter", "FinishedJob", "JobRunner", "RunningApp", "SpanProfiles"]

_HOMES = {"apps": ("AppEndedError", "AppStarter", "RunningApp"), "jobs": ("FinishedJob", "JobRunner")}

TIMEOUT_S = 15.0
UPLOAD_INTERVAL_S = 1.0

#: The property of a test's report that says what the test has measured.
MEASURED = "span_profiles.measurement"

#: The property that says how a measurement compares with the baseline's.
COMPARED = "span_profiles.comparison"

#: The property that has the path of a picture.
PICTURE = "span_profiles.picture"

_OPTIONS = {
    "backend": "auto (default), embedded, compose, containers, native, external",
    "tempo_url": "Tempo's address, for the external backend",
    "pyroscope_url": "Pyroscope's address, for the external backend",
    "otlp_url": "where the app sends OTLP/HTTP traces, for the external backend",
    "timeout": f"longest wait for a trace or its samples, s (default {TIMEOUT_S:g})",
    "upload_interval": f"the profiling agent's upload interval, s (default {UPLOAD_INTERVAL_S:g})",
    "pictures": "folder in which failed claims leave their flame graphs as SVG, for the CI to keep",
    "record": "folder in which each test that measures leaves its measurement, as JSON and pprof",
    "baseline": "folder of recorded measurements: a test whose requests have become slower fails",
    "threshold": "smallest growth of a request's CPU that is a regression (default 10%)",
    "requests": "file to which the requests that tests send to their apps are added, for spanprofiles ab",
    "logs": "folder in which apps and jobs leave their logs (default a temporary one)",
}

ASKING: pytest.StashKey[list[pytest.FixtureDef[Any]]] = pytest.StashKey()
"""The fixtures that are being set up, the innermost last."""

RUNNING: pytest.StashKey[pytest.Item] = pytest.StashKey()
"""The test that runs."""

BEGAN: pytest.StashKey[int] = pytest.StashKey()
"""When a test began, ns since the epoch."""

CLAIMS: pytest.StashKey[list[SpanProfiles]] = pytest.StashKey()
"""What a test asks its questions with, which remembers what was seen."""

MEASUREMENTS: pytest.StashKey[list[Measurement]] = pytest.StashKey()
"""What a test has measured, in that order."""

PROGRAMS: pytest.StashKey[list[Program]] = pytest.StashKey()
"""The apps and jobs that were started."""


def __getattr__(name: str) -> Any:
    """Import a class when it is asked for."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "claims")
    return getattr(import_module(f"{__name__}.{home}"), name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each has an environment variable of the same name."""
    group = parser.getgroup("span profiles")
    for name, text in _OPTIONS.items():
        words = f"{text} [SPAN_PROFILES_{name.upper()}]".replace("%", "%%")  # argparse takes it for a format
        group.addoption(f"--span-profiles-{name.replace('_', '-')}", dest=f"span_profiles_{name}", help=words)


def option(config: pytest.Config, name: str) -> str:
    """Return an option, or else its environment variable, or an empty text."""
    return config.getoption(f"span_profiles_{name}") or os.environ.get(f"SPAN_PROFILES_{name.upper()}") or ""


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say which backend the tests will use, if any does."""
    if not any(_uses_our(item, "span_profiles_endpoints") for item in items):
        return []
    from spanprofiles.pytest_plugin.options import announcement

    return announcement(config, starts_programs=any(_starts_programs(item) for item in items))


def _uses_our(item: pytest.Item, name: str) -> bool:
    """Tell whether a test uses the plugin's own fixture, and not one that a suite put in its place."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    fixtures = known.get(name) or [None]
    return getattr(getattr(fixtures[-1], "func", None), "__module__", "") == __name__


def _starts_programs(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    starts = "span_profiles_app" in names or "span_profiles_job" in names
    return starts and _uses_our(item, "span_profiles_environment")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Remember the fixture that is being set up: it may ask for an app."""
    asking = request.config.stash.setdefault(ASKING, [])
    asking.append(fixturedef)
    try:
        return (yield)
    finally:
        asking.pop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember the test, which may ask for an app, and when it began."""
    item.config.stash[RUNNING] = item
    item.stash[BEGAN] = time.time_ns()
    for program in item.config.stash.get(PROGRAMS, []):
        program.note_beginning()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that would pass, but whose requests have become slower than in the baseline."""
    result = yield
    if item.stash.get(MEASUREMENTS, None) and option(item.config, "baseline"):
        from spanprofiles.pytest_plugin.regression_gate import check_regressions

        check_regressions(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what was seen of the test's requests and programs into the report of a failure."""
    report = yield
    is_ours = CLAIMS in item.stash or PROGRAMS in item.config.stash
    if is_ours and report.failed and call.when in {"setup", "call"}:
        from spanprofiles.pytest_plugin.diagnosis import add_diagnosis

        add_diagnosis(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was measured, how well it is known, and how it compares with the baseline."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    for kind, title in ((MEASURED, "measured"), (COMPARED, "compared with the baseline")):
        told = dict.fromkeys(text for name, text in properties if name == kind)  # a test's phases repeat its properties
        if told:
            terminalreporter.section(f"span profiles: {title}")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def span_profiles_endpoints(pytestconfig: pytest.Config) -> Iterator[Endpoints]:
    """Start the chosen backend and give its endpoints; stop it after the last test."""
    from spanprofiles.backends import BackendError
    from spanprofiles.pytest_plugin.options import backend_settings

    problem = ""  # told outside the handler: the way to it is of no interest
    try:
        backend = backend_settings(pytestconfig).create()
        endpoints = backend.start()
    except BackendError as error:
        problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
    try:
        yield endpoints
    finally:
        backend.stop()


@pytest.fixture(scope="session")
def span_profiles_environment(
    span_profiles_endpoints: Endpoints, span_profiles_upload_interval: float
) -> dict[str, str]:
    """Return the environment variables that make the app under test send its telemetry to the backend."""
    interval = f"{span_profiles_upload_interval:g}"
    return {**span_profiles_endpoints.environment(), "PYROSCOPE_UPLOAD_INTERVAL": interval}


@pytest.fixture(scope="session")
def span_profiles_waiting(pytestconfig: pytest.Config) -> Waiting:
    """Return how long to wait for a trace, and again for its samples."""
    from spanprofiles.linking import Waiting
    from spanprofiles.pytest_plugin.options import seconds

    return Waiting(timeout_s=seconds(pytestconfig, "timeout", TIMEOUT_S))


@pytest.fixture(scope="session")
def span_profiles_upload_interval(pytestconfig: pytest.Config) -> float:
    """Return the agent's upload interval, s: samples can be that late."""
    from spanprofiles.pytest_plugin.options import seconds

    return seconds(pytestconfig, "upload_interval", UPLOAD_INTERVAL_S)


@pytest.fixture
def span_profiles(
    request: pytest.FixtureRequest,
    span_profiles_endpoints: Endpoints,
    span_profiles_waiting: Waiting,
    span_profiles_upload_interval: float,
) -> SpanProfiles:
    """Answer the test's questions about its requests and jobs."""
    from spanprofiles.linking import Linker
    from spanprofiles.pytest_plugin.claims import SpanProfiles

    linker = Linker.of(
        span_profiles_endpoints, waiting=span_profiles_waiting, upload_interval_s=span_profiles_upload_interval
    )
    return SpanProfiles(span_profiles_endpoints, linker, request.node)


@pytest.fixture
def span_profiles_doctor(
    span_profiles_endpoints: Endpoints, span_profiles_upload_interval: float
) -> Callable[..., Examination]:
    """Return a function that examines a service of the backend hop by hop.

    ``span_profiles_doctor(service="")`` takes the arguments of :func:`spanprofiles.doctor.examine` and returns an
    examination: ``.verdict``, ``.broken``, ``.findings``.
    """
    from spanprofiles.doctor import examine

    def examination(service: str = "", **options: Any) -> Examination:
        options.setdefault("upload_interval_s", span_profiles_upload_interval)
        return examine(span_profiles_endpoints, service=service, **options)

    return examination


@pytest.fixture(scope="session")
def span_profiles_app(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    span_profiles_environment: Mapping[str, str],
) -> Iterator[AppStarter]:
    """Provide a function that starts an app as a process and returns a session that talks to it.

    ``span_profiles_app(command, ready="/", environment=None, port=None, *, host, cwd, start_timeout, name)``: see
    :class:`spanprofiles.pytest_plugin.apps.AppStarter`. All apps are stopped after the last test.
    """
    from spanprofiles.pytest_plugin.apps import AppStarter
    from spanprofiles.pytest_plugin.programs import launcher_for

    with launcher_for(pytestconfig, tmp_path_factory, span_profiles_environment) as launcher:
        yield AppStarter(launcher)


@pytest.fixture(scope="session")
def span_profiles_job(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    span_profiles_environment: Mapping[str, str],
) -> Iterator[JobRunner]:
    """Provide a function that runs a program to its end.

    ``span_profiles_job(command, environment=None, *, cwd, timeout, check, name)``: see
    :class:`spanprofiles.pytest_plugin.jobs.JobRunner`.
    """
    from spanprofiles.pytest_plugin.jobs import JobRunner
    from spanprofiles.pytest_plugin.programs import launcher_for

    with launcher_for(pytestconfig, tmp_path_factory, span_profiles_environment) as launcher:
        yield JobRunner(launcher)
