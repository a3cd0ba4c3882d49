"""Apps under test, whatever they listen on, and however they start or fail to."""

from __future__ import annotations

import re
import socket
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from spanprofiles.linking import Waiting
from spanprofiles.pytest_plugin import ASKING, AppEndedError, AppStarter, RunningApp
from spanprofiles.pytest_plugin.programs import Launcher
from tests.unit.plugin.conftest import Python

pytestmark = pytest.mark.slow

_FAILED = pytest.fail.Exception
_RUNS_ON = "import time\nprint('working')\ntime.sleep(600)"
_NEVER = "listening on the moon"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_an_app_is_ready_when_a_path_answers(start: AppStarter, web_app: list[str]) -> None:
    app = start(web_app, ready="/slow-start")

    assert app.get("/slow-start").status_code == 200
    assert app.base_url == f"http://127.0.0.1:{app.port}"


def test_an_app_is_ready_when_its_port_takes_connections(start: AppStarter, web_app: list[str]) -> None:
    assert start(web_app, ready="tcp").get("/").ok


def test_an_app_is_ready_when_another_port_takes_connections(start: AppStarter, web_app: list[str]) -> None:
    first = start(web_app)

    assert start(web_app, ready=first.port).is_running


def test_an_app_is_ready_when_it_has_printed_a_line(start: AppStarter, web_app: list[str]) -> None:
    app = start(web_app, ready=re.compile(r"^listening on \d+$"))

    assert app.get("/").ok
    assert app.log.read_text() == f"listening on {app.port}\n"


def test_an_app_is_ready_when_a_function_says_so_and_what_it_raises_means_not_yet(
    start: AppStarter, web_app: list[str]
) -> None:
    asked: list[RunningApp] = []

    def is_ready(app: RunningApp) -> bool:
        asked.append(app)
        return len(asked) > 2 and bool(requests.get(app.base_url, timeout=1).ok)

    app = start(web_app, ready=is_ready)

    assert app.get("/").ok
    assert set(asked) == {app}


def test_such_a_function_need_not_take_the_app(start: AppStarter, python: Python) -> None:
    answers = iter([False, False, True])

    assert start(python(_RUNS_ON), ready=lambda: next(answers)).is_running
    assert list(answers) == []


