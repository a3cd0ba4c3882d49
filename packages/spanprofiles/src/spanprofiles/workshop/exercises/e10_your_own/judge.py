"""Judges an app of the learner's own by a checklist: it starts, is linked, satisfies the doctor, and has a test."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import yaml

from spanprofiles.backends.ports import free_ports
from spanprofiles.doctor import Verdict, examine
from spanprofiles.linking import LinkError
from spanprofiles.workshop.exercises.e10_your_own.beside import FILE, app_folder
from spanprofiles.workshop.exercises.e10_your_own.cut_link import cut_link
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError, FinishedProgram
from spanprofiles.workshop.pytest_runner import Run
from spanprofiles.workshop.runner import IGNORED_WARNINGS, LONGEST_RUN_S, GivenJob, room_for_tests, start_runner
from spanprofiles.workshop.starting_gate import GATE_VARIABLE
from spanprofiles.workshop.workbench import Workbench

LEAST_SHARE = 0.1
"""The function must have at least this part of the request's samples."""

CUT_TIMEOUT_S = 1.0
"""How long claims wait where no sample can come, s: the trace has to come in that time."""

LONG_CUT_TIMEOUT_S = 10.0
"""How long they wait in a second run, s, where the first one failed for another reason than the missing samples."""

_LAST_LINES = 12
_DONE, _OPEN = "done", "open"
_LATE = "TraceNotFoundError"


@dataclass(frozen=True)
class Own:
    """What the learner says of the app; the comments in the file have the meanings."""

    command: str = ""
    folder: str = ""
    ready: str = "/"
    service: str = ""
    request: str = ""
    function: str = ""
    tests: str = ""


@dataclass(frozen=True)
class _TestRun:
    """How a run of the tests ended.

    Attributes:
        finished: how pytest ended.
        passed: how many tests passed.
        failed: the messages of the tests that failed.
        errors: how many tests could not be run, for what they need did not start.
    """

    finished: FinishedProgram
    passed: int = 0
    failed: tuple[str, ...] = ()
    errors: int = 0

    @property
    def is_well(self) -> bool:
        """Whether there are tests, and all that ran have passed."""
        return bool(self.passed) and not self.failed and not self.errors and self.finished.exit_code == 0

    @property
    def noticed_the_cut(self) -> bool:
        """Whether a test failed, and for another reason than that its trace was late."""
        return not self.errors and any(_LATE not in message for message in self.failed)

    @property
    def last_lines(self) -> list[str]:
        return [f"  | {line}" for line in self.finished.output.splitlines()[-_LAST_LINES:]]


@dataclass(frozen=True)
class _BegunRun:
    """A run of the tests that was begun.

    Attributes:
        job: what the runner of tests was given.
        number: the run's in that job.
        report: the file in which pytest says how they ended.
    """

    job: GivenJob
    number: int
    report: Path

    def end(self) -> _TestRun:
        """Wait until they have ended.

        Raises:
            AttemptError: they have not in time, or their runner has ended.
        """
        code = self.job.await_exit_code(self.number, LONGEST_RUN_S)
        if code is None:
            raise self.job.unfinished()
        finished = FinishedProgram(code, "\n".join(self.job.output(self.number)))
        if not self.report.is_file():
            return _TestRun(finished)
        cases = list(ElementTree.parse(self.report).iter("testcase"))  # noqa: S314  # written by pytest, a moment ago
        failed = tuple(found.get("message", "") for case in cases for found in case.iter("failure"))
        errors, skipped = (sum(case.find(name) is not None for case in cases) for name in ("error", "skipped"))
        bad = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
        return _TestRun(finished, len(cases) - bad - skipped, failed, errors)


