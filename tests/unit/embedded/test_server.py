"""The pair in this very process: its ports, who answers on each, the signals that end it, and what it leaves behind."""

from __future__ import annotations

import errno
import gc
import importlib.util
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from waitress import wasyncore

from spanprofiles.embedded import lanes, listener, server
from spanprofiles.embedded.errors import DataLostError, MissingPackageError, PortTakenError, UnsafeAddressError
from spanprofiles.embedded.limits import GARBAGE_OBJECTS, QUERY_WAIT_S, TURN_S
from spanprofiles.embedded.proto.tempo_pb2 import SearchRequest
from spanprofiles.embedded.server import Dispatch, _Farewell, _stops_on_signals, serve
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.retention import Limits
from tests.support.conformance.pair import send
from tests.support.embedded.otlp_profiles import cpu_export

PATIENCE_S = 20.0
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
EXPORT_PROFILES = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
JSON = {"Content-Type": "application/json"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PORTS = ("tempo_port", "otlp_http_port", "pyroscope_port")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOGGERS = ("waitress", "waitress.queue")


@pytest.fixture
def process() -> Iterator[None]:
    """Take back what a server sets for its whole process; a signal that comes late does nothing."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Tidy(listener.Listeners):
    """Closes at its end what a process would leave to its system: connections, and the pipes that wake loops."""

    def stop(self, timeout_s: float) -> None:
        super().stop(timeout_s)
        wasyncore.close_all(self._channels, ignore_all=True)


@pytest.fixture
def settings(empty_store: Path, tmp_path: Path, process: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    del process
    monkeypatch.setattr(listener, "Listeners", Tidy)
    directory = shutil.copytree(empty_store, tmp_path / "data")
    return Settings(tempo_port=0, otlp_http_port=0, pyroscope_port=0, data_directory=directory, body_limit=100_000)


@dataclass
class Run:
    """What was seen of a pair that ran and ended.

    Attributes:
        lines: what it announced.
        urls: where each port is.
        seen: what the visitor brought back.
    """

    lines: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    seen: Any = None


def run(settings: Settings, visit: Callable[[dict[str, str]], Any], number: signal.Signals = signal.SIGTERM) -> Run:
    """Serve in this thread while another visits the pair, and then ends it with a signal."""
    found, ready = Run(), threading.Event()
    failures: list[BaseException] = []

    def announce(line: str) -> None:
        found.lines.append(line)
        if line == "ready":
            found.urls = dict(announced.split() for announced in found.lines[:-1])
            ready.set()

    def come_along() -> None:
        try:
            assert ready.wait(PATIENCE_S), "it was never ready"
            found.seen = visit(found.urls)
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            failures.append(error)
        finally:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    visitor = threading.Thread(target=come_along)
    visitor.start()
    try:
        serve(settings, announce)
    finally:
        ready.set()
        visitor.join(PATIENCE_S)
    if failures:
        raise failures[0]
    return found


def is_ready(urls: dict[str, str]) -> bool:
    """Whether the store has been opened."""
    return send(urls["tempo"], "GET", "/ready")[0] == 200


def a_trace(name: str, trace_id: str = TRACE_ID) -> bytes:
    span = {"traceId": trace_id, "spanId": "00000000000000a1", "name": name, "startTimeUnixNano": "1700000000000000000"}
    return repr({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).replace("'", '"').encode()


def spans_export(name: str) -> bytes:
    span = Span(trace_id=bytes.fromhex(TRACE_ID), span_id=b"12345678", name=name, start_time_unix_nano=time.time_ns())
    scopes = [ScopeSpans(spans=[span])]
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=scopes)]).SerializeToString()


def test_each_port_answers_for_its_own_server_and_all_of_them_share_one_store(settings: Settings) -> None:
    def visit(urls: dict[str, str]) -> list[Any]:
        tempo, otlp, pyroscope = urls["tempo"], urls["otlp-http"], urls["pyroscope"]
        return [
            send(tempo, "GET", "/ready"),
            send(pyroscope, "GET", "/ready"),
            send(otlp, "POST", "/v1/traces", a_trace("kept"), JSON)[0],
            b'"kept"' in send(tempo, "GET", f"/api/traces/{TRACE_ID}")[1],
            send(otlp, "POST", "/v1/traces", a_trace("refused", "abc"), JSON)[0],
            b'{reason="invalid_trace_id",tenant="single-tenant"}' in send(tempo, "GET", "/metrics")[1],
            send(pyroscope, "POST", "/ingest?name=shop", b"f x")[0],
            send(pyroscope, "GET", "/spanprofiles/refused")[1].count(b'"service":"shop"'),
            send(otlp, "POST", "/v1/traces", b" " * (settings.body_limit + 1), JSON)[0],
            send(pyroscope, "POST", "/ingest?name=shop", b" " * (settings.body_limit + 1))[0],
            b"the body is too large: exceeds" in send(pyroscope, "GET", "/spanprofiles/refused")[1],
            send(tempo, "GET", "/ready", headers={"Host": "rebound.example"})[0],
        ]

    found = run(settings, visit)
    assert [line[:11] for line in found.lines] == ["tempo      ", "otlp-http  ", "pyroscope  ", "ready"]
    assert all(url.startswith("http://127.0.0.1:") for url in found.urls.values())
    assert found.seen == [(200, b"ready\n"), (200, b"ready"), 200, True, 400, True, 422, 1, 413, 413, True, 403]


def test_exports_and_queries_over_grpc_have_their_ports_too(settings: Settings) -> None:
    now_s = int(time.time())
    message = json_format.ParseDict(cpu_export(now_s), ExportProfilesServiceRequest()).SerializeToString()

    search = SearchRequest(Query="{ }").SerializeToString()

    def call(url: str, method: str, body: bytes) -> bytes:
        with grpc.insecure_channel(url.removeprefix("http://")) as channel:
            answers = channel.unary_stream(method)(body, timeout=PATIENCE_S)
            return b"".join(answers)

    def visit(urls: dict[str, str]) -> list[Any]:
        call(urls["otlp-grpc"], EXPORT, spans_export("by gRPC"))
        call(urls["otlp-grpc"], EXPORT_PROFILES, message)
        body = b'{"start": "%d000", "end": "%d000"}' % (now_s - 3_000, now_s + 600)
        answer = send(urls["pyroscope"], "POST", "/querier.v1.QuerierService/ProfileTypes", body, JSON)
        return [
            b"by gRPC" in send(urls["tempo"], "GET", f"/api/traces/{TRACE_ID}")[1],
            b"process_cpu:cpu:nanoseconds" in answer[1],
            b"by gRPC" in call(urls["tempo"], "/tempopb.StreamingQuerier/Search", search),
            send(urls["otlp-http"], "POST", EXPORT)[0],
        ]

    found = run(replace(settings, otlp_grpc_port=0), visit)
    assert [line[:11] for line in found.lines[-2:]] == ["otlp-grpc  ", "ready"]
    assert found.seen == [True, True, True, 404]


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """The sockets on which the pairs of a test listen."""
    found: list[socket.socket] = []
    bind = server._bind

    def watched(host: str, port: int, option: str) -> socket.socket:
        found.append(bind(host, port, option))
        return found[-1]

    monkeypatch.setattr(server, "_bind", watched)
    return found


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_and_a_second_one_does_not_cut_the_end_short(
    settings: Settings, bound: list[socket.socket], number: signal.Signals
) -> None:
    assert run(settings, is_ready, number).seen is True
    assert [signal.getsignal(each) for each in SIGNALS] == [signal.SIG_IGN] * 2
    assert (round(sys.getswitchinterval(), 6), gc.get_threshold()[0]) == (TURN_S, GARBAGE_OBJECTS)
    assert [opened.fileno() for opened in bound] == [-1] * 3
    Database(settings.data_directory).close()  # which nobody holds any more


def test_a_pair_whose_data_is_lost_says_so_at_its_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "failure", OSError("the disk is gone"))
    with pytest.raises(DataLostError) as lost:
        run(settings, is_ready)
    assert str(lost.value) == "the disk is gone: the pair has ended, start it again"


def test_the_store_is_asked_to_keep_to_the_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    waits: list[float] = []

    def database(*arguments: Any, **more: Any) -> Database:
        made.extend((*arguments, *more))
        return Database(*arguments, **more)

    class Watched(lanes.Lanes):
        def __init__(self, *arguments: Any) -> None:
            waits.append(arguments[-1])
            super().__init__(*arguments)

    monkeypatch.setattr("spanprofiles.embedded.store.database.Database", database)
    monkeypatch.setattr(lanes, "Lanes", Watched)
    chosen = replace(settings, age_s=5.0, size_bytes=2**26, query_timeout_s=0.4)
    run(chosen, is_ready)
    assert made == [settings.data_directory, Limits(5.0, 2**26), 0.4, "on_failure"]
    assert waits == [0.2]
    run(replace(chosen, query_timeout_s=60.0), is_ready)
    assert waits == [0.2, QUERY_WAIT_S]


@pytest.mark.parametrize("taken", range(3))
def test_a_taken_port_is_named_with_its_option_and_the_others_are_let_go(
    process: None, bound: list[socket.socket], taken: int
) -> None:
    del process
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ports: dict[str, Any] = {name: port if place == taken else 0 for place, name in enumerate(PORTS)}
        with pytest.raises(PortTakenError) as refused:
            serve(replace(Settings(), **ports), said.append)
    option = f"--{PORTS[taken].replace('_', '-')}"
    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}; choose another port with {option}"
        " (0 picks a free one)"
    )
    assert said == []
    assert [opened.fileno() for opened in bound] == [-1] * taken


def test_a_port_that_cannot_be_is_refused_likewise(process: None) -> None:
    del process
    with pytest.raises(PortTakenError, match=r"cannot listen on 127\.0\.0\.1:70000: .+ 0-65535.*; choose another port"):
        serve(Settings(tempo_port=70_000), print)


def test_an_address_that_others_can_reach_is_refused_before_anything_is_bound(process: None) -> None:
    del process
    with pytest.raises(UnsafeAddressError):
        serve(Settings(host="192.0.2.1", tempo_port=70_000), print)


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        opened = server._bind("::1", 0, "--tempo-port")
    except PortTakenError:
        pytest.skip("there is no IPv6 here")
    with opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        assert server._url("::1", opened) == f"http://[::1]:{opened.getsockname()[1]}"


def test_without_its_package_grpc_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spanprofiles.embedded.otlp.grpc", None)
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    nothing: Any = None
    assert server._otlp_grpc(Settings(), nothing, nothing, nothing, print) is None
    with pytest.raises(MissingPackageError) as refused:
        server._otlp_grpc(Settings(otlp_grpc_port=0), nothing, nothing, nothing, print)
    assert str(refused.value) == (
        "OTLP over gRPC needs the package grpcio: install spanprofiles[grpc], or leave out --otlp-grpc-port"
    )
    assert os.environ["GRPC_VERBOSITY"] == "NONE"


def test_without_its_package_no_call_is_led_to_a_server_of_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    monkeypatch.setattr(importlib.util, "find_spec", {"grpc": None}.__getitem__)
    with ExitStack() as stack:
        assert server.tunnels_to_streams(stack, nothing, nothing, nothing, nothing) == []


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_what_a_signal_raises_ends_there_and_nothing_else_does(process: None, ending: type[BaseException]) -> None:
    del process
    with _stops_on_signals():
        raise ending
    with pytest.raises(ValueError, match="something else"), _stops_on_signals():
        raise ValueError("something else")
    with _stops_on_signals():
        pass
    with pytest.raises(SystemExit) as stopped:
        _stops_on_signals._stop(signal.SIGTERM, None)
    assert stopped.value.code == 0


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do something in another thread than the main one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result(PATIENCE_S)


def test_in_another_thread_than_the_main_one_signals_are_left_alone(process: None) -> None:
    del process
    before = [signal.getsignal(each) for each in SIGNALS]

    def enter_and_leave() -> None:
        with _stops_on_signals():
            pass

    elsewhere(enter_and_leave)
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_failure_ends_the_process_as_a_signal_does_a_moment_later(
    process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del process
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    monkeypatch.setattr(server, "FAREWELL_S", 0.0)
    farewell = _Farewell()
    assert farewell._timer.daemon is True
    farewell.begin(OSError("the disk is gone"))
    assert ended.wait(PATIENCE_S)


def test_a_farewell_is_called_off_and_is_none_outside_of_the_main_thread() -> None:
    called_off, impossible = _Farewell(), elsewhere(_Farewell)
    called_off.cancel()
    for farewell in (called_off, impossible):
        farewell.begin(OSError("the disk is gone"))
        farewell._timer.join(0.0) if farewell is called_off else None
    assert called_off._timer.interval == server.FAREWELL_S
    assert called_off._timer.finished.is_set()
    assert not impossible._timer.is_alive()


def test_a_request_is_a_query_by_the_port_and_the_path_it_came_to() -> None:
    applications: Any = {
        "1": SimpleNamespace(is_query=lambda path: path == "/api/search", grpc_message="not here"),
        "2": SimpleNamespace(is_query=lambda _: False, grpc_message=""),
    }
    dispatch = Dispatch(applications)

    def channel(port: int, *paths: str) -> Any:
        requests = [SimpleNamespace(path=path) for path in paths]
        return SimpleNamespace(server=SimpleNamespace(effective_port=port), requests=requests)

    assert dispatch.is_query(channel(1, "/api/search", "/ready"))
    assert not dispatch.is_query(channel(1, "/ready", "/api/search"))
    assert not dispatch.is_query(channel(2, "/api/search"))
    assert (dispatch.grpc_message("1"), dispatch.grpc_message("2")) == ("not here", "")
