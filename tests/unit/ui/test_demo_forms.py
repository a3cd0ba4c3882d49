"""The forms that steer the demo: they do what was asked, or say why not."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from spanprofiles.model import Endpoints
from spanprofiles.ui import ControlError, DemoControls, create_app
from tests.unit.conftest import Answer, Serve
from tests.unit.ui.test_security import form_token


class Controls(DemoControls):
    """Controls that remember what they were asked to do."""

    asked: list[tuple[Any, ...]] = []  # noqa: RUF012  # each test makes its own

    def set_riders(self, count: int) -> None:
        if count > 50:
            raise ControlError(f"{count} riders are not possible")
        self.asked.append(("riders", count))

    def set_fault(self, name: str, region: str, on: bool) -> None:
        self.asked.append((name, region, on))


@pytest.fixture
def page(embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(Controls, "asked", [])
    return create_app(embedded_pair, Controls()).test_client()


def post(page: FlaskClient, path: str, **form: str) -> TestResponse:
    return page.post(path, data={"token": form_token(page), **form})


def test_the_number_of_riders_is_set_and_the_controls_stay_open(page: FlaskClient) -> None:
    answer = post(page, "/demo/riders", riders="4")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/?controls=open#demo")
    assert Controls.asked == [("riders", 4)]


@pytest.mark.parametrize(
    ("riders", "status", "message"),
    [("many", 400, "is not a number of riders: 0 to 50 is expected"), ("99", 502, "99 riders are not possible")],
)
def test_a_number_of_riders_that_cannot_be_set_is_told(
    page: FlaskClient, riders: str, status: int, message: str
) -> None:
    answer = post(page, "/demo/riders", riders=riders)

    assert answer.status_code == status
    assert message in answer.text
    assert Controls.asked == []


def test_a_fault_is_switched_and_becomes_a_moment_to_compare(page: FlaskClient) -> None:
    assert post(page, "/demo/faults", fault="slow-search", switch="on us east").status_code == 303

    assert Controls.asked == [("slow-search", "us east", True)]
    assert "slow-search switched on in us east" in page.get("/compare?kind=moment").text


@pytest.mark.parametrize("form", [{}, {"fault": "slow-search", "switch": "perhaps north"}, {"switch": "on north"}])
def test_a_switch_without_fault_or_state_is_refused(page: FlaskClient, form: dict[str, str]) -> None:
    answer = post(page, "/demo/faults", **form)

    assert answer.status_code == 400
    assert "a fault, a region, and on or off are needed" in answer.text
    assert Controls.asked == []


def test_a_page_that_no_demo_started_has_nothing_to_steer(embedded_pair: Endpoints) -> None:
    app = create_app(embedded_pair)
    token = str(app.jinja_env.globals["form_token"])

    answer = app.test_client().post("/demo/riders", data={"token": token, "riders": "1"})

    assert answer.status_code == 404
    assert "was not started by the demo" in answer.text


def test_another_program_in_a_servers_place_is_told_from_one_that_refuses(serve: Serve) -> None:
    login = serve(lambda _: Answer("<html><title>Log in</title></html>", content_type="text/html"))

    answer = create_app(Endpoints(login.url, login.url)).test_client().get("/")

    assert answer.status_code == 502
    assert "A server gave an unexpected answer" in answer.text
    assert "a login page between" in answer.text
