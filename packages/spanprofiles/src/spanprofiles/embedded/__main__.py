"""The pair by itself: ``python -m spanprofiles.embedded``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from spanprofiles.embedded.errors import CannotServeError
from spanprofiles.embedded.logtext import log_to_standard_error
from spanprofiles.embedded.server import serve
from spanprofiles.embedded.settings import (
    ALLOWED_HOSTS_VARIABLE,
    DEFAULT_AGE,
    DEFAULT_SIZE,
    TOKEN_VARIABLE,
    Settings,
    parse_age,
    parse_hosts,
    parse_size,
    parse_timeout,
)

DESCRIPTION = "The embedded pair by itself: Tempo's and Pyroscope's APIs in one process."


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _told(parse: Callable[[str], float]) -> Callable[[str], float]:
    """Wrap a parser so that argparse shows its message."""

    def parsed(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def main(arguments: list[str] | None = None) -> int:
    """Parse the options and serve until a signal ends it; gives the exit status."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="spanprofiles.embedded", description=DESCRIPTION)
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--tempo-port", type=int, default=defaults.tempo_port)
    parser.add_argument("--otlp-http-port", type=int, default=defaults.otlp_http_port)
    parser.add_argument("--otlp-grpc-port", type=int, default=None)
    parser.add_argument("--pyroscope-port", type=int, default=defaults.pyroscope_port)
    parser.add_argument("--data-dir", type=Path, default=None, dest="data_directory")
    for option, default, parse, name in (
        ("--max-age", DEFAULT_AGE, parse_age, "age_s"),
        ("--max-size", DEFAULT_SIZE, parse_size, "size_bytes"),
    ):
        parser.add_argument(option, type=_told(parse), default=default, dest=name)
    parser.add_argument(
        "--query-timeout", type=_told(parse_timeout), default=defaults.query_timeout_s, dest="query_timeout_s"
    )
    parser.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE, ""))
    parser.add_argument("--allow-host", action="append", dest="allowed_hosts")
    options = parser.parse_args(arguments)
    named = options.allowed_hosts or [os.environ.get(ALLOWED_HOSTS_VARIABLE, "")]
    try:
        options.allowed_hosts = tuple(name for text in named for name in parse_hosts(text))
    except ValueError as error:
        parser.error(str(error))
    log_to_standard_error()
    try:
        serve(Settings(**vars(options)), _announce)
    except CannotServeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
