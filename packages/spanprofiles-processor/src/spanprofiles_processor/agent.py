"""Starting the profiling agent in each process that has spans to profile."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource

_logger = logging.getLogger(__name__)

_CONSEQUENCE = "spans of this process carry no profile ID"


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
        """Start the agent if nobody tried in this process yet. Nobody waits for another thread that is starting it."""
        claim = object()
        # One atomic step: a lock could be held by somebody else in the moment of a fork, and then for ever.
        if self._claims.setdefault(os.getpid(), claim) is not claim:
            return
        try:
            if self._start(resource) is False:
                self._failed.add(os.getpid())
                _logger.error("the profiling agent did not start: %s", _CONSEQUENCE)
        except Exception:
            self._failed.add(os.getpid())
            _logger.exception("the profiling agent cannot be started: %s", _CONSEQUENCE)
