"""Locust's page, of a real Locust: other sites do nothing with it, and the load that it starts is bounded."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
import requests

from spanprofiles.backends.ports import free_ports
from spanprofiles.ui import DemoControls
from spanprofiles.ui.controls import MOST_RIDERS, ControlError
from tests.unit.loadgen.test_loadgen_runs import Region, environment, finish, poll, served, start

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = "http://evil.example"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Page:
    """The page of a running Locust, and the one region it may load."""

    port: int
    region: Region

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request as it is; "{port}" in a header is replaced."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name: value.replace("{port}", str(self.port)) for name, value in (headers or {}).items()}
        try:
            connection.request(method, path, urlencode(form) if form else None, (FORM if form else {}) | sent)
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answered, response.read().decode())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with served(Region("eu-north")) as region:
        (port,) = free_ports(1)
        process = start(["--web-port", str(port)], environment(region, LOADGEN_PAGE_HOSTS="loadgen"))
        try:
            found = Page(port, region)
            poll(lambda: requests.get(found.url, timeout=5).status_code)
            yield found
        finally:
            process.terminate()
            _, _, log = finish(process)
        assert "Traceback" not in log


SOME_RIDERS = {"user_count": "1", "spawn_rate": "1"}
FOREIGN: list[dict[str, str]] = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Host": "evil.example:{port}"},
    {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}", "Sec-Fetch-Site": "same-origin"},
    {"Host": "localhost.evil.example"},
    {"Host": ""},
    {"Host": "["},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/swarm", "/stop", "/stats/reset", "/user"])
def test_another_site_changes_nothing(page: Page, path: str, headers: dict[str, str]) -> None:
    asked = len(page.region.asked)
    answer = page.ask("POST", path, headers, SOME_RIDERS)
    assert answer.status == 403, answer.body
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert len(page.region.asked) == asked


@pytest.mark.parametrize("headers", [headers for headers in FOREIGN if headers.get("Sec-Fetch-Site") != "none"][:-6])
@pytest.mark.parametrize("path", ["/", "/stats/requests", "/logs", "/exceptions/csv"])
def test_another_site_reads_nothing(page: Page, path: str, headers: dict[str, str]) -> None:
    assert page.ask("GET", path, headers).status == 403


def test_a_site_under_a_name_of_its_own_for_this_machine_reads_nothing(page: Page) -> None:
    answer = page.ask("GET", "/stats/requests", {"Host": "evil.example:{port}"})
    assert answer.status == 403
    assert "LOADGEN_PAGE_HOSTS" in answer.body


def test_no_answer_lets_another_site_read_or_frame_it(page: Page) -> None:
    for method, path in (("GET", "/"), ("GET", "/stats/requests"), ("OPTIONS", "/swarm"), ("GET", "/nothing/here")):
        headers = page.ask(method, path).headers
        assert not [name for name in headers if name.startswith("access-control-")]
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
    preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    assert page.ask("OPTIONS", "/swarm", preflight).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"} | SAME_ORIGIN,
        {"Host": "[::1]:{port}"},
        {"Host": "loadgen:{port}"},  # a worker's health check, in the stack
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_who_opens_the_page_by_its_address_or_a_link_and_programs_are_answered(
    page: Page, headers: dict[str, str]
) -> None:
    assert page.ask("GET", "/", headers).status == 200
    assert page.ask("GET", "/stats/requests", headers).status == 200


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"user_count": "51"}, "user_count"),
        ({"user_count": "250"}, "user_count"),
        ({"user_count": "1e9"}, "user_count"),
        ({"user_count": "-1"}, "user_count"),
        ({"user_count": "many"}, "user_count"),
        ({"spawn_rate": "51"}, "spawn_rate"),
        ({"spawn_rate": "inf"}, "spawn_rate"),
        ({"spawn_rate": "nan"}, "spawn_rate"),
        ({"host": "http://evil.example"}, "evil.example"),
        ({"host": "http://127.0.0.1:1"}, "LOADGEN_URLS"),
        ({"host": "http://<127.0.0.1:1>"}, "LOADGEN_URLS"),
        ({"html_file": "written-by-a-page.html"}, "html_file"),
        ({"headless": "true"}, "headless"),
    ],
)
def test_a_load_beyond_the_bounds_or_on_another_machine_is_not_started(
    page: Page, form: dict[str, str], told: str
) -> None:
    asked = len(page.region.asked)
    answer = page.ask("POST", "/swarm", form=SOME_RIDERS | form)
    assert answer.status == 400
    assert json.loads(answer.body)["success"] is False
    assert told in json.loads(answer.body)["message"]
    assert len(page.region.asked) == asked
    # Locust's own page shows the reason of an answer with 200 alone.
    shown = page.ask("POST", "/swarm", SAME_ORIGIN, SOME_RIDERS | form)
    assert (shown.status, shown.body) == (200, answer.body)


def test_a_field_given_twice_is_bounded_twice(page: Page) -> None:
    body = "user_count=1&spawn_rate=1&user_count=250"
    assert requests.post(f"{page.url}/swarm", body, headers=FORM, timeout=30).status_code == 400


def test_riders_are_changed_by_nobody_and_a_large_body_is_refused(page: Page) -> None:
    answer = page.ask("POST", "/user", form={"host": "http://evil.example"})
    assert (answer.status, "not here" in answer.body) == (403, True)
    assert page.ask("POST", "/swarm", form=SOME_RIDERS | {"profile": "x" * 20_000}).status == 413


def test_the_demos_page_calls_riders_and_sends_all_of_them_home(page: Page) -> None:
    controls = DemoControls(locust_url=page.url)

    def come_to(riders: int) -> bool:
        return poll(lambda: int(controls.riders() == riders)) == 1

    for riders in (3, 0, 1, 0):
        controls.set_riders(riders)
        assert come_to(riders)
    assert page.region.asked


def test_the_demos_page_says_why_locust_refused(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.ui.controls.MOST_RIDERS", 1000)
    with pytest.raises(ControlError, match=f"user_count is '999': a number up to {MOST_RIDERS} is possible"):
        DemoControls(locust_url=page.url).set_riders(999)


@pytest.mark.slow
def test_the_form_of_locusts_own_page_starts_riders_on_the_region_it_shows(page: Page) -> None:
    own = {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"} | SAME_ORIGIN
    form = {"user_count": "2", "spawn_rate": "50", "host": page.region.url, "run_time": "1m", "profile": ""}
    answer = page.ask("POST", "/swarm", own, form)
    assert (answer.status, json.loads(answer.body)["success"]) == (200, True), answer.body
    poll(lambda: int(json.loads(page.ask("GET", "/stats/requests", own).body)["user_count"] == 2))
    assert json.loads(page.ask("POST", "/stop", own).body)["success"] is True
