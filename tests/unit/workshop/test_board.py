"""The board of a class: what learners report, and what whoever gives the workshop sees of it, whoever sends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from spanprofiles.clients import FoundSpan, FoundTrace, TempoClient
from spanprofiles.workshop import Judgement, all_exercises, board
from spanprofiles.workshop.board import Board, Row
from spanprofiles.workshop.progress import Progress
from spanprofiles.workshop.progress_report import (
    LEARNER,
    LONGEST_NAME,
    MISSING,
    PROGRESS,
    SEAT,
    Report,
    name_among_others,
    seat_of,
)

LOOK, INSTRUMENT = all_exercises()[0], all_exercises()[1]
FAILS = Judgement.fails("seen", "the agent", hint=1)


@dataclass
class Tempo:
    """Has reports, and gives no more of them at once than asked for."""

    reports: list[Report] = field(default_factory=list)
    searches: int = 0

    def search(self, _: str, *, start_s: int, end_s: int, limit: int, **__: int) -> list[FoundTrace]:
        self.searches += 1
        matching = [r for r in self.reports if start_s <= r.time_ns / 1e9 < end_s]
        return [self._found(report) for report in matching[:limit]]

    def _found(self, report: Report) -> FoundTrace:
        span = FoundSpan("a" * 16, report.time_ns, 1, report.attributes)
        return FoundTrace("b" * 32, "", "", report.time_ns, 0, (span,))


def progress_of(seed: int, *judgements: Judgement, passed: bool = True, hints: int = 0) -> Progress:
    """Return the progress of a learner who solved the first exercise and had these judgements of the second."""
    record = Progress(seed).of(LOOK.name).after(Judgement.passes("found"), {})
    progress = Progress(seed).with_record(LOOK.name, record) if passed else Progress(seed)
    record = progress.of(INSTRUMENT.name)
    for judgement in judgements:
        record = record.after(judgement, {})
    for _ in range(hints):
        record = record.after_hint(3)
    return progress.with_record(INSTRUMENT.name, record)


def report_of(seed: int, learner: str, *judgements: Judgement, ago_s: float = 0.0, **options: Any) -> Report:
    report = Report.of(progress_of(seed, *judgements, **options), learner, INSTRUMENT.name)
    return replace(report, time_ns=int(report.time_ns - ago_s * 1e9))


def rows_of(*reports: Report, since_s: float = 3600.0) -> list[Row]:
    return Board([cast("TempoClient", Tempo(list(reports)))], time.time() - since_s).rows()


def test_a_report_is_read_as_it_was_sent() -> None:
    report = report_of(1, "anna", FAILS, hints=2)

    assert Report.read(report.attributes, report.time_ns) == report
    assert report.states[2].checks == 1
    assert (report.exercise, report.missing) == (2, "the agent")


def test_the_newest_report_of_each_learner_counts() -> None:
    (row,) = rows_of(report_of(1, "anna", ago_s=60, passed=False), report_of(1, "anna", FAILS, FAILS, ago_s=5))

    assert (row.name, row.solved, row.missing) == ("anna", 1, "the agent")
    assert [(state.passed, state.checks) for state in row.states[:3]] == [(True, 1), (False, 2), (False, 0)]


def test_learners_of_one_name_have_rows_of_their_own() -> None:
    rows = rows_of(report_of(1, "anna", FAILS), report_of(2, "anna", passed=False))

    assert [row.name for row in rows] == sorted(f"anna ({seat_of(seed)[:4]})" for seed in (1, 2))


def test_the_services_of_learners_of_one_name_have_different_names() -> None:
    names = {name_among_others(replace(Progress(seed), learner="anna")) for seed in (1, 2)}

    assert len(names) == 2
    assert all(name.startswith("anna-") for name in names)
    assert name_among_others(Progress(1)) == ""


@pytest.mark.parametrize(
    ("judgements", "hints", "ago_s", "stuck"),
    [
        ([FAILS], 0, 0, False),
        ([FAILS] * 5, 0, 0, True),
        ([FAILS], 3, 0, True),
        ([FAILS], 0, 16 * 60, True),
        ([FAILS] * 5, 3, 2 * 3600, False),
        ([FAILS] * 9 + [Judgement.passes("linked")], 3, 0, False),
    ],
    ids=["begun", "many checks", "all hints", "long ago", "gone", "solved"],
)
def test_who_needs_help_is_stuck(judgements: list[Judgement], hints: int, ago_s: float, stuck: bool) -> None:
    (row,) = rows_of(report_of(1, "anna", *judgements, hints=hints, ago_s=ago_s), since_s=4 * 3600)

    assert (row.stuck is not None) == stuck


def test_who_only_looked_is_told_from_who_has_tried() -> None:
    look = replace(FAILS, is_look=True)
    (looked,), (tried,), (asked,) = (
        rows_of(report_of(1, "anna", *judgements, hints=hints))
        for judgements, hints in (([look], 0), ([look, FAILS], 0), ([look], 1))
    )

    assert [row.states[1].mark for row in (looked, tried, asked)] == ["◦", "1", "?1"]
    assert [row.now for row in (looked, tried, asked)] == ["looks at 2", "at 2", "at 2"]
    assert [state.mark for state in looked.states[:3]] == ["✓", "◦", "·"]


def test_who_is_stuck_comes_first() -> None:
    rows = rows_of(report_of(1, "anna", FAILS), report_of(2, "zoe", *[FAILS] * 5))

    assert [row.name for row in rows] == ["zoe", "anna"]


def test_all_reports_are_read_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_MOST_TRACES", 10)
    tempo = Tempo([report_of(seed, f"l{seed}", ago_s=20 * seed) for seed in range(60)])

    rows = Board([cast("TempoClient", tempo)], time.time() - 3600).rows()

    assert len(rows) == 60
    assert tempo.searches < 60


def test_a_second_look_reads_what_is_new_and_a_third_at_once_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    tempo = Tempo([report_of(1, "anna", ago_s=10)])
    seen = Board([cast("TempoClient", tempo)], time.time() - 3600)
    seen.rows()
    tempo.reports.append(report_of(2, "ben"))

    assert [row.name for row in seen.rows()] == ["anna"]
    monkeypatch.setattr(board, "_FRESH_S", -1.0)
    assert [row.name for row in seen.rows()] == ["anna", "ben"]


def test_each_tenant_is_asked() -> None:
    tempos = [cast("TempoClient", Tempo([report_of(1, name)])) for name in ("anna", "ben")]

    assert [row.name for row in Board(tempos, time.time() - 3600).rows()] == ["anna", "ben"]


def test_more_learners_than_a_board_shows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_LEARNERS", 3)
    seen = Board([cast("TempoClient", Tempo([report_of(seed, "x") for seed in range(5)]))], time.time() - 3600)

    assert (len(seen.rows()), seen.left_out) == (3, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent | {SEAT: "../../etc"},
        lambda sent: sent | {SEAT: ""},
        lambda sent: sent | {PROGRESS: "1:1:3"},
        lambda sent: sent | {PROGRESS: "1:1:99999999999999999999:0:0"},
        lambda sent: sent | {PROGRESS: ",".join(["1:1:1:1:1"] * 50_000)},
        lambda _: {LEARNER: "anna"},
    ],
    ids=["seat", "no seat", "short", "large", "many", "other attributes"],
)
def test_what_is_no_report_is_left_out(change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    assert Report.read(change(report_of(1, "anna").attributes), 1) is None


def test_a_hostile_name_is_cut_and_shown_as_it_is() -> None:
    sent = report_of(1, "anna").attributes | {LEARNER: "\x1b[2Janna" + "a" * 10_000, MISSING: "::error::\u202e" * 500}

    report = Report.read(sent, time.time_ns())

    assert report is not None
    assert report.learner.startswith("\\x1b[2Janna")
    assert len(report.learner) <= LONGEST_NAME + 10
    assert "\u202e" not in report.missing
    assert not report.missing.startswith("::")
