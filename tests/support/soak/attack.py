"""One attacker: sends hostile requests over connections of its own, at its pace, and says what came of them.

Run as a program: settings as JSON on standard input, the outcome as JSON on standard output.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.support.embedded.bombardment import is_the_real_servers
from tests.support.soak.requests import RawRequest, Requests, grpc_requests

DIFFERENT = 10_000
HANG_UP_S = 15.0
# What a server says of a request that it does not take; INTERNAL is what Go's servers say of bytes that are no message.
REFUSALS = {
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "INVALID_ARGUMENT",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
    "UNAVAILABLE",
}
BEYOND_THE_LIMITS = {503, 504}
# What a query over gRPC gets that takes longer than it may.
BEYOND_THE_TIME = {"DEADLINE_EXCEEDED"}
END_OF_HEAD = b"\r\n\r\n"
# What the first frame of a server has after its length that has been greeted in HTTP/2; it goes on listening.
HTTP_2_SETTINGS = b"\4\0\0\0\0\0"


@dataclass
class Outcome:
    """What came of an attacker's requests.

    Attributes:
        sent: how many of each kind.
        statuses: how many answers of each kind and status; "hung up" where there was none.
        wrong: the first answers that must not be, a line each.
        slowest_s: the slowest answer of each kind, s.
    """

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, status: str, took_s: float) -> None:
        """Take down an answer."""
        self.sent[kind] += 1
        self.statuses[f"{kind}: {status}"] += 1
        self.slowest_s[kind] = max(took_s, self.slowest_s.get(kind, 0.0))

    def note_wrong(self, line: str) -> None:
        """Take down an answer that must not be; the first few of them will do."""
        if len(self.wrong) < 20:
            self.wrong.append(line)


class HttpAttacker:
    """Sends requests over HTTP, each on a connection that it keeps for as long as the server does.

    Args:
        settings: `addresses` (host and port by name), `seed` and `token`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._addresses = {name: (host, port) for name, (host, port) in settings["addresses"].items()}
        hosts = {name: f"{host}:{port}" for name, (host, port) in self._addresses.items()}
        self._requests = itertools.cycle(Requests(settings["seed"], hosts, settings["token"]).make(DIFFERENT))
        self._connections: dict[str, socket.socket] = {}
        self.outcome = Outcome()

    def attack(self) -> None:
        """Send the next request, wait for the answer, and take down what came."""
        request = next(self._requests)
        began = time.monotonic()
        try:
            status, body = self._exchange(request)
        except TimeoutError:
            self._close(request.port)
            status, body = "no answer", b""
        except OSError:  # it hung up, as it may on what is no HTTP, or on a body that it does not want
            self._close(request.port)
            status, body = "hung up", b""
        is_failure = status.startswith("5") and not _is_allowed(request, int(status), body)
        if is_failure or status == "no answer":
            self.outcome.note_wrong(f"{request.kind}: {status} {body[:200]!r} to {request.data[:300]!r}")
        self.outcome.note(request.kind, status, time.monotonic() - began)

    def close(self) -> None:
        """Close all connections."""
        for port in list(self._connections):
            self._close(port)

    def _exchange(self, request: RawRequest) -> tuple[str, bytes]:
        connection = self._connections.get(request.port)
        if connection is None:
            connection = socket.create_connection(self._addresses[request.port], timeout=HANG_UP_S)
            self._connections[request.port] = connection
        with contextlib.suppress(ConnectionError):  # what it answered before it hung up can still be read
            connection.sendall(request.data)
        received = b""
        while END_OF_HEAD not in received:
            received += self._more(connection)
            if received[3:9] == HTTP_2_SETTINGS:
                self._close(request.port)
                return "HTTP/2", b""
        head, _, body = received.partition(END_OF_HEAD)
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = 0 if request.is_head else int(headers.get("content-length", "0"))
        while len(body) < length:
            body += self._more(connection)
        if not request.is_http or headers.get("connection", "").lower() == "close":
            self._close(request.port)
        return lines[0].split(" ")[1], body

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        data = connection.recv(65_536)
        if not data:
            raise ConnectionResetError("the server hung up")
        return data

    def _close(self, port: str) -> None:
        connection = self._connections.pop(port, None)
        if connection is not None:
            connection.close()


class GrpcAttacker:
    """Sends requests over gRPC: exports to the port of theirs, queries to Tempo's HTTP port.

    Args:
        settings: `grpc` (host and port), `addresses` (host and port by name), `seed` and `token`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        options = [("grpc.enable_retries", 0)]
        self._exports = grpc.insecure_channel(settings["grpc"], options=options)
        self._queries = grpc.insecure_channel(":".join(map(str, settings["addresses"]["tempo"])), options=options)
        self._requests = itertools.cycle(grpc_requests(settings["seed"], settings["token"], DIFFERENT))
        self.outcome = Outcome()

    def attack(self) -> None:
        """Make the next call, and take down what came."""
        request = next(self._requests)
        began = time.monotonic()
        try:
            if request.is_query:
                call = self._queries.unary_stream(request.method)
                for _ in call(request.body, timeout=HANG_UP_S, metadata=request.metadata):
                    pass
            else:
                self._exports.unary_unary(request.method)(request.body, timeout=HANG_UP_S, metadata=request.metadata)
            status = "OK"
        except grpc.RpcError as error:
            status = error.code().name
            if status not in REFUSALS and not (request.is_query and status in BEYOND_THE_TIME):
                self.outcome.note_wrong(f"{request.kind}: {status} {error.details()} to {request.body[:100]!r}")
        self.outcome.note(request.kind, status, time.monotonic() - began)

    def close(self) -> None:
        """Close both channels."""
        self._exports.close()
        self._queries.close()


def _is_allowed(request: RawRequest, status: int, body: bytes) -> bool:
    """Tell whether a 5xx is one that the real servers give, or says that a query is beyond the limits."""
    return request.may_be_5xx and (status in BEYOND_THE_LIMITS or is_the_real_servers(request.port, status, body))


def main() -> None:
    """Read the settings from the first line; for each line that follows send so many requests; at the end tell."""
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    attacker = GrpcAttacker(settings) if settings["is_grpc"] else HttpAttacker(settings)
    answer("armed")
    for line in sys.stdin:
        began = time.monotonic()
        for number in range(int(line)):
            due = began + number / settings["per_second"]
            time.sleep(max(0.0, due - time.monotonic()))
            attacker.attack()
        answer("done")
    attacker.close()
    answer(json.dumps(vars(attacker.outcome)))


def answer(line: str) -> None:
    """Tell the parent something."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
