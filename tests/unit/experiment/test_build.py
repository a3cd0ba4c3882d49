"""A build of the app: where it comes from, how it starts, and what is said of one that does not answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanprofiles.experiment.build import Build, RunningBuild, checked_out
from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.request_list import ListedRequest
from tests.support.git import git
from tests.unit.plugin.conftest import WEB_APP

Start = Callable[..., RunningBuild]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a build of some code; all are stopped after the test."""
    running: list[RunningBuild] = []

    def started(code: str, *arguments: str, ready: str = "/", timeout_s: float = 20) -> RunningBuild:
        (tmp_path / "app.py").write_text(code)
        build = Build("base", (sys.executable, "app.py", *arguments), tmp_path)
        running.append(RunningBuild(build, {"A_SETTING": "1"}))
        running[-1].start(ready, timeout_s)
        return running[-1]

    yield started
    for build in running:
        build.stop()


def test_a_command_is_split_as_a_shell_does_and_runs_where_it_was_given(tmp_path: Path) -> None:
    with checked_out("head", "env NAME='a shop' python app.py {port}", "", tmp_path) as build:
        assert build.code_of_another([str(tmp_path / "app.py")]) == ""  # its own
        assert build == Build("head", ("env", "NAME=a shop", "python", "app.py", "{port}"), tmp_path)


@pytest.mark.parametrize(("command", "reason"), [("", "head has no command"), ("python 'app", "cannot be read")])
def test_a_command_that_is_none_is_told(tmp_path: Path, command: str, reason: str) -> None:
    with pytest.raises(ExperimentError, match=reason), checked_out("head", command, "", tmp_path):
        pass


@pytest.mark.slow
def test_a_revision_runs_the_given_command_in_its_own_files(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "app.py").write_text("old")
    git(tmp_path, "add", "app.py")
    git(tmp_path, "commit", "--quiet", "--message=An app")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()

    with checked_out("base", "git:HEAD", ".venv/bin/python app.py", tmp_path) as build:
        assert build.directory != tmp_path
        assert (build.directory / "app.py").read_text() == "old"
        assert build.version == git(tmp_path, "rev-parse", "HEAD")
        # the environment is no part of the revision, and so that of the caller
        assert build.command == (str(tmp_path / ".venv/bin/python"), "app.py")
        installed = str(tmp_path / ".venv/lib/flask/app.py")
        assert build.code_of_another([installed, str(build.directory / "app.py"), "app.py", "<string>"]) == ""
        assert build.code_of_another([installed, str(tmp_path / "app.py")]) == str(tmp_path / "app.py")
    assert not build.directory.exists()


@pytest.mark.slow
def test_it_answers_at_a_port_of_its_own_until_it_is_stopped(start: Start) -> None:
    build = start(WEB_APP, "{host}", "{port}", ready="/slow-start")

    assert build.send(ListedRequest("GET", "/a")).status_code == 200
    build.stop()
    with pytest.raises(ExperimentError, match="base does not answer GET /a"):
        build.send(ListedRequest("GET", "/a"))


@pytest.mark.slow
def test_one_that_ends_as_it_starts_is_told_with_its_last_lines(start: Start) -> None:
    with pytest.raises(ExperimentError, match=r"base ended before it was ready.*exit code 3") as told:
        start("print('no such book'); raise SystemExit(3)")

    assert "no such book" in str(told.value)


@pytest.mark.slow
def test_one_that_never_answers_is_told_with_its_path_and_port(start: Start) -> None:
    with pytest.raises(ExperimentError, match=r"base did not answer /ready at its port \d+ after 0\.3 s"):
        start("import signal; signal.pause()", ready="/ready", timeout_s=0.3)


@pytest.mark.slow
def test_an_answer_that_is_an_error_ends_the_experiment(start: Start) -> None:
    build = start(WEB_APP.replace('== "/slow-start"', '== "/broken"').replace("+ 0.5", "+ 100"), "{host}", "{port}")

    with pytest.raises(ExperimentError, match="base answers GET /broken with 503 Service Unavailable"):
        build.send(ListedRequest("GET", "/broken"))
    with pytest.raises(ExperimentError, match=r"base does not answer GET /crash: it ended with exit code 7"):
        build.send(ListedRequest("GET", "/crash"))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    build = RunningBuild(Build("base", ("no-such-program", "{port}"), tmp_path), {})

    with pytest.raises(ExperimentError, match="base cannot be started: no-such-program"):
        build.start("/", 1)
