"""What the real servers answered, damaged at random: each question gives a result or a ClientError, nothing else."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.clients import ClientError, PyroscopeClient, TempoClient
from spanprofiles.clients.answers import Answer
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.clients.http import HttpClient
from spanprofiles.clients.pyroscope import ProfileQuery
from spanprofiles.clients.storage import TEMPO_FAILURES, failed_writes
from spanprofiles.linking import Evidence
from spanprofiles.model import FlameGraph
from spanprofiles.report import failure_report, folded, span_tree, top_table
from tests.support.recordings import exchanges

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "a1a1a1a1a1a1a1a1"
_QUERY = ProfileQuery("{}", 1, 2)
_ODD: list[Any] = [
    None, True, -1, 2**64, 10**19, 1.5, -0.0, 1e308, "", "x", "-1", "9" * 19, "9" * 25, "NaN", "Infinity", "\ud800",
    "\x1b[2J\n::error::", [], {}, [[]], [{}], {"values": [{}]}, [None], [0], ["0"], "AAAA", "0" * 32, "\u0661",
]  # fmt: skip
_NOT_JSON = [b"", b"\xff\xfe", b"{", b"NaN", b'{"a":NaN}', b"[" * 5000, b'{"a":1,"a":2}', b"1" * 5000, b"\x0a\x03abc"]


_OF_EACH_CALL = 3


class _Canned(HttpClient):
    """Gives one answer, whatever it is asked: no socket, so that there is time for many."""

    def __init__(self) -> None:
        super().__init__("the server", "http://127.0.0.1:1")
        self.content = b""

    def _send(self, method: str, path: str, **_: Any) -> Answer:  # noqa: ARG002  # whatever it is asked
        return Answer(self.url + path, 200, {"content-type": "application/json"}, self.content)


def _questions(http: HttpClient) -> dict[str, Callable[[], object]]:
    tempo, pyroscope, grafana = (kind("http://127.0.0.1:1") for kind in (TempoClient, PyroscopeClient, GrafanaClient))
    for client in (tempo, pyroscope, grafana):
        client._http = http
    assert isinstance(tempo, TempoClient)
    assert isinstance(pyroscope, PyroscopeClient)
    assert isinstance(grafana, GrafanaClient)
    return {
        "trace": lambda: tempo.trace(_TRACE),
        "search": lambda: tempo.search("{}"),
        "metrics": lambda: tempo.metrics("{} | rate()", start_s=1, end_s=2, step_s=1),
        "tags": lambda: tempo.tag_values("a"),
        "span": lambda: pyroscope.span_profile(_QUERY, [_SPAN]),
        "merged": lambda: pyroscope.merged_profile(_QUERY),
        "lines": lambda: pyroscope.span_lines(_QUERY, [_SPAN]).flamegraph,
        "types": lambda: pyroscope.profile_types(1, 2),
        "names": lambda: pyroscope.label_names(1, 2),
        "values": lambda: pyroscope.label_values("a", 1, 2),
        "series": lambda: pyroscope.series(1, 2),
        "totals": lambda: pyroscope.totals(_QUERY, 1),
        "exemplars": lambda: pyroscope.span_exemplars(_QUERY, 1),
        "refusals": lambda: [refusal.sentence for refusal in tempo.refusals(0)],
        "writes": lambda: failed_writes(http, TEMPO_FAILURES).sentence,
        "health": grafana.health,
        "sources": grafana.data_sources,
        "check": lambda: grafana.check_data_source("a"),
        "ds_query": lambda: grafana.ds_query({"refId": "A"}, 1, 2),
    }


_HTTP = _Canned()
_QUESTIONS = _questions(_HTTP)
_GRAFANA = [
    {
        "results": {
            "A": {
                "frames": [
                    {
                        "schema": {
                            "name": "response",
                            "fields": [
                                {"name": "level"},
                                {"name": "value"},
                                {"name": "self"},
                                {"name": "label", "config": {"type": {"enum": {"text": ["total", "f"]}}}},
                            ],
                        },
                        "data": {"values": [[0, 1], [3, 3], [0, 3], [0, 1]]},
                    }
                ]
            }
        }
    },
    {"since": 1.0, "now": 2.0, "signal": "traces", "refused": [
        {"recent": 1, "first": 1, "last": 2, "peer": "p", "agent": "a", "uploads": 1, "reason": "r", "message": "m",
         "service": "s"}]},
    {"series": [{"labels": [{"name": "a", "value": "b"}], "points": [{"timestamp": "1", "value": 2.0}]}]},
    {"series": [{"slots": [{"exemplars": [{"spanId": _SPAN, "timestamp": "1", "value": "2", "labels": []}]}]}]},
]  # fmt: skip


@cache
def _answers() -> list[Any]:
    by_call: dict[str, list[Any]] = {}
    for exchange in exchanges("tempo", "tempo_metrics", "pyroscope", "pyroscope_more"):
        if exchange.phase != "ingest" and exchange.status == 200 and exchange.answer.startswith(("{", "[")):
            call = exchange.call if "trac" not in exchange.path else "trace"  # not exchange for each ID
            by_call.setdefault(call, []).append(exchange.json)
    # of many that are alike the longest, which have the greatest variety
    longest = [sorted(found, key=lambda answer: -len(json.dumps(answer)))[:_OF_EACH_CALL] for found in by_call.values()]
    return [answer for found in longest for answer in found] + _GRAFANA


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        holder = pending.pop()
        pairs = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        found += [(holder, key) for key, _ in pairs]
        pending += [inner for _, inner in pairs if isinstance(inner, (dict, list))]
    return found


def _use(found: object) -> None:
    """Do with a result what commands and pages do."""
    if isinstance(found, FlameGraph):
        top_table(found)
        folded.folded_text(found).encode()
        assert math.isfinite(found.total)
    spans = getattr(found, "spans", None)
    if spans is not None and hasattr(found, "walk"):
        "\n".join(span_tree(found)).encode()  # type: ignore[arg-type]  # what walks is a trace
        failure_report(Evidence(_TRACE, found)).encode()  # type: ignore[arg-type]


@given(st.data())
@settings(max_examples=30)
def test_a_damaged_answer_gives_a_result_or_a_client_error_and_nothing_else(data: st.DataObject) -> None:
    answer = json.loads(json.dumps(data.draw(st.sampled_from(_answers()))))
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(answer)
        if places:
            holder, key = places[data.draw(st.integers(0, len(places) - 1))]
            holder[key] = deepcopy(data.draw(st.sampled_from(_ODD)))
    content = json.dumps(answer).encode()
    if data.draw(st.integers(0, 9)) == 0:
        content = data.draw(st.sampled_from([*_NOT_JSON, content[: len(content) // 2]]))
    _HTTP.content = content
    told = []
    for ask in _QUESTIONS.values():
        try:
            _use(ask())
        except ClientError as error:
            told.append(str(error))
    for message in told:
        assert message.isprintable()
        assert message.startswith(("the answer of the server at http://127.0.0.1:1/", "Grafana refused http://"))


def test_the_answers_are_understood_before_they_are_damaged() -> None:
    for name, ask in _QUESTIONS.items():
        understood = 0
        for answer in [*_answers(), {"database": "ok"}, {"status": "OK"}, []]:
            _HTTP.content = json.dumps(answer).encode()
            with contextlib.suppress(ClientError):
                understood += bool(ask())
        assert understood or name in {"writes", "health", "check", "sources"}, name
