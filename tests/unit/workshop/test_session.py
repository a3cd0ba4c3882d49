"""A running workshop: one in a folder, found by the commands in other terminals."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.model import Credentials, Endpoints
from spanprofiles.workshop import WorkshopError, session
from spanprofiles.workshop.session import Session, announce, claimed, refuse_second, running, stop

ENDPOINTS = Endpoints(
    tempo="http://127.0.0.1:1",
    pyroscope="http://127.0.0.1:2",
    otlp_http="http://127.0.0.1:3",
    credentials=Credentials(username="u", password="secret", tenant="class-7"),
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_PROBES_S", 0.0)


def test_a_second_workshop_in_the_same_folder_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with claimed(tmp_path / ".workshop"):
        announce(tmp_path / ".workshop", Session.of(ENDPOINTS, "http://127.0.0.1:3000"))
        message = f"a workshop runs in {tmp_path} already; its page is http://127.0.0.1:3000"
        with pytest.raises(WorkshopError, match=message), claimed(tmp_path / ".workshop"):
            pass
        with pytest.raises(WorkshopError, match=message):
            refuse_second(tmp_path / ".workshop")
        assert running(tmp_path / ".workshop") is not None


def test_two_workshops_in_two_folders_know_nothing_of_each_other(tmp_path: Path) -> None:
    with claimed(tmp_path / "one"), claimed(tmp_path / "two"):
        announce(tmp_path / "one", Session.of(ENDPOINTS, "http://127.0.0.1:3000"))
        assert running(tmp_path / "two") is None


def test_when_it_has_ended_nothing_runs(tmp_path: Path) -> None:
    with claimed(tmp_path):
        announce(tmp_path, Session.of(ENDPOINTS, "page"))

    assert running(tmp_path) is None
    assert stop(tmp_path) is None
    refuse_second(tmp_path)


def test_one_that_was_killed_is_not_taken_for_running(tmp_path: Path) -> None:
    announce(tmp_path, Session.of(ENDPOINTS, "page"))

    assert running(tmp_path) is None
    with claimed(tmp_path):
        assert running(tmp_path) is None, "the addresses of the killed one"


def test_no_password_is_kept(tmp_path: Path) -> None:
    with claimed(tmp_path):
        announce(tmp_path, Session.of(ENDPOINTS, "page"))
        kept = (tmp_path / "session.json").read_text()

    assert "secret" not in kept
    assert "class-7" in kept


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(WorkshopError, match=r"file/\.workshop cannot be used: Not a directory"),
        claimed(tmp_path / "file" / ".workshop"),
    ):
        pass
