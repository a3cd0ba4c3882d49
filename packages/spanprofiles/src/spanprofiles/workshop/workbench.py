"""What a judge works with: the learner's folder, the backend, and ways to run programs and follow requests."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spanprofiles.backends.ports import free_ports
from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import (
    Evidence,
    FollowedRequest,
    LinkedSpan,
    Linker,
    LinkError,
    NoProfileIdError,
    Traced,
    Waiting,
)
from spanprofiles.model import Endpoints, FlameGraph, Span
from spanprofiles.model.selector import service_selector
from spanprofiles.workshop.exercise import ANSWER_FILE, TEXT_FILE, Exercise, plain_files
from spanprofiles.workshop.kept import Kept
from spanprofiles.workshop.program import FinishedProgram, LearnersProgram
from spanprofiles.workshop.pyroscope_relay import relay
from spanprofiles.workshop.storage import fingerprint_of, read_learners_file

if TYPE_CHECKING:
    from spanprofiles.doctor import Examination

WAIT_S = 25.0
"""The longest wait for a trace and for samples, s: an agent with its default interval uploads every 10 s."""

SHORT_WAIT_S = 1.5
"""How long to wait for those of a program that can be ended, s: at its end it sends what it has."""

LAST_WAIT_S = 0.3
"""How long to wait for them after such an end, s."""

ASK_EVERY_S = 0.05
"""How often to ask for samples that a learner waits for, s."""

EXAMINE_S = 20.0
"""How long the doctor may take over a request, s: it takes less than one, unless the machine is very busy."""

LONGEST_RUN_S = 120.0
"""How long a learner's script may run, s."""

ATTEMPT_DIGITS = 16
"""How many hex digits tell an attempt from others."""

# What a shell may have set for other programs is not for the learner's.
_OTHERS_VARIABLES = ("OTEL_", "PYROSCOPE_", "SPAN_PROFILES_")


