"""What every backend does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from spanprofiles.model import Endpoints
from spanprofiles.model.printable import printable_lines


class BackendError(Exception):
    """A backend cannot run. The message says why, and what to do or the last lines of the process that failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))


class Backend(ABC):
    """Something that answers Tempo's and Pyroscope's APIs. As a context manager, it gives its endpoints."""

    #: The name by which it is chosen.
    name: str

    @abstractmethod
    def start(self) -> Endpoints:
        """Start it, or find it running, and return when it answers.

        Raises:
            BackendError: it cannot run here.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop what :meth:`start` started, and nothing else. A second call does nothing."""

    def check_running(self) -> None:  # noqa: B027  # only some start a process that can end
        """Return unless a process that :meth:`start` started has ended by itself.

        Raises:
            BackendError: one has.
        """

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
