"""A Pyroscope that loses what it is sent."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
import requests

from spanprofiles.workshop.exercises.e10_your_own.cut_link import LARGEST_BODY_BYTES, cut_link
from tests.support.http_server import http_server

Seen = list[tuple[str, str, bytes]]


@pytest.fixture
def seen() -> Seen:
    """What the real server was sent: path, tenant, body."""
    return []


@pytest.fixture
def losing(seen: Seen) -> Iterator[str]:
    """The address of a server that loses uploads, in front of one that notes everything."""

    class Real(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers.get("X-Scope-OrgID", ""), body))
            self.send_response(400 if self.path.endswith("/Refused") else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"names":["total"]}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http_server(Real) as real, cut_link(real) as address:
        yield address


@pytest.mark.parametrize(
    "path", ["/push.v1.PusherService/Push", "/ingest?name=shop", "/pyroscope/ingest", "/v1development/profiles"]
)
def test_uploads_are_taken_and_lost(losing: str, seen: Seen, path: str) -> None:
    answer = requests.post(losing + path, data=gzip.compress(b"profile"), timeout=5)

    assert (answer.status_code, answer.content) == (200, b"")
    assert seen == []


def test_questions_are_passed_on_with_their_headers_and_answered(losing: str, seen: Seen) -> None:
    path = "/querier.v1.QuerierService/SelectMergeSpanProfile"

    answer = requests.post(losing + path, data=b"{}", headers={"X-Scope-OrgID": "team-a"}, timeout=5)

    assert answer.json() == {"names": ["total"]}
    assert seen == [(path, "team-a", b"{}")]


def test_refusals_are_passed_on(losing: str) -> None:
    assert requests.post(f"{losing}/querier.v1.QuerierService/Refused", data=b"{}", timeout=5).status_code == 400


def test_a_body_that_is_too_large_is_refused_unread(losing: str, seen: Seen) -> None:
    headers = {"Content-Length": str(LARGEST_BODY_BYTES + 1)}

    answer = requests.post(f"{losing}/querier.v1.QuerierService/Series", headers=headers, timeout=5)

    assert answer.status_code == 413
    assert seen == []


def test_where_the_real_server_is_gone_questions_fail_with_502() -> None:
    with cut_link("http://127.0.0.1:1") as losing:
        assert requests.post(f"{losing}/querier.v1.QuerierService/Series", data=b"{}", timeout=5).status_code == 502
