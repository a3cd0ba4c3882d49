"""The demo prints what the pages show, and the commands they offer work while it runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from spanprofiles.backends import ManagedProcess
from tests.support.documentation import COMMAND_TIMEOUT_S, ROOT, needs_the_venv_of_make, not_printed, page, run

TOUR, README, GRAFANA = page("docs/tutorial/the-demo.md"), page("README.md"), page("docs/how-to/grafana.md")
BROKEN = page("docs/how-to/find-the-broken-part.md")


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[ManagedProcess, list[str]]]:
    """The demo as the pages start it, up to its first live line."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ManagedProcess("make demo", ["make", "demo"], environment=environment, directory=ROOT) as process:
        yield process, process.wait_for_line(lambda line: "rides/s" in line, COMMAND_TIMEOUT_S)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the whole foreground group
        process.wait_for_line(lambda line: "all processes are stopped" in line, COMMAND_TIMEOUT_S)


@needs_the_venv_of_make
def test_make_demo_prints_what_the_pages_show(demo: tuple[ManagedProcess, list[str]]) -> None:
    printed = "\n".join(demo[1])

    for shown in (TOUR.blocks("text")[0], README.blocks("text")[0]):
        # times vary, and with them which functions have samples and what a line of the flame graph has room for
        steady = [line for line in shown.splitlines() if not re.match(r" ▌| *\d+(\.\d+)? m?s |GET |  \w+ +\d", line)]
        assert not_printed("\n".join(steady), printed) == []
    for step in ("find_nearest_vehicle", "check_driver", "plan_route", "calculate_price", "great_circle_km"):
        assert step in printed


@needs_the_venv_of_make
def test_the_commands_to_go_on_with_work_while_it_runs(demo: tuple[ManagedProcess, list[str]]) -> None:
    printed = "\n".join(demo[1])
    offered = dict(re.findall(r"^  (\S.*?)  +(\S.*)$", printed[printed.index("this ride again") - 2 :], re.MULTILINE))
    verify, show = offered["one that two regions serve"], offered["this ride again"]
    by_hand = offered["by hand"]

    trace_id, *servers = show.split()[2:]
    link = next(command for command in GRAFANA.commands if " link " in command).replace("TRACE_ID", trace_id)
    doctor = next(command for command in BROKEN.commands if " doctor " in command)
    with ThreadPoolExecutor() as pool:  # for as long as they take, the demo's riders ride
        followed, shown, linked, examined = pool.map(
            run, [verify, show, " ".join([link, "--uid tempo", *servers]), " ".join([doctor, *servers])]
        )
    url = by_hand.removeprefix("curl ").strip("'")
    answer = run(by_hand).stdout if shutil.which("curl") else requests.get(url, timeout=10).text

    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert followed.stdout.count("└ span profile") == 2
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "└ span profile" in shown.stdout
    assert '"ride_id"' in answer
    assert linked.returncode == 0, linked.stdout + linked.stderr
    assert "service_name=" in linked.stdout
    assert examined.returncode == 0, examined.stdout + examined.stderr
    if "is taken by another program" not in printed:
        assert TOUR.commands[1:4] == [verify, re.sub(r"[0-9a-f]{32}", "TRACE_ID", show), by_hand.replace("'", "")]


@needs_the_venv_of_make
def test_the_page_is_served_by_itself(demo: tuple[ManagedProcess, list[str]]) -> None:
    (servers,) = set(re.findall(r" show [0-9a-f]{32}(.*)", "\n".join(demo[1])))
    command = next(command for command in BROKEN.commands if " ui " in command) + servers
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ManagedProcess("the page", shlex.split(command), environment=environment, directory=ROOT) as process:
        line = process.wait_for_line(lambda line: "http://" in line, COMMAND_TIMEOUT_S)[-1]
        answer = requests.get(line.split()[-1] + "/tour", timeout=60)

    assert answer.ok, answer.text
    assert "span profile" in answer.text
