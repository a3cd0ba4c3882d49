"""The tutorial's files are a project: its test passes, names a slow function, fails as the page shows, and its commands
work by hand. All of it runs in an empty folder, with what is installed from the wheels.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Waiting
from tests.support import documentation
from tests.support.documentation import COMMAND_TIMEOUT_S, not_printed, page, readers_environment
from tests.support.installed import Installed

pytestmark = pytest.mark.slow

TUTORIAL = page("docs/tutorial/first-linked-span.md")
BROKEN = page("docs/how-to/find-the-broken-part.md")
EXPORTS = dict(re.findall(r"(\w+)=(\S+)", " ".join(line for line in TUTORIAL.commands if line.startswith("export "))))


@pytest.fixture(scope="module", autouse=True)
def activated(installed: Installed) -> Iterator[None]:
    """Let every command find its program where the wheels are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documentation, "PROGRAMS", installed.programs)
        yield


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return documentation.run(command, folder)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder at the end of the tutorial."""
    for name, code in TUTORIAL.files.items():
        (tmp_path / name).write_text(code)
    return tmp_path


@contextmanager
def running(command: str, folder: Path, environment: dict[str, str] | None = None) -> Iterator[ManagedProcess]:
    variables = readers_environment(environment)
    with ManagedProcess(command, shlex.split(command), environment=variables, directory=folder) as process:
        yield process


def answer_of(address: str) -> requests.Response:
    for _ in Waiting(COMMAND_TIMEOUT_S).attempts():
        try:
            return requests.get(address, timeout=COMMAND_TIMEOUT_S)
        except requests.ConnectionError:
            continue
    raise AssertionError(f"nobody answers at {address}")


def test_each_command_of_the_tutorial_is_known_here() -> None:
    install = next(line for line in TUTORIAL.commands if line.startswith("pip install "))  # in test_installing.py
    assert TUTORIAL.commands == [
        "mkdir shop",
        "cd shop",
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        install,
        "flask --app shop run --port 8000",
        "pytest",
        "spanprofiles serve",
        *(line for line in TUTORIAL.commands if line.startswith("export ")),
        "python main.py 8000",
        "spanprofiles verify 'http://127.0.0.1:8000/search?title=wite+wale'",
        "spanprofiles ui",
        "pytest --span-profiles-backend=native",
        "pytest --junitxml=report.xml --span-profiles-pictures=pictures --span-profiles-logs=logs",
    ]


def test_what_runs_here_is_what_was_installed(shop: Path, installed: Installed) -> None:
    code = "import spanprofiles, spanprofiles_processor as p, sys; print(spanprofiles.__file__, p.__file__, sys.prefix)"

    paths = run(f"python -c '{code}'", shop).stdout.split()

    assert [path for path in paths if not path.startswith(str(installed.home))] == []


def test_the_app_answers_before_it_has_any_telemetry(shop: Path) -> None:
    (port,) = free_ports(1)
    command = next(line for line in TUTORIAL.commands if line.startswith("flask ")).replace("8000", str(port))

    with running(command, shop):
        assert answer_of(f"http://127.0.0.1:{port}/search?title=wite+wale").json()["title"].startswith("White Whale")


def test_the_test_passes(shop: Path) -> None:
    passed = run("pytest", shop)

    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout


def test_it_names_the_function_that_makes_the_search_slow(shop: Path) -> None:
    (difference,) = TUTORIAL.blocks("diff")
    before, after = (
        "".join(f"{line[1:]}\n" for line in difference.splitlines() if line[:1] in {" ", "", sign}) for sign in "-+"
    )
    app = shop / "shop.py"
    assert app.read_text().count(before) == 1
    app.write_text(app.read_text().replace(before, after))
    in_ci = next(line for line in TUTORIAL.commands if "--junitxml" in line)

    failed = run(in_ci, shop)

    assert failed.returncode == 1, failed.stdout + failed.stderr
    rows = re.compile(r"^ *\d.* (popularity|edit_distance)$", re.MULTILINE)
    assert [row[1] for row in rows.finditer(TUTORIAL.blocks("text")[0])] == ["popularity", "edit_distance"]
    assert not_printed(rows.sub("", TUTORIAL.blocks("text")[0]), failed.stdout) == [], failed.stdout
    assert rows.search(failed.stdout[failed.stdout.index("self %") :]), failed.stdout
    assert "popularity" in "".join(picture.read_text() for picture in (shop / "pictures").rglob("*.svg"))
    assert "popularity" in (shop / "report.xml").read_text()
    assert list((shop / "logs").rglob("shop.log"))


@pytest.mark.skipif(not (shutil.which("tempo") and shutil.which("pyroscope")), reason="no real servers on PATH")
def test_the_same_test_passes_on_real_servers(shop: Path) -> None:
    passed = run(next(line for line in TUTORIAL.commands if "native" in line), shop)

    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "span profiles: native backend" in passed.stdout


@pytest.mark.parametrize(
    ("number", "missing"),
    [
        (1, r" *provider\.add_span_processor\(PyroscopeSpanProcessor\(\)\)\n"),
        (2, r" *pyroscope\.configure\(.*?\n    \)\n"),
    ],
    ids=["the processor", "the agent"],
)
def test_it_fails_as_the_page_shows_where_the_link_is_broken(shop: Path, number: int, missing: str) -> None:
    telemetry = shop / "telemetry.py"
    code, cuts = re.subn(missing, "", telemetry.read_text(), flags=re.DOTALL)
    telemetry.write_text(code)

    failed = run("pytest", shop)

    assert cuts == 1
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert not_printed(TUTORIAL.blocks("text")[number], failed.stdout) == []


def test_the_same_by_hand_shows_the_flame_graph_and_satisfies_the_doctor(shop: Path) -> None:
    tempo, otlp, pyroscope, app, ui = free_ports(5)
    moved = {"3200": tempo, "4318": otlp, "4040": pyroscope, "8000": app}
    variables = {name: re.sub(r":(\d+)$", lambda port: f":{moved[port[1]]}", value) for name, value in EXPORTS.items()}
    ports = f"--tempo-port {tempo} --otlp-http-port {otlp} --pyroscope-port {pyroscope}"
    servers = f"--tempo http://127.0.0.1:{tempo} --pyroscope http://127.0.0.1:{pyroscope}"
    verify = next(line for line in TUTORIAL.commands if " verify " in line).replace("8000", str(app))
    doctor = next(line for line in BROKEN.commands if "--probe" in line).replace("4318", str(otlp))

    with running(f"spanprofiles serve {ports}", shop) as pair:
        pair.wait_for_line(lambda line: line == "ready", COMMAND_TIMEOUT_S)
        with running(f"python main.py {app}", shop, variables):
            answer_of(f"http://127.0.0.1:{app}/health")
            verified = run(f"{verify} {servers}", shop)
            examined = run(f"{doctor} {servers}", shop)
            (trace_id,) = set(re.findall(r"\b[0-9a-f]{32}\b", verified.stdout))
            about_the_trace = run(f"spanprofiles doctor --trace {trace_id} {servers}", shop)
            with running(f"spanprofiles ui --port {ui} {servers}", shop):
                rides = answer_of(f"http://127.0.0.1:{ui}/")

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "edit_distance" in verified.stdout
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert about_the_trace.returncode == 0, about_the_trace.stdout + about_the_trace.stderr
    assert "/search" in rides.text
