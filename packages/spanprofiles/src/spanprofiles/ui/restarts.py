"""Restarts of the demo's regions, which switch wiring faults, step by step while the page shows the progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from spanprofiles.ui.controls import ControlError, Restart


@dataclass(frozen=True)
class Progress:
    """A restart under way, or one that failed.

    Attributes:
        region: what restarts.
        words: what for.
        faults: the faults that should be on in it.
        step: the current step.
        started_s: when it began, s of the monotonic clock.
        error: why it failed; empty while it is under way.
    """

    region: str
    words: str
    faults: frozenset[str]
    step: str
    started_s: float
    error: str = ""

    @property
    def seconds(self) -> int:
        """How long it has been under way, s."""
        return int(time.monotonic() - self.started_s)


class Restarts:
    """The regions that restart. Safe to use from several threads."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}
        self._lock = threading.Lock()

    def progress(self) -> dict[str, Progress]:
        """Return the restarts that are under way or have failed, by region."""
        with self._lock:
            return dict(self._progress)

    def begin(
        self, region: str, faults: frozenset[str], words: str, restart: Restart, done: Callable[[], None]
    ) -> None:
        """Begin to restart a region, and return at once.

        Args:
            region: which.
            faults: the faults that should be on in it.
            words: what for.
            restart: restarts it.
            done: called when the region answers.

        Raises:
            ControlError: it is restarting.
        """
        with self._lock:
            known = self._progress.get(region)
            if known is not None and not known.error:
                raise ControlError(f"{region} is restarting ({known.words}): wait until it answers")
            self._progress[region] = Progress(region, words, faults, "beginning", time.monotonic())
        arguments = (region, faults, restart, done)
        threading.Thread(target=self._run, args=arguments, name=f"restart of {region}", daemon=True).start()

    def _run(self, region: str, faults: frozenset[str], restart: Restart, done: Callable[[], None]) -> None:
        try:
            restart(region, faults, lambda step: self._set(region, step))
        except ControlError as error:
            self._set(region, "failed", str(error))
            return
        done()
        with self._lock:
            del self._progress[region]

    def _set(self, region: str, step: str, error: str = "") -> None:
        with self._lock:
            known = self._progress[region]
            self._progress[region] = replace(known, step=step, error=error)
