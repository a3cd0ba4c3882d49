"""Apps and jobs as tests start them, without a backend: small programs that listen, print, crash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanprofiles.pytest_plugin import AppStarter, JobRunner
from spanprofiles.pytest_plugin.programs import Launcher

Python = Callable[[str], list[str]]

#: Answers each GET: /slow-start with 503 for the first half second, /crash by ending, all else with 200.
WEB_APP = """
import http.server, os, socket, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            print("crashing", flush=True)
            try:
                raise KeyError("no such book")
            except KeyError:
                import traceback
                traceback.print_exc()
                os._exit(7)
        is_early = self.path == "/slow-start" and time.monotonic() < began + 0.5
        self.send_response(503 if is_early else 200)
        self.end_headers()

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET

began = time.monotonic()
server = Server((sys.argv[1], int(sys.argv[2])), Handler)
print("listening on", sys.argv[2])
server.serve_forever()
"""


@pytest.fixture
def launcher(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Launcher]:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    launcher = Launcher(pytestconfig, tmp_path / "logs", nowhere)
    yield launcher
    launcher.stop()


@pytest.fixture
def start(launcher: Launcher) -> AppStarter:
    return AppStarter(launcher)


@pytest.fixture
def run(launcher: Launcher) -> JobRunner:
    return JobRunner(launcher)


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Give a function that writes a program and returns the command that runs it."""

    def command(code: str) -> list[str]:
        script = tmp_path / f"program_{len(list(tmp_path.glob('program_*.py')))}.py"
        script.write_text(code)
        return [sys.executable, str(script)]

    return command


@pytest.fixture
def web_app(python: Python) -> list[str]:
    return [*python(WEB_APP), "{host}", "{port}"]
