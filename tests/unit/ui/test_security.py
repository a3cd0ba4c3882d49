from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import Endpoints
from spanprofiles.ui import DemoControls, create_app
from spanprofiles.ui.security import GUESSERS, GUESSES, Guesses, WeakTokenError, is_loopback

ACCESS = "a token for this test"


def form_token(page: FlaskClient) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.get("/demo/controls").text)
    assert found is not None
    return found[1]


@pytest.fixture
def steering_page(embedded_pair: Endpoints) -> FlaskClient:
    return create_app(embedded_pair, DemoControls()).test_client()


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1", "[::1]:3000"])
def test_the_page_answers_to_this_machines_own_names(page: FlaskClient, host: str) -> None:
    assert page.get("/compare", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "192.168.1.7:3000", ""])
def test_a_site_that_points_its_name_at_this_machine_is_refused(page: FlaskClient, host: str) -> None:
    assert page.get("/compare", headers={"Host": host}).status_code in {400, 403}


def test_no_script_but_the_pages_own_may_run_and_nobody_may_frame_it(page: FlaskClient) -> None:
    policy = page.get("/").headers["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("address", ["/", "/compare", "/tour", "/doctor"])
def test_no_page_needs_what_the_policy_forbids(page: FlaskClient, address: str) -> None:
    text = page.get(address, follow_redirects=True).text

    assert not re.search(r"<[^>]+\s(style|on\w+)=", text)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text)
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_a_change_from_the_page_itself_is_done(steering_page: FlaskClient) -> None:
    response = steering_page.post(
        "/demo/riders",
        data={"token": form_token(steering_page), "riders": "3"},
        headers={"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
    )

    assert response.status_code == 502  # let through, and there is no load generator in this test
    assert "no load generator runs" in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_change_from_another_site_is_refused(steering_page: FlaskClient, headers: dict[str, str]) -> None:
    data = {"token": form_token(steering_page), "riders": "3"}

    assert steering_page.post("/demo/riders", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize("token", ["", "guessed"])
def test_a_change_without_the_pages_token_is_refused(steering_page: FlaskClient, token: str) -> None:
    assert steering_page.post("/demo/riders", data={"token": token, "riders": "3"}).status_code == 403


def test_a_page_open_to_a_network_shows_nothing_before_its_token_is_given(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair, access_token=ACCESS).test_client()
    headers = {"Host": "page.example.com"}

    refused = page.get("/", headers=headers)

    assert refused.status_code == 401
    assert embedded_pair.tempo not in refused.text
    assert page.get("/", headers=headers | {"Authorization": f"Bearer {ACCESS}"}).status_code == 200
    assert page.get("/", headers=headers | {"Authorization": "Bearer another"}).status_code == 401


def test_the_token_is_given_once_in_a_form(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair, access_token=ACCESS).test_client()
    found = re.search(r'name="token" value="([^"]+)"', page.get("/").text)
    assert found is not None

    wrong = page.post("/access", data={"token": found[1], "access": "another"})
    right = page.post("/access", data={"token": found[1], "access": ACCESS})

    assert wrong.status_code == 401
    assert right.status_code == 303
    assert "HttpOnly" in right.headers["Set-Cookie"]
    assert "SameSite=Strict" in right.headers["Set-Cookie"]
    assert page.get("/").status_code == 200


def test_whoever_guesses_is_told_to_wait_and_locks_nobody_out(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair, access_token=ACCESS).test_client()
    guess, right = {"Authorization": "Bearer a guess"}, {"Authorization": f"Bearer {ACCESS}"}

    codes = [page.get("/compare", headers=guess).status_code for _ in range(GUESSES + 1)]

    assert codes == [401] * GUESSES + [429]
    assert page.get("/compare", headers=right).status_code == 200
    assert page.get("/compare").status_code == 401, "who sends none does not guess"
    assert page.get("/compare", headers=guess, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 401


def test_guesses_in_the_form_and_in_the_cookie_count_too(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair, access_token=ACCESS).test_client()
    found = re.search(r'name="token" value="([^"]+)"', page.get("/").text)
    assert found is not None
    form = {"token": found[1], "access": "a guess"}

    codes = [page.post("/access", data=form).status_code for _ in range(GUESSES)]
    page.set_cookie("spanprofiles_access", "another guess")

    assert codes == [401] * GUESSES
    assert page.get("/compare").status_code == 429
    assert page.post("/access", data=form | {"access": ACCESS}).status_code == 303


def test_guesses_are_counted_for_so_many_addresses_at_most() -> None:
    guesses = Guesses()
    for number in range(3 * GUESSERS):
        assert not guesses.note(str(number))
    assert len(guesses._counts) == GUESSERS


@pytest.mark.parametrize("token", ["short", "fifteen-letters", " spaces at its ends ", "a token with a \t in it"])
def test_a_token_that_is_short_or_does_not_show_is_refused_without_being_shown(
    embedded_pair: Endpoints, token: str
) -> None:
    with pytest.raises(WeakTokenError) as refused:
        create_app(embedded_pair, access_token=token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("box", False)])  # noqa: S104  # asked about, not bound to
def test_only_addresses_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
