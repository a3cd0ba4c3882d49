"""What a user can choose about the embedded pair."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from spanprofiles.embedded.limits import BODY_BYTES

DURATION_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
SIZE_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
HOST_NAME = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
LEAST_TIMEOUT, LARGEST_TIMEOUT = 0.1, 3_600.0
LEAST_SIZE = 32 * 2**20
LOG_FORMAT = "%(asctime)s %(message)s"
DEFAULT_AGE, DEFAULT_SIZE = "48h", "2GiB"
ALLOWED_HOSTS_VARIABLE = "SPAN_PROFILES_SERVE_ALLOWED_HOSTS"
TOKEN_VARIABLE = "SPAN_PROFILES_SERVE_TOKEN"  # noqa: S105  # the name of a variable, no token


def parse_age(text: str) -> float:
    """Parse a duration such as ``90s``, ``30m``, ``48h`` or ``7d``, in s; 0 means for ever.

    Raises:
        ValueError: it is not one.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])", text.strip())
    if text.strip() == "0":
        return 0.0
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write it like 90s, 30m, 48h or 7d; 0 means for ever")
    return float(match[1]) * DURATION_UNITS[match[2]]


def parse_timeout(text: str) -> float:
    """For how long a query may run, in s.

    Raises:
        ValueError: it is not a number, or out of bounds; without an end a query could keep its place for ever.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not LEAST_TIMEOUT <= seconds <= LARGEST_TIMEOUT:
        raise ValueError(
            f"{text!r} is not a time for a query: write seconds, from {LEAST_TIMEOUT:g} to {LARGEST_TIMEOUT:g}"
        )
    return seconds


def parse_size(text: str) -> int:
    """Parse a size such as ``500MB`` or ``2GiB``, in bytes; 0 means without limit.

    Raises:
        ValueError: it is not one, or less than what an empty store needs to work in.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([a-z]*)", text.strip().lower())
    if match is None or match[2] not in SIZE_UNITS:
        raise ValueError(f"{text!r} is not a size: write it like 500MB or 2GiB; 0 means without limit")
    size = int(float(match[1]) * SIZE_UNITS[match[2]])
    if 0 < size < LEAST_SIZE:
        raise ValueError(f"{text!r} is too small a size: the least is {LEAST_SIZE // 2**20}MiB")
    return size


def parse_hosts(text: str) -> tuple[str, ...]:
    """Host names in a text, separated by commas or spaces.

    Raises:
        ValueError: one of them is not a host name.
    """
    names = tuple(text.replace(",", " ").split())
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a host name: write it as it stands in the URL, like box.example or 192.0.2.7"
            )
    return names


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Settings:
    """Where the embedded pair listens and what it keeps.

    Attributes:
        host: address all three ports are bound to.
        tempo_port: port of Tempo's HTTP API; 0 picks a free one, here and below.
        otlp_http_port: port that takes OTLP over HTTP (``POST /v1/traces``).
        otlp_grpc_port: port that takes OTLP over gRPC, for which ``grpcio`` is needed; None for none.
        pyroscope_port: port of Pyroscope's API, for pushes and queries.
        data_directory: where the data is kept; None keeps it in a temporary folder that goes when the process ends.
        age_s: for how long data is kept, in s since it arrived; 0 for ever.
        size_bytes: how large the data may become before the oldest goes; 0 for no limit.
        query_timeout_s: how long one query may take.
        token: what every request must bring, as a bearer token or as basic auth's password; empty for none.
        threads: how many requests are worked on at once.
        body_limit: the largest request body taken, in bytes, compressed or not.
        allowed_hosts: names in a ``Host`` header that are answered to, beside those of this machine.
    """

    host: str = "127.0.0.1"
    tempo_port: int = 3200
    otlp_http_port: int = 4318
    pyroscope_port: int = 4040
    otlp_grpc_port: int | None = None
    data_directory: Path | None = None
    age_s: float = parse_age(DEFAULT_AGE)
    size_bytes: int = parse_size(DEFAULT_SIZE)
    query_timeout_s: float = 10.0
    token: str = field(default="", repr=False)
    threads: int = 8
    body_limit: int = BODY_BYTES
    allowed_hosts: tuple[str, ...] = ()
