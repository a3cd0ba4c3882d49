"""Many malformed requests to a running pair, by several clients at once, and what they may not leave behind."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil

from tests.support.conformance.pair import Pair
from tests.support.embedded.hostile import JSON, HostileRequest, Hostility
from tests.unit.embedded.test_process import export_of, spans_of

SENDERS = 4
MEBIBYTE = 2**20
GROWTH_LIMIT = 80 * MEBIBYTE
ANSWER_S = 10.0
WARM_REQUESTS = 150


class Sender:
    """One client with a connection that it keeps, and what was answered."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self._pair = pair
        self._hostility = Hostility(seed)
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self.statuses: Counter[int] = Counter()
        self.refused: list[str] = []
        self.wrong: list[tuple[HostileRequest, int, bytes]] = []

    def send(self, count: int) -> None:
        """Send so many requests."""
        for _ in range(count):
            request = self._hostility.request()
            status, body = self._answer(request)
            self.statuses[status] += 1
            if status >= 500 and not is_the_real_servers(request.port, status, body):
                self.wrong.append((request, status, body))
            if request.trace and status != 200:
                self.refused.append(request.trace)

    def found(self) -> list[str]:
        """The traces that were refused and are there nevertheless."""
        looks = {trace: HostileRequest("tempo", "GET", f"/api/traces/{trace}") for trace in self.refused}
        return [trace for trace, look in looks.items() if self._answer(look)[0] != 404]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _answer(self, request: HostileRequest) -> tuple[int, bytes]:
        connection = self._connections.get(request.port)
        if connection is None:
            parts = urlsplit(self._pair.urls[request.port])
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
            self._connections[request.port] = connection
        headers = {name: value.encode().decode("latin-1") for name, value in request.headers.items()}
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def is_the_real_servers(port: str, status: int, body: bytes) -> bool:
    """Whether a 5xx is one that a real Pyroscope gives.

    It gives 500 for IDs that are none, for damaged compression in a push, and, in words of gRPC, for OTLP profiles that
    refer to what they do not have; 501 for an encoding that it does not know.
    """
    if port != "pyroscope" or status not in {500, 501}:
        return False
    if body.startswith(b"rpc error: code = InvalidArgument"):
        return True
    return bool(json.loads(body).get("code") == ("unknown" if status == 500 else "unimplemented"))


def memory(pair: Pair) -> int:
    """Resident memory in bytes."""
    resident: int = psutil.Process(pair.process.pid).memory_info().rss
    return resident


def assert_well(pair: Pair) -> None:
    """A good export is taken and found: what came before did no harm."""
    status, _ = pair.send("otlp-http", "POST", "/v1/traces", export_of(7, 3), {"Content-Type": JSON})
    assert status == 200
    assert spans_of(pair, 7) == 3


def bombard(pair: Pair, requests: int) -> None:
    """Send so many malformed requests; see that all are refused, that nothing is stored and nothing grows or breaks."""
    warm = Sender(pair, 999)
    warm.send(WARM_REQUESTS)
    warm.close()
    before = memory(pair)
    senders = [Sender(pair, seed) for seed in range(SENDERS)]
    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda sender: sender.send(requests // SENDERS), senders))
        assert [sender.wrong for sender in senders] == [[]] * SENDERS
        assert sum(sum(sender.statuses.values()) for sender in senders) == requests
        assert sum(len(sender.refused) for sender in senders) > requests // 10
        assert [sender.found() for sender in senders] == [[]] * SENDERS
    finally:
        for sender in senders:
            sender.close()
    assert memory(pair) - before < GROWTH_LIMIT
    assert_well(pair)
