"""The options that tell a command where a backend is, and a Grafana's data sources."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from spanprofiles.backends import BackendError, BackendSettings
from spanprofiles.model import CPU, Endpoints

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """A finite number of seconds from ``min``."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


_ADDRESSES = [
    click.option("--tempo", "tempo_url", metavar="URL", help="Tempo's address. [default: http://127.0.0.1:3200]"),
    click.option(
        "--pyroscope", "pyroscope_url", metavar="URL", help="Pyroscope's address. [default: http://127.0.0.1:4040]"
    ),
]

_CREDENTIALS = [
    click.option("--username", help="For basic auth. [SPAN_PROFILES_USERNAME]"),
    click.option("--password", help="For basic auth; prefer SPAN_PROFILES_PASSWORD."),
    click.option("--token", help="Bearer token; prefer SPAN_PROFILES_TOKEN."),
    click.option("--tenant", help="Tenant, sent as X-Scope-OrgID. [SPAN_PROFILES_TENANT]"),
    click.option("--ca-file", type=click.Path(exists=True), help="Certificates to trust. [SPAN_PROFILES_CA_FILE]"),
]


class Period(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A time such as ``90s``, ``10m``, ``2h``; a number alone is seconds.

    Args:
        longest_s: the longest that is taken, s.
    """

    name = "period"

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the time, s."""
        if isinstance(value, float):
            return value
        found = _PERIOD.fullmatch(str(value))
        seconds = float(found["number"]) * _UNITS_S[found["unit"] or "s"] if found else math.nan
        if not 0 < seconds <= self.longest_s:  # false for what is not a number, too
            longest = f"{self.longest_s / 3600:g}h"
            self.fail(f"{value!r} is not a time from 1s to {longest}, such as 90s, 10m or 2h", param, ctx)
        return seconds


_PERIOD = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[smhd]?)")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_DATA_SOURCE_OPTIONS = [
    click.option("--grafana", "grafana_url", metavar="URL", help="Take the data sources of this Grafana."),
    click.option(
        "--datasource",
        "files",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True),
        help="Take those of this provisioning file, or folder of them; may be repeated.",
    ),
    click.option("--uid", help="UID of the Tempo data source, if there are several."),
]


def data_source_options(command: _Command) -> _Command:
    """Add the options; the command gets ``files`` and ``uid``, and ``grafana_url`` is for :func:`endpoints_of`."""
    for option in reversed(_DATA_SOURCE_OPTIONS):
        command = option(command)
    return command


def profile_type_option(command: _Command) -> _Command:
    """Add the option; the command gets ``profile_type``."""
    text = "The type of profile to look for. [default: CPU time, else wall time or counts of samples]"
    return click.option("--profile-type", default=CPU, help=text)(command)


def one_place(files: Sequence[str], grafana_url: str | None) -> None:
    """Check that data sources come from files or from a Grafana, not from both.

    Raises:
        click.UsageError: both were given.
    """
    if files and grafana_url:
        raise click.UsageError("give --grafana or --datasource, not both")


def backend_options(command: _Command) -> _Command:
    """Add the options; the command takes them as keyword arguments and hands them to :func:`endpoints_of`."""
    command = credential_options(command)
    for option in reversed(_ADDRESSES):
        command = option(command)
    return command


def credential_options(command: _Command) -> _Command:
    """Add those options that say how to authenticate, for a command that has addresses of its own."""
    for option in reversed(_CREDENTIALS):
        command = option(command)
    return command


def endpoints_of(environment: dict[str, str], options: dict[str, str | None]) -> Endpoints:
    """Return the endpoints that options and ``SPAN_PROFILES_*`` variables name.

    By default they are those of the workshop that runs in the current folder or around it, or else those of ``serve``.

    Raises:
        click.UsageError: a text is not an address, or the credentials contradict one another.
    """
    try:
        settings = BackendSettings.read(environment, options)
    except BackendError as error:
        raise click.UsageError(str(error)) from error
    given = settings.endpoints
    if not given.tempo and not given.pyroscope:
        given = _of_workshop(given) or given
    tempo, pyroscope = given.tempo or "http://127.0.0.1:3200", given.pyroscope or "http://127.0.0.1:4040"
    return replace(given, tempo=tempo, pyroscope=pyroscope)  # whatever else was given stays


def _of_workshop(given: Endpoints) -> Endpoints | None:
    """Return the servers of the workshop that runs in the current folder or around it; None where none does."""
    from spanprofiles.workshop.folder import LearnersFolder
    from spanprofiles.workshop.session import running

    folder = LearnersFolder.around(Path.cwd())
    session = running(folder.state) if folder else None
    if session is None:
        return None
    return replace(
        given, tempo=session.tempo, pyroscope=session.pyroscope, otlp_http=given.otlp_http or session.otlp_http
    )
