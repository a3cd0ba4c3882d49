from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from spanprofiles.clients import PyroscopeClient, TempoClient
from tests.support.recordings import Exchange
from tests.unit.conftest import Answer, StubServer


class RecordedServer(StubServer):
    """Gives the recorded answer of one exchange at a time, whatever it is asked."""

    def __init__(self) -> None:
        self._exchange: Exchange | None = None
        super().__init__(lambda _: self._recorded())

    def play(self, exchange: Exchange) -> None:
        self.seen.clear()
        self._exchange = exchange

    def _recorded(self) -> Answer:
        assert self._exchange is not None
        return Answer(self._exchange.answer, self._exchange.status)


@pytest.fixture(scope="package")
def recorded_server() -> Iterator[RecordedServer]:
    server = RecordedServer()
    yield server
    server.close()


@pytest.fixture
def pyroscope(recorded_server: RecordedServer) -> Iterator[PyroscopeClient]:
    client = PyroscopeClient(recorded_server.url)
    yield client
    client.close()


@pytest.fixture
def tempo(recorded_server: RecordedServer) -> Iterator[TempoClient]:
    client = TempoClient(recorded_server.url)
    yield client
    client.close()


Play = Callable[[Exchange], None]


@pytest.fixture
def play(recorded_server: RecordedServer) -> Play:
    return recorded_server.play
