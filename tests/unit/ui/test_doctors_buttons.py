"""The doctor's page: a button wherever the command would be given an option."""

from __future__ import annotations

import ast
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spanprofiles import doctor
from spanprofiles.clients.probe import PROBE_SERVICE
from spanprofiles.model import Credentials, Endpoints
from spanprofiles.ui import create_app, examinations
from spanprofiles.ui.advice import Action, page_advice
from tests.unit.conftest import Answer, Seen, Serve
from tests.unit.ui.conftest import StoreRide
from tests.unit.ui.test_pages import NOBODY, STACKS, a_service

pytestmark = pytest.mark.slow

#: Options of the command that the page has nothing for: those with which it is started itself.
STARTED_WITH = {"--tempo", "--pyroscope"}
#: An option of the server that the page asks.
THE_SERVERS = {"--allow-host"}
#: The page always asks for CPU time, and lets the doctor find another type by itself.
FOUND_BY_ITSELF = {"--profile-type"}
SETTINGS = """
apiVersion: 1
datasources:
  - {name: Tempo, type: tempo, uid: tempo, url: http://tempo:3200, jsonData: {tracesToProfiles: JSON}}
  - {name: Pyroscope, type: grafana-pyroscope-datasource, uid: pyroscope, url: http://pyroscope:4040}
"""
TO_PROFILES = (
    "{datasourceUid: pyroscope, tags: [{key: service.name, value: service_name}],"
    " profileTypeId: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds'}"
)


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look be a new one."""
    monkeypatch.setattr(examinations, "_LASTS_S", 0.0)


def advices() -> Iterator[str]:
    """All texts of the doctor's hops in which an option of the command stands."""
    for path in Path(doctor.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"--[a-z]", node.value):
                yield node.value


def row(text: str, hop: str) -> str:
    """Return the row of a hop, its white space made plain."""
    found = re.search(rf'<tr[^>]*><th scope="row">{re.escape(hop)}</th>.*?</tr>', text, re.DOTALL)
    assert found is not None, text
    return re.sub(r"\s+", " ", found[0])


def post(page: FlaskClient, path: str, **form: str) -> Any:
    token = re.search(r'name="token" value="([^"]+)"', page.get("/doctor").text)
    assert token is not None
    return page.post(path, data={"token": token[1], **form}, follow_redirects=True)


def test_no_advice_on_the_page_names_an_option_of_the_command() -> None:
    texts = list(advices())

    assert texts
    for text in texts:
        advice = page_advice(text)
        assert set(re.findall(r"--[a-z-]+", advice.text)) <= STARTED_WITH | THE_SERVERS, text
        if not set(re.findall(r"--[a-z-]+", text)) <= STARTED_WITH | FOUND_BY_ITSELF | THE_SERVERS:
            assert advice.actions, text


@pytest.mark.parametrize(
    ("advice", "text", "actions"),
    [
        ("--probe sends a span", "the probe sends a span", (Action.PROBE,)),
        ("look further back with --since, please", "look further back, please", (Action.LOOK_BACK,)),
        ("say where they go: --otlp URL", "say where they go", (Action.NAME_RECEIVER,)),
        (
            "give its address (--tempo, --pyroscope)",
            "give its address (start this page anew with --tempo, --pyroscope)",
            (),
        ),
        ("send it a request", "send it a request", ()),
    ],
)
def test_options_become_words_and_actions(advice: str, text: str, actions: tuple[Action, ...]) -> None:
    found = page_advice(advice)

    assert (found.text, found.actions) == (text, actions)


def test_the_services_to_choose_are_those_that_are_named() -> None:
    found = page_advice(
        "is it called shop or shop-api? service.name and --service must be the same", ["api", "shop", "x"]
    )

    assert found.services == ("shop",)
    assert page_advice("--service", ["api", "shop"]).services == ("api", "shop")


