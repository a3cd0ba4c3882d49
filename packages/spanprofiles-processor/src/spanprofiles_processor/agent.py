"""Starts the profiling agent in each process that has spans, and sends its last samples as the process ends."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from threading import Thread

import pyroscope
from opentelemetry.sdk.resources import Resource

START_S = 2.0
"""How long a fork waits, s, for another thread that is starting the agent."""

SETTLED_AFTER_S = 0.3
"""How long a fork waits, s, after the agent has started. It then still sets up its connections, on a thread of its own;
a process that is forked meanwhile inherits locks that nobody releases, and its own agent waits for them without end."""

LAST_UPLOAD_S = 2.0
"""How long a process that ends waits, s, for the upload of its last samples."""

_CONSEQUENCE = "spans of this process carry no profile ID"

_logger = logging.getLogger(__name__)


class AgentStarter:
    """Starts the agent once in each process that asks: a forked child has none of its parent's.

    Args:
        start: Starts the agent, for spans of the resource it is given; False says that it did not.
    """

    def __init__(self, start: Callable[[Resource], object]) -> None:
        self._start = start
        self._claims: dict[int, object] = {}
        self._failed: set[int] = set()

    @property
    def failed_here(self) -> bool:
        """Whether it was tried in this process, and failed."""
        return os.getpid() in self._failed

    def start_here(self, resource: Resource) -> None:
        """Start the agent unless that was tried in this process. Do not wait for another thread that is starting it."""
        claim = object()
        # One atomic step: a lock could be held by somebody else in the moment of a fork, and then for ever.
        if self._claims.setdefault(os.getpid(), claim) is not claim:
            return
        _fork.wait_for(START_S)
        try:
            if self._start(resource) is False:
                self._failed.add(os.getpid())
                _logger.error("the profiling agent did not start: %s", _CONSEQUENCE)
            else:
                _send_last_samples()
        except Exception:
            self._failed.add(os.getpid())
            _logger.exception("the profiling agent cannot be started: %s", _CONSEQUENCE)
        _fork.wait_for(SETTLED_AFTER_S)


class _Fork:
    """Until when this process should not fork."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def wait_for(self, seconds: float) -> None:
        """Let forks wait for so many seconds from this moment, and no longer."""
        self._until_s = time.monotonic() + seconds

    def wait(self) -> None:
        """Wait until this process may fork."""
        while time.monotonic() < self._until_s:
            time.sleep(0.01)

    def forget(self) -> None:
        """Let a child fork at once: it has no agent."""
        self._until_s = 0.0


_fork = _Fork()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork.wait, after_in_child=_fork.forget)


def _send_last_samples() -> None:
    """See to it that a worker sends its last samples where it ends without running what ``atexit`` has.

    The agent has a hook of its own for all others. A span is exported within seconds, and the samples of the last
    upload interval would be missing from it.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_shut_down, weak=False, dispatch_uid=__name__)
    if "multiprocessing.process" in sys.modules:
        # It is loaded already: an app that starts no processes should not pay for it.
        from multiprocessing.process import parent_process
        from multiprocessing.util import Finalize

        if parent_process() is not None:
            Finalize(None, _shut_down, exitpriority=0)


def _shut_down(**_: object) -> None:
    # The agent waits for its server without a bound.
    thread = Thread(target=pyroscope.shutdown, name="last-samples", daemon=True)
    thread.start()
    thread.join(LAST_UPLOAD_S)
