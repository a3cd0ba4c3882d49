"""The pytest plugin: a backend for the session, an app under test that sends its telemetry there, and the claims.

A suite overrides what does not suit it by a fixture of the same name:

- ``span_profiles_endpoints``: where Tempo and Pyroscope answer (session)
- ``span_profiles_environment``: environment variables for the app under test (session)
- ``span_profiles_waiting``: how long to wait (session)
- ``span_profiles_upload_interval``: the agent's upload interval, s (session)
- ``span_profiles_app``: starts the app under test as a process and gives a client of it (session)
- ``span_profiles``: the claims (function)
- ``span_profiles_doctor``: examines a service hop by hop (function)

Options and environment variables are listed by ``pytest --help`` under "span profiles".
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:  # the plugin is loaded into every pytest run where the package is installed: it imports when used
    from spanprofiles.backends import BackendSettings, ManagedProcess
    from spanprofiles.clients import PyroscopeClient, TempoClient
    from spanprofiles.doctor import Examination
    from spanprofiles.linking import Evidence, LinkedSpan, Linker, Traced, TracedSession, Waiting
    from spanprofiles.model import Endpoints, FlameGraph, Span, Trace

__all__ = ["SpanProfiles"]

_TIMEOUT_S = 15.0
_APP_START_S = 30.0
_ACCOUNTS = 5  # of the last requests of a failed test
_OPTIONS = {
    "backend": "auto (default), embedded, external",
    "tempo_url": "Tempo's address, for the external backend",
    "pyroscope_url": "Pyroscope's address, for the external backend",
    "otlp_url": "where the app sends OTLP/HTTP traces, for the external backend",
    "timeout": f"longest wait for a trace or its samples, s (default {_TIMEOUT_S:g})",
    "pictures": "folder in which failed claims leave their flame graphs as SVG, for the CI to keep",
    "upload_interval": "the profiling agent's upload interval, s (default 1)",
}
_Answer = TypeVar("_Answer")
_seen_key = pytest.StashKey["list[tuple[Linker, Evidence]]"]()


class SpanProfiles:
    """What a test asks and claims. The value of the fixture ``span_profiles``.

    Attributes:
        endpoints: where the backend answers.
        linker: follows requests.
    """

    def __init__(self, endpoints: Endpoints, linker: Linker, seen: list[tuple[Linker, Evidence]]) -> None:
        self.endpoints = endpoints
        self.linker = linker
        self._seen = seen

    @property
    def tempo(self) -> TempoClient:
        """Tempo, for questions of one's own."""
        return self.linker.tempo

    @property
    def pyroscope(self) -> PyroscopeClient:
        """Pyroscope, for questions of one's own."""
        return self.linker.pyroscope

    def session(self, base_url: str) -> TracedSession:
        """Return a ``requests`` session whose requests each carry a ``traceparent`` of their own."""
        from spanprofiles.linking import TracedSession

        return TracedSession(base_url)

    def linked_span(self, traced: Traced) -> LinkedSpan:
        """Wait for the linked span that answered the request.

        Args:
            traced: an answered request, a trace context or a trace ID.

        Raises:
            LinkError: a hop is missing; the message says which, and what was there.
        """
        __tracebackhide__ = True
        return self._asked(traced, self.linker.linked_span)

    def linked_spans(self, traced: Traced, count: int = 1) -> list[LinkedSpan]:
        """Wait until the request's trace has ``count`` linked spans, one for each process it passed.

        Raises:
            LinkError: a hop is missing; the message says which, and what was there.
        """
        __tracebackhide__ = True
        return self._asked(traced, lambda one, evidence: self.linker.linked_spans(one, count, evidence))

    def trace(self, traced: Traced, until: Callable[[Trace], bool] = lambda _: True) -> Trace:
        """Wait for the request's trace, and until it shows what ``until`` asks.

        Raises:
            TraceNotFoundError: it did not come.
        """
        __tracebackhide__ = True
        return self._asked(traced, lambda one, evidence: self.linker.trace(one, until, evidence))

    def merged(self, traced: Iterable[Traced]) -> FlameGraph:
        """Wait for the spans that answered several requests, and for their samples merged into one flame graph.

        For requests that compute too shortly for a claim about one of them.

        Args:
            traced: answered requests, trace contexts or trace IDs; at least one.

        Raises:
            LinkError: a hop is missing; none of them has a sample, for one.
            TypeError: this is one request, and not several.
            ValueError: there are none.
        """
        from spanprofiles.linking import NoSamplesError

        __tracebackhide__ = True
        if isinstance(traced, str) or hasattr(traced, "request"):
            raise TypeError("merged takes several requests: merged([response, another]); linked_span is for one")
        spans, longest, evidence = [], -1, None
        for one in traced:  # as they come: a request may be sent, and claimed of, only when it is its turn
            span = self._asked(one, self.linker.answering_span)
            _, seen = self._seen.pop()  # one report for all of them, of the longest
            spans.append(span)
            if span.duration_ns > longest:
                longest, evidence = span.duration_ns, seen
        if evidence is None:
            raise ValueError("there are no requests, so there is nothing to merge")
        try:
            flamegraph = self.linker.merged_samples(spans)
        except NoSamplesError as error:
            evidence = error.evidence or evidence
            raise error.with_traceback(None) from None
        finally:
            self._seen.append((self.linker, evidence))
        evidence.merged = (len(spans), flamegraph)
        return flamegraph

    def flamegraph(self, span: Span) -> FlameGraph:
        """Ask once, without waiting, for the samples of a span that carries a profile ID.

        Raises:
            NoProfileIdError: it carries none.
        """
        return self.linker.flamegraph(span)

    def _asked(self, traced: Traced, ask: Callable[[Traced, Evidence], _Answer]) -> _Answer:
        """Ask, keep what was seen for the report, and fail at the test's line: the way down to it explains nothing."""
        from spanprofiles.linking import LinkError

        __tracebackhide__ = True
        evidence = self.linker.evidence(traced)
        self._seen.append((self.linker, evidence))
        try:
            return ask(traced, evidence)
        except LinkError as error:
            raise error.with_traceback(None) from None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each has an environment variable of the same name."""
    group = parser.getgroup("span profiles")
    for name, text in _OPTIONS.items():
        variable = f"SPAN_PROFILES_{name.upper()}"
        group.addoption(
            f"--span-profiles-{name.replace('_', '-')}", dest=f"span_profiles_{name}", help=f"{text} [{variable}]"
        )


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> str | None:
    """Say which backend the tests will use, if any does."""
    from spanprofiles.backends import BackendError

    if not any(_uses_our_backend(item) for item in items):
        return None
    try:
        _number(config, "timeout", _TIMEOUT_S)
        _number(config, "upload_interval", 1.0)
        settings = _settings(config)
    except BackendError as error:
        raise pytest.UsageError(str(error)) from error
    picked = " (picked by auto)" if settings.backend == "auto" else ""
    return f"span profiles: {settings.chosen} backend{picked}"


def _uses_our_backend(item: pytest.Item) -> bool:
    """Tell whether a test uses the plugin's own endpoints, and not a fixture that a suite put in their place."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    fixtures = known.get("span_profiles_endpoints") or [None]
    return getattr(getattr(fixtures[-1], "func", None), "__module__", "") == __name__


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what was seen of the test's requests into the report of a failure."""
    report = yield
    seen = item.stash.get(_seen_key, [])
    if call.when in {"setup", "call"} and report.failed and seen:
        try:
            accounts = [_account(linker, evidence) for linker, evidence in seen[-_ACCOUNTS:]]
            accounts += _leave_pictures(item, [evidence for _, evidence in seen])
        except Exception as error:  # noqa: BLE001  # a report that fails must not end the whole run
            accounts = [f"what was seen cannot be told: {type(error).__name__}: {error}"]
        report.sections.append(("span profiles", "\n\n".join(accounts)))
    return report


