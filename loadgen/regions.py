"""Which region answers under which URL."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import requests

HEALTH_S = 2.0
"""How long a region may take to say who it is."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegionUrl:
    """The base URL of a region, and the region's name as its ``/health`` gives it; None where it gives none."""

    url: str
    name: str | None


def ask_for_names(urls: Iterable[str]) -> tuple[RegionUrl, ...]:
    """Ask each URL for its region. One that does not answer is kept, without a name: its requests will show why."""
    with requests.Session() as session:
        session.trust_env = False  # load goes where it is told to, never through a proxy of the environment
        return tuple(RegionUrl(url, _ask(session, url)) for url in urls)


def find_answering(urls: Iterable[str]) -> tuple[RegionUrl, ...]:
    """Give the regions among the URLs that say who they are. Of the others nothing is said: they may come later."""
    with requests.Session() as session:
        session.trust_env = False
        names = {url: _name(session, url) for url in urls}
    return tuple(RegionUrl(url, name) for url, name in names.items() if isinstance(name, str))


def _ask(session: requests.Session, url: str) -> str | None:
    name = _name(session, url)
    if isinstance(name, Exception):
        _logger.warning("%s/health gives no region's name: %s", url, name)
        return None
    return name


def _name(session: requests.Session, url: str) -> str | Exception | None:
    try:
        answer = session.get(f"{url}/health", timeout=HEALTH_S).json()
    except (requests.RequestException, ValueError) as error:
        return error
    name = answer.get("region") if isinstance(answer, dict) else None
    return name if isinstance(name, str) else None
