"""What the benches have in common as commands: options, progress, exit codes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import psutil
import requests

from spanprofiles.backends import Backend, BackendError, EmbeddedBackend, NativeBackend, ProcessFailedError
from spanprofiles.clients.errors import ClientError
from spanprofiles.demo.errors import DemoError
from spanprofiles.linking import LinkError

PROCESSORS = ("official", "spanprofiles")
LARGEST_SAMPLE = 100_000

_REASONS = (
    BackendError,
    ProcessFailedError,
    ClientError,
    DemoError,
    LinkError,
    requests.RequestException,
    psutil.Error,
    OSError,
)


class BenchError(Exception):
    """Something could not be measured; the message says what, in one line."""


@dataclass(frozen=True)
class Options:
    """What every bench can be told: how many requests, on which backend, with which span processor.

    Some can be told the language whose regions they measure as well.
    """

    requests: int
    backend: str
    processor: str
    language: str = "python"


def option_parser(
    description: str | None, requests_default: int, languages: Sequence[str] = ("python",)
) -> argparse.ArgumentParser:
    """Return a parser of the options every bench has.

    Args:
        description: the bench's docstring, of which the first line is shown.
        requests_default: sample size unless told otherwise.
        languages: those whose regions it can measure, the default first.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=requests_default, help=f"sample size ({requests_default})")
    parser.add_argument("--backend", choices=["embedded", "native"], default="embedded", help="default: embedded")
    parser.add_argument("--processor", choices=PROCESSORS, default="official", help="default: official")
    if len(languages) > 1:
        parser.add_argument("--language", choices=languages, default=languages[0], help=f"default: {languages[0]}")
    else:
        parser.set_defaults(language=languages[0])
    return parser


def command_line(
    description: str | None, requests_default: int, least: int, languages: Sequence[str] = ("python",)
) -> Options:
    """Read the options of a bench that has no others; a sample smaller than ``least`` gives no figure.

    Args:
        description: as in :func:`option_parser`.
        requests_default: likewise.
        least: how many requests give a figure.
        languages: those whose regions it can measure.
    """
    parser = option_parser(description, requests_default, languages)
    given = parser.parse_args()
    if not least <= given.requests <= LARGEST_SAMPLE:
        parser.error(f"--requests must be from {least} to {LARGEST_SAMPLE}")
    return Options(given.requests, given.backend, given.processor, given.language)


def run(measure: Callable[[], None]) -> NoReturn:
    """Run a bench as a command: exit code 0 with figures, whatever they are; 1 with one line where there are none."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        measure()
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was measured")
    except (BenchError, *_REASONS) as error:
        sys.exit(f"could not measure: {' '.join(str(error).split())}")
    sys.exit(0)


def tell(text: str) -> None:
    """Print a line at once: a bench shows how far it is."""
    print(text, flush=True)


def circumstances(options: Options) -> str:
    """Return what a figure depends on: backend, processor, and how busy the machine is."""
    load = os.getloadavg()[0]
    linked_by = f"processor {options.processor}" if options.language == "python" else options.language
    return f"{options.backend}, {linked_by}, load average {load:.1f} on {os.cpu_count()} cores"


def backend_named(name: str) -> Backend:
    """Return a backend that runs on this machine."""
    return NativeBackend() if name == "native" else EmbeddedBackend()