def _account(linker: Linker, evidence: Evidence) -> str:
    """Return what was seen of a request, and what the doctor says of it."""
    from spanprofiles.clients import ClientError
    from spanprofiles.doctor import examine_failure
    from spanprofiles.report import failure_report

    lines = [failure_report(evidence), "", "the doctor says"]
    try:
        lines += [f"  {line}" for line in examine_failure(linker, evidence).lines()]
    except ClientError as error:
        lines.append(f"  nothing: {error}")
    return "\n".join(lines)


def _leave_pictures(item: pytest.Item, seen: list[Evidence]) -> list[str]:
    """Write the flame graphs that were seen into the folder for pictures, and return where they are."""
    from spanprofiles.report.svg import flame_document

    folder = item.config.getoption("span_profiles_pictures") or os.environ.get("SPAN_PROFILES_PICTURES")
    if not folder:
        return []
    written: list[str] = []
    for evidence in seen:
        merged = {f"merged-{evidence.trace_id}": evidence.merged[1]} if evidence.merged else {}
        for profile_id, flamegraph in (evidence.flamegraphs | merged).items():
            if flamegraph.is_empty:
                continue
            path = Path(folder) / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', item.name)}-{profile_id}.svg"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(flame_document(flamegraph, title=item.name), encoding="utf-8")
            except OSError as error:
                return [*written, f"the picture {path} cannot be written: {error.strerror}"]
            written.append(f"flame graph: {path}")
    return list(dict.fromkeys(written))  # what was asked for twice is there once


