"""Exit codes, and how the program ends on a failure: with one message and no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from spanprofiles.backends import BackendError
from spanprofiles.cli.output import say
from spanprofiles.clients import ClientError, ServerUnreachableError
from spanprofiles.linking import LinkError
from spanprofiles.model import IdentifierError

LINKED, BROKEN, COULD_NOT_LOOK = 0, 1, 2  # and INTERRUPTED and UNREAD, in the package: the help needs no more


def leave(code: int, *lines: str) -> NoReturn:
    """End the program with a message on standard error."""
    for number, line in enumerate(lines):
        say(line if number else f"spanprofiles: {line}", err=True)
    raise SystemExit(code)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the failures a user can meet into messages and exit codes."""
    try:
        yield
    except LinkError as error:
        leave(BROKEN, str(error))
    except ServerUnreachableError as error:
        leave(COULD_NOT_LOOK, f"{error}; is it running there? --tempo and --pyroscope name other addresses")
    except BackendError as error:  # the last lines of a process among them
        leave(COULD_NOT_LOOK, *str(error).split("\n"))
    except (ClientError, IdentifierError) as error:
        leave(COULD_NOT_LOOK, str(error))
