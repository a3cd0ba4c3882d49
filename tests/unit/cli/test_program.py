"""The program as users run it: a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.text import Text

from spanprofiles import __version__
from spanprofiles.backends import ManagedProcess
from spanprofiles.cli import main
from spanprofiles.cli.output import show
from spanprofiles.model import Endpoints
from tests.unit.cli.conftest import leave_telemetry

pytestmark = pytest.mark.slow

_HEAVY = ["flask", "google.protobuf", "lark", "opentelemetry", "pytest", "requests", "rich", "sqlite3", "waitress"]


def _program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spanprofiles", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_help_comes_without_importing_what_commands_need() -> None:
    code = (
        "import sys\nfrom spanprofiles.cli import main\ntry: main(['--help'])\nfinally:\n"
        f" print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0
    assert result.stderr == "[]\n"
    for command in ("demo", "serve", "show", "verify"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("command", ["serve", "show", "verify"])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_a_help_that_names_its_options(command: str, option: str) -> None:
    result = CliRunner().invoke(main, [command, option])
    assert result.exit_code == 0
    assert f" {command} [OPTIONS]" in result.stdout
    assert ("--tempo-port" if command == "serve" else "--pyroscope") in result.stdout


def test_interrupted_while_it_waits_it_says_so_and_ends_with_130() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        # where a script runs the tests in the background, SIGINT is ignored
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += "from spanprofiles.cli import main; main()"
        command = [sys.executable, "-c", code, "show", "f" * 32, "--tempo", address, "--pyroscope", address]
        silent.settimeout(20)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            connection, _ = silent.accept()
            with connection:
                program.send_signal(signal.SIGINT)
                out, err = program.communicate(timeout=10)
    assert program.returncode == 130
    assert (out, err) == ("", "spanprofiles: interrupted\n")


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"spanprofiles, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"], ["show", "--nope"], ["serve", "--tempo-port", "70000"]])
def test_what_the_program_does_not_know_ends_with_2_and_the_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_the_exit_codes_of_a_process_are_0_1_and_2(embedded_pair: Endpoints, dead_url: str) -> None:
    servers = {"SPAN_PROFILES_TEMPO_URL": embedded_pair.tempo, "SPAN_PROFILES_PYROSCOPE_URL": embedded_pair.pyroscope}
    linked = _program("show", leave_telemetry(embedded_pair).trace_id, "--json", **servers)
    assert (linked.returncode, linked.stderr) == (0, "")
    assert json.loads(linked.stdout)["span_profiles"][0]["cpu_ns"] == 80_000_000
    absent = _program("show", "f" * 32, "--wait", "0", **servers)
    assert (absent.returncode, absent.stdout) == (1, "")
    assert absent.stderr.startswith("spanprofiles: Tempo has no span of the trace ")
    unreachable = _program("show", "f" * 32, SPAN_PROFILES_TEMPO_URL=dead_url, SPAN_PROFILES_PYROSCOPE_URL=dead_url)
    assert (unreachable.returncode, unreachable.stdout) == (2, "")
    assert unreachable.stderr.startswith(f"spanprofiles: Tempo does not answer at {dead_url}/")
    assert len(unreachable.stderr.splitlines()) == 1


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["drawn", "JSON"])
def test_output_that_nobody_reads_is_no_broken_hop(embedded_pair: Endpoints, form: list[str]) -> None:
    servers = {"SPAN_PROFILES_TEMPO_URL": embedded_pair.tempo, "SPAN_PROFILES_PYROSCOPE_URL": embedded_pair.pyroscope}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "spanprofiles", "show", leave_telemetry(embedded_pair).trace_id, *form],
            env={**os.environ, **servers},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_serve_announces_its_addresses_and_ends_with_0_when_told_to(tmp_path: Path) -> None:
    ports = [
        "--tempo-port",
        "0",
        "--otlp-http-port",
        "0",
        "--pyroscope-port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
    ]
    with ManagedProcess("the pair", [sys.executable, "-m", "spanprofiles", "serve", *ports]) as process:
        lines = process.wait_for_line(lambda line: line == "ready", 20)
        process.stop(30)
        assert process.exit_code == 0
    assert [line.split()[0] for line in lines] == ["tempo", "otlp-http", "pyroscope", "ready"]
    assert all(line.split()[1].startswith("http://127.0.0.1:") for line in lines[:-1])
    assert (tmp_path / "data").is_dir()


def test_serve_on_a_port_that_is_taken_ends_with_2_and_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = _program("serve", "--tempo-port", port, "--otlp-http-port", "0", "--pyroscope-port", "0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"spanprofiles: cannot listen on 127.0.0.1:{port}: ")
    assert "--tempo-port" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_is_laid_out_goes_to_the_consoles_own_file() -> None:
    screen = io.StringIO()
    show(Console(file=screen, width=40), Text("one"), Text("\x07::error::x"), Text("##[x"))
    assert screen.getvalue() == "one\n\\x3a:error::x\n\\x23#[x\n"
