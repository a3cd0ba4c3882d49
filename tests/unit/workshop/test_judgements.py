"""Whatever a learner's program does wrong becomes a judgement that says what was seen."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import AttemptError, Exercise, Judgement, Workbench, program
from spanprofiles.workshop.check import judged

pytestmark = pytest.mark.slow

Judge = Callable[[Workbench], Judgement]
NOWHERE = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9", otlp_http="http://127.0.0.1:9")
SERVER = """
import http.server, os, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        {body}

    def log_message(self, *_):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
HEALTHY = "if self.path == '/health': self.send_response(200); self.end_headers(); return\n        "


class Fake(Exercise):
    """An exercise whose judge is a function of the test."""

    the_judge: Judge

    def judge(self, bench: Workbench) -> Judgement:
        return self.the_judge(bench)


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., Judgement]:
    """Judge a program of the learner's by starting it and sending it one request."""

    def judge(bench: Workbench) -> Judgement:
        app = bench.start(("{python}", "app.py"))
        return Judgement.passes(f"answered with {app.get('/work').status_code}")

    def attempted(text: str, judge: Judge = judge) -> Judgement:
        (tmp_path / "app.py").write_text(text)
        exercise = Fake(99, "99_fake", tmp_path)
        object.__setattr__(exercise, "the_judge", judge)
        return judged(Workbench(exercise, tmp_path, NOWHERE))

    return attempted


def test_a_program_that_answers_is_judged(attempt: Callable[..., Judgement]) -> None:
    assert attempt(SERVER.format(body="self.send_response(204); self.end_headers()")).seen == ("answered with 204",)


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("def main()\n    pass", ["app.py ended with exit code 1 before it answered", "def main()", "SyntaxError"]),
        ("import no_such_module", ["ModuleNotFoundError: No module named 'no_such_module'", "line 1"]),
        ("import sys; print('no luck'); sys.exit(7)", ["ended with exit code 7 before it answered", "| no luck"]),
        ("import os; os.kill(os.getpid(), 9)", ["was ended by signal 9 before it answered", "printed nothing"]),
        (
            SERVER.format(body=HEALTHY + "print('so long', flush=True); os._exit(3)"),
            ["ended with exit code 3 while it answered GET /work", "| so long"],
        ),
        (
            SERVER.format(body=HEALTHY + "print('oh', flush=True); self.send_error(500)"),
            ["answered GET /work with 500", "| oh", "it must answer without an error"],
        ),
    ],
    ids=["syntax", "import", "exit", "killed", "crash", "error"],
)
def test_what_went_wrong_is_told_with_the_programs_own_words(
    attempt: Callable[..., Judgement], text: str, fragments: list[str]
) -> None:
    judgement = attempt(text)

    assert not judgement.passed
    assert judgement.missing
    assert [fragment for fragment in fragments if fragment not in judgement.text] == [], judgement.text


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("def main()\n    pass", "app.py crashed. Mend this first: SyntaxError: expected ':'"),
        ("import nowhere", "app.py crashed. Mend this first: ModuleNotFoundError: No module named 'nowhere'"),
        ("print('no luck')", "it must run until it is stopped, and answer"),
    ],
    ids=["syntax", "import", "no error"],
)
def test_what_is_to_mend_first_is_the_last_line_of_a_crash(
    attempt: Callable[..., Judgement], text: str, missing: str
) -> None:
    assert attempt(text).missing == (missing,)


def test_a_program_that_listens_nowhere_is_told_where_to(
    attempt: Callable[..., Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "START_S", 0.5)

    judgement = attempt("import time; time.sleep(60)")

    assert "app.py runs, but did not answer GET /health on port" in judgement.text
    assert judgement.missing == ("it must listen on 127.0.0.1, on the port in PORT",)


def test_a_program_that_hangs_is_told_so(attempt: Callable[..., Judgement]) -> None:
    def judge(bench: Workbench) -> Judgement:
        app = bench.start(("{python}", "app.py"))
        app.get("/work", timeout=(5.0, 0.3))
        raise AssertionError("it did not answer")

    judgement = attempt(SERVER.format(body=HEALTHY + "time.sleep(60)"), judge)

    assert "app.py did not answer GET /work in time" in judgement.text


def test_whatever_was_started_has_ended_after_the_judgement(attempt: Callable[..., Judgement]) -> None:
    started = []

    def judge(bench: Workbench) -> Judgement:
        started.append(bench.start(("{python}", "app.py")))
        raise AttemptError(Judgement.fails("seen", "missing"))

    assert attempt(SERVER.format(body=HEALTHY), judge).seen == ("seen",)
    assert not started[0].is_running


def test_the_program_gets_the_backends_variables_and_none_of_the_shells(
    attempt: Callable[..., Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("SPAN_PROFILES_PASSWORD", "secret")

    def judge(bench: Workbench) -> Judgement:
        finished = bench.run(("{python}", "app.py"), environment={"MORE": "at {port}"})
        assert finished.exit_code == 0
        return Judgement.passes(finished.output.splitlines())

    shown = "import os; [print(k, v) for k, v in os.environ.items() if k.split('_')[0] in ('OTEL', 'SPAN', 'MORE')]"
    seen = dict(line.split(" ", 1) for line in attempt(shown, judge).seen)

    assert seen["OTEL_SERVICE_NAME"] == "fake"
    assert seen["OTEL_EXPORTER_OTLP_ENDPOINT"] == NOWHERE.otlp_http
    assert seen["MORE"].removeprefix("at ").isdigit()
    assert not {"OTEL_SDK_DISABLED", "SPAN_PROFILES_PASSWORD"} & set(seen)


def test_a_script_that_does_not_end_is_stopped(attempt: Callable[..., Judgement]) -> None:
    def judge(bench: Workbench) -> Judgement:
        return Judgement.passes(str(bench.run(("{python}", "app.py"), timeout_s=0.5).exit_code))

    assert attempt("import time; time.sleep(60)", judge).seen == ("None",)


def test_it_is_ended_as_ctrl_c_does_even_where_that_is_ignored(attempt: Callable[..., Judgement]) -> None:
    def judge(bench: Workbench) -> Judgement:
        app = bench.start(("{python}", "app.py"))
        assert app.finish()
        return Judgement.passes(app.output)

    text = "import atexit; atexit.register(print, 'the last words')\n" + SERVER.format(body=HEALTHY)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert "the last words" in attempt(text, judge).seen
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_answer_is_taken_from_the_command_line_or_else_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "answer.txt").write_text("  from the file\n")
    answers = []

    for given in ("", "given"):
        exercise = Fake(99, "99_fake", tmp_path)
        object.__setattr__(exercise, "the_judge", lambda bench: Judgement.passes(bench.answer))
        answers.append(judged(Workbench(exercise, tmp_path, NOWHERE, answer=given)).seen)

    assert answers == [("from the file",), ("given",)]
