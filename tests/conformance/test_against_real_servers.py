"""The pair beside real servers: queries nobody has seen before, on the same data, answered alike."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from spanprofiles.backends.native import NativeBackend
from spanprofiles.clients.probe import PROBE_SERVICE
from spanprofiles.waiting import Waiting
from tests.support.conformance.exchanges import JSON_TYPE, read_recording
from tests.support.conformance.meaning import meaning_of, meaning_of_answer, meaning_of_series
from tests.support.conformance.pair import running_pair, send
from tests.support.conformance.random_metrics import Metrics
from tests.support.conformance.random_queries import ProfileQueries, TraceQL
from tests.support.conformance.random_spans import Conditions, exports
from tests.support.conformance.random_streams import Questions
from tests.support.conformance.random_uploads import RandomUploads, Upload
from tests.support.conformance.streams import streams_of
from tests.support.embedded.jfr_writer import SPAN

SEED = int(os.environ.get("SPAN_PROFILES_SEED", "20"))
QUERIES = int(os.environ.get("SPAN_PROFILES_QUERIES", "300"))
SETTLE_S = 60.0
UPLOADS_S = 3.0
"""After what time the real server shows what was uploaded: it writes twice a second."""
MISSING = [
    name for name in ("tempo", "pyroscope") if not shutil.which(os.environ.get(f"SPAN_PROFILES_{name.upper()}") or name)
]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"real servers are needed: no program {' and '.join(MISSING)} on PATH"
)


Meaning = Callable[[int, bytes], Any]


@dataclass(frozen=True)
class Both:
    """The addresses of the pair and of the real servers, which hold the same data."""

    pair: dict[str, str]
    real: dict[str, str]
    now_s: int

    def search(self, query: str) -> str:
        """The path of a search."""
        window = {"start": self.now_s - 3_600, "end": self.now_s + 60}
        return f"/api/search?{urlencode({'q': query, 'limit': 100, 'spss': 100, **window})}"

    def answers(self, port: str, method: str, path: str, meaning: Meaning, body: Any = None) -> tuple[Any, Any]:
        """The meaning of the pair's and of the real server's answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = JSON_TYPE if data else {}
        ours, theirs = (meaning(*send(urls[port], method, path, data, headers)) for urls in (self.pair, self.real))
        return ours, theirs


def _found(status: int, answer: bytes) -> Any:
    """What a search found: the spans of each spanset, and what aggregates and groupings say of it."""
    if status != 200:
        return status
    return sorted(
        (
            trace["traceID"],
            sorted(
                (
                    sorted((span["spanID"], span["startTimeUnixNano"]) for span in spanset["spans"]),
                    spanset["matched"],
                    sorted(repr(meaning_of(attribute)) for attribute in spanset.get("attributes", [])),
                )
                for spanset in trace["spanSets"]
            ),
        )
        for trace in json.loads(answer, parse_int=float)["traces"]  # JSON has one kind of number
    )


def _shown(status: int, answer: bytes) -> Any:
    """What a search found, and what it shows of each span, in the order in which it does."""
    if status != 200:
        return status
    shown = [
        (trace["traceID"], span["spanID"], span.get("name"), repr(meaning_of(span.get("attributes", []))))
        for trace in json.loads(answer, parse_int=float)["traces"]
        for spanset in trace["spanSets"]
        for span in spanset["spans"]
    ]
    return _found(status, answer), sorted(shown, key=repr)


def _merged(status: int, answer: bytes) -> Any:
    """The meaning of a querier's answer; a profile without samples may have a header or not."""
    if status == 200:
        document = json.loads(answer)
        if "sampleType" in document and "sample" not in document:
            return status, meaning_of({})
    return status, meaning_of_answer(status, answer.decode())


def _fill(urls: dict[str, str], now_s: int) -> None:
    for recording in ("tempo", "pyroscope"):
        for exchange in read_recording(recording):
            if exchange.phase == "ingest":
                path, body, headers = exchange.request(now_s)
                status, _ = send(urls[exchange.port], exchange.method, path, body, headers)
                assert status == exchange.status, exchange.title


def _await_data(both: Both) -> None:
    window = {"start": both.now_s * 1000 - 3_000_000, "end": both.now_s * 1000 + 60_000}
    selection = {
        "profileTypeID": "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
        "labelSelector": f'{{service_name!~"{PROBE_SERVICE}|rec-notime"}}',
        **window,
    }
    merge = "/querier.v1.QuerierService/SelectMergeStacktraces"
    search = both.search("{ } | count() > 0")
    for _ in Waiting(SETTLE_S, 0.5, 0.5).attempts():  # the real servers are asked twice a second
        pairs = (
            both.answers("tempo", "GET", search, _found),
            both.answers("pyroscope", "POST", merge, _merged, selection),
        )
        if all(ours == theirs for ours, theirs in pairs):
            return
    raise AssertionError(f"the real servers do not show all that was sent: {pairs}")


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    now_s = int(time.time())
    with running_pair() as pair, NativeBackend() as endpoints:
        assert endpoints.otlp_http
        real = {"tempo": endpoints.tempo, "otlp-http": endpoints.otlp_http, "pyroscope": endpoints.pyroscope}
        _fill(pair.urls, now_s)
        _fill(real, now_s)
        found = Both(pair.urls, real, now_s)
        _await_data(found)
        yield found


