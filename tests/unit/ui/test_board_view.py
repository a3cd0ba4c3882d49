"""The page's view of a class: what learners have sent to the shared servers, and nothing else."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from spanprofiles.cli import main
from spanprofiles.clients import TempoClient
from spanprofiles.model import Endpoints
from spanprofiles.ui import create_app
from spanprofiles.workshop import Judgement, all_exercises
from spanprofiles.workshop.board import Board
from spanprofiles.workshop.progress import Progress
from spanprofiles.workshop.progress_report import Report

LOOK, INSTRUMENT = all_exercises()[:2]


@pytest.fixture(scope="module", autouse=True)
def reports(embedded_pair: Endpoints) -> None:
    """Two learners: one is stuck, the other has a name that no page should run."""
    progress = Progress(7).with_record(LOOK.name, Progress(7).of(LOOK.name).after(Judgement.passes("found"), {}))
    record = progress.of(INSTRUMENT.name)
    for _ in range(5):
        record = record.after(Judgement.fails("seen", "the agent <b>first</b>", hint=1), {})
    Report.of(progress.with_record(INSTRUMENT.name, record), "anna", INSTRUMENT.name).send(embedded_pair)
    hostile = Report.of(Progress(8), "ben")
    replace(hostile, learner="<script>alert(1)</script>\x1b[2J").send(embedded_pair)


@pytest.fixture
def page(embedded_pair: Endpoints) -> FlaskClient:
    board = Board([TempoClient(embedded_pair.tempo)], time.time() - 3600)
    return create_app(embedded_pair, board=board).test_client()


def test_each_learner_has_a_row_with_what_is_missing(page: FlaskClient) -> None:
    text = page.get("/board").text

    assert '<th scope="row">anna</th><td class="number">1 of ' in text
    assert "<strong>stuck at 2</strong>: missing the agent &lt;b&gt;first&lt;/b&gt;" in text
    assert 'href="/board" aria-current="page"' in text


def test_a_name_is_text_and_nothing_else(page: FlaskClient) -> None:
    text = page.get("/board?part=rows").text

    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<html" not in text


def test_a_page_without_a_class_has_no_board(embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair).test_client()

    assert page.get("/board").status_code == 404
    assert 'href="/board"' not in page.get("/").text


def test_reports_are_nobodys_requests(page: FlaskClient) -> None:
    assert "spanprofiles-workshop" not in page.get("/").text


def test_the_terminal_shows_the_same(embedded_pair: Endpoints) -> None:
    arguments = ["workshop", "board", "--tempo", embedded_pair.tempo, "--since", "1h"]

    shown = CliRunner().invoke(main, arguments)
    as_json = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)

    assert shown.exit_code == 0, shown.output
    assert "stuck at 2" in shown.stdout
    assert "anna, 2: missing the agent <b>first</b>\n" in shown.stdout
    assert "\x1b[2J" not in shown.stdout
    anna = next(row for row in as_json["learners"] if row["learner"] == "anna")
    assert (anna["solved"], anna["exercise"], anna["stuck"]) == (1, 2, True)


def test_without_learners_it_says_how_they_begin(embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Board, "rows", lambda _: [])

    result = CliRunner().invoke(main, ["workshop", "board", "--tempo", embedded_pair.tempo])
    page = create_app(embedded_pair, board=Board([], 0)).test_client().get("/board")

    assert result.exit_code == 0
    assert "spanprofiles workshop start --learner NAME" in result.stdout
    assert "spanprofiles workshop start --learner NAME" in page.text


def test_servers_that_do_not_answer_are_named() -> None:
    result = CliRunner().invoke(main, ["workshop", "board", "--tempo", "http://127.0.0.1:9"])

    assert result.exit_code == 2
    assert "Tempo" in result.stderr
    assert "Traceback" not in result.output
