"""Every recorded exchange with Tempo and Pyroscope, replayed on fresh pairs.

These run in this process, so that mutation tests and coverage see what the recordings reach.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanprofiles.embedded.store.database import Database
from tests.support.conformance.differences import MOST, known_differences
from tests.support.conformance.exchanges import Exchange, in_the_present, read_recording
from tests.support.conformance.meaning import meaning_of, meaning_of_answer, meaning_of_series
from tests.support.conformance.pair import send
from tests.unit.pair_in_process import pair_in_process

RECORDINGS = ("tempo", "tempo_metrics", "pyroscope", "pyroscope_more", "pyroscope_ingest", "java_jfr", "java_events")
EXCHANGES = {name: read_recording(name) for name in RECORDINGS}
ALL = [exchange for exchanges in EXCHANGES.values() for exchange in exchanges]
DIFFERENCES = known_differences()


STEPS_PHASE_S, RECORDED_PHASE_S = 420, 360
"""Steps begin at multiples of their length, of which the recording has 60 s and 7 s: it began at such a time."""


Urls = dict[str, str]
"""The address of each of a pair's ports, by the names that exchanges have for them."""


class Replay(NamedTuple):
    """A pair that has taken what a recording sends, the time of that, and what it answered."""

    urls: Urls
    now_s: int
    taken: dict[str, tuple[int, bytes]]


class _Lines(logging.Handler):
    """Keeps what is logged, except that uploads were refused, as the recordings have it of some."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith("refused "):
            self.others.append(record.getMessage())


@contextmanager
def _logging_only_refusals() -> Iterator[None]:
    """While it is entered, nothing is logged but refusals of uploads."""
    lines, root = _Lines(), logging.getLogger()
    root.addHandler(lines)
    try:
        yield
    finally:
        root.removeHandler(lines)
    assert lines.others == []


def _send(urls: Urls, exchange: Exchange, now_s: int) -> tuple[int, bytes]:
    path, body, headers = exchange.request(now_s)
    # The present of the recording was a second after its time.
    path = path.replace("since=5m", f"start={now_s - 299}&end={now_s + 1}")
    return send(urls[exchange.port], exchange.method, path, body, headers)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("empty") / "data"
    Database(directory).close()
    return directory


@pytest.fixture(scope="module", params=EXCHANGES)
def replay(
    request: pytest.FixtureRequest, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replay]:
    now_s = int(time.time())
    if request.param == "tempo_metrics":
        now_s -= (now_s - RECORDED_PHASE_S) % STEPS_PHASE_S
    directory = tmp_path_factory.mktemp("pair") / "data"
    with _logging_only_refusals(), pair_in_process(empty_store, directory, streams=False) as pair:
        urls = {"tempo": pair.tempo, "otlp-http": pair.otlp_http, "pyroscope": pair.pyroscope}
        sent = [exchange for exchange in EXCHANGES[request.param] if exchange.phase == "ingest"]
        yield Replay(urls, now_s, {exchange.title: _send(urls, exchange, now_s) for exchange in sent})


def _cases() -> list[object]:
    return [
        pytest.param(
            exchange.recording,
            exchange,
            id=exchange.title,
            marks=[pytest.mark.xfail(reason=DIFFERENCES[exchange.title])] if exchange.title in DIFFERENCES else [],
        )
        for exchange in ALL
    ]


@pytest.mark.parametrize(("replay", "exchange"), _cases(), indirect=["replay"], scope="module")
def test_the_pair_answers_as_the_real_server_did(replay: Replay, exchange: Exchange) -> None:
    if exchange.phase == "ingest":
        status, _ = replay.taken[exchange.title]
        assert status == exchange.status
        return
    status, body = _send(replay.urls, exchange, replay.now_s)
    recorded = in_the_present(exchange.answer, replay.now_s)
    assert status == exchange.status
    if exchange.recording == "tempo_metrics":
        assert meaning_of_series(status, body) == meaning_of_series(exchange.status, recorded.encode())
        return
    actual = meaning_of_answer(status, body.decode(), counted=exchange.counted)
    assert actual == meaning_of_answer(exchange.status, recorded, counted=exchange.counted)


def _spans(trace: TracesData) -> Iterator[Span]:
    for resource_spans in trace.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.spans


TRACES_BY_ID = [
    pytest.param("tempo", exchange, id=exchange.title)
    for exchange in EXCHANGES["tempo"]
    if exchange.path.startswith("/api/traces/") and exchange.status == 200
]


@pytest.mark.parametrize(("replay", "exchange"), TRACES_BY_ID, indirect=["replay"], scope="module")
def test_a_trace_by_its_id_is_the_same_in_protobuf(replay: Replay, exchange: Exchange) -> None:
    """Grafana asks for protobuf, and reads parts that JSON leaves out: each span's status, and each value."""
    path, _, _ = exchange.request(replay.now_s)
    status, body = send(replay.urls["tempo"], "GET", path, None, {"Accept": "application/protobuf"})
    assert status == 200
    trace = TracesData.FromString(body)
    spans = list(_spans(trace))
    assert spans
    assert all(span.HasField("status") for span in spans)
    assert all(pair.HasField("value") for span in spans for pair in span.attributes)
    recorded = json.loads(in_the_present(exchange.answer, replay.now_s))
    assert meaning_of(json_format.MessageToDict(trace)["resourceSpans"]) == meaning_of(recorded["batches"])


def test_no_more_than_a_few_exchanges_may_differ_and_each_exists() -> None:
    assert len(DIFFERENCES) <= MOST
    assert set(DIFFERENCES) <= {exchange.title for exchange in ALL}
    assert all(len(reason) > 20 for reason in DIFFERENCES.values())


def test_the_recordings_are_whole() -> None:
    assert {name: len(exchanges) for name, exchanges in EXCHANGES.items()} == {
        "tempo": 193,
        "tempo_metrics": 157,
        "pyroscope": 119,
        "pyroscope_more": 50,
        "pyroscope_ingest": 235,
        "java_jfr": 43,
        "java_events": 23,
    }
    assert len({exchange.title for exchange in ALL}) == len(ALL)
