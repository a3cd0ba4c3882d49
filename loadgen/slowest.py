"""The slowest requests of a run, in bounded memory, from one process or many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import heappush, heappushpop
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any


@dataclass(frozen=True, order=True)
class SlowRequest:
    """One request.

    Attributes:
        response_ms: How long the answer took, in milliseconds.
        trace_id: The trace to look at, 32 hexadecimal digits.
        name: The name it has in Locust's statistics.
        url: The whole URL.
        status: The HTTP status, 0 where there was no answer.
        started_at: When it was sent, in seconds since 1970.
    """

    response_ms: float
    trace_id: str
    name: str
    url: str
    status: int
    started_at: float

    def to_message(self) -> dict[str, Any]:
        """Give it as a plain dictionary, for a message to the master or for JSON."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> SlowRequest:
        """Read what ``to_message`` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            return cls(
                response_ms=float(message["response_ms"]),
                trace_id=str(message["trace_id"]),
                name=str(message["name"]),
                url=str(message["url"]),
                status=int(message["status"]),
                started_at=float(message["started_at"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a slow request: {message!r}") from error


class SlowestRequests:
    """Keeps the slowest requests it is shown, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the limit is {limit}; it must be at least 1")
        self._limit = limit
        self._heap: list[SlowRequest] = []

    def add(self, request: SlowRequest) -> None:
        """Look at one more request."""
        if len(self._heap) < self._limit:
            heappush(self._heap, request)
        else:
            heappushpop(self._heap, request)

    def add_all(self, requests: Iterable[SlowRequest]) -> None:
        """Look at several requests."""
        for request in requests:
            self.add(request)

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()

    def take(self) -> list[SlowRequest]:
        """Give the slowest requests, slowest first, and forget them."""
        taken = self.slowest_first()
        self.clear()
        return taken

    def slowest_first(self) -> list[SlowRequest]:
        """Give the slowest requests, slowest first."""
        return sorted(self._heap, reverse=True)


def format_table(requests: Sequence[SlowRequest]) -> str:
    """Give the requests as a table with a heading, one line each, for a terminal."""
    if not requests:
        return "Slowest requests: there were none"
    name_width = max(len("request"), *(len(request.name) for request in requests))
    lines = [f"Slowest requests\n{'ms':>9}  {'status':>6}  {'request':<{name_width}}  {'trace ID':<32}  URL"]
    for request in requests:
        status = str(request.status) if request.status else "none"
        lines.append(
            f"{request.response_ms:>9.1f}  {status:>6}  {request.name:<{name_width}}  {request.trace_id}  {request.url}"
        )
    return "\n".join(lines)


def write_report(path: Path, requests: Sequence[SlowRequest]) -> None:
    """Write the requests to a file as JSON, ``{"slowest": [...]}``; the file is there whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps({"slowest": [request.to_message() for request in requests]}, indent=2) + "\n"
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.absolute().parent, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.close()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
