"""What servers say that they refused, and how it is put: as evidence, with the time it is known to be of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from spanprofiles.clients import PyroscopeClient, Refusal, TempoClient
from spanprofiles.clients.probe import PROBE_SERVICE
from spanprofiles.clients.refusals import samples, sentences
from spanprofiles.model import Endpoints
from tests.unit.conftest import Answer, Respond, Seen, Serve, push_samples

PYROSCOPE = """
# HELP pyroscope_discarded_samples_total The total number of samples that were discarded.
# TYPE pyroscope_discarded_samples_total counter
pyroscope_discarded_samples_total{reason="not_in_ingestion_window",tenant="anonymous"} 5
pyroscope_discarded_samples_total{tenant="other",reason="not_in_ingestion_window"} 2
pyroscope_discarded_samples_total{reason="sample_labels_limit",tenant="anonymous"} 1.2e+01
pyroscope_discarded_samples_total{reason="rate_limited",tenant="anonymous"} 0
pyroscope_discarded_samples_total_created{reason="rate_limited"} 1.7e+09
"""
TEMPO = """
tempo_discarded_spans_total{reason="invalid_trace_id",tenant="single-tenant"} 3
tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="http"} 100
tempo_receiver_refused_spans{receiver="otlp/otlp_receiver",transport="http"} 3
tempo_receiver_refused_spans{receiver="otlp/otlp_receiver",transport="grpc"} 4
"""


def real(metrics: str) -> Respond:
    """A server that shows its metrics, and knows nothing of the embedded pair's questions."""

    def respond(seen: Seen) -> Answer:
        if seen.path == "/metrics":
            return Answer(metrics, content_type="text/plain; version=0.0.4")
        return Answer("404 page not found", 404)

    return respond


def pair(*refused: Mapping[str, Any], now_s: float = 10_000.0) -> Respond:
    """A server that answers as the embedded pair does."""
    return lambda _: Answer.of({"signal": "traces", "since": now_s - 7_200, "now": now_s, "refused": list(refused)})


def group(**changes: Any) -> dict[str, Any]:
    known = {
        "way": "OTLP over HTTP",
        "reason": "unsupported_content_encoding",
        "message": "unsupported Content-Encoding: br",
        "service": "",
        "peer": "127.0.0.1",
        "agent": "exporter/1",
        "uploads": 20,
        "items": 0,
        "recent": 12,
        "first": 5_000.0,
        "last": 9_997.0,
    }
    return known | changes


def test_a_real_pyroscopes_counters_are_told_by_reason_with_what_they_do_not_say(serve: Serve) -> None:
    started = f"process_start_time_seconds {time.time() - 3 * 3600:.3f}\n"
    server = serve(real(PYROSCOPE + started))

    found = PyroscopeClient(server.url).refusals(time.time())

    assert [(refusal.reason, refusal.count) for refusal in found] == [
        ("sample_labels_limit", 12),
        ("not_in_ingestion_window", 7),
    ]
    assert found[0].sentence == (
        "Pyroscope has refused 12 profile(s): sample_labels_limit (since it started 3 h ago; it does not say when)"
    )


def test_a_real_tempos_counters_are_told_and_no_span_twice(serve: Serve) -> None:
    server = serve(real(TEMPO))

    found = TempoClient(server.url).refusals(0.0)

    assert [refusal.sentence for refusal in found] == [
        "Tempo has refused 4 span(s): its log says why (since it started; it does not say when)",
        "Tempo has refused 3 span(s): invalid_trace_id (since it started; it does not say when)",
    ]


def test_the_pair_tells_how_many_of_late_when_from_whom_and_why(serve: Serve) -> None:
    server = serve(pair(group()))

    (found,) = TempoClient(server.url).refusals(9_100.7)

    assert found.sentence == (
        "12 exports were refused, the last 3 s ago, from 127.0.0.1 (exporter/1): unsupported Content-Encoding: br"
    )
    assert [(seen.path, seen.query) for seen in server.seen] == [("/spanprofiles/refused", {"since": "9100"})]


