"""What was refused, as programs read it: Prometheus's text and JSON, each in full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.embedded import metrics
from spanprofiles.embedded.metrics import Metric, RefusalRoutes, _since
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Sender, Signal, Way

STARTED_S, NOW_S = 1_700_000_000.0, 1_700_000_123.5
SENDER = Sender("192.0.2.7", "agent/2")


@pytest.fixture
def clock() -> list[float]:
    """The time, which a test sets."""
    return [STARTED_S]


@pytest.fixture
def refusals(clock: list[float]) -> Refusals:
    return Refusals(lambda: clock[0], lambda: clock[0])


def text_of(refusals: Refusals, signal: Signal) -> list[str]:
    nobody: Any = None
    response = RefusalRoutes(refusals, signal).metrics(nobody)
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return response.get_data(as_text=True).split("\n")


def refuse(refusals: Refusals, signal: Signal, way: Way, reason: Reason, items: int, service: str = "shop") -> None:
    refusals.note(Refusal(signal, way, reason, "why", SENDER, service, items))


def test_the_metrics_of_spans_are_tempos_and_the_pairs_own(refusals: Refusals, clock: list[float]) -> None:
    refusals.note_taken(Way.OTLP_HTTP, 7)
    refusals.note_taken(Way.OTLP_GRPC, 5)
    refuse(refusals, Signal.TRACES, Way.OTLP_HTTP, Reason.TRACE_ID, 2)
    clock[0] = NOW_S
    refuse(refusals, Signal.TRACES, Way.OTLP_HTTP, Reason.TRACE_ID, 3, "till")
    refuse(refusals, Signal.TRACES, Way.OTLP_GRPC, Reason.SPAN_ID, 1)
    refuse(refusals, Signal.TRACES, Way.OTLP_GRPC, Reason.BODY_SIZE, 0)
    refuse(refusals, Signal.PROFILES, Way.PUSH, Reason.SAMPLES, 9)
    assert text_of(refusals, Signal.TRACES) == [
        "# HELP tempo_discarded_spans_total Spans that were discarded, by reason.",
        "# TYPE tempo_discarded_spans_total counter",
        'tempo_discarded_spans_total{reason="invalid_trace_id",tenant="single-tenant"} 5',
        'tempo_discarded_spans_total{reason="invalid_span_id",tenant="single-tenant"} 1',
        "# HELP tempo_receiver_accepted_spans Spans that were taken.",
        "# TYPE tempo_receiver_accepted_spans counter",
        'tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="http"} 7',
        'tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="grpc"} 5',
        "# HELP tempo_receiver_refused_spans Spans that were read and then refused; of what could not be read their"
        " number is not known.",
        "# TYPE tempo_receiver_refused_spans counter",
        'tempo_receiver_refused_spans{receiver="otlp/otlp_receiver",transport="http"} 5',
        'tempo_receiver_refused_spans{receiver="otlp/otlp_receiver",transport="grpc"} 1',
        "# HELP spanprofiles_refused_uploads_total Uploads that were refused, by how they came and why.",
        "# TYPE spanprofiles_refused_uploads_total counter",
        'spanprofiles_refused_uploads_total{way="OTLP over HTTP",reason="invalid_trace_id"} 2',
        'spanprofiles_refused_uploads_total{way="OTLP over gRPC",reason="invalid_span_id"} 1',
        'spanprofiles_refused_uploads_total{way="OTLP over gRPC",reason="body_size_limit_exceeded"} 1',
        "# HELP spanprofiles_last_refusal_timestamp_seconds When the last of them came, in seconds since the epoch.",
        "# TYPE spanprofiles_last_refusal_timestamp_seconds gauge",
        'spanprofiles_last_refusal_timestamp_seconds{way="OTLP over HTTP",reason="invalid_trace_id"} 1700000123.5',
        'spanprofiles_last_refusal_timestamp_seconds{way="OTLP over gRPC",reason="invalid_span_id"} 1700000123.5',
        'spanprofiles_last_refusal_timestamp_seconds{way="OTLP over gRPC",reason="body_size_limit_exceeded"}'
        " 1700000123.5",
        "# HELP process_start_time_seconds Since when it is counted, in seconds since the epoch.",
        "# TYPE process_start_time_seconds gauge",
        "process_start_time_seconds 1700000000",
        "",
    ]


def test_the_metrics_of_profiles_are_pyroscopes_and_the_pairs_own(refusals: Refusals) -> None:
    refuse(refusals, Signal.PROFILES, Way.PUSH, Reason.SAMPLES, 9)
    refuse(refusals, Signal.PROFILES, Way.INGEST, Reason.SAMPLES, 1)
    refuse(refusals, Signal.PROFILES, Way.INGEST, Reason.FORMAT, 4)
    found = text_of(refusals, Signal.PROFILES)
    assert found[:3] == [
        "# HELP pyroscope_discarded_samples_total Profiles that were discarded, by reason.",
        "# TYPE pyroscope_discarded_samples_total counter",
        'pyroscope_discarded_samples_total{reason="samples_limit",tenant="anonymous"} 10',
    ]
    assert 'spanprofiles_refused_uploads_total{way="ingest",reason="unsupported_format"} 1' in found
    assert not [line for line in found if "tempo" in line]


def test_values_and_texts_of_metrics_are_written_as_prometheus_has_them() -> None:
    labels = {"a": 'say "\\"', "b": "two\nlines"}
    assert list(Metric("m", "gauge", "Help.", [(labels, 0.1), ({}, 2**53)]).lines()) == [
        "# HELP m Help.",
        "# TYPE m gauge",
        'm{a="say \\"\\\\\\"",b="two\\nlines"} 0.10000000000000001',
        "m 9007199254740992",
    ]


def test_all_that_is_known_of_a_refusal_is_told(
    refusals: Refusals, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(refusals, Signal.PROFILES, Way.PUSH, Reason.SAMPLES, 9)
    clock[0] = NOW_S
    refuse(refusals, Signal.PROFILES, Way.PUSH, Reason.SAMPLES, 3)
    refuse(refusals, Signal.TRACES, Way.OTLP_HTTP, Reason.TRACE_ID, 2)
    monkeypatch.setattr(metrics, "time", SimpleNamespace(time=lambda: NOW_S + 1))

    class Asks:
        args = {"since": str(STARTED_S + 60)}  # noqa: RUF012  # stands in for a request

    asks: Any = Asks()
    response = RefusalRoutes(refusals, Signal.PROFILES).refused(asks)
    assert response.get_json() == {
        "signal": "profiles",
        "since": STARTED_S,
        "now": NOW_S + 1,
        "refused": [
            {
                "way": "push", "reason": "samples_limit", "message": "why", "service": "shop", "peer": "192.0.2.7",
                "agent": "agent/2", "uploads": 2, "items": 12, "recent": 1, "first": STARTED_S, "last": NOW_S,
            }
        ],
    }  # fmt: skip
    asks.args = {}
    assert RefusalRoutes(refusals, Signal.PROFILES).refused(asks).get_json()["refused"][0]["recent"] == 2


@pytest.mark.parametrize(
    ("text", "since_s"), [("12.5", 12.5), ("", 0.0), ("soon", 0.0), ("nan", 0.0), ("inf", 0.0), ("-3", -3.0)]
)
def test_a_time_that_is_none_is_the_epoch(text: str, since_s: float) -> None:
    assert _since(text) == since_s


@pytest.mark.parametrize("signal", Signal)
def test_there_is_a_route_for_each_kind_of_reader(refusals: Refusals, signal: Signal) -> None:
    routes = RefusalRoutes(refusals, signal)
    assert routes.rules() == [("/metrics", ["GET"], routes.metrics), ("/spanprofiles/refused", ["GET"], routes.refused)]


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("::1", "::1"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.7", "192.0.2.7"),
        ("::error::forged", "\\x3a:error::forged"),
        ("::1\x1b[2J", "\\x3a:1\\x1b[2J"),
        ("", ""),
    ],
)
def test_a_senders_address_is_shown_as_it_is_and_any_other_text_made_harmless(
    refusals: Refusals, peer: str, shown: str
) -> None:
    refusals.note(Refusal(Signal.TRACES, Way.OTLP_HTTP, Reason.OTHER, "why", Sender(peer)))
    (group,) = refusals.groups(Signal.TRACES)
    assert group.last.sender.peer == shown
