"""Every recorded answer of a real Tempo, read by the client and compared with the spans that had been pushed."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.clients import RequestRefusedError, TempoClient, tempo_metrics
from spanprofiles.clients.tempo_metrics import series_of
from spanprofiles.model import IdentifierError, Span, SpanKind, SpanStatus, parse_trace_id
from tests.support.recordings import Exchange, PushedSpan, exchanges, pushed_spans
from tests.unit.clients.conftest import RecordedServer

_ALL = [exchange for exchange in exchanges("tempo") if exchange.phase == "query" and exchange.method == "GET"]
_PUSHED = pushed_spans()

_TRACES = [exchange for exchange in _ALL if exchange.path.startswith("/api/v2/traces/")]
_TRACES_READ = [exchange for exchange in _TRACES if exchange.status == 200]
_TRACES_REFUSED = [exchange for exchange in _TRACES if exchange.status >= 400]

_NUMBERS = ("limit", "spss", "start", "end")
_SEARCHES = [
    exchange
    for exchange in _ALL
    if exchange.path.startswith("/api/search?")
    and "q" in exchange.query
    and all(exchange.query.get(name, "0").lstrip("-").isdigit() for name in _NUMBERS)
]
_SEARCHES_READ = [exchange for exchange in _SEARCHES if exchange.status == 200]
_ONE_END_ONLY = [exchange for exchange in _SEARCHES if ("start" in exchange.query) != ("end" in exchange.query)]
_SEARCHES_REFUSED = [exchange for exchange in _SEARCHES if exchange.status >= 400 and exchange not in _ONE_END_ONLY]

_VALUES = [
    exchange for exchange in _ALL if exchange.path.startswith("/api/v2/search/tag/") and "q=" not in exchange.path
]
_VALUES_READ = [exchange for exchange in _VALUES if exchange.status == 200]
_VALUES_REFUSED = [exchange for exchange in _VALUES if exchange.status >= 400]


def _ids(recorded: list[Exchange]) -> list[str]:
    return [exchange.name for exchange in recorded]


def _as_pushed(span: Span) -> PushedSpan:
    return PushedSpan(
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.name,
        list(SpanKind).index(span.kind),
        span.start_ns,
        span.end_ns,
        list(SpanStatus).index(span.status),
        span.status_message,
        span.attributes,
        span.resource,
        tuple((event.name, event.time_ns, event.attributes) for event in span.events),
    )


def test_the_recordings_have_something_of_everything() -> None:
    assert len(_TRACES_READ) >= 10
    assert len(_TRACES_REFUSED) == 2
    assert len(_SEARCHES_READ) > 80
    assert len(_SEARCHES_REFUSED) > 10
    assert len(_ONE_END_ONLY) == 1
    assert len(_VALUES_READ) > 10
    assert len(_VALUES_REFUSED) == 2
    assert any(span.events for span in _PUSHED.values())


@pytest.mark.parametrize("exchange", _TRACES_READ, ids=_ids(_TRACES_READ))
def test_a_trace_has_the_spans_that_were_pushed(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    asked = parse_trace_id(exchange.call)
    expected = {span.span_id: span for span in _PUSHED.values() if span.trace_id == asked}
    trace = tempo.trace(exchange.call)
    if not expected:
        assert trace is None
    else:
        assert trace is not None
        assert trace.trace_id == asked
        assert {span.span_id: _as_pushed(span) for span in trace.spans} == expected
        assert len(trace.spans) == len(expected)
    (seen,) = recorded_server.seen
    assert seen.path == f"/api/v2/traces/{asked}"


def test_the_recorded_traces_have_the_local_roots_their_profile_ids_say(
    tempo: TempoClient, recorded_server: RecordedServer
) -> None:
    for exchange in _TRACES_READ:
        recorded_server.play(exchange)
        trace = tempo.trace(exchange.call)
        for span in trace.spans if trace else ():
            assert trace is not None
            assert span.profile_id == _PUSHED[span.span_id].attributes.get("pyroscope.profile.id")
            assert not span.profile_id or trace.is_local_root(span)
    assert sum(1 for span in _PUSHED.values() if "pyroscope.profile.id" in span.attributes) >= 3


@pytest.mark.parametrize("exchange", _TRACES_REFUSED, ids=_ids(_TRACES_REFUSED))
def test_what_is_no_trace_id_is_refused_before_anything_is_sent(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(IdentifierError):
        tempo.trace(exchange.call)
    assert recorded_server.seen == []


def _search(client: TempoClient, asked: dict[str, str]) -> Any:
    numbers = {name: int(asked[name]) for name in _NUMBERS if name in asked}
    window = {f"{name}_s": numbers[name] for name in ("start", "end") if name in numbers}
    return client.search(asked["q"], limit=numbers.get("limit", 20), spans=numbers.get("spss", 3), **window)


@pytest.mark.parametrize("exchange", _SEARCHES_READ, ids=_ids(_SEARCHES_READ))
def test_a_search_finds_the_traces_and_spans_the_real_server_named(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    found = _search(tempo, exchange.query)
    raw = exchange.json["traces"]
    assert [trace.trace_id for trace in found] == [trace["traceID"].rjust(32, "0") for trace in raw]
    for trace, entry in zip(found, raw, strict=True):
        named = [span["spanID"].rjust(16, "0") for group in entry.get("spanSets", []) for span in group["spans"]]
        assert [span.span_id for span in trace.spans] == named
        assert (trace.root_service, trace.root_name) == (
            entry.get("rootServiceName", ""),
            entry.get("rootTraceName", ""),
        )
        whole = [span for span in _PUSHED.values() if span.trace_id == trace.trace_id]
        assert trace.start_ns == min(span.start_ns for span in whole)
        assert trace.duration_ms == (max(span.end_ns for span in whole) - trace.start_ns) // 1_000_000
        for span in trace.spans:
            pushed = _PUSHED[span.span_id]
            assert pushed.trace_id == trace.trace_id
            assert (span.start_ns, span.duration_ns) == (pushed.start_ns, pushed.end_ns - pushed.start_ns)
            known = {**pushed.resource, **pushed.attributes}
            for name, text in span.attributes.items():
                if isinstance(known.get(name), (str, int, float, bool)):
                    assert text == _written(known[name])
    (seen,) = recorded_server.seen
    sent = {"limit": "20", "spss": "3"} | exchange.query
    assert (seen.path, dict(seen.query)) == ("/api/search", sent)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_selected_attributes_come_as_text_the_way_tempo_writes_them(
    tempo: TempoClient, recorded_server: RecordedServer
) -> None:
    found = {}
    for exchange in (recorded for recorded in _SEARCHES_READ if "select(" in recorded.name or "span." in recorded.name):
        recorded_server.play(exchange)
        for trace in _search(tempo, exchange.query):
            for span in trace.spans:
                found.update({(span.span_id, name): text for name, text in span.attributes.items()})
    assert found["a1a1a1a1a1a1a1a1", "pyroscope.profile.id"] == "a1a1a1a1a1a1a1a1"
    assert found["a1a1a1a1a1a1a1a2", "found"] == "true"
    assert found["a1a1a1a1a1a1a1a2", "tried"] == "250"
    assert found["a1a1a1a1a1a1a1a2", "km"] == "1.5"


@pytest.mark.parametrize("exchange", _SEARCHES_REFUSED, ids=_ids(_SEARCHES_REFUSED))
def test_a_search_the_server_refuses_says_why(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(RequestRefusedError, match="Tempo refused") as refused:
        _search(tempo, exchange.query)
    assert refused.value.status == exchange.status
    assert " ".join(exchange.answer[:300].split()) in str(refused.value)


@pytest.mark.parametrize("exchange", _ONE_END_ONLY, ids=_ids(_ONE_END_ONLY))
def test_a_window_with_one_end_is_refused_before_anything_is_sent(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(ValueError, match="needs both ends"):
        _search(tempo, exchange.query)
    assert recorded_server.seen == []


@pytest.mark.parametrize("exchange", _VALUES_READ, ids=_ids(_VALUES_READ))
def test_the_values_of_a_tag_are_those_the_real_server_named(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    tag = exchange.path.split("/")[5]
    found = tempo.tag_values(tag)
    assert found == [value["value"] for value in exchange.json["tagValues"] if value.get("value")]
    name = tag.removeprefix("resource.")
    if name != tag:
        assert set(found) == {str(span.resource[name]) for span in _PUSHED.values() if name in span.resource}
    (seen,) = recorded_server.seen
    assert seen.path == f"/api/v2/search/tag/{tag}/values"


@pytest.mark.parametrize("exchange", _VALUES_REFUSED, ids=_ids(_VALUES_REFUSED))
def test_a_tag_the_server_refuses_is_an_error_and_no_empty_list(
    tempo: TempoClient, recorded_server: RecordedServer, exchange: Exchange
) -> None:
    recorded_server.play(exchange)
    with pytest.raises(RequestRefusedError, match="please provide a valid tagName"):
        tempo.tag_values(exchange.path.split("/")[5].replace("%20", " "))


def test_a_tag_with_odd_characters_reaches_the_server_as_one_tag(
    tempo: TempoClient, recorded_server: RecordedServer
) -> None:
    recorded_server.play(_VALUES_READ[0])
    tempo.tag_values('span."with/slash? and é"')
    assert recorded_server.seen[0].path == '/api/v2/search/tag/span."with/slash? and é"/values'
    assert recorded_server.seen[0].query == {}


def test_the_server_says_that_it_is_ready(tempo: TempoClient, recorded_server: RecordedServer) -> None:
    recorded_server.play(next(exchange for exchange in _ALL if exchange.path == "/ready"))
    tempo.check_ready()
    assert recorded_server.seen[0].path == "/ready"


_METRICS = [
    exchange
    for exchange in exchanges("tempo_metrics")
    if exchange.path.startswith("/api/metrics/query_range?") and exchange.status == 200
]


@pytest.mark.parametrize("recorded", _METRICS, ids=_ids(_METRICS))
def test_each_recorded_series_is_read_with_its_values(recorded: Exchange) -> None:
    answer = recorded.json
    found = series_of(answer)
    assert [len(series.values) for series in found] == [len(series["samples"]) for series in answer["series"]]
    assert sum(sum(series.values.values()) for series in found) == pytest.approx(
        sum(sample.get("value", 0) for series in answer["series"] for sample in series["samples"])
    )
    assert all(series.labels.keys() == {label["key"] for label in recorded_series["labels"]}
               for series, recorded_series in zip(found, answer["series"], strict=True))  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        {"series": {}},
        {"series": [{"labels": [{"value": {}}]}]},
        {"series": [{"labels": [], "samples": [{"timestampMs": "x"}]}]},
        {"series": [{"labels": [], "samples": [{"timestampMs": "1", "value": "x"}]}]},
    ],
)
def test_what_is_no_series_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        series_of(answer)


@pytest.mark.parametrize("samples", [2, 3])
def test_no_more_values_are_read_than_anybody_looks_at(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    monkeypatch.setattr(tempo_metrics, "MOST_VALUES", 2)
    answer = {"series": [{"labels": [], "samples": [{"timestampMs": str(n), "value": 1} for n in range(samples)]}]}
    if samples == 2:
        assert [len(series.values) for series in series_of(answer)] == [2]
        return
    with pytest.raises(ValueError, match=r"^3 values, more than 2$"):
        series_of(answer)