@dataclass
class Workbench:
    """What a judge works with. As a context manager, it stops at the end whatever was started.

    Attributes:
        exercise: what is judged.
        folder: the learner's files.
        endpoints: the backend.
        seed: the learner's own number: what is drawn by it stays the same for this learner.
        answer: what the learner answered, on the command line or in ``answer.txt``; may be empty.
        learner: the learner's name among others who use the same servers; empty where there are none.
        notes: what this exercise's judge wants to keep until the next check; whatever JSON can hold.
        kept: programs that stay until the next judgement; None where nothing does.
        tell: called with a line for each step, for the learner who waits.
        shown: the trace and the span that the learner is shown beside the judgement; see :meth:`show`.
        linked: that span with its flame graph; None where there is none.
        attempt: what tells what is judged from all else; see :meth:`read_attempt`.
    """

    exercise: Exercise
    folder: Path
    endpoints: Endpoints
    seed: int = 0
    answer: str = ""
    learner: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    kept: Kept | None = None
    tell: Callable[[str], None] = lambda _: None
    shown: tuple[str, str] = ("", "")
    linked: LinkedSpan | None = None
    attempt: str = ""
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    @cached_property
    def draw(self) -> random.Random:
        """Draws the same for this learner and this exercise, each time that it is judged."""
        return random.Random(f"{self.seed}/{self.exercise.name}")  # noqa: S311  # not a secret

    def service_name(self, name: str) -> str:
        """Return what a program is called as ``OTEL_SERVICE_NAME``: a name of this learner's own, among others."""
        return f"{name}-{self.learner}" if self.learner else name

    @cached_property
    def linker(self) -> Linker:
        """Follows requests through the backend."""
        return Linker.of(self.endpoints, waiting=Waiting(WAIT_S))

    def start(
        self,
        command: Sequence[str],
        *,
        ready: str | None = "/health",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        service: str = "",
    ) -> LearnersProgram:
        """Start a program in the learner's folder, and return when it answers. It is stopped after the judgement.

        Args:
            command: the program and its arguments; ``{python}`` stands for this Python, ``{port}`` for the port that
                it is to listen on, which is also in ``PORT``.
            ready: a path that answers with a status below 500 when it is ready; None does not wait.
            environment: variables that are added to those of the backend; filled in like the command.
            folder: another working directory.
            service: ``OTEL_SERVICE_NAME``; by default the exercise's name without its number.

        Raises:
            AttemptError: it ends at once, or does not answer.
        """
        program = self.program(command, service, environment, folder=folder)
        self._stack.callback(program.close)
        self._stack.callback(program.stop)
        self.tell(f"starting {program.name}")
        return program.start(ready)

    def program(
        self,
        command: Sequence[str],
        service: str = "",
        environment: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
        name: str = "",
    ) -> LearnersProgram:
        """Return a program that is not started yet, and that the caller has to stop; see :meth:`start`.

        Args:
            command: as for :meth:`start`; and likewise the other arguments.
            service: ``OTEL_SERVICE_NAME``.
            environment: variables that are added.
            folder: another working directory.
            name: what to call it; by default by its file.
        """
        (port,) = free_ports(1)
        words = [_filled_in(part, port) for part in command]
        added = {variable: _filled_in(value, port) for variable, value in (environment or {}).items()}
        name = name or next((Path(word).name for word in words[1:] if not word.startswith("-")), Path(words[0]).name)
        return LearnersProgram(name, words, folder or self.folder, port, self.environment(port, service, added))

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float = LONGEST_RUN_S,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        service: str = "",
    ) -> FinishedProgram:
        """Run a program that ends by itself, such as a test run, and return what it printed; see :meth:`start`.

        Raises:
            AttemptError: it cannot be started.
        """
        return self.start(command, ready=None, environment=environment, folder=folder, service=service).wait(timeout_s)

    def environment(self, port: int, service: str = "", more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of a program: its port, its name, and where its telemetry goes."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS_VARIABLES)}
        programs = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        return {
            **inherited,
            "PATH": programs,
            "PYTHONUNBUFFERED": "1",
            "PORT": str(port),
            "OTEL_SERVICE_NAME": service or self.exercise.name.partition("_")[2],
            **self.endpoints.environment(),
            "PYROSCOPE_SERVER_ADDRESS": self._address_for_agents,
            **(more or {}),
        }

    @property
    def _address_for_agents(self) -> str:
        """Pyroscope's address for a program that takes nothing but an address, such as a learner's.

        A login stands in it. A tenant, further headers and a certificate of one's own cannot: a relay adds those.
        """
        credentials = self.endpoints.credentials_for("pyroscope")
        if not (credentials.tenant or credentials.headers or credentials.verify_tls is not True):
            return _with_login(self.endpoints)
        return self.relay_address

    @property
    def relay_address(self) -> str:
        """The address of a relay to Pyroscope that adds the learner's credentials; one serves all that ask for it."""
        return self.keeper.relay(self._relay)

    @cached_property
    def keeper(self) -> Kept:
        """Keeps programs until the next judgement, or to the end of this one where :attr:`kept` is None."""
        return self.kept if self.kept is not None else self._stack.enter_context(Kept())

    def _relay(self) -> AbstractContextManager[str]:
        return relay(self.endpoints.pyroscope, self.endpoints.credentials_for("pyroscope"))

    def follow(self, traced: Traced) -> FollowedRequest:
        """Follow a request hop by hop; what is found of it is shown to the learner."""
        request = self.linker.follow(traced)
        self.shown = (request.trace_id, "")
        return request

    def linked_span(self, traced: Traced, program: LearnersProgram | None = None) -> LinkedSpan:
        """Wait for the linked span that answered a request; its flame graph is shown to the learner.

        An agent may upload every 10 s only. So the wait is short while the program runs; then the program is ended as
        Ctrl-C ends it, upon which it sends what it has left, and what is not there then does not come.

        Args:
            traced: the request.
            program: what answered it; None if that is to go on running.

        Raises:
            LinkError: it is not linked. The error's evidence says what was there. The program has ended by then, and
                what it has sent is all that it sends.
            ClientError: a server failed.
        """
        self.tell("waiting for the trace and its samples")
        self.shown = (self.linker.follow(traced).trace_id, "")
        try:
            linked = self._linker(WAIT_S if program is None else SHORT_WAIT_S).linked_span(traced)
        except LinkError as error:
            if program is None:
                raise
            self.tell("nothing yet: ending the program, so that it sends what it has")
            has_ended = program.finish()
            if isinstance(error, NoProfileIdError):  # a span is exported once: it will never have one
                raise
            linked = self._linker(self._longest_wait_s(has_ended)).linked_span(traced)
        self.show(linked)
        return linked

    def first_samples(self, traced: Traced, *, has_ended: bool = False) -> Span:
        """Wait for the first samples of a request, and return the span that answered it.

        A process uploads its samples in the order in which it took them. So those of all that it did before are there
        as well, and some of this request may still be missing.

        Args:
            traced: a request that computes for some sample periods.
            has_ended: whether the program has ended: what it has not sent by then does not come.

        Raises:
            LinkError: it has none.
            ClientError: a server failed.
        """
        self.tell("waiting for the trace and its samples")
        timeout_s = self._longest_wait_s(has_ended)
        request = self._linker(timeout_s).follow(traced)
        span = request.answering_span()
        for _ in Waiting(timeout_s, longest_s=ASK_EVERY_S).attempts():
            if not request.flamegraph(span).is_empty:
                time.sleep(self.endpoints.queryable_after_s)  # those before it may be found a moment later
                return span
        raise request.dead_link(span)

    def _longest_wait_s(self, has_ended: bool) -> float:
        """How long to wait for samples of a program, s: once it has ended, no more come than it has sent."""
        return LAST_WAIT_S + self.endpoints.queryable_after_s if has_ended else WAIT_S

    def show(self, linked: LinkedSpan) -> None:
        """Show the learner this span's flame graph beside the judgement."""
        self.shown, self.linked = (linked.trace_id, linked.span_id), linked

    def samples_of(self, service: str, since_ns: int) -> FlameGraph:
        """Return all samples of a service, labelled or not; there may be none.

        Args:
            service: its name.
            since_ns: only those of agents that started after this moment, ns since the epoch: an upload is dated by the
                start of its window, so those of an attempt before this one are left out.

        Raises:
            ClientError: Pyroscope failed.
        """
        start_ms, end_ms = self._since(since_ns)
        query = ProfileQuery(service_selector(service), start_ms, end_ms)
        found = FlameGraph()
        for _ in self._indexing.attempts():
            found = self.linker.pyroscope.merged_profile(query)
            if not found.is_empty:
                break
        return found

    def services_with_samples(self, since_ns: int, function: str = "") -> list[str]:
        """Return the names under which agents have uploaded.

        Args:
            since_ns: since this moment, ns since the epoch.
            function: only those with samples of this function, for other programs may use the same servers.

        Raises:
            ClientError: Pyroscope failed.
        """
        start_ms, end_ms = self._since(since_ns)
        found = self._indexing.until(lambda: self.linker.pyroscope.label_values("service_name", start_ms, end_ms))
        return sorted(name for name in found if not function or self.samples_of(name, since_ns).total_of(function))

    def examine(self, evidence: Evidence) -> Examination:
        """Ask the doctor about a request that is not linked.

        Raises:
            ClientError: a server failed.
        """
        from spanprofiles.doctor import examine_request

        return examine_request(self.linker, evidence, EXAMINE_S)

    @property
    def _indexing(self) -> Waiting:
        """How long to wait for what a server has accepted and may not find yet."""
        return Waiting(self.endpoints.queryable_after_s)

    def _linker(self, timeout_s: float) -> Linker:
        return self.linker.with_waiting(Waiting(timeout_s))

    def _since(self, since_ns: int) -> tuple[int, int]:
        return since_ns // 1_000_000, time.time_ns() // 1_000_000 + self.linker.margin_ms

    def text_of(self, name: str) -> str:
        """Return the text of one of the learner's files; empty where there is none, or none that can be read."""
        return read_learners_file(self.folder / name)

    @property
    def is_untouched(self) -> bool:
        """Whether the learner's files are as they were given, and there is no answer."""
        given = self.exercise.given
        names = {path.as_posix() for path in plain_files(self.folder)} - {TEXT_FILE}
        return not self.answer and names == given.keys() and all(self.text_of(name) == given[name] for name in names)

    def read_attempt(self) -> None:
        """Take the answer from ``answer.txt``, where none was given, and note what is judged.

        Two judgements are of one attempt where the learner's files, the answer, and what the judge knows from earlier
        ones are the same, though one may be by ``check`` and one by ``watch``.
        """
        self.answer = self.answer.strip() or self.text_of(ANSWER_FILE).strip()
        names = {path.as_posix() for path in plain_files(self.folder)} - {TEXT_FILE, ANSWER_FILE}
        texts = {name: self.text_of(name) for name in sorted(names)}
        beside = fingerprint_of(self.folder, self.exercise.files_beside(self.folder))
        judged = json.dumps([self.answer, self.notes, texts, beside], sort_keys=True)
        self.attempt = hashlib.sha256(judged.encode()).hexdigest()[:ATTEMPT_DIGITS]

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


def _with_login(endpoints: Endpoints) -> str:
    """Return Pyroscope's address for a program that takes nothing but an address: with the login in it, if any."""
    credentials, scheme = endpoints.credentials_for("pyroscope"), endpoints.pyroscope.partition("://")
    name, secret = credentials.username or "token", credentials.password or credentials.bearer_token
    if not secret:
        return endpoints.pyroscope
    return f"{scheme[0]}://{quote(name, safe='')}:{quote(secret, safe='')}@{scheme[2]}"


def _filled_in(text: str, port: int) -> str:
    return text.replace("{python}", sys.executable).replace("{port}", str(port))
