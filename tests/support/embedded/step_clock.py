"""A clock that counts: how often it was looked at, and how much was done between two looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.store.database import Database

CALLS_LIMIT = 4_000
"""Calls of functions between two looks at the clock: some milliseconds."""


class Steps:
    """A clock that goes on by one whenever it is looked at, and counts the calls of functions between two looks."""

    def __init__(self) -> None:
        self.now = 0
        self.most_calls = 0
        self._calls = 0

    def __call__(self) -> float:
        self.most_calls = max(self.most_calls, self._calls)
        self._calls = 0
        self.now += 1
        return self.now

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count calls while this is entered."""

        def called(frame: FrameType, event: str, argument: object) -> None:
            del frame, argument
            self._calls += event in {"call", "c_call"}

        self._calls = 0
        sys.setprofile(called)
        try:
            yield
        finally:
            sys.setprofile(None)
            self.most_calls = max(self.most_calls, self._calls)


@contextmanager
def steps_of(database: Database, monkeypatch: pytest.MonkeyPatch, limit: float = 1e9) -> Iterator[Steps]:
    """While this is entered, queries have so many looks at the clock before they are late."""
    steps = Steps()
    with monkeypatch.context() as patched:
        patched.setattr(database, "deadline_from", lambda *_: Deadline(limit, 0, clock=steps))
        yield steps
