"""What is refused is counted by reason, told in the log once in a while, and told to whoever asks."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from typing import Any

import pytest
from werkzeug.test import Client

from spanprofiles.embedded.refusals import GROUPS_LIMIT, SILENCE_S, Reason, Refusal, Refusals, Sender, Signal, Way
from spanprofiles.embedded.store.database import Database
from tests.support.clocks import Clock
from tests.support.conformance.pair import running_pair
from tests.support.pprof_writer import pprof, push
from tests.unit.embedded.conftest import Applications, SpanFactory, attributes

JSON, PROTOBUF, PUSH = "application/json", "application/proto", "/push.v1.PusherService/Push"
NOW_S = int(time.time())
HTTP = "OTLP over HTTP"
PEER = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "exporter/1.0"}


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture
def refusals(clock: Clock) -> Refusals:
    return Refusals(clock, clock)


def refusal(message: str = "too old", reason: Reason = Reason.NOT_IN_WINDOW, **more: Any) -> Refusal:
    return Refusal(Signal.PROFILES, Way.PUSH, reason, message, **more)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "spanprofiles.embedded"]


def told(client: Client, **query: Any) -> list[dict[str, Any]]:
    response = client.get("/spanprofiles/refused", query_string=query)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.get_json()["refused"]
    return found


def metrics(client: Client) -> dict[str, float]:
    """The values at `/metrics` that are not 0."""
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=0.0.4")
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {name: value for name, value in found.items() if value}


def profile(age_s: float = 5.0, **more: Any) -> dict[str, Any]:
    samples = [{"stack": ["f"], "values": [5], "labels": {}}]
    return {"t": -age_s, "types": [["cpu", "nanoseconds"]], "samples": samples} | more


def pushed(*profiles: dict[str, Any], **labels: str) -> bytes:
    series = {"labels": {"__name__": "process_cpu", "service_name": "shop"} | labels, "profiles": list(profiles)}
    return push([series], NOW_S)


def exported(**wrong: Any) -> bytes:
    span = SpanFactory("ab")
    group = {
        "resource": {"attributes": attributes({"service.name": "shop"})},
        "scopeSpans": [{"spans": [span("good"), span("bad") | wrong]}],
    }
    return json.dumps({"resourceSpans": [group]}).encode()


OLD = pushed(profile(7_200), profile(7_100))
CROWDED = pushed(profile(samples=[{"stack": ["f"], "values": [5], "labels": {f"l{n}": "v" for n in range(101)}}]))


@pytest.mark.parametrize(
    ("port", "path", "body", "headers", "expected"),
    [
        ("otlp", "/v1/traces", b"x", {"Content-Encoding": "br"}, (HTTP, "unsupported_content_encoding", "", 0)),
        ("otlp", "/v1/traces", b"x", {"Content-Encoding": "gzip"}, (HTTP, "damaged_compression", "", 0)),
        ("otlp", "/v1/traces", b"x", {"Content-Type": "text/plain"}, (HTTP, "unsupported_media_type", "", 0)),
        ("otlp", "/v1/traces", b"{", {}, (HTTP, "malformed_request", "", 0)),
        ("otlp", "/v1/traces", exported(traceId="0" * 32), {}, (HTTP, "invalid_trace_id", "shop", 2)),
        ("otlp", "/v1/traces", exported(spanId="ab"), {}, (HTTP, "invalid_span_id", "", 0)),
        ("otlp", "/v1/traces", b" " * (2 * 2**20), {}, (HTTP, "body_size_limit_exceeded", "", 0)),
        ("otlp", "/", b"{}", {}, ("a path that takes none", "wrong_path", "", 0)),
        ("tempo", "/v1/traces", b"{}", {}, ("a path that takes none", "wrong_path", "", 0)),
        ("pyroscope", "/v1/traces", b"{}", {}, ("a path that takes none", "wrong_path", "", 0)),
    ],
    ids=["encoding", "damaged", "type", "JSON", "trace ID", "span ID", "size", "no path", "Tempo's", "Pyroscope's"],
)  # fmt: skip
def test_a_refused_export_is_counted_by_how_it_came_and_why(
    applications: Applications, port: str, path: str, body: bytes, headers: dict[str, str], expected: tuple[Any, ...]
) -> None:
    given = {"Content-Type": JSON} | headers
    response = getattr(applications, port).post(path, data=body, headers=given, environ_overrides=PEER)
    assert response.status_code >= 400
    (refusal,) = told(applications.tempo)
    assert (refusal["way"], refusal["reason"], refusal["service"], refusal["items"]) == expected
    assert (refusal["uploads"], refusal["peer"], refusal["agent"]) == (1, "192.0.2.7", "exporter/1.0")
    assert refusal["message"]
    assert told(applications.pyroscope) == []


@pytest.mark.parametrize(
    ("port", "path", "body", "headers", "expected"),
    [
        ("pyroscope", PUSH, OLD, {}, ("push", "not_in_ingestion_window", "shop", 2)),
        ("pyroscope", PUSH, CROWDED, {}, ("push", "sample_labels_limit", "shop", 1)),
        ("pyroscope", PUSH, pushed(profile(), __name__=""), {}, ("push", "invalid_labels", "shop", 1)),
        ("pyroscope", PUSH, pushed(profile(types=[])), {}, ("push", "malformed_profile", "shop", 1)),
        ("pyroscope", PUSH, pushed(profile(), **{f"l{n}": "v" for n in range(40)}), {},
         ("push", "max_label_names_per_series", "shop", 1)),
        ("pyroscope", PUSH, b"\xff", {}, ("push", "malformed_request", "", 0)),
        ("pyroscope", PUSH, b"", {}, ("push", "malformed_request", "", 0)),
        ("pyroscope", PUSH, OLD, {"Content-Encoding": "deflate"}, ("push", "unsupported_content_encoding", "", 0)),
        ("pyroscope", PUSH, OLD, {"Content-Type": "application/grpc"}, ("push", "unsupported_media_type", "", 0)),
        ("pyroscope", PUSH, b" " * (2 * 2**20), {}, ("push", "body_size_limit_exceeded", "", 0)),
        ("pyroscope", "/ingest?name=shop{a=b}&format=pprof", pprof(profile(7_200), NOW_S), {},
         ("ingest", "not_in_ingestion_window", "shop", 1)),
        ("pyroscope", "/ingest?name=shop&format=jfr", b"FLR", {}, ("ingest", "undecodable_profile", "shop", 1)),
        ("pyroscope", "/ingest?name=shop&format=tree", b"x", {}, ("ingest", "unsupported_format", "shop", 1)),
        ("pyroscope", "/ingest?format=pprof", b"nonsense", {}, ("ingest", "invalid_name", "", 1)),
        ("pyroscope", "/v1development/profiles", b"x", {}, (HTTP, "unsupported_media_type", "", 0)),
        ("otlp", "/v1development/profiles", b"x", {}, ("a path that takes none", "wrong_path", "", 0)),
        ("tempo", PUSH, OLD, {}, ("a path that takes none", "wrong_path", "", 0)),
        ("otlp", "/ingest", b"x", {}, ("a path that takes none", "wrong_path", "", 0)),
    ],
    ids=["old", "labels", "no name", "no type", "tags", "no message", "nothing", "encoding", "type", "size",
         "old pprof", "JFR", "tree", "no application", "OTLP", "OTLP's own port", "Tempo's port",
         "OTLP's port"],
)  # fmt: skip
def test_a_refused_profile_is_counted_by_how_it_came_and_why(
    applications: Applications, port: str, path: str, body: bytes, headers: dict[str, str], expected: tuple[Any, ...]
) -> None:
    given = {"Content-Type": PROTOBUF} | headers
    response = getattr(applications, port).post(path, data=body, headers=given, environ_overrides=PEER)
    assert response.status_code >= 400
    (refusal,) = told(applications.pyroscope)
    assert (refusal["way"], refusal["reason"], refusal["service"], refusal["items"]) == expected
    assert (refusal["uploads"], refusal["peer"], refusal["agent"]) == (1, "192.0.2.7", "exporter/1.0")
    assert told(applications.tempo) == []


def test_what_is_taken_and_what_is_no_upload_is_not_told_as_refused(
    applications: Applications, caplog: pytest.LogCaptureFixture
) -> None:
    applications.export(SpanFactory("ab")("one"))
    assert applications.pyroscope.post(PUSH, data=pushed(profile()), content_type=PROTOBUF).status_code == 200
    for client, path in (
        (applications.otlp, "/v1/metrics"),
        (applications.otlp, "/v1/logs"),
        (applications.tempo, "/"),
        (applications.pyroscope, "/querier.v1.QuerierService/Nothing"),
    ):
        assert client.post(path, data=b"x").status_code == 404
    assert applications.otlp.get("/v1/traces").status_code == 405
    assert applications.otlp.get("/favicon.ico").status_code == 404
    assert applications.tempo.get("/api/search?q=nonsense").status_code == 400
    assert applications.pyroscope.post("/querier.v1.QuerierService/Series", json=[]).status_code == 400
    assert told(applications.tempo) == told(applications.pyroscope) == []
    assert logged(caplog) == []


def test_what_could_not_be_stored_is_told(
    applications: Applications, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for way in ("keep", "write"):
        monkeypatch.setattr(database, way, full)
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SpanFactory("ab")("one")]}]}]})
    assert applications.otlp.post("/v1/traces", data=body, content_type=JSON).status_code == 503
    assert applications.pyroscope.post(PUSH, data=pushed(profile()), content_type=PROTOBUF).status_code == 503
    assert [refusal["reason"] for refusal in told(applications.tempo)] == ["not_stored"]
    assert [refusal["reason"] for refusal in told(applications.pyroscope)] == ["not_stored"]


def test_the_metrics_have_the_names_and_reasons_of_the_real_servers(applications: Applications) -> None:
    applications.export(SpanFactory("ab")("one"), SpanFactory("cd")("two"))
    applications.otlp.post("/v1/traces", data=exported(traceId="0" * 32), content_type=JSON)
    applications.otlp.post("/v1/traces", data=b"x", content_type=JSON, headers={"Content-Encoding": "br"})
    for _ in range(2):
        applications.pyroscope.post(PUSH, data=OLD, content_type=PROTOBUF)
    http = '{receiver="otlp/otlp_receiver",transport="http"}'
    tempo, pyroscope = metrics(applications.tempo), metrics(applications.pyroscope)
    assert tempo['tempo_discarded_spans_total{reason="invalid_trace_id",tenant="single-tenant"}'] == 2
    assert tempo[f"tempo_receiver_accepted_spans{http}"] == 2
    # where the spans, the good one beside the bad, could not be read, nobody knows how many there were
    assert tempo[f"tempo_receiver_refused_spans{http}"] == 2
    assert tempo['spanprofiles_refused_uploads_total{way="OTLP over HTTP",reason="unsupported_content_encoding"}'] == 1
    assert pyroscope['pyroscope_discarded_samples_total{reason="not_in_ingestion_window",tenant="anonymous"}'] == 4
    assert pyroscope['spanprofiles_refused_uploads_total{way="push",reason="not_in_ingestion_window"}'] == 2
    for found in (tempo, pyroscope):
        times = [value for name, value in found.items() if name.startswith(("process_start", "spanprofiles_last"))]
        assert times
        assert all(abs(value - time.time()) < 3_600 for value in times)
    assert not any(name.startswith("pyroscope") for name in tempo)
    assert not any(name.startswith("tempo") for name in pyroscope)


def test_a_reason_is_logged_at_once_and_then_once_in_a_while(
    refusals: Refusals, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender("192.0.2.7", "agent/2")
    for _ in range(12):
        refusals.note(refusal(sender=sender, service="shop"))
    assert logged(caplog) == ["refused a profile upload (push) of shop from 192.0.2.7 (agent/2): too old"]
    clock.now_s += SILENCE_S
    refusals.note(refusal("older still", sender=sender, service="shop"))
    assert logged(caplog)[1:] == [
        "refused 12 profile uploads (push) of shop from 192.0.2.7 (agent/2), the last of them: older still"
    ]
    refusals.note(refusal("no pprof", Reason.UNDECODED))
    assert logged(caplog)[2:] == ["refused a profile upload (push) from an unknown sender: no pprof"]


def test_what_the_log_had_not_told_is_told_at_the_end(refusals: Refusals, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        refusals.note(refusal())
    refusals.tell_untold()
    refusals.tell_untold()
    assert len(logged(caplog)) == 2
    assert logged(caplog)[1].startswith("refused 4 profile uploads (push)")


def test_how_many_there_were_of_late_is_known_to_the_minute(refusals: Refusals, clock: Clock) -> None:
    began_s = clock.now_s
    refusals.note(refusal())
    clock.now_s += 7_200
    for _ in range(3):
        refusals.note(refusal())
    (group,) = refusals.groups(Signal.PROFILES)
    assert (group.uploads, group.first_s, group.last_s) == (4, began_s, began_s + 7_200)
    assert [group.since(began_s), group.since(began_s + 120), group.since(began_s + 7_320)] == [4, 3, 0]


def test_a_days_refusals_take_little_memory(refusals: Refusals, clock: Clock) -> None:
    for _ in range(4_000):
        refusals.note(refusal())
        clock.now_s += 60
    (group,) = refusals.groups(Signal.PROFILES)
    assert group.uploads == 4_000
    assert len(group.minutes) <= 1_440
    assert group.since(clock.now_s - 3_600) == 60


def test_senders_that_make_up_names_do_not_fill_the_memory(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3 * GROUPS_LIMIT):
        refusals.note(refusal(service=f"s{number}"))
    groups = refusals.groups(Signal.PROFILES)
    assert len(groups) <= GROUPS_LIMIT + 1
    assert sum(group.uploads for group in groups) == 3 * GROUPS_LIMIT
    assert len(logged(caplog)) <= GROUPS_LIMIT + 1


HOSTILE = "a\x1b[2J\r\n2026-01-01 12:00:00 refused nothing\u202e\u0007é" + "x" * 100_000


def test_hostile_text_is_printable_and_short_in_the_log_and_wherever_it_is_told(
    applications: Applications, caplog: pytest.LogCaptureFixture
) -> None:
    body = pushed(profile(7_200), service_name=HOSTILE[:1_000])
    headers = {"User-Agent": "\x1b]0;title\x07"}
    applications.pyroscope.post(PUSH, data=body, content_type=PROTOBUF, headers=headers)
    applications.otlp.post("/v1/traces", data=b"{}", content_type=JSON, headers={"Content-Encoding": "br\x1b[31m"})
    applications.otlp.post(f"/{'y' * 5_000}", data=b"{}", content_type=JSON)
    assert len(logged(caplog)) == 3
    for text in (*logged(caplog), *(str(refusal[key]) for client in (applications.tempo, applications.pyroscope)
                                    for refusal in told(client) for key in refusal)):  # fmt: skip
        assert text.isprintable()
        assert len(text) < 1_000


@pytest.mark.parametrize("since", ["", "x", "nan", "inf", "-inf", "1e400", "-5", "9" * 300, "0x10"])
def test_any_time_to_ask_from_is_answered(applications: Applications, since: str) -> None:
    applications.otlp.post("/", data=b"x")
    assert len(told(applications.tempo, since=since)) == 1


def test_a_running_pair_tells_in_its_log_and_to_whoever_asks_what_its_server_refused() -> None:
    huge = {"Content-Length": str(2**40), "Content-Type": JSON}
    with running_pair() as pair:
        status, _ = pair.send("otlp-http", "POST", "/v1/traces", b"{", {"Content-Type": JSON})
        assert status == 400
        assert pair.send("otlp-http", "POST", "/v1/traces", b"", huge)[0] == 413
        assert pair.send("otlp-http", "PRI", "*")[0] == 404
        _, body = pair.send("tempo", "GET", "/spanprofiles/refused")
        refused = {refusal["reason"]: refusal for refusal in json.loads(body)["refused"]}
        assert set(refused) == {"malformed_request", "body_size_limit_exceeded", "wrong_path"}
        assert {refusal["peer"] for refusal in refused.values()} == {"127.0.0.1"}
        assert "gRPC" in refused["wrong_path"]["message"]
        lines = pair.refusals_logged()
    assert len(lines) == 3
    assert all(line.startswith("refused an export (") and " from 127.0.0.1" in line for line in lines)


def test_an_upload_without_the_token_is_told_to_whoever_brings_it() -> None:
    with running_pair(None, "--token", "a-token-of-some-length") as pair:
        allowed = {"Authorization": "Bearer a-token-of-some-length"}
        for port, path in (("otlp-http", "/v1/traces"), ("pyroscope", PUSH), ("pyroscope", "/ingest?name=a")):
            assert pair.send(port, "POST", path, b"x")[0] == 401
        assert pair.send("tempo", "GET", "/api/search")[0] == 401
        assert pair.send("tempo", "GET", "/metrics")[0] == 401
        counts = {}
        for port in ("tempo", "pyroscope"):
            _, body = pair.send(port, "GET", "/spanprofiles/refused", None, allowed)
            counts[port] = {refusal["way"]: refusal["reason"] for refusal in json.loads(body)["refused"]}
    assert counts == {
        "tempo": {"OTLP over HTTP": "unauthorized"},
        "pyroscope": {"push": "unauthorized", "ingest": "unauthorized"},
    }


def test_gzipped_pushes_are_read_before_they_are_refused(applications: Applications) -> None:
    headers = {"Content-Encoding": "gzip"}
    applications.pyroscope.post(PUSH, data=gzip.compress(OLD), content_type=PROTOBUF, headers=headers)
    assert [refusal["reason"] for refusal in told(applications.pyroscope)] == ["not_in_ingestion_window"]