def test_the_probe_is_run_and_what_came_of_it_is_kept(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)
    before = row(page.get(f"/doctor?service={ride.service}").text, "probe")
    assert "Run the probe" in before
    assert "--probe" not in before

    after = row(post(page, "/doctor/probe", service=ride.service).text, "probe")

    assert "Tempo returned the span" in after
    assert "Pyroscope returned the profile" in after
    assert "asked at" in after
    assert row(page.get(f"/doctor?service={ride.service}&part=findings").text, "probe") == after
    assert PROBE_SERVICE not in page.get("/doctor").text


def test_a_probe_that_does_not_come_back_is_the_broken_hop(
    embedded_pair: Endpoints, serve: Serve, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service(), STACKS)
    page = create_app(replace(embedded_pair, otlp_http=serve(lambda _: Answer("no", 503)).url)).test_client()

    text = post(page, "/doctor/probe", service=ride.service).text

    assert "broken at “probe”" in text
    assert "503" in row(text, "probe")


def test_without_a_receivers_address_the_page_asks_for_it(embedded_pair: Endpoints, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)
    page = create_app(replace(embedded_pair, otlp_http="")).test_client()

    without = row(post(page, "/doctor/probe", service=ride.service).text, "probe")
    named = row(post(page, "/doctor/probe", service=ride.service, receiver=embedded_pair.otlp_http).text, "probe")

    assert "Name the receiver" in without
    assert 'href="#probe-form"' in without
    assert "Tempo returned the span" in named


@pytest.mark.parametrize("receiver", ["ftp://127.0.0.1", "localhost:4318", "http://"])
def test_an_address_that_is_none_is_told_at_its_form(page: FlaskClient, receiver: str) -> None:
    response = post(page, "/doctor/probe", receiver=receiver)

    assert response.status_code == 400
    assert "is not an address" in response.text.partition('id="probe-form"')[2]


def test_the_pages_credentials_go_to_nobody_else(embedded_pair: Endpoints, serve: Serve) -> None:
    elsewhere = serve(lambda _: Answer())
    page = create_app(replace(embedded_pair, credentials=Credentials(bearer_token="secret"))).test_client()

    response = post(page, "/doctor/probe", receiver=elsewhere.url.replace("127.0.0.1", "localhost"))

    assert response.status_code == 400
    assert "SPAN_PROFILES_OTLP_URL" in response.text
    assert not elsewhere.seen


def test_a_servers_address_is_the_page_starts_affair(embedded_pair: Endpoints) -> None:
    page = create_app(replace(embedded_pair, pyroscope=NOBODY)).test_client()

    assert "start this page anew with --tempo, --pyroscope" in page.get("/doctor?service=shop").text
    response = post(page, "/doctor/probe", service="shop")
    assert response.status_code == 400
    assert "nothing was sent" in response.text


def test_one_can_look_further_back_where_that_is_advised(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, seconds_ago=600)
    text = page.get(f"/doctor?service={ride.service}").text
    address = f"/doctor?service={ride.service}&amp;since=15m"

    assert "broken at “traces”" in text
    assert f'href="{address}"' in row(text, "traces")
    assert "Look back 15 min" in row(text, "traces")
    assert 'class="v-ok"' in row(page.get(address.replace("&amp;", "&")).text, "traces")


def test_a_time_that_is_none_is_refused(page: FlaskClient) -> None:
    assert page.get("/doctor?since=1y").status_code == 400


