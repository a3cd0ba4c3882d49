from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.model import Endpoints

pytestmark = pytest.mark.slow

UI = [sys.executable, "-c", "from spanprofiles.cli.ui import command; command()"]
ROOT = Path(__file__).parents[3]


def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*UI, *options], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )


def test_the_command_prints_its_address_when_it_listens_and_ends_cleanly(embedded_pair: Endpoints) -> None:
    options = ["--port", "0", "--tempo", embedded_pair.tempo, "--pyroscope", embedded_pair.pyroscope]
    with ManagedProcess("the page", [*UI, *options], directory=ROOT) as process:
        lines = process.wait_for_line(lambda line: line.startswith("page "), 20)
        assert requests.get(lines[-1].split()[1], timeout=10).status_code == 200
        process.stop(30)

    assert process.exit_code == 0
    assert not any("Traceback" in line for line in process.output)


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run("--port", str(other.getsockname()[1]))

    assert result.returncode == 2
    assert "cannot listen on 127.0.0.1" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_page_is_not_opened_to_a_network_without_a_token() -> None:
    for result in (run("--host", "0.0.0.0"), run("--host", "0.0.0.0", SPAN_PROFILES_UI_TOKEN="short")):  # noqa: S104  # refused
        assert result.returncode == 2
        assert "SPAN_PROFILES_UI_TOKEN" in result.stderr
