"""Why the pair cannot start. The message says what to do; it is shown without a traceback."""

from __future__ import annotations


class CannotServeError(Exception):
    """The pair cannot be started, or cannot go on; one of the classes below says why."""


class PortTakenError(CannotServeError):
    """A port that was asked for cannot be bound; the message names it and the option that changes it."""


class DataDirectoryError(CannotServeError):
    """The data directory cannot be used: another process has it, it cannot be written, or its file is damaged."""


class DataLostError(CannotServeError):
    """The data directory cannot be used any more: it was removed, replaced or damaged while the pair ran."""


class NewerFileError(CannotServeError):
    """The data was written by a later release of this program."""


class UnsafeAddressError(CannotServeError):
    """The pair would listen to other machines without asking them for a token."""


class WeakTokenError(CannotServeError):
    """The token is easy to guess, or cannot be sent."""


class MissingPackageError(CannotServeError):
    """An extra was asked for whose package is not installed."""
