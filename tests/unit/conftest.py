"""What several unit tests share: a server that answers as a test says, pprof and flame graph encoders, a real pair."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, settings
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from spanprofiles.model import CPU, Endpoints, FlameGraph
from tests.support.pprof_writer import Frame, ProfileWriter

# how long an example takes, or is drawn for, says more about the machine than about the code
settings.register_profile("unit", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Keeps its connections: tests send to their pair hundreds of times.
_CONNECTIONS = requests.Session()

#: Call paths, outermost function first, and their values; keys of any length, which a type of mappings cannot say.
Stacks = Mapping[Any, int]


@dataclass(frozen=True)
class Seen:
    """One request as it reached the server."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What the server says to it."""

    body: str | bytes = "{}"
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200) -> Answer:
        return cls(json.dumps(value), status)


Respond = Callable[[Seen], Answer]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing: the tests look at `seen`."""


class StubServer:
    """A real HTTP server on a free port of 127.0.0.1, which keeps what it was asked."""

    def __init__(self, respond: Respond) -> None:
        self.seen: list[Seen] = []
        self.respond = respond
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        seen = Seen(request.method, request.path, request.args.to_dict(), dict(request.headers), request.get_data())
        self.seen.append(seen)
        answer = self.respond(seen)
        response = Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)
        return response(environ, start_response)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def dripping_server(first: bytes, drop: bytes) -> Iterator[str]:
    """A server that says this, and then a drop every few milliseconds for as long as somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(first)
                    while True:
                        time.sleep(0.01)
                        connection.sendall(drop)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(20.0)  # what is not over by then hangs
        assert not thread.is_alive(), "the client still listens"


Serve = Callable[[Respond], StubServer]


