"""Examinations where a server is away, is not ready, fails, hangs, or loses what it takes."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import replace
from typing import Any

from spanprofiles.clients.http import DEFAULT_TIMEOUT_S
from spanprofiles.doctor import (
    Verdict,
    examine,
    examine_failure,
)
from spanprofiles.linking import Evidence
from spanprofiles.model import Endpoints
from tests.support.doctor import assert_broken, linker_of
from tests.unit.conftest import Answer, Seen, Serve


def test_a_server_that_does_not_answer_could_not_be_looked_at(embedded_pair: Endpoints, dead_url: str) -> None:
    examination = examine(replace(embedded_pair, pyroscope=dead_url), service="healthy")

    assert_broken(examination, "servers", "Pyroscope does not answer")
    assert not examination.could_look


def test_a_server_that_is_not_ready_is_broken(embedded_pair: Endpoints, serve: Serve) -> None:
    starting = serve(lambda _: Answer("starting", 503))

    examination = examine(replace(embedded_pair, tempo=starting.url), service="healthy")

    assert_broken(examination, "servers", "not ready .* 503 starting")
    assert examination.could_look


def test_a_server_that_fails_half_way_could_not_be_looked_at(embedded_pair: Endpoints, serve: Serve) -> None:
    failing = serve(lambda seen: Answer("ready") if seen.path == "/ready" else Answer("no disk", 500))

    examination = examine(replace(embedded_pair, tempo=failing.url), service="healthy")

    assert not examination.could_look
    assert examination.verdict is Verdict.NOT_CHECKED
    assert "no disk" in examination.finding("traces").evidence[0]


def test_addresses_that_were_swapped_are_told(embedded_pair: Endpoints) -> None:
    swapped = replace(embedded_pair, tempo=embedded_pair.pyroscope, pyroscope=embedded_pair.tempo)

    examination = examine(swapped, service="shop")

    assert_broken(examination, "servers", "is not Tempo")
    assert any("is not Pyroscope" in line for line in examination.finding("servers").evidence)
    assert "swapped" in examination.finding("servers").advice
    assert not examination.could_look


def test_a_server_that_says_ready_and_refuses_pushes_is_found_by_the_probe(
    embedded_pair: Endpoints, serve: Serve
) -> None:
    def respond(seen: Seen) -> Answer:
        return Answer("ready") if seen.path == "/ready" else Answer('{"code":"unavailable"}', 500)

    examination = examine(replace(embedded_pair, pyroscope=serve(respond).url), service="healthy", probe=True)

    assert_broken(examination, "probe", "the profile was not accepted.*lifecycler.addr")


def test_a_hosted_server_without_ready_is_asked_a_question_instead(embedded_pair: Endpoints, serve: Serve) -> None:
    hosted = serve(lambda seen: Answer("", 404) if seen.path == "/ready" else Answer('{"profileTypes":[]}'))

    examination = examine(replace(embedded_pair, pyroscope=hosted.url), service="healthy")

    assert examination.finding("servers").verdict is Verdict.OK


def test_a_server_that_takes_pushes_and_drops_them_is_found_by_the_probe(
    embedded_pair: Endpoints, serve: Serve
) -> None:
    dropping = serve(lambda seen: Answer("ready") if seen.path == "/ready" else Answer())

    examination = examine(
        replace(embedded_pair, pyroscope=dropping.url), service="healthy", probe=True, probe_timeout_s=0.3
    )

    assert_broken(examination, "probe", "Pyroscope accepted the profile and did not return it")
    assert examination.finding("probe").seen["tempo"]["came_back"], "the other server is in order"


def test_a_failed_claim_does_not_wait_for_a_server_that_hangs(embedded_pair: Endpoints, serve: Serve) -> None:
    over = threading.Event()

    def hang(_: Seen) -> Answer:
        over.wait(60)
        return Answer()

    start = time.monotonic()
    examination = examine_failure(linker_of(replace(embedded_pair, pyroscope=serve(hang).url)), Evidence("ab" * 16))

    took_s = time.monotonic() - start
    over.set()
    assert took_s < DEFAULT_TIMEOUT_S[1], "sooner than where nothing hurries"
    assert_broken(examination, "servers", "no answer in time")


def test_each_server_gets_the_login_of_its_own_address_and_no_other(serve: Serve) -> None:
    stubs = {name: serve(lambda _: Answer("{}")) for name in ("tempo", "pyroscope", "otlp_http", "grafana")}
    addresses: dict[str, Any] = {name: stub.url.replace("://", f"://{name}:secret@") for name, stub in stubs.items()}

    examine(Endpoints(**addresses), service="healthy", probe=True, probe_timeout_s=0)

    for name in ("tempo", "pyroscope", "otlp_http"):
        own = f"Basic {base64.b64encode(f'{name}:secret'.encode()).decode()}"
        assert {seen.headers.get("Authorization") for seen in stubs[name].seen} == {own}, name