@pytest.fixture(scope="session")
def span_profiles_endpoints(pytestconfig: pytest.Config) -> Iterator[Endpoints]:
    """Start the chosen backend and give its endpoints; stop it after the last test."""
    from spanprofiles.backends import BackendError

    problem = ""  # told outside the handler: the way to it is of no interest
    try:
        backend = _settings(pytestconfig).create()
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

    return Waiting(timeout_s=_number(pytestconfig, "timeout", _TIMEOUT_S))


@pytest.fixture(scope="session")
def span_profiles_upload_interval(pytestconfig: pytest.Config) -> float:
    """Return the agent's upload interval, s: what a span's samples may be late by."""
    return _number(pytestconfig, "upload_interval", 1.0)


@pytest.fixture
def span_profiles(
    request: pytest.FixtureRequest,
    span_profiles_endpoints: Endpoints,
    span_profiles_waiting: Waiting,
    span_profiles_upload_interval: float,
) -> SpanProfiles:
    """Give the test its questions and claims."""
    from spanprofiles.linking import Linker

    linker = Linker.of(
        span_profiles_endpoints, waiting=span_profiles_waiting, upload_interval_s=span_profiles_upload_interval
    )
    return SpanProfiles(span_profiles_endpoints, linker, request.node.stash.setdefault(_seen_key, []))


@pytest.fixture
def span_profiles_doctor(
    span_profiles_endpoints: Endpoints, span_profiles_upload_interval: float
) -> Callable[..., Examination]:
    """Give a function that examines a service of the backend hop by hop.

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
    span_profiles_environment: Mapping[str, str],
) -> Iterator[Callable[..., TracedSession]]:
    """Give a function that starts an app as a process and returns a session that talks to it.

    ``span_profiles_app(command, ready="/", environment=None, port=None)``: the command, in which ``{port}`` stands for
    the port; a path that answers below 500 when the app is ready; environment variables on top of the backend's; a port
    of 127.0.0.1 where a free one will not do. All apps are stopped after the last test.
    """
    started: list[ManagedProcess] = []

    def start(
        command: Sequence[str], ready: str = "/", environment: Mapping[str, str] | None = None, port: int | None = None
    ) -> TracedSession:
        from spanprofiles.backends import ManagedProcess, ProcessFailedError
        from spanprofiles.backends.ports import free_ports
        from spanprofiles.linking import TracedSession, await_answer

        port = port or free_ports(1)[0]
        everything = {**os.environ, **span_profiles_environment, **(environment or {})}
        command = [part.replace("{port}", str(port)) for part in command]
        process = ManagedProcess("the app under test", command, environment=everything)
        started.append(process)
        session = TracedSession(f"http://127.0.0.1:{port}")
        problem = ""  # told outside the handler: the way to it is of no interest
        try:
            process.start()
            if not await_answer(session, ready, _APP_START_S, while_true=lambda: process.is_running):
                raise process.failure(f"does not answer at {session.base_url}{ready}")
        except ProcessFailedError as error:
            problem = str(error)
        if problem:
            pytest.fail(problem, pytrace=False)
        return session

    yield start
    with ExitStack() as stack:  # one that cannot be stopped must not keep the others running
        for process in started:
            stack.callback(process.stop)


def _settings(config: pytest.Config) -> BackendSettings:
    from spanprofiles.backends import BackendSettings

    names = ("backend", "tempo_url", "pyroscope_url", "otlp_url")
    return BackendSettings.read(os.environ, {name: config.getoption(f"span_profiles_{name}") for name in names})


def _number(config: pytest.Config, name: str, default: float) -> float:
    text = config.getoption(f"span_profiles_{name}") or os.environ.get(f"SPAN_PROFILES_{name.upper()}")
    try:
        number = float(text) if text else default
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        option = f"--span-profiles-{name.replace('_', '-')}"
        raise pytest.UsageError(
            f"{option} (SPAN_PROFILES_{name.upper()}) is {text!r}: a number of seconds above 0 is expected"
        )
    return number
