"""The admin route: closed unless a token is set, then open to its holder only."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from rideshare.admin import LONGEST_BODY, TOKEN_HEADER
from rideshare.app import create_app
from rideshare.routes import CITY_EXTENSION
from rideshare.settings import Settings

TOKEN = "a-token-that-nobody-guesses"
ALL_OFF = {"slow-search": False, "lock-contention": False, "slow-gateway": False}


def client_with(**settings: Any) -> FlaskClient:
    return create_app(Settings(**settings)).test_client()


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(Settings(admin_token=TOKEN))


@pytest.fixture
def open_to_admin(app: Flask) -> FlaskClient:
    for name in ALL_OFF:
        app.extensions[CITY_EXTENSION].switches.switch(name, on=False)
    return app.test_client()


def switch(client: FlaskClient, name: str, body: Any, token: str = TOKEN) -> TestResponse:
    return client.post(f"/admin/faults/{name}", json=body, headers={TOKEN_HEADER: token})


def states(client: FlaskClient) -> dict[str, bool]:
    answer = client.get("/admin/faults", headers={TOKEN_HEADER: TOKEN}).json
    assert answer is not None
    found: dict[str, bool] = answer["faults"]
    return found


def message(response: TestResponse) -> str:
    assert response.json is not None
    found: str = response.json["error"]["message"]
    return found


@pytest.mark.parametrize("headers", [{}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: TOKEN}])
def test_without_a_token_in_the_settings_the_route_does_not_exist(eu_north: Flask, headers: dict[str, str]) -> None:
    client = eu_north.test_client()
    for method, path in (("GET", "/admin/faults"), ("POST", "/admin/faults/slow-search")):
        nowhere = client.open("/nowhere", method=method)
        response = client.open(path, method=method, json={"on": True}, headers=headers)
        assert response.status_code == nowhere.status_code == 404
        assert response.text == nowhere.text.replace("/nowhere", path)


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é", "a" * 10_000])
def test_without_the_right_token_nothing_is_shown_or_switched(open_to_admin: FlaskClient, token: str | None) -> None:
    headers = {} if token is None else {TOKEN_HEADER: token}
    for response in (
        open_to_admin.get("/admin/faults", headers=headers),
        open_to_admin.post("/admin/faults/slow-search", json={"on": True}, headers=headers),
        open_to_admin.post("/admin/faults/gremlins", json={"on": True}, headers=headers),
    ):
        assert response.status_code == 403
        assert TOKEN not in response.text
        assert "slow-search" not in response.text
    assert states(open_to_admin) == ALL_OFF


def test_with_the_token_the_faults_are_shown(open_to_admin: FlaskClient) -> None:
    response = open_to_admin.get("/admin/faults", headers={TOKEN_HEADER: TOKEN})
    assert response.status_code == 200
    assert response.json == {"region": "eu-north", "faults": ALL_OFF, "wiring": []}


def test_faults_set_at_start_are_shown_as_on() -> None:
    client = client_with(admin_token=TOKEN, faults=frozenset({"slow-gateway", "no-agent", "dotted-name"}))
    answer = client.get("/admin/faults", headers={TOKEN_HEADER: TOKEN}).json
    assert answer is not None
    assert answer["faults"] == {**ALL_OFF, "slow-gateway": True}
    assert answer["wiring"] == ["no-agent", "dotted-name"]


@pytest.mark.parametrize("name", ALL_OFF)
def test_a_code_fault_is_switched_on_and_off_alone(open_to_admin: FlaskClient, name: str) -> None:
    response = switch(open_to_admin, name, {"on": True})
    assert response.status_code == 200
    assert response.json is not None
    assert response.json["faults"] == states(open_to_admin) == {**ALL_OFF, name: True}
    switch(open_to_admin, name, {"on": False})
    assert states(open_to_admin) == ALL_OFF


def test_two_apps_have_switches_of_their_own(open_to_admin: FlaskClient) -> None:
    other = client_with(admin_token=TOKEN)
    switch(open_to_admin, "slow-search", {"on": True})
    assert states(other) == ALL_OFF


def test_an_unknown_fault_is_a_404_that_lists_the_known_ones(open_to_admin: FlaskClient) -> None:
    response = switch(open_to_admin, "gremlins", {"on": True})
    assert response.status_code == 404
    assert message(response) == "there is no such fault; known are slow-search, lock-contention, slow-gateway"


def test_a_wiring_fault_cannot_be_switched_and_the_answer_says_how_it_is_set(open_to_admin: FlaskClient) -> None:
    response = switch(open_to_admin, "no-agent", {"on": True})
    assert response.status_code == 404
    assert message(response) == "no-agent can only be set when a region starts, by RIDESHARE_FAULTS"


@pytest.mark.parametrize(
    "body", [None, [], {}, True, "on", {"on": 1}, {"on": "true"}, {"on": None}, {"on": True, "x": 1}]
)
def test_a_body_that_is_no_switch_is_a_400_that_says_what_is_expected(open_to_admin: FlaskClient, body: Any) -> None:
    response = switch(open_to_admin, "slow-search", body)
    assert response.status_code == 400
    assert message(response) == 'on must come as the whole body: {"on": true} or {"on": false}'
    assert states(open_to_admin) == ALL_OFF


@pytest.mark.parametrize("data", [b"", b"{", b'{"on": tru', b"\xff\xfe", b"[" * 900])
def test_a_body_that_is_no_json_is_a_400_too(open_to_admin: FlaskClient, data: bytes) -> None:
    response = open_to_admin.post("/admin/faults/slow-search", data=data, headers={TOKEN_HEADER: TOKEN})
    assert response.status_code == 400
    assert states(open_to_admin) == ALL_OFF


def test_a_body_that_is_too_long_is_refused(open_to_admin: FlaskClient) -> None:
    body = b'{"on": true' + b" " * LONGEST_BODY + b"}"
    response = open_to_admin.post("/admin/faults/slow-search", data=body, headers={TOKEN_HEADER: TOKEN})
    assert response.status_code == 413
    assert states(open_to_admin) == ALL_OFF


def test_a_parameter_is_a_400(open_to_admin: FlaskClient) -> None:
    response = open_to_admin.get("/admin/faults?on=true", headers={TOKEN_HEADER: TOKEN})
    assert response.status_code == 400


def test_a_fault_cannot_be_switched_by_a_link(open_to_admin: FlaskClient) -> None:
    response = open_to_admin.get("/admin/faults/slow-search", headers={TOKEN_HEADER: TOKEN})
    assert response.status_code == 405
