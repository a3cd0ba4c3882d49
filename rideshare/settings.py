"""The app's settings, read from the environment once at start.

| variable | meaning | default |
|---|---|---|
| ``RIDESHARE_REGION`` | ``eu-north``, ``us-east`` or ``ap-south`` | ``eu-north`` |
| ``RIDESHARE_SEED`` | what fleets, roads and drivers are drawn from (0 or more) | ``1`` |
| ``RIDESHARE_BIND`` | address and port gunicorn listens on | ``127.0.0.1:5000`` |
| ``RIDESHARE_NEIGHBOUR_URL`` | base URL of the region that takes over orders | none |
| ``RIDESHARE_PREFERRED_NEIGHBOUR_URL`` | base URL of a region that does instead while its name is known | none |
| ``RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS`` | how long the neighbour may take to answer (0.05 to 60) | ``5`` |
| ``RIDESHARE_GATEWAY_SECONDS`` | how long the payment gateway takes (0 to 60) | ``0.4`` |
| ``RIDESHARE_PROCESSOR`` | the span processor: ``official``, or that of the package ``spanprofiles`` | ``official`` |
| ``RIDESHARE_FAULTS`` | what is broken on purpose: names from ``rideshare.faults``, separated by commas | none |
| ``RIDESHARE_ADMIN_TOKEN`` | opens ``rideshare.admin`` (16 to 200 visible characters) | closed |
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from rideshare.faults import FAULTS
from rideshare.processors import PROCESSORS
from rideshare.regions import REGIONS, Region

REFUSED_TO_START = 3
"""Exit status after bad settings. Gunicorn takes this status as "do not start the worker again"."""


class SettingsError(ValueError):
    """A variable of the environment has a value the app cannot use; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; the module's docstring has the meanings."""

    region: Region = REGIONS["eu-north"]
    seed: int = 1
    bind: str = "127.0.0.1:5000"
    neighbour_url: str | None = None
    neighbour_timeout_seconds: float = 5.0
    gateway_seconds: float = 0.4
    processor: str = "official"
    faults: frozenset[str] = frozenset()
    admin_token: str | None = field(default=None, repr=False)
    preferred_neighbour_url: str | None = None

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
            region=_region(given.get("RIDESHARE_REGION", cls.region.name)),
            seed=_seed(given.get("RIDESHARE_SEED", str(cls.seed))),
            bind=_bind(given.get("RIDESHARE_BIND", cls.bind)),
            neighbour_url=_base_url(given, "RIDESHARE_NEIGHBOUR_URL"),
            preferred_neighbour_url=_base_url(given, "RIDESHARE_PREFERRED_NEIGHBOUR_URL"),
            neighbour_timeout_seconds=_seconds(
                given, "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS", cls.neighbour_timeout_seconds, least=0.05
            ),
            gateway_seconds=_seconds(given, "RIDESHARE_GATEWAY_SECONDS", cls.gateway_seconds, least=0.0),
            processor=_processor(given.get("RIDESHARE_PROCESSOR", cls.processor)),
            faults=_faults(given.get("RIDESHARE_FAULTS", "")),
            admin_token=_admin_token(given.get("RIDESHARE_ADMIN_TOKEN")),
        )


def refuse_to_start(error: Exception) -> NoReturn:
    """Say in one line why the app cannot start, and exit."""
    sys.stderr.write(f"rideshare: {error}\n")
    sys.stderr.flush()
    raise SystemExit(REFUSED_TO_START) from None


def _region(value: str) -> Region:
    if value not in REGIONS:
        raise SettingsError(f"RIDESHARE_REGION is {value!r}; known regions are {', '.join(REGIONS)}")
    return REGIONS[value]


def _seed(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise SettingsError(f"RIDESHARE_SEED is {value!r}; it must be a whole number from 0")
    return int(value)


def _bind(value: str) -> str:
    matched = re.fullmatch(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})", value)
    if not matched or int(matched["port"]) > 65535:
        raise SettingsError(f"RIDESHARE_BIND is {value!r}; it must be an address and a port, such as 127.0.0.1:5000")
    return value


def _processor(value: str) -> str:
    if value not in PROCESSORS:
        raise SettingsError(f"RIDESHARE_PROCESSOR is {value!r}; it must be one of {', '.join(PROCESSORS)}")
    return value


def _base_url(given: Mapping[str, str], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    problem = f"{name} is {value!r}; it must be a base URL, such as http://127.0.0.1:5001"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise SettingsError(problem) from error
    if not usable or parts.query or parts.fragment:
        raise SettingsError(problem)
    return value.rstrip("/")


def _seconds(given: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    value = given.get(name, str(default))
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not least <= seconds <= 60.0:
        raise SettingsError(f"{name} is {value!r}; it must be a number of seconds from {least:g} to 60")
    return seconds


def _faults(value: str) -> frozenset[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in FAULTS:
            raise SettingsError(f"RIDESHARE_FAULTS is {value!r}; {name!r} is none of {', '.join(FAULTS)}")
    return frozenset(names)


def _admin_token(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[!-~]{16,200}", value):
        # A token that was nearly right is not repeated.
        raise SettingsError("RIDESHARE_ADMIN_TOKEN must be 16 to 200 visible ASCII characters without spaces")
    return value
