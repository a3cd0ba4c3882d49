"""Who may ask: this machine alone, or whoever brings the token."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from spanprofiles.embedded.access import brought_token, check_address
from spanprofiles.embedded.errors import WeakTokenError
from spanprofiles.embedded.settings import TOKEN_VARIABLE, Settings, is_loopback
from tests.support.conformance.pair import running_pair
from tests.unit.embedded.test_process import free_ports, start

TOKEN = "s3cret with ünïcode"


def basic(password: str, user: str = "anyone") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "some.machine"])  # noqa: S104  # refused before it is bound
def test_an_address_that_others_can_reach_wants_a_token(host: str) -> None:
    process = start(*free_ports(), "--host", host)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == ""
    assert "--token" in errors
    assert TOKEN_VARIABLE in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_an_address_is_of_this_machine_alone_or_not(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_with_a_token_every_request_but_ready_must_bring_it() -> None:
    with running_pair(None, "--token", TOKEN) as pair:
        assert pair.send("tempo", "GET", "/ready")[0] == 200
        assert pair.send("pyroscope", "GET", "/ready")[0] == 200
        for port, method, path in (
            ("tempo", "GET", "/api/search"),
            ("otlp-http", "POST", "/v1/traces"),
            ("pyroscope", "POST", "/querier.v1.QuerierService/ProfileTypes"),
            ("pyroscope", "POST", "/ingest?name=app"),
        ):
            headers = {"Content-Type": "application/json"}
            status, body = pair.send(port, method, path, b"{}", headers)
            assert status == 401, path
            assert b"token" in body
            for wrong in ("Bearer wrong", "Bearer", basic("wrong"), basic("", TOKEN), "Basic ???", "Digest x", TOKEN):
                given = headers | {"Authorization": wrong.encode().decode("latin-1")}
                assert pair.send(port, method, path, b"{}", given)[0] == 401, (path, wrong)
            for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN), basic(TOKEN, "")):
                given = headers | {"Authorization": right.encode().decode("latin-1")}
                assert pair.send(port, method, path, b"{}", given)[0] in {200, 400}, (path, right)


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "a token that ends with a space ", "one with a \n in it"]
)
def test_a_token_too_short_or_impossible_to_send_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(WeakTokenError) as refused:
        check_address(Settings(token=token))
    assert TOKEN_VARIABLE in str(refused.value)
    assert token not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_sixteen_characters_make_a_token_and_this_machine_needs_none() -> None:
    check_address(Settings(token="0123456789abcdef"))
    check_address(Settings())


def test_a_short_token_keeps_the_pair_from_starting() -> None:
    process = start(*free_ports(), "--token", "short")
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert "at least 16" in errors
    assert errors.count("\n") == 1


def test_without_a_token_none_is_asked_for() -> None:
    with running_pair() as pair:
        assert pair.send("tempo", "GET", "/api/search")[0] == 200


def test_the_command_takes_the_token_from_the_environment() -> None:
    command = [sys.executable, "-m", "spanprofiles", "serve", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert TOKEN_VARIABLE in done.stdout


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer  x ", "x"), (basic("a:b"), "a:b"), ("Basic !", ""), ("", ""), ("Basic", ""), ("Bearer", ""), ("x y", "")],
)
def test_a_token_is_read_from_either_scheme(header: str, token: str) -> None:
    assert brought_token(header) == token