class _Tests:
    """The learner's tests: they run twice at once, for that is quick, and again alone where they did not do well.

    They are collected while the app is judged, and begin after that: requests whose samples are lost would be its
    neighbours for the doctor.

    Args:
        bench: the learner's folder and the backend.
        own: what the learner says of the app.
        folder: where it is.
    """

    def __init__(self, bench: Workbench, own: Own, folder: Path) -> None:
        self._bench = bench
        self._own = own
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> _Tests:
        with room_for_tests(), ExitStack() as stack:
            self._gate = Path(stack.enter_context(TemporaryDirectory(prefix="workshop-"))) / "open"
            self._prepared: Sequence[_BegunRun] = ()
            if self._own.tests and self._folder.is_dir():
                losing = stack.enter_context(cut_link(self._bench.endpoints.pyroscope))
                gate = {GATE_VARIABLE: str(self._gate)}
                self._prepared = self._start(stack, gate, gate | _without_samples(losing, CUT_TIMEOUT_S))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Begin both runs: on the backend, and with a Pyroscope that loses all samples."""
        self._gate.touch()

    def whole(self) -> _TestRun:
        """Return how they ended on the backend."""
        run = self._prepared[0].end()
        if run.is_well:
            return run
        self._bench.tell("running your tests alone")
        return self._alone({})

    def cut(self) -> _TestRun:
        """Return how they ended where all samples are lost."""
        run = self._prepared[1].end()
        if run.noticed_the_cut or (run.is_well and not run.errors):
            return run
        self._bench.tell("running them again, with a Pyroscope that loses all samples")
        with cut_link(self._bench.endpoints.pyroscope) as losing:
            return self._alone(_without_samples(losing, LONG_CUT_TIMEOUT_S))

    def _alone(self, settings: Mapping[str, str]) -> _TestRun:
        """Run them once more, and return how they ended."""
        with room_for_tests():
            (run,) = self._start(self._stack, settings)
        return run.end()

    @property
    def _address(self) -> dict[str, str]:
        """Where the tests find Pyroscope, if it wants what the app that they start does not know."""
        credentials = self._bench.endpoints.credentials_for("pyroscope")
        if not credentials.as_headers() and credentials.verify_tls is True:
            return {}
        return {"SPAN_PROFILES_PYROSCOPE_URL": self._bench.relay_address}

    def _start(self, stack: ExitStack, *settings: Mapping[str, str]) -> Sequence[_BegunRun]:
        """Start a run for each of these settings, all at once; what is left of them ends with the stack."""
        runner = self._bench.keeper.runner(lambda jobs: start_runner(self._bench, jobs, self._own.service))
        reports = Path(stack.enter_context(TemporaryDirectory(prefix="workshop-")))
        paths = [reports / f"report-{number}.xml" for number in range(len(settings))]
        runs = [
            Run(
                ("-p", "no:cacheprovider", *_plugin(added), *IGNORED_WARNINGS, f"--junitxml={path}", self._own.tests),
                {"PORT": str(port), "OTEL_SERVICE_NAME": self._own.service, **self._address, **added},
            )
            for path, port, added in zip(paths, free_ports(len(settings)), settings, strict=True)
        ]
        job = runner.give(self._folder, runs)
        stack.callback(job.end)
        return [_BegunRun(job, number, path) for number, path in enumerate(paths)]


def _plugin(settings: Mapping[str, str]) -> Sequence[str]:
    return ("-p", "spanprofiles.workshop.starting_gate") if GATE_VARIABLE in settings else ()


def _without_samples(losing: str, timeout_s: float) -> dict[str, str]:
    """Return the settings of tests that get no samples.

    Args:
        losing: the address of a Pyroscope that loses them.
        timeout_s: how long a claim waits for some.
    """
    return {"SPAN_PROFILES_PYROSCOPE_URL": losing, "SPAN_PROFILES_TIMEOUT": f"{timeout_s:g}"}


class _Checklist:
    """What has been ticked off."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.seen: list[str] = []
        self._tell = tell

    def tick(self, what: str) -> None:
        """Tick an item off, and tell the learner at once."""
        self.seen.append(f"[{_DONE}] {what}")
        self._tell(self.seen[-1])

    def stop(self, item: str, seen: list[str], missing: str, hint: int) -> AttemptError:
        """Return the end of the judgement: an item that is open."""
        return AttemptError(Judgement.fails([*self.seen, f"[{_OPEN}] {item}", *seen], missing, hint))


def judge(bench: Workbench) -> Judgement:
    """Go through the checklist, until an item is open."""
    done = _Checklist(bench.tell)
    own = _read(bench, done)
    folder = app_folder(bench.folder, own.folder)
    with _Tests(bench, own, folder) as tests:
        _linked(bench, own, folder, done)
        if own.tests:
            tests.begin()
        _tested(own, tests, done)
    return Judgement.passes([*done.seen, "your app is linked, and you can prove it"])


def _read(bench: Workbench, done: _Checklist) -> Own:
    """Read the file, and see to it that the first part of it is filled in."""
    item = "the app is described"
    try:
        written = yaml.safe_load(bench.text_of(FILE))
    except yaml.YAMLError as error:
        raise done.stop(item, [f"{FILE} is not YAML: {error}"], f"a {FILE} that can be read", 1) from error
    if not isinstance(written, dict):
        raise done.stop(item, [f"{FILE} has no names with values"], f"a {FILE} as it was given: reset 10", 1)
    known = {name.name for name in fields(Own)}
    own = Own(**{name: str(value).strip() for name, value in written.items() if name in known and value is not None})
    empty = [name for name in ("command", "service", "request") if not getattr(own, name)]
    if empty:
        raise done.stop(
            item,
            [f"{FILE} does not say: {', '.join(empty)}"],
            f"{empty[0]} in {FILE}: the line above it says what belongs there",
            1,
        )
    return own