@pytest.fixture(scope="module")
def with_random_spans(both: Both) -> Both:
    """The same, with random spans beside it."""
    for body in exports(SEED, both.now_s):
        for urls in (both.pair, both.real):
            status, _ = send(urls["otlp-http"], "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            assert status == 200
    _await_data(both)
    return both


def _told(differences: list[tuple[object, Any, Any]]) -> str:
    shown = [f"{asked}\n   pair: {ours}\n   real: {theirs}" for asked, ours, theirs in differences]
    return f"{len(differences)} of {QUERIES} answers differ (seed {SEED}):\n" + "\n".join(shown)


def test_random_traceql_is_answered_alike(both: Both) -> None:
    queries = TraceQL(SEED)
    differences: list[tuple[object, Any, Any]] = []
    for _ in range(QUERIES):
        query = queries.query()
        ours, theirs = both.answers("tempo", "GET", both.search(query), _found)
        if ours != theirs:
            differences.append((query, ours, theirs))
    assert not differences, _told(differences)


def test_random_calls_of_the_querier_are_answered_alike(both: Both) -> None:
    queries = ProfileQueries(SEED, both.now_s * 1000)
    differences: list[tuple[object, Any, Any]] = []
    for _ in range(QUERIES):
        method, body = queries.call()
        ours, theirs = both.answers("pyroscope", "POST", f"/querier.v1.QuerierService/{method}", _merged, body)
        if ours != theirs:
            differences.append(((method, body), ours, theirs))
    assert not differences, _told(differences)


def test_what_random_conditions_show_is_shown_alike(with_random_spans: Both) -> None:
    both, queries = with_random_spans, Conditions(SEED)
    differences: list[tuple[object, Any, Any]] = []
    for _ in range(QUERIES):
        query = queries.query()
        ours, theirs = both.answers("tempo", "GET", both.search(query), _shown)
        if ours != theirs:
            differences.append((query, ours, theirs))
    assert not differences, _told(differences)


def test_random_metrics_are_answered_alike(with_random_spans: Both) -> None:
    both, queries = with_random_spans, Metrics(SEED, with_random_spans.now_s)
    differences: list[tuple[object, Any, Any]] = []
    for _ in range(QUERIES):
        path = queries.path()
        ours, theirs = both.answers("tempo", "GET", path, meaning_of_series)
        if ours != theirs:
            differences.append((path, ours, theirs))
    assert not differences, _told(differences)


def _answered(status: int, answer: bytes) -> Any:
    return meaning_of_answer(status, answer.decode())


MEANINGS: dict[str, Meaning] = {
    "Search": _found,
    "MetricsQueryRange": meaning_of_series,
    "MetricsQueryInstant": meaning_of_series,
}


@pytest.mark.parametrize("kind", ["search", "metrics", "metadata"])
def test_random_questions_over_grpc_are_answered_alike_and_as_over_http(with_random_spans: Both, kind: str) -> None:
    both = with_random_spans
    questions = Questions(SEED, both.now_s)
    differences: list[tuple[object, Any, Any]] = []
    with streams_of(both.pair["tempo"]) as pair, streams_of(both.real["tempo"]) as real:
        for _ in range(QUERIES):
            question = getattr(questions, kind)()
            meaning = MEANINGS.get(question.method, _answered)
            ours, theirs = meaning(*pair.answer(question)), meaning(*real.answer(question))
            over_http, _ = both.answers("tempo", "GET", question.path, meaning)
            if not ours == theirs == over_http:
                differences.append((question, (ours, over_http), theirs))
    assert not differences, _told(differences)


def _uploaded(url: str, upload: Upload, now_s: int) -> Any:
    """What queries show of an upload: its series, and the call trees of each type, of everything and of one span."""
    querier = "/querier.v1.QuerierService"
    window = {"start": now_s * 1000 - 3_500_000, "end": now_s * 1000 + 600_000}
    selector = f'{{service_name=~"{upload.service}.*"}}'

    def asked(method: str, body: dict[str, Any]) -> tuple[int, bytes]:
        return send(url, "POST", f"{querier}/{method}", json.dumps(body | window).encode(), JSON_TYPE)

    _, answer = asked("Series", {"matchers": [selector]})
    series = [
        {label["name"]: label.get("value", "") for label in found["labels"]}
        for found in json.loads(answer).get("labelsSet", [])
    ]
    kinds = sorted({labels["__profile_type__"] for labels in series})
    trees = [
        _merged(*asked("SelectMergeStacktraces", {"profileTypeID": kind, "labelSelector": selector} | more))
        for kind in kinds
        for more in ({}, {"spanSelector": [f"{SPAN:016x}"]})
    ]
    return sorted(map(repr, map(sorted, map(dict.items, series)))), trees


def test_random_uploads_are_taken_alike_and_become_the_same_profiles(both: Both) -> None:
    uploads = RandomUploads(SEED, both.now_s)
    sent: list[tuple[Upload, list[int]]] = []
    for _ in range(QUERIES):
        upload = uploads.upload()
        urls = (both.pair["pyroscope"], both.real["pyroscope"])
        sent.append((upload, [send(url, "POST", upload.path, upload.body, upload.headers)[0] for url in urls]))
    time.sleep(UPLOADS_S)
    differences: list[tuple[object, Any, Any]] = []
    for upload, (our_status, their_status) in sent:
        ours, theirs = (
            (status, _uploaded(urls["pyroscope"], upload, both.now_s))
            for status, urls in ((our_status, both.pair), (their_status, both.real))
        )
        if ours != theirs:
            differences.append(((upload.path, upload.headers, upload.body[:200]), ours, theirs))
    assert not differences, _told(differences)
