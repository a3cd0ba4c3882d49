"""``spanprofiles ab`` and ``record``: what they say before anything is measured. The rest is in test_slow_commit.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanprofiles.backends import ManagedProcess
from spanprofiles.cli import main
from spanprofiles.waiting import Waiting
from tests.support.git import git

pytestmark = pytest.mark.slow


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 2
    return result


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with one commit; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spanprofiles.experiment.commands.end_by_interruption", lambda: None)
    monkeypatch.setattr("spanprofiles.cli.record.end_by_interruption", lambda: None)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "requests.txt").write_text("/search\n")
    git(tmp_path, "add", "requests.txt")
    git(tmp_path, "commit", "--quiet", "--message=Requests")
    return tmp_path


@pytest.mark.parametrize(
    ("base", "head", "source", "reason"),
    [
        ("git:nowhere", "python app.py {port}", "requests.txt", "has no commit 'nowhere': is it fetched?"),
        ("git:HEAD", "git:HEAD", "requests.txt", "base has no command: give one such as 'python app.py {port}'"),
        ("", "python app.py", "requests.txt", "base has no command"),
        ("python 'app", "python app.py", "requests.txt", "the command of base cannot be read: No closing quotation"),
        ("a", "b", "none.txt", "the requests in none.txt cannot be read: No such file or directory"),
        ("a", "b", "test_none.py::test_it", "there is no test test_none.py::test_it: test_none.py is not there"),
        ("a", "b", "test_none.py", "there is no test test_none.py"),
    ],
)
def test_what_cannot_be_tried_is_said_with_what_to_do(base: str, head: str, source: str, reason: str) -> None:
    result = invoke("ab", "--base", base, "--head", head, "--requests", source)

    assert reason in result.stderr
    assert result.stdout == ""
    assert len(git(Path.cwd(), "worktree", "list").splitlines()) == 1


def test_a_backend_that_is_none_is_told() -> None:
    result = invoke("ab", "--base", "a", "--head", "b", "--requests", "requests.txt", "--backend", "cloud")

    assert "there is no backend 'cloud'" in result.stderr


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "the test test_shop.py::test_it does not pass (pytest ended with 1), so its requests cannot be used"),
        (0, "the test test_shop.py::test_it sent no request to an app that span_profiles_app has started"),
    ],
    ids=["fails", "asks no app"],
)
def test_a_test_that_gives_no_requests_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    (repository / "test_shop.py").touch()
    monkeypatch.setattr("spanprofiles.experiment.commands.run", lambda *_, **__: code)
    result = invoke("ab", "--base", "a", "--head", "b", "--requests", "test_shop.py::test_it")

    assert reason in result.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--revision", "nowhere"], "has no commit 'nowhere'"),
        (["--setup", "exit 3"], "the setup failed with exit code 3 in "),
        (["--revision", "HEAD", "--setup", "test -f requests.txt && exit 4"], "the setup failed with exit code 4 in "),
    ],
)
def test_a_recording_that_cannot_be_made_says_why(options: list[str], reason: str) -> None:
    result = invoke("record", *options, "recorded")

    assert reason in result.stderr
    assert len(git(Path.cwd(), "worktree", "list").splitlines()) == 1


def test_a_recording_runs_the_tests_in_the_files_of_its_revision(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "requests.txt").write_text("changed")
    ran: list[tuple[list[str], str]] = []

    def run(command: list[str], directory: Path) -> int:
        ran.append((command, (directory / "requests.txt").read_text()))
        return 5

    monkeypatch.setattr("spanprofiles.cli.record.run", run)
    for revision in ([], ["--revision", "HEAD"]):
        done = CliRunner().invoke(main, ["record", *revision, "recorded", "--", "-q", "test_it.py"])
        assert done.exit_code == 5  # pytest's own

    (here, there) = ran
    assert (repository / "recorded").is_dir()
    assert here[0][1:] == ["-m", "pytest", "-q", "test_it.py", f"--span-profiles-record={repository / 'recorded'}"]
    assert there[0] == here[0]
    assert (here[1], there[1]) == ("changed", "/search\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_ends_the_command_and_removes_the_work_tree(repository: Path, number: signal.Signals) -> None:
    started = repository / "started"
    setup = f"pwd > {started}.new && mv {started}.new {started}; sleep 600"
    command = [sys.executable, "-m", "spanprofiles", "record", "--revision", "HEAD", "--setup", setup, "recorded"]
    with ManagedProcess("record", command, directory=repository) as process:
        assert Waiting(30).until(started.exists)
        os.kill(process.pid, number)
        assert process.wait(30) == 130

    assert not Path(started.read_text().strip()).exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
