"""What a user can choose about the embedded pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the embedded pair listens and what it keeps.

    Attributes:
        host: address all three ports are bound to.
        tempo_port: port of Tempo's HTTP API; 0 picks a free one, here and below.
        otlp_http_port: port that takes OTLP over HTTP (`POST /v1/traces`).
        pyroscope_port: port of Pyroscope's API, for pushes and queries.
        data_directory: where the data is kept; None keeps it in a temporary folder that goes when the process ends.
        threads: how many requests are worked on at once.
        body_limit: the largest request body taken, in bytes, compressed or not.
    """

    host: str = "127.0.0.1"
    tempo_port: int = 3200
    otlp_http_port: int = 4318
    pyroscope_port: int = 4040
    data_directory: Path | None = None
    threads: int = 8
    body_limit: int = 64 * 1024 * 1024
