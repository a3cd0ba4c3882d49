"""The pair as a process: it announces itself, ends cleanly, and keeps what it accepted."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.conformance.pair import Pair, announced, running_pair
from tests.unit.embedded.conftest import SpanFactory

pytestmark = pytest.mark.slow

PORTS = ("--tempo-port", "--otlp-http-port", "--pyroscope-port")


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spanprofiles.embedded", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def free_ports() -> list[str]:
    return [word for option in PORTS for word in (option, "0")]


def test_it_announces_each_port_then_ready_and_all_of_them_answer() -> None:
    with running_pair() as pair:
        assert list(pair.urls) == ["tempo", "otlp-http", "pyroscope"]
        assert pair.send("tempo", "GET", "/ready") == (200, b"ready\n")
        assert pair.send("pyroscope", "GET", "/ready") == (200, b"ready")
        assert pair.send("otlp-http", "GET", "/v1/traces")[0] == 405
        assert pair.send("otlp-http", "GET", "/ready")[0] == 404
        assert pair.send("tempo", "POST", "/v1/traces")[0] == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_with_status_zero(number: signal.Signals) -> None:
    with running_pair() as pair:
        pair.process.send_signal(number)
        # Well under a second; the rest is for a machine that is busy with other things.
        assert pair.process.wait(10) == 0


@pytest.mark.parametrize("option", PORTS)
def test_a_taken_port_is_named_with_its_option_before_anything_is_announced(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(*free_ports(), option, port)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == ""
    assert option in errors
    assert f"127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


def test_a_data_directory_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    with running_pair(tmp_path):
        process = start(*free_ports(), "--data-dir", str(tmp_path))
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


def export_of(batch: int, size: int) -> bytes:
    span = SpanFactory(f"{batch + 1:02x}")
    spans = [span(f"span {number}") for number in range(size)]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def spans_of(pair: Pair, batch: int) -> int:
    status, body = pair.send("tempo", "GET", f"/api/traces/{f'{batch + 1:02x}' * 16}")
    if status == 404:
        return 0
    document = json.loads(body)
    return sum(len(scope["spans"]) for batch in document["batches"] for scope in batch["scopeSpans"])


def test_killed_under_load_it_has_all_it_acknowledged_and_no_half_batch(tmp_path: Path) -> None:
    size, senders = 40, 4
    acknowledged: set[int] = set()
    batches = iter(range(250))
    lock = threading.Lock()

    def send(pair: Pair) -> None:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            try:
                status, _ = pair.send(
                    "otlp-http", "POST", "/v1/traces", export_of(batch, size), {"Content-Type": "application/json"}
                )
            except (OSError, http.client.HTTPException):  # it was killed before its answer, or within it
                return
            assert status == 200
            acknowledged.add(batch)
            if len(acknowledged) >= 20:
                pair.process.kill()

    process = start(*free_ports(), "--data-dir", str(tmp_path))
    pair = Pair(process, dict(line.split() for line in announced(process)[:-1]))
    threads = [threading.Thread(target=send, args=(pair,)) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.kill()
    process.communicate()
    assert 20 <= len(acknowledged) < 250
    with running_pair(tmp_path) as again:
        kept = {batch: spans_of(again, batch) for batch in range(250)}
    assert {kept[batch] for batch in acknowledged} == {size}
    assert set(kept.values()) <= {0, size}


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_pythons_exporter_is_taken_whatever_it_is_told_to_compress_with(
    compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    with running_pair() as pair:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{pair.urls['otlp-http']}/v1/traces")))
        with provider.get_tracer("tests").start_as_current_span("compressed") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
        provider.shutdown()
        status, trace = pair.send("tempo", "GET", f"/api/traces/{trace_id}")
        assert status == 200
        assert b'"compressed"' in trace
        assert pair.refusals_logged() == []
