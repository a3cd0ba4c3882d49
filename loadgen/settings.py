"""The settings of the load, read from the environment once at start.

| variable | meaning | default |
|---|---|---|
| `LOADGEN_URLS` | base URLs of the regions, with commas between them | the one of `--host` |
| `LOADGEN_SLOWEST` | how many of the slowest requests are reported (1 to 1000) | `10` |
| `LOADGEN_REPORT` | file the slowest requests are written to as JSON, besides the table | none |
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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment`, the process's own by default.

        A variable that is set but empty counts as not set.

        Raises:
            SettingsError: A value cannot be used.
        """
        source = os.environ if environment is None else environment
        given = {name: value.strip() for name, value in source.items() if value.strip()}
        return cls(
            urls=_urls(given.get("LOADGEN_URLS", "")),
            slowest=_slowest(given.get("LOADGEN_SLOWEST", str(cls.slowest))),
            report=_report(given.get("LOADGEN_REPORT")),
        )


def _urls(value: str) -> tuple[str, ...]:
    urls = tuple(url.strip().rstrip("/") for url in value.split(",") if url.strip())
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise SettingsError(f"LOADGEN_URLS has {url!r}; it must be base URLs, such as http://127.0.0.1:5001")
    return urls


def _slowest(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= 1000:
        raise SettingsError(f"LOADGEN_SLOWEST is {value!r}; it must be a whole number from 1 to 1000")
    return int(value)


def _report(value: str | None) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SettingsError(f"LOADGEN_REPORT is {value!r}; it must be a file in a folder that exists")
    return path
