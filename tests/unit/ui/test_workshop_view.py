"""The page's view of the workshop: exercises, their state, the next step, what the learner's program left behind."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import Endpoints
from spanprofiles.ui import create_app
from spanprofiles.workshop import Judgement, all_exercises
from spanprofiles.workshop.folder import LearnersFolder
from tests.unit.ui.conftest import StoreRide


@pytest.fixture
def learners(tmp_path: Path) -> LearnersFolder:
    folder = LearnersFolder(tmp_path / "mine")
    folder.fill()
    return folder


@pytest.fixture
def page(embedded_pair: Endpoints, learners: LearnersFolder) -> FlaskClient:
    return create_app(embedded_pair, workshop=learners).test_client()


def note(learners: LearnersFolder, number: int, judgement: Judgement, hints: int = 0) -> None:
    name = all_exercises()[number - 1].name
    learners.progress_file.update(lambda progress: progress.with_record(name, progress.of(name).after(judgement, {})))
    for _ in range(hints):
        learners.note_hint(all_exercises()[number - 1])


def test_it_opens_with_the_next_exercise_and_names_all(page: FlaskClient, learners: LearnersFolder) -> None:
    note(learners, 1, Judgement.passes("well found"))

    text = unescape(page.get("/workshop").text)

    assert "<h1>Traces and no flame graphs</h1>" in text
    assert [exercise.title for exercise in all_exercises() if f"</span> {exercise.title}" not in text] == []
    here = [exercise for exercise in all_exercises() if not exercise.absence]
    assert f"1 of {len(here)} solved" in text
    assert "spanprofiles workshop check 2" in text
    assert "Not judged yet" in text


def test_a_failed_judgement_shows_what_was_seen_what_is_missing_and_the_hint(
    page: FlaskClient, learners: LearnersFolder
) -> None:
    note(learners, 2, Judgement.fails(["<b>seen</b>", "  | Traceback"], "the agent", hint=1), hints=1)

    text = page.get("/workshop?exercise=2&part=state").text

    assert "&lt;b&gt;seen&lt;/b&gt;" in text
    assert "<li>the agent</li>" in text
    assert "the first is about this" in text
    assert "The program never starts the agent" in text
    assert "<html" not in text


def test_a_look_is_shown_as_what_is_to_do_and_not_as_a_failure(page: FlaskClient, learners: LearnersFolder) -> None:
    note(learners, 2, replace(Judgement.fails("no profile ID", "the agent", hint=1), is_look=True))

    text = page.get("/workshop?exercise=2&part=state").text

    assert 'data-judgement="look"' in text
    assert "To do:" in text
    assert [word for word in ("Not yet", "Missing", "Stuck") if word in text] == []


@pytest.mark.parametrize(
    ("solved", "site", "status"),
    [(False, "none", 302), (True, "none", 200), (False, "same-origin", 200), (False, "", 200)],
)
def test_who_types_the_address_and_has_solved_nothing_sees_the_workshop(
    page: FlaskClient, learners: LearnersFolder, solved: bool, site: str, status: int
) -> None:
    if solved:
        note(learners, 1, Judgement.passes("well found"))

    answer = page.get("/", headers={"Sec-Fetch-Site": site} if site else {})

    assert answer.status_code == status


def test_the_requests_of_several_programs_are_shown_with_their_names(
    page: FlaskClient, learners: LearnersFolder, store_ride: StoreRide
) -> None:
    mended, broken = (store_ride(service, {("sell", "rate_seats"): 30}, name="GET /tickets") for service in "ab")
    traces = [("the broken cinema", broken.trace_id), ("nowhere", ""), ("the mended cinema", mended.trace_id)]
    note(learners, 8, Judgement.passes("proven").showing_all(traces))

    text = page.get("/workshop?exercise=8").text

    assert "The request that was judged: GET /tickets, the broken cinema" in text
    assert "The request that was judged: GET /tickets, the mended cinema" in text
    assert "nowhere" not in text


def test_a_solved_exercise_leads_on_to_the_next(page: FlaskClient, learners: LearnersFolder) -> None:
    note(learners, 1, Judgement.passes("well found"))

    assert "Go on with exercise 2: Traces and no flame graphs" in page.get("/workshop?exercise=1").text


def test_the_learners_trace_and_flame_graph_stand_beside_it(
    page: FlaskClient, learners: LearnersFolder, store_ride: StoreRide
) -> None:
    ride = store_ride("bakery", {("cake", "arrange_cherries"): 30}, name="GET /cake")
    note(learners, 2, Judgement.passes("linked").showing(ride.trace_id, ride.span_id))

    text = page.get("/workshop?exercise=2").text

    assert "GET /cake" in text
    assert "arrange_cherries" in text
    assert f'href="/trace/{ride.trace_id}/span/{ride.span_id}"' in text


def test_a_trace_without_a_profile_is_shown_with_the_reason(
    page: FlaskClient, learners: LearnersFolder, store_ride: StoreRide
) -> None:
    ride = store_ride("bakery", name="GET /bread", with_profile_id=False)
    note(learners, 2, Judgement.fails("no profile ID", "the agent").showing(ride.trace_id))

    assert "carries no <code>pyroscope.profile.id</code>" in page.get("/workshop?exercise=2").text


def test_a_trace_that_is_gone_leaves_the_rest_of_the_page(page: FlaskClient, learners: LearnersFolder) -> None:
    note(learners, 2, Judgement.passes("linked").showing("f" * 32, "e" * 16))

    assert "linked" in page.get("/workshop?exercise=2").text


@pytest.mark.parametrize("number", ["77", "x", "-1", "1e9"])
def test_an_exercise_that_is_not_there_is_not_found(page: FlaskClient, number: str) -> None:
    answer = page.get(f"/workshop?exercise={number}")

    assert (answer.status_code, "choose one of 1, 2, 3, 4" in answer.text) == (404, True)


def test_progress_that_cannot_be_read_is_told_and_no_error_of_the_page(
    page: FlaskClient, learners: LearnersFolder
) -> None:
    learners.progress_file.path.write_text("rubbish")

    answer = page.get("/workshop")

    assert (answer.status_code, "cannot be read" in answer.text) == (503, True)


def test_a_page_without_a_workshop_has_no_link_to_one(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair).test_client()

    assert 'href="/workshop"' not in page.get("/").text
    assert page.get("/workshop").status_code == 404