@pytest.fixture(scope="session")
def dead_url() -> Iterator[str]:
    """An address where nothing listens, and nothing can while the tests last: its port is bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="session")
def idle_servers() -> Iterator[list[StubServer]]:
    """Servers that no test uses at the moment: starting and stopping one takes longer than most tests."""
    servers: list[StubServer] = []
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def serve(idle_servers: list[StubServer]) -> Iterator[Serve]:
    """Give a function that starts a server; all are given back after the test."""
    servers: list[StubServer] = []

    def start(respond: Respond) -> StubServer:
        server = idle_servers.pop() if idle_servers else StubServer(respond)
        server.respond = respond
        server.seen = []
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.respond = lambda _: Answer("the test that started this server is over", 500)
    idle_servers += servers


def graph_of(stacks: Stacks) -> FlameGraph:
    """A flame graph of call paths written as a dictionary."""
    return FlameGraph(stacks)


def flamebearer(stacks: Stacks) -> dict[str, Any]:
    """Encode call paths as Pyroscope does: levels of (offset, total, self, name), numbers as text."""
    names = ["total"]
    levels: list[dict[str, list[str]]] = []
    # a place of the tree: its left edge, and the call paths below it without what leads there
    row: list[tuple[int, str, dict[tuple[str, ...], int]]] = [(0, "total", dict(stacks))]
    while row:
        values: list[int] = []
        below: list[tuple[int, str, dict[tuple[str, ...], int]]] = []
        end = 0
        for left, name, paths in row:
            if name not in names:
                names.append(name)
            own, total = paths.get((), 0), sum(paths.values())
            values += [left - end, total, own, names.index(name)]
            end = left + total
            edge = left + own  # the function's own part stands first
            callees: dict[str, dict[tuple[str, ...], int]] = {}
            for path, value in paths.items():
                if path:
                    callees.setdefault(path[0], {})[path[1:]] = value
            for callee, rest in callees.items():
                below.append((edge, callee, rest))
                edge += sum(rest.values())
        levels.append({"values": [str(value) for value in values]})
        row = below
    answer: dict[str, Any] = {"names": names, "levels": levels}
    if stacks:
        answer |= {"total": str(sum(stacks.values())), "maxSelf": str(max(stacks.values()))}
    return answer


def pprof(
    samples: Sequence[tuple[tuple[str, ...], int, Mapping[str, str]]], time_ns: int, profile_type: str = CPU
) -> bytes:
    """Encode a profile: (call path, outermost first; value; labels) for each sample.

    A frame is a function's name, or ``name|file|line`` where the profile says where it is.
    """
    _, kind, unit, period_type, period_unit = profile_type.split(":")
    writer = ProfileWriter([(kind, unit)])
    for path, value, labels in samples:
        writer.add([_frame(text) for text in reversed(path)], [value], labels.items())
    return writer.encoded(time_ns, period=(period_type, period_unit, 10**7))


def _frame(text: str) -> Frame:
    name, _, place = text.partition("|")
    file, _, line = place.partition("|")
    return Frame(name, file, int(line or 0))


def push_samples(
    endpoints: Endpoints,
    service: str,
    samples: Sequence[tuple[tuple[str, ...], int, Mapping[str, str]]],
    time_ns: int,
    profile_type: str = CPU,
    **of_the_series: str,
) -> None:
    """Push a profile, as JSON of the Connect protocol, with these labels of its series besides the usual two."""
    push_profiles(endpoints, service, [(samples, time_ns)], profile_type, **of_the_series)


def push_profiles(
    endpoints: Endpoints,
    service: str,
    profiles: Iterable[tuple[Sequence[tuple[tuple[str, ...], int, Mapping[str, str]]], int]],
    profile_type: str = CPU,
    **of_the_series: str,
) -> None:
    """Push profiles of one series, each with its samples and its time, ns since the epoch, in one request."""
    named = {"__name__": profile_type.partition(":")[0], "service_name": service, **of_the_series}
    labels = [{"name": name, "value": value} for name, value in named.items()]
    encoded = [base64.b64encode(pprof(samples, time_ns, profile_type)).decode() for samples, time_ns in profiles]
    raw = [{"ID": str(uuid.uuid4()), "rawProfile": profile} for profile in encoded]
    body = {"series": [{"labels": labels, "samples": raw}]}
    _post(f"{endpoints.pyroscope}/push.v1.PusherService/Push", body)


def _post(url: str, body: object) -> None:
    _CONNECTIONS.post(url, json=body, timeout=10).raise_for_status()


def otlp_span(
    trace_id: str,
    span_id: str,
    name: str = "GET /bike",
    *,
    parent_id: str = "",
    profile_id: str | None = None,
    missing: str | None = None,
    kind: int = 2,
    start_ns: int,
    end_ns: int,
) -> dict[str, Any]:
    """One span in OTLP/JSON, IDs in hex."""
    told = {"pyroscope.profile.id": profile_id, "pyroscope.profile.missing": missing}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in told.items() if value is not None]
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent_id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(end_ns),
        "attributes": attributes,
    }


def resource_spans(service: str, *spans: Mapping[str, Any]) -> dict[str, Any]:
    """Spans of one process in OTLP/JSON."""
    attributes = [{"key": "service.name", "value": {"stringValue": service}}] if service else []
    return {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}


def push_spans(endpoints: Endpoints, *groups: Mapping[str, Any]) -> None:
    """Send OTLP/JSON traces."""
    _post(f"{endpoints.otlp_http}/v1/traces", {"resourceSpans": list(groups)})


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which nothing is kept: to copy it takes a quarter of the time that it takes to make it."""
    from spanprofiles.embedded.store.database import Database

    directory = tmp_path_factory.mktemp("empty") / "data"
    Database(directory).close()
    return directory


@pytest.fixture(scope="session")
def embedded_pair(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A pair for the tests that need both servers."""
    from tests.unit.pair_in_process import pair_in_process

    with pair_in_process(empty_store, tmp_path_factory.mktemp("pair") / "data") as endpoints:
        yield endpoints


@pytest.fixture
def empty_pair(empty_store: Path, tmp_path: Path) -> Iterator[Endpoints]:
    """A pair for one test alone, in which nothing is kept."""
    from tests.unit.pair_in_process import pair_in_process

    with pair_in_process(empty_store, tmp_path / "pair") as endpoints:
        yield endpoints
