"""A workshop that runs: where its backend and its page are, for the commands in other terminals."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from spanprofiles.linking import Waiting
from spanprofiles.model import Endpoints
from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.storage import write_file

STOP_S = 30.0
"""How long ``stop`` waits until everything has ended, s."""

_PROBES_S = 1.0  # other commands hold the lock for a moment, to see whether a workshop runs
_LOCK, _ADDRESSES = "running.lock", "session.json"


@dataclass(frozen=True)
class Session:
    """A workshop that runs.

    Attributes:
        pid: its process.
        page: the page's address.
        tempo: Tempo's address.
        pyroscope: Pyroscope's address.
        otlp_http: where traces go.
        tenant: the tenant, if there is one. Passwords and tokens are not kept.
        queryable_after_s: as in :class:`.Endpoints`.
        searchable_after_s: likewise.
    """

    pid: int
    page: str
    tempo: str
    pyroscope: str
    otlp_http: str
    tenant: str = ""
    queryable_after_s: float = 0.0
    searchable_after_s: float = 0.0

    @classmethod
    def of(cls, endpoints: Endpoints, page: str) -> Session:
        """Return the session of this process."""
        return cls(
            os.getpid(),
            page,
            endpoints.tempo,
            endpoints.pyroscope,
            endpoints.otlp_http,
            endpoints.credentials.tenant,
            endpoints.queryable_after_s,
            endpoints.searchable_after_s,
        )


@contextmanager
def claimed(state: Path) -> Iterator[None]:
    """Make sure that no other workshop runs in this folder until the end of the block.

    Args:
        state: the folder for what the program keeps.

    Raises:
        WorkshopError: one does, or the folder cannot be used.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WorkshopError(f"{state} cannot be used: {error.strerror}") from error
    try:
        if not Waiting(_PROBES_S).until(lambda: _lock(lock)):
            raise _runs_already(state)
        _forget(state)  # one that was killed
        try:
            yield
        finally:
            _forget(state)
    finally:
        os.close(lock)


def refuse_second(state: Path) -> None:
    """Return unless a workshop runs in this folder.

    Raises:
        WorkshopError: one does.
    """
    if _is_claimed(state):
        raise _runs_already(state)


def announce(state: Path, session: Session) -> None:
    """Tell the commands in other terminals where this workshop is.

    Raises:
        WorkshopError: that cannot be written.
    """
    write_file(state / _ADDRESSES, json.dumps(asdict(session)))


def running(state: Path) -> Session | None:
    """Return the workshop that runs in this folder; None where none does, or it is not ready yet."""
    return _read(state) if _is_claimed(state) else None


def stop(state: Path) -> Session | None:
    """End the workshop that runs in this folder, wait until it has ended, and return what it was; None for none.

    Raises:
        WorkshopError: it has not ended in time, or belongs to another user.
    """
    if not _is_claimed(state):
        return None
    session = Waiting(STOP_S).until(lambda: _read(state))  # one that is just starting will say so
    if session is None:
        raise WorkshopError(f"the workshop in {state.parent} is starting: try again in a moment")
    try:
        os.kill(session.pid, signal.SIGTERM)
    except ProcessLookupError:  # it has ended by itself meanwhile
        pass
    except PermissionError as error:
        raise WorkshopError(f"the workshop in {state.parent} belongs to another user: {error.strerror}") from error
    if not Waiting(STOP_S).until(lambda: not _is_claimed(state)):
        raise WorkshopError(f"process {session.pid} has not ended within {STOP_S:g} s")
    return session


def _runs_already(state: Path) -> WorkshopError:
    found = _read(state)
    where = f"; its page is {found.page}/workshop" if found and found.page else ""
    return WorkshopError(
        f"a workshop runs in {state.parent} already{where}. Go on there in another terminal, or end it with"
        " `spanprofiles workshop stop`"
    )


def _is_claimed(state: Path) -> bool:
    try:
        lock = os.open(state / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _lock(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget(state: Path) -> None:
    with suppress(OSError):
        (state / _ADDRESSES).unlink(missing_ok=True)


def _read(state: Path) -> Session | None:
    try:
        return Session(**json.loads((state / _ADDRESSES).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