def test_one_is_told_as_one_and_of_its_service(serve: Serve) -> None:
    server = serve(pair(group(recent=1, service="shop", agent="", last=9_700.0)))

    (found,) = TempoClient(server.url).refusals(9_000.0)

    assert found.sentence.startswith("1 export of shop was refused, the last 5 min ago, from 127.0.0.1: unsupported")


def test_what_cannot_be_the_cause_is_left_out(serve: Serve) -> None:
    old, others = group(recent=0), group(service="another")
    server = serve(pair(old, others, group(service=PROBE_SERVICE), group(service="shop")))

    assert [refusal.service for refusal in TempoClient(server.url).refusals(0.0, "shop")] == ["shop"]
    assert [refusal.service for refusal in TempoClient(server.url).refusals(0.0)] == ["another", "shop"]


def test_what_began_only_later_is_left_out(serve: Serve) -> None:
    server = serve(pair(group(first=5_000.0)))

    assert len(TempoClient(server.url).refusals(0.0, until_s=5_000.0)) == 1
    assert TempoClient(server.url).refusals(0.0, until_s=4_999.0) == ()


@pytest.mark.parametrize(
    "answer",
    [
        Answer("404 page not found", 404),
        Answer("", 401),
        Answer("", 500),
        Answer("<html>log in</html>", content_type="text/html"),
        Answer("[]"),
        Answer('{"refused": 5}'),
        Answer('{"signal": "traces", "since": null, "now": 1, "refused": [{}]}'),
        Answer("pyroscope_discarded_samples_total{reason=\n\x00\xff} nan\n}{", content_type="text/plain"),
    ],
    ids=["missing", "forbidden", "broken", "HTML", "a list", "a number", "null", "nonsense"],
)
def test_where_a_server_does_not_tell_nothing_is_said(serve: Serve, answer: Answer) -> None:
    server = serve(lambda _: answer)

    assert TempoClient(server.url).refusals(0.0) == ()
    assert PyroscopeClient(server.url).refusals(0.0) == ()


def test_a_server_that_is_gone_says_nothing(dead_url: str) -> None:
    assert TempoClient(dead_url).refusals(0.0) == ()


def test_labels_are_read_as_prometheus_writes_them() -> None:
    text = r"""
a{x="1",y="a \"b\" \\ \n, z=\"c\""} 1 1700000000000
a{} 2
a 3
a{x="}"} +Inf
b{x="1"} 4
a{x="2"} NaN
a{x="3"} seven
"""
    assert list(samples(text, {"a"})) == [
        ("a", {"x": "1", "y": 'a "b" \\ \n, z="c"'}, 1.0),
        ("a", {}, 2.0),
        ("a", {}, 3.0),
    ]


def test_of_many_reasons_a_few_are_told_and_the_others_counted() -> None:
    many = tuple(Refusal("Pyroscope", 9 - number, "profile", f"r{number}") for number in range(6))
    assert len(sentences(many[:4])) == 4
    assert [*sentences(many)[3:]] == ["and 3 more reasons for which uploads were refused"]
    assert sentences(()) == ()


def test_a_real_pair_tells_the_clients_what_it_refused(embedded_pair: Endpoints) -> None:
    old_ns = time.time_ns() - 7_200 * 10**9
    with pytest.raises(Exception, match="400"):
        push_samples(embedded_pair, "refused-here", [(("f",), 5, {})], old_ns)

    (found,) = PyroscopeClient(embedded_pair.pyroscope).refusals(time.time() - 60, "refused-here")

    assert (found.reason, found.count, found.service) == ("not_in_ingestion_window", 1, "refused-here")
    assert found.sentence.startswith("1 profile upload of refused-here was refused, the last ")
    assert "is outside of ingestion window" in found.sentence
