"""Passing an order on to the neighbouring region.

The request carries the trace context (OpenTelemetry's instrumentation of ``requests`` sees to that), so both regions'
spans are in one trace, and each region's server span is a local root span.

A rider's position means nothing in another city: the neighbour serves a forwarded order from its own pick-up point.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

HOPS_HEADER = "X-Rideshare-Hops"
"""Says how many times an order was forwarded already."""

MOST_HOPS = 2
"""An order is forwarded at most so many times: to each other region once."""

CONNECT_S = 1.0
"""How long the neighbour may take to accept a connection."""


class NoRideError(Exception):
    """No vehicle can be had, here or at the neighbour's; the message says why."""


@dataclass(frozen=True)
class Neighbour:
    """Where orders are forwarded to: a base URL, and the seconds it may take to answer."""

    url: str
    timeout_seconds: float


def choose_neighbour(usual_url: str | None, preferred_url: str | None) -> str | None:
    """Give the URL of the region that takes over orders.

    Args:
        usual_url: A region that is always there; None for none.
        preferred_url: A region that may come and go, such as one of a Compose profile; None for none.

    Returns:
        The preferred one while its host's name is known, else the usual one.
    """
    if preferred_url is None or not _is_known(preferred_url):
        return usual_url
    return preferred_url


def _is_known(url: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except (OSError, UnicodeError):
        return False
    return True


def forward_order(neighbour: Neighbour, vehicle: str, riders: int, hops: int) -> dict[str, Any]:
    """Order a ride at the neighbour's and give its answer.

    Args:
        neighbour: Whom to ask.
        vehicle: The kind of vehicle, as in URLs.
        riders: How many people ride.
        hops: How many times the order was forwarded before.

    Raises:
        NoRideError: The neighbour has none, cannot be reached, or gives an answer that is no ride.
    """
    try:
        with requests.Session() as session:
            session.trust_env = False  # a neighbour is reached directly, never through a proxy of the environment
            response = session.get(
                f"{neighbour.url}/{vehicle}",
                params={"riders": riders},
                headers={HOPS_HEADER: str(hops + 1)},
                timeout=(min(CONNECT_S, neighbour.timeout_seconds), neighbour.timeout_seconds),
                allow_redirects=False,
            )
    except requests.Timeout as error:
        raise NoRideError(f"the neighbouring region did not answer in {neighbour.timeout_seconds:g} s") from error
    except requests.RequestException as error:
        raise NoRideError("the neighbouring region cannot be reached") from error
    return _ride_in(response)


def _ride_in(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise NoRideError("the neighbouring region gave an answer that is not JSON") from error
    if response.status_code == 503:
        raise NoRideError(f"the neighbouring region has no ride either{_reason_in(answer)}")
    if response.status_code != 200 or not isinstance(answer, dict) or not isinstance(answer.get("ride_id"), str):
        raise NoRideError(f"the neighbouring region gave an answer that is no ride (status {response.status_code})")
    return answer


def _reason_in(answer: object) -> str:
    match answer:
        case {"error": {"message": str(message)}}:
            return f" ({message})"
        case _:
            return ""
