"""The settings of the load, read from the environment once at start.

| variable | meaning | default |
|---|---|---|
| ``LOADGEN_URLS`` | base URLs of the regions, with commas between them | the one of ``--host`` |
| ``LOADGEN_MORE_URLS`` | base URLs of regions that may come later: each gets its share once it answers | none |
| ``LOADGEN_SLOWEST`` | how many of the slowest requests are reported (1 to 1000) | ``10`` |
| ``LOADGEN_REPORT`` | file the slowest requests are written to as JSON, besides the table | none |
| ``LOADGEN_MOST_RIDERS`` | riders at once that Locust's page may start (1 to 10000); ``--users`` may be more | ``50`` |
| ``LOADGEN_PAGE_HOSTS`` | names of this machine that Locust's page answers to, besides localhost, with commas | none |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A variable of the environment has a value that cannot be used; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; the module's docstring has the meanings."""

    urls: tuple[str, ...] = ()
    slowest: int = 10
    report: Path | None = None
    most_riders: int = 50
    page_hosts: tuple[str, ...] = ()
    more_urls: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``environment``, the process's own by default.

        A variable that is set but empty counts as not set.

        Raises:
            SettingsError: A value cannot be used.
        """
        source = os.environ if environment is None else environment
        given = {name: value.strip() for name, value in source.items() if value.strip()}
        return cls(
            urls=_urls(given, "LOADGEN_URLS"),
            more_urls=_urls(given, "LOADGEN_MORE_URLS"),
            slowest=_whole_number(given, "LOADGEN_SLOWEST", cls.slowest, 1000),
            report=_report(given.get("LOADGEN_REPORT")),
            most_riders=_whole_number(given, "LOADGEN_MOST_RIDERS", cls.most_riders, 10_000),
            page_hosts=_hosts(given.get("LOADGEN_PAGE_HOSTS", "")),
        )


def _urls(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    urls = tuple(url.strip().rstrip("/") for url in given.get(name, "").split(",") if url.strip())
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise SettingsError(f"{name} has {url!r}; it must be base URLs, such as http://127.0.0.1:5001")
    return urls


def _whole_number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    value = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= most:
        raise SettingsError(f"{name} is {value!r}; it must be a whole number from 1 to {most}")
    return int(value)


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", host):
            raise SettingsError(f"LOADGEN_PAGE_HOSTS has {host!r}; it must be names without port, such as loadgen")
    return hosts


def _report(value: str | None) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SettingsError(f"LOADGEN_REPORT is {value!r}; it must be a file in a folder that exists")
    return path