def test_of_a_worker_nothing_is_waited_for_where_nothing_is_asked(start: AppStarter, python: Python) -> None:
    app = start(python(_RUNS_ON), ready=None)

    assert app.is_running
    app.wait_until_printed("work")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_app_listens_where_it_is_told_to(start: AppStarter, web_app: list[str], host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    app = start(web_app, host=host)

    assert app.get("/").ok
    assert app.address == (f"[::1]:{app.port}" if host == "::1" else f"{host}:{app.port}")


def test_a_host_that_is_none_of_this_machines_is_named(start: AppStarter, web_app: list[str]) -> None:
    with pytest.raises(_FAILED, match=r"the app under test cannot listen at 192\.0\.2\.1: "):
        start(web_app, host="192.0.2.1")


def test_the_apps_place_stands_in_its_command_and_in_its_variables(start: AppStarter, python: Python) -> None:
    code = "import os, sys, time; print(*sys.argv[1:], os.environ['BIND'], os.environ['JSON']); time.sleep(600)"
    environment = {"BIND": "{address}", "JSON": '{"port": 1}'}

    app = start([*python(code), "{host}", "{url}/"], ready=re.compile("127"), environment=environment)

    url = f"http://127.0.0.1:{app.port}"
    assert app.log.read_text() == f'127.0.0.1 {url}/ 127.0.0.1:{app.port} {{"port": 1}}\n'


def test_a_variable_that_is_none_is_taken_away(
    start: AppStarter, python: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "1")
    code = "import os, time; print('INHERITED' in os.environ); time.sleep(600)"

    assert start(python(code), ready=re.compile("True")).is_running
    assert start(python(code), ready=re.compile("False"), environment={"INHERITED": None}).is_running


def test_an_app_starts_in_the_folder_of_the_test_that_asks(start: AppStarter, python: Python) -> None:
    app = start(python("import os; print(os.getcwd())"), ready=None)

    app.wait_until_printed(f"^{re.escape(str(Path(__file__).parent))}$")


@pytest.fixture
def asked_for_by_a_fixture(start: AppStarter, python: Python) -> RunningApp:
    return start(python("import os; print(os.getcwd())"), ready=None, cwd="..")


def test_a_relative_folder_begins_there(asked_for_by_a_fixture: RunningApp) -> None:
    asked_for_by_a_fixture.wait_until_printed(f"^{re.escape(str(Path(__file__).parents[1]))}$")
    assert asked_for_by_a_fixture.log.name.endswith("asked_for_by_a_fixture.log")


def test_another_folder_can_be_named(start: AppStarter, python: Python, tmp_path: Path) -> None:
    app = start(python("import os; print(os.getcwd())"), ready=None, cwd=tmp_path)

    app.wait_until_printed(f"^{re.escape(str(tmp_path))}$")


def test_a_folder_that_is_not_there_is_named(start: AppStarter, python: Python, tmp_path: Path) -> None:
    with pytest.raises(_FAILED, match=f"cannot be started: {tmp_path / 'nope'}: No such file"):
        start(python(""), cwd=tmp_path / "nope")


def test_an_app_that_crashes_at_the_start_is_told_of_at_once_with_its_traceback(
    start: AppStarter, python: Python
) -> None:
    code = "import time\nprint('connecting')\n" + "def connect(): raise ConnectionError('no database')\nconnect()"
    began = time.monotonic()

    with pytest.raises(_FAILED) as failed:
        start(python(code), start_timeout=300)

    assert time.monotonic() - began < 60
    lines = str(failed.value).splitlines()
    assert re.fullmatch(r"the app under test does not answer at http://\S+/: it has ended with exit code 1", lines[0])
    assert "  | connecting" in lines
    assert "  | ConnectionError: no database" in lines
    assert any(line.startswith("log of the app under test") and ".log" in line for line in lines)


@pytest.mark.parametrize("ready", ["/", "tcp", re.compile(_NEVER), lambda _: False])
def test_a_crash_is_told_at_once_whatever_is_waited_for(start: AppStarter, python: Python, ready: object) -> None:
    with pytest.raises(_FAILED, match="it has ended with exit code 3"):
        start(python("raise SystemExit(3)"), ready=ready, start_timeout=300)  # type: ignore[arg-type]  # each kind


@pytest.mark.parametrize(
    ("ready", "told"),
    [
        ("/", r"does not answer at http://127\.0\.0\.1:\d+/ after 0\.5 s"),
        ("tcp", r"takes no connection at 127\.0\.0\.1:\d+ \(Connection refused\) after 0\.5 s"),
        (re.compile(_NEVER), r"has printed no line with 'listening on the moon' after 0\.5 s"),
        (lambda _: 0, r"is not ready: <lambda> has not said so \(it returned 0\) after 0\.5 s"),
        (lambda _: 1 // 0, r"\(it raised ZeroDivisionError: integer division or modulo by zero\)"),
    ],
)
def test_an_app_that_is_not_ready_in_time_is_told_of_with_what_was_seen_last(
    start: AppStarter, python: Python, ready: object, told: str
) -> None:
    with pytest.raises(_FAILED, match=told):
        start(python(_RUNS_ON), ready=ready, start_timeout=0.5)  # type: ignore[arg-type]  # each kind


def test_the_last_answer_of_an_app_that_is_not_ready_is_told(start: AppStarter, python: Python) -> None:
    refuses = (
        "import http.server, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_error(503)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()"
    )

    with pytest.raises(_FAILED, match=r"\(the last answer: 503 Service Unavailable\) after 5 s"):
        start([*python(refuses), "{port}"], start_timeout=5)


@pytest.mark.parametrize("ready", ["health", True, 0, 70_000, 1.5])
def test_what_says_nothing_of_readiness_is_refused(start: AppStarter, web_app: list[str], ready: object) -> None:
    with pytest.raises(ValueError, match=r"does not say when the app is ready: give|is not a port: give 1 to 65535"):
        start(web_app, ready=ready)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("command", ["gunicorn app:app", []])
def test_a_command_is_a_list(start: AppStarter, command: object) -> None:
    with pytest.raises(ValueError, match="the command is a list"):
        start(command)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(start: AppStarter, web_app: list[str], seconds: float) -> None:
    with pytest.raises(ValueError, match="start_timeout="):
        start(web_app, start_timeout=seconds)


def test_a_program_that_is_not_there_is_named(start: AppStarter) -> None:
    with pytest.raises(_FAILED, match="the shop cannot be started: no-such-program: No such file"):
        start(["no-such-program"], name="the shop")


def test_an_app_that_is_not_ready_in_time_is_stopped(start: AppStarter, python: Python, launcher: Launcher) -> None:
    with pytest.raises(_FAILED, match=r"after 0\.2 s"):
        start(python(_RUNS_ON), start_timeout=0.2)

    (program,) = launcher.started
    assert not program.process.is_running


def test_programs_of_the_tests_own_environment_are_found_first(
    start: AppStarter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    program = tmp_path / "own-server"
    program.write_text("#!/bin/sh\necho started with $1\n")
    program.chmod(0o755)

    start(["own-server", 8080], ready=None).wait_until_printed("started with 8080")  # type: ignore[list-item]  # a number


def test_a_fixture_that_is_no_function_asks_from_the_root(
    start: AppStarter, python: Python, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = SimpleNamespace(func=partial(int), argname="partial")
    monkeypatch.setitem(pytestconfig.stash, ASKING, [fixture])  # type: ignore[arg-type]  # stands for a definition

    app = start(python("import os; print(os.getcwd())"), ready=None)

    app.wait_until_printed(f"^{re.escape(str(pytestconfig.rootpath))}$")


def test_a_request_to_an_app_that_crashes_over_it_tells_how_it_ended(start: AppStarter, web_app: list[str]) -> None:
    app = start(web_app)

    with pytest.raises(AppEndedError) as failed:
        app.get("/crash")

    lines = str(failed.value).splitlines()
    assert lines[0] == "the app under test has ended with exit code 7; its last traceback:"
    assert lines[-1] == "  | KeyError: 'no such book'"
    with pytest.raises(requests.ConnectionError, match="has ended with exit code 7"):
        app.get("/")


def test_a_request_to_an_app_that_was_stopped_is_an_ordinary_refusal(start: AppStarter, web_app: list[str]) -> None:
    app = start(web_app)
    app.stop()

    with pytest.raises(requests.ConnectionError) as failed:
        app.get("/")
    assert not isinstance(failed.value, AppEndedError)
    assert app.exit_code is not None


def test_a_line_that_does_not_come_is_told_of_with_the_end_of_the_log(start: AppStarter, python: Python) -> None:
    app = start(python("print('good morning')"), ready=None)

    with pytest.raises(
        AssertionError, match=r"printed no line with 'good night': it has ended with exit code 0[^$]*good morning"
    ):
        app.wait_until_printed("good night", timeout=60)


def test_two_apps_of_one_asker_have_logs_of_their_own(start: AppStarter, web_app: list[str]) -> None:
    first, second = start(web_app), start(web_app)

    assert first.log != second.log
    assert str(first.port) in first.log.read_text()
    assert str(second.port) in second.log.read_text()


def test_the_whole_log_is_kept_and_a_crash_in_c_has_a_traceback(start: AppStarter, python: Python) -> None:
    code = "import ctypes\nfor number in range(5000): print(number)\nctypes.string_at(0)"
    app = start(python(code), ready=None)

    assert Waiting(60).until(lambda: not app.is_running)
    assert app.program.end == "has ended by signal 11"
    assert "Fatal Python error: Segmentation fault" in app.program.last_words
    assert app.log.read_text().startswith("0\n1\n2\n")


def test_an_app_whose_traces_would_go_nowhere_is_refused_with_the_options_name(
    pytestconfig: pytest.Config, tmp_path: Path, web_app: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    start = AppStarter(Launcher(pytestconfig, tmp_path, {"PYROSCOPE_SERVER_ADDRESS": "http://127.0.0.1:9"}))

    with pytest.raises(_FAILED, match=r"give --span-profiles-otlp-url \(SPAN_PROFILES_OTLP_URL\)"):
        start(web_app)

    start(web_app, environment={"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}).stop()