def test_the_service_that_was_meant_can_be_chosen(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(f"bookshop_{uuid.uuid4().hex[:8]}", STACKS)
    mistyped = ride.service.replace("_", "-")

    found = row(page.get(f"/doctor?service={mistyped}").text, "traces")

    assert f'href="/doctor?service={ride.service}&amp;since=5m"' in found
    assert f"Examine {ride.service}" in found


@pytest.mark.parametrize(("to_profiles", "verdict"), [(TO_PROFILES, "v-ok"), ("{datasourceUid: nobody}", "v-broken")])
def test_pasted_settings_of_grafana_are_checked(
    page: FlaskClient, store_ride: StoreRide, to_profiles: str, verdict: str
) -> None:
    ride = store_ride(a_service(), STACKS)
    assert "Check Grafana's settings" in row(page.get(f"/doctor?service={ride.service}").text, "Grafana")

    text = post(page, "/doctor/grafana", service=ride.service, settings=SETTINGS.replace("JSON", to_profiles)).text

    assert f'<tr class="{verdict}">' in row(text, "Grafana")
    assert "the pasted settings" in text
    forgotten = post(page, "/doctor/grafana", service=ride.service).text
    assert '<tr class="v-not_checked">' in row(forgotten, "Grafana")


def test_settings_that_cannot_be_read_are_told_with_their_place(page: FlaskClient) -> None:
    response = post(page, "/doctor/grafana", settings="apiVersion: 1\ndatasources: [}")

    assert response.status_code == 400
    said = response.text.partition('id="grafana-form"')[2]
    assert "the pasted settings" in said
    assert "pasted.yaml" not in said
    assert "apiVersion: 1" in said, "what was pasted is not lost"


def test_settings_do_not_tell_of_this_pages_environment(page: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "swordfish")

    text = post(page, "/doctor/grafana", settings="apiVersion: 1\ndatasources: [{name: '$A_SECRET', type: 7}]").text

    assert "swordfish" not in text


def test_a_grafana_is_asked_for_its_settings_without_the_pages_credentials(
    embedded_pair: Endpoints, serve: Serve, store_ride: StoreRide
) -> None:
    tempo = {"uid": "tempo", "name": "Tempo", "type": "tempo", "jsonData": {}}

    def answer(seen: Seen) -> Answer:
        return Answer.of({"database": "ok"}) if seen.path == "/api/health" else Answer.of([tempo])

    ride, grafana = store_ride(a_service(), STACKS), serve(answer)
    page = create_app(replace(embedded_pair, credentials=Credentials(bearer_token="of the backend"))).test_client()

    text = post(page, "/doctor/grafana", service=ride.service, address=grafana.url, access="of Grafana").text

    assert '<tr class="v-broken">' in row(text, "Grafana")
    assert {seen.headers.get("Authorization") for seen in grafana.seen} == {"Bearer of Grafana"}
    assert "of Grafana" not in text


@pytest.mark.parametrize("address", [NOBODY, "grafana"])
def test_a_grafana_that_does_not_give_its_settings_is_told_at_its_form(page: FlaskClient, address: str) -> None:
    response = post(page, "/doctor/grafana", address=address)

    assert response.status_code == 400
    assert re.search(r"Grafana does not answer|is not an address", response.text.partition('id="grafana-form"')[2])


@pytest.mark.parametrize("address", ["/doctor/probe", "/doctor/grafana"])
def test_a_check_needs_the_forms_token(page: FlaskClient, address: str) -> None:
    assert page.post(address, data={}).status_code == 403


def test_where_nothing_has_arrived_the_probe_is_at_hand(serve: Serve, dead_url: str) -> None:
    def empty(seen: Seen) -> Answer:
        return Answer("echo") if seen.path == "/api/echo" else Answer.of({})

    page = create_app(Endpoints(tempo=serve(empty).url, pyroscope=serve(empty).url, otlp_http=dead_url)).test_client()

    text = page.get("/doctor").text

    assert "nothing has reached it" in text
    assert "Run the probe" in row(text, "traces")


def test_a_password_in_an_address_that_is_typed_in_is_used_and_shown_to_nobody(
    page: FlaskClient, serve: Serve, dead_url: str
) -> None:
    tempo = {"uid": "tempo", "name": "Tempo", "type": "tempo", "jsonData": {}}
    grafana = serve(lambda seen: Answer.of({"database": "ok"} if seen.path == "/api/health" else [tempo]))
    for url in (grafana.url, dead_url, "http://[::1", "ftp://grafana"):
        text = post(page, "/doctor/grafana", address=url.replace("://", "://joe:s3cret@")).text
        assert "s3cret" not in text
        assert "joe" not in text
        assert "s3cret" not in post(page, "/doctor/probe", receiver=url.replace("://", "://joe:s3cret@")).text
    assert grafana.seen[0].headers["Authorization"] == "Basic am9lOnMzY3JldA=="
    assert "s3cret" not in page.get("/doctor").text
