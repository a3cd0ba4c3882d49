"""What stays from one judgement to the next while an exercise is watched: programs that a learner cannot change."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

from spanprofiles.workshop.program import LearnersProgram
from spanprofiles.workshop.runner import Runner


class Kept:
    """Programs that are started once. As a context manager, it stops them at the end."""

    def __init__(self) -> None:
        self._programs: dict[str, LearnersProgram] = {}
        self._runner: Runner | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._used_s: float | None = None
        self._relay = ExitStack()
        self._relay_address = ""

    def relay(self, begin: Callable[[], AbstractContextManager[str]]) -> str:
        """Return the address of the relay to Pyroscope; begin it where there is none."""
        if not self._relay_address:
            self._relay_address = self._relay.enter_context(begin())
        return self._relay_address

    def program(self, key: str, start: Callable[[], LearnersProgram]) -> LearnersProgram:
        """Return the program of that key; start it where it does not run."""
        found = self._programs.get(key)
        if found is None or not found.is_running:
            if found is not None:
                found.__exit__()
            found = self._programs[key] = start()
        return found

    def runner(self, start: Callable[[Path], LearnersProgram]) -> Runner:
        """Return the runner of tests; start it where it does not run."""
        if self._runner is None or not self._runner.is_running:
            self._stop_runner()
            self._scratch = tempfile.TemporaryDirectory(prefix="workshop-")
            folder = Path(self._scratch.name)
            self._runner = Runner(start(folder), folder)
        return self._runner

    @property
    def was_used(self) -> bool:
        """Whether tests have used the programs before."""
        return self._used_s is not None

    def note_use(self) -> None:
        """Note that tests have used the programs until now."""
        self._used_s = time.monotonic()

    def await_quiet(self, quiet_s: float) -> None:
        """Wait until nobody has used the programs for so many seconds."""
        if self._used_s is not None:
            time.sleep(max(0.0, self._used_s + quiet_s - time.monotonic()))

    def close(self) -> None:
        """Stop everything; what is asked for after that is started anew."""
        self._stop_runner()
        for program in self._programs.values():
            program.__exit__()
        self._programs.clear()
        self._relay.close()  # after the programs, which send what they have when they end
        self._relay_address = ""
        self._used_s = None

    def _stop_runner(self) -> None:
        if self._runner is not None:
            self._runner.program.__exit__()
            self._runner = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
