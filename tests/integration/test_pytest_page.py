"""The pages about the pytest plugin tell the truth: their files are a project, their tables name what is there."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spanprofiles.pytest_plugin import AppStarter, JobRunner
from tests.support.documentation import NO_OTHER_PLUGINS, page, run

pytest_plugins = ["pytester"]

PAGE = page("docs/reference/pytest.md")
GUIDES = [
    page(f"docs/how-to/{name}.md") for name in ("ci", "cluster", "forked-workers", "jobs-and-workers", "waiting-spans")
]
SUPPORT = Path(__file__).parent / "documented"
FILES = {name: code for shown in (PAGE, *GUIDES) for name, code in shown.files.items()}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The files of the pages, with the programs that they leave to their reader."""
    for variable in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL", "TIMEOUT"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    for source in SUPPORT.glob("*.py"):
        shutil.copy(source, pytester.path)
    (pytester.path / "after_the_fork.py").rename(pytester.path / "test_after_the_fork.py")
    for name, code in FILES.items():
        (pytester.path / name).write_text(code)
    return pytester


def test_every_block_of_python_is_a_file_of_the_project() -> None:
    blocks = [block for shown in (PAGE, *GUIDES) for block in shown.blocks("python")]

    assert len(blocks) == len(FILES)


@pytest.mark.slow
def test_its_tests_pass_and_their_negative_twin_does_not(project: pytest.Pytester) -> None:
    (console,) = [command for command in page("docs/how-to/ci.md").commands if command.startswith("pytest ")]
    tests = sorted(name for name in FILES if name.startswith("test_"))
    computes = FILES["test_shop.py"].replace("/receipt", "/search")
    (project.path / "test_that_search_waits.py").write_text(computes)

    result = project.runpytest_subprocess(
        *NO_OTHER_PLUGINS, *shlex.split(console)[1:], *tests, "test_that_search_waits.py"
    )

    result.assert_outcomes(passed=len(tests), failed=1)
    result.stdout.fnmatch_lines(["E *NotWaitingError: the span * computed: * ms of CPU, in *compare*", "*compare*"])
    cases = ElementTree.parse(project.path / "report.xml").iter("testcase")  # noqa: S314  # the tests' own file
    assert len(list(cases)) == len(tests) + 1
    (picture,) = (project.path / "pictures").glob("*.svg")
    assert "compare" in picture.read_text()
    assert {path.name for path in (project.path / "logs").iterdir()} >= {"shop.log", "worker.log"}


@pytest.mark.exhaustive
def test_forked_workers_are_linked_as_the_page_says_and_not_otherwise(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(*NO_OTHER_PLUGINS, "test_after_the_fork.py", "--span-profiles-timeout=8")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == outcomes.get("errors", 0) == 0
    assert outcomes["passed"] >= 8


@pytest.mark.parametrize(("name", "function"), [("app", AppStarter.__call__), ("job", JobRunner.__call__)])
def test_the_page_names_every_argument(name: str, function: object) -> None:
    arguments = set(inspect.signature(function).parameters) - {"self"}  # type: ignore[arg-type]  # it is callable

    (shown,) = re.findall(rf"^`span_profiles_{name}\((.*?)\)`", PAGE.text, re.MULTILINE)

    assert {argument.partition("=")[0].strip() for argument in shown.split(",")} - {"*"} == arguments


def test_every_fixture_and_property_of_the_page_is_there_and_no_other() -> None:
    from spanprofiles import pytest_plugin

    source = inspect.getsource(pytest_plugin)
    fixtures = set(re.findall(r"^def (span_profiles\w*)\(", source, re.MULTILINE))
    room = Path(inspect.getfile(pytest_plugin)).parent
    code = "".join(module.read_text() for module in sorted(room.glob("*.py")))

    assert set(re.findall(r"`(span_profiles\w*)`", PAGE.text)) == fixtures
    properties = set(re.findall(r'"(span_profiles\.\w+)"', code))
    assert set(re.findall(r"^\| `(span_profiles\.\w+)` \|", PAGE.text, re.MULTILINE)) == properties


def test_every_option_of_the_plugin_is_on_the_page_and_no_other() -> None:
    help_text = run("pytest --help --rootdir=/ -c /dev/null /dev/null").stdout

    option = re.compile(r"--span-profiles-[a-z-]+")
    assert set(option.findall(PAGE.text)) == set(option.findall(help_text))