def _linked(bench: Workbench, own: Own, folder: Path, done: _Checklist) -> None:
    """Tick off what the app itself must do: start, answer, be traced, linked, and in order for the doctor."""
    if not folder.is_dir():
        raise done.stop("the app starts", [f"the folder {folder} is not there"], "the folder of the app", 1)
    started_ns = time.time_ns()
    try:
        command = shlex.split(own.command)
        app = bench.start(command, ready=_path(own.ready), folder=folder, service=own.service)
        done.tick(f"the app starts, and answers GET {_path(own.ready)}")
        # The doctor looks at neighbours of the trace: none of an attempt before this one, which may have been broken.
        since_s = (time.time_ns() - started_ns) / 1e9
        answer = app.get(_path(own.request))
    except ValueError as error:
        raise done.stop("the app starts", [f"the command cannot be read: {error}"], "a command", 1) from error
    except AttemptError as error:
        seen, missing = list(error.judgement.seen), "; ".join(error.judgement.missing)
        raise done.stop("the app starts, and answers", seen, missing, 1) from error
    asked = f"GET {_path(own.request)}"
    if not answer.ok:
        raise done.stop(f"{asked} is answered", [f"its status is {answer.status_code}"], "a request that works", 1)
    done.tick(f"{asked} is answered with {answer.status_code}")
    bench.tell("waiting for its trace and its samples")
    request = bench.follow(answer)
    try:
        linked = request.linked_span()
    except LinkError as error:
        broken = bench.examine(request.evidence).broken
        advice = f"the link; the doctor's advice: {broken.advice}" if broken and broken.advice else "the link"
        said = [f"the doctor says that the hop {broken.hop!r} is broken"] if broken else []
        raise done.stop(f"{asked} is linked", [str(error), *said], advice, 2) from error
    bench.show(linked)
    if linked.service != own.service:
        raise done.stop(
            f"{asked} is linked",
            [f"its span is of the service {linked.service!r}, and {FILE} says {own.service!r}"],
            "one name in both places: let the app take it from OTEL_SERVICE_NAME",
            2,
        )
    done.tick(f"{asked} is linked: span {linked.name!r} has {linked.amount}")
    _shares(own, linked.flamegraph.share(own.function) if own.function else 0.0, done)
    examination = examine(bench.endpoints, service=own.service, trace_id=linked.trace_id, since_s=since_s)
    if examination.verdict is Verdict.BROKEN and examination.broken is not None:
        broken = examination.broken
        raise done.stop("the doctor finds nothing broken", [*broken.evidence], broken.advice or "a hop in order", 2)
    done.tick("the doctor finds nothing broken")
    app.stop()


def _shares(own: Own, share: float, done: _Checklist) -> None:
    item = "you know where its time goes"
    if not own.function:
        raise done.stop(item, [f"{FILE} names no function"], "function: the flame graph on the page shows it", 2)
    if share < LEAST_SHARE:
        raise done.stop(
            item,
            [f"{own.function} has {share:.0%} of the request's samples"],
            f"a function with at least {LEAST_SHARE:.0%} of them, by the name that the flame graph has",
            2,
        )
    done.tick(f"{own.function} has {share:.0%} of the request's samples")


def _tested(own: Own, tests: _Tests, done: _Checklist) -> None:
    """Tick off what the tests must do: pass, and fail where no sample arrives."""
    if not own.tests:
        raise done.stop("your tests pass", [f"{FILE} names no tests"], f"tests in {FILE}, and a test in them", 3)
    run = tests.whole()
    if not run.is_well:
        said = f"pytest {own.tests}: {run.passed} passed, {len(run.failed) + run.errors} failed"
        raise done.stop("your tests pass", [said, *run.last_lines], "a test that passes on your app", 3)
    done.tick(f"your tests pass: {run.passed}")
    cut = tests.cut()
    failed = len(cut.failed) + cut.errors
    if not failed:
        raise done.stop(
            "your tests notice when the link is cut",
            ["no sample of your app arrived, and your tests pass all the same"],
            f"an assertion about the samples of {_path(own.request)}, such as the share of {own.function}",
            3,
        )
    done.tick(f"your tests notice when the link is cut: {failed} failed")


def _path(written: str) -> str:
    return written if written.startswith("/") else f"/{written}"
