"""docs/reference/pytest.md tells the truth: its files are a project, which runs, and its tables name what is there."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spanprofiles.pytest_plugin import AppStarter, JobRunner

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "pytest.md").read_text(encoding="utf-8")
SUPPORT = Path(__file__).parent / "documented"
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The files of the page, with the programs that it leaves to its reader."""
    for variable in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL", "TIMEOUT"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    for source in SUPPORT.glob("*.py"):
        shutil.copy(source, pytester.path)
    (pytester.path / "after_the_fork.py").rename(pytester.path / "test_after_the_fork.py")
    for name, code in FILES.items():
        (pytester.path / name).write_text(code)
    return pytester


def test_every_block_of_code_is_a_file_of_the_project() -> None:
    blocks = re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)

    assert blocks.count("python") == len(FILES)
    assert set(blocks) == {"python", "console"}


@pytest.mark.slow
def test_its_tests_pass_and_their_negative_twin_does_not(project: pytest.Pytester) -> None:
    (console,) = re.findall(r"^```console\n\$ pytest (.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    tests = sorted(name for name in FILES if name.startswith("test_"))
    computes = FILES["test_shop.py"].replace("/receipt", "/search")
    (project.path / "test_that_search_waits.py").write_text(computes)

    result = project.runpytest_subprocess(*shlex.split(console), *tests, "test_that_search_waits.py")

    result.assert_outcomes(passed=len(tests), failed=1)
    result.stdout.fnmatch_lines(["E *NotWaitingError: the span * computed: * ms of CPU, in *compare*", "*compare*"])
    cases = ElementTree.parse(project.path / "report.xml").iter("testcase")  # noqa: S314  # the tests' own file
    assert len(list(cases)) == len(tests) + 1
    (picture,) = (project.path / "pictures").glob("*.svg")
    assert "compare" in picture.read_text()
    assert {path.name for path in (project.path / "logs").iterdir()} >= {"shop.log", "worker.log"}


@pytest.mark.slow
def test_forked_workers_are_linked_as_the_page_says_and_not_otherwise(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("test_after_the_fork.py", "--span-profiles-timeout=8")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == outcomes.get("errors", 0) == 0
    assert outcomes["passed"] >= 8


@pytest.mark.parametrize(("name", "function"), [("app", AppStarter.__call__), ("job", JobRunner.__call__)])
def test_the_page_names_every_argument(name: str, function: object) -> None:
    arguments = set(inspect.signature(function).parameters) - {"self"}  # type: ignore[arg-type]  # it is callable

    (shown,) = re.findall(rf"^`span_profiles_{name}\((.*?)\)`", PAGE, re.MULTILINE)

    assert {one.partition("=")[0].strip() for one in shown.split(",")} - {"*"} == arguments


def test_every_fixture_and_property_of_the_page_is_there_and_no_other() -> None:
    from spanprofiles import pytest_plugin

    source = inspect.getsource(pytest_plugin)
    fixtures = set(re.findall(r"^def (span_profiles\w*)\(", source, re.MULTILINE))
    diagnosis = Path(inspect.getfile(pytest_plugin)).with_name("diagnosis.py").read_text()

    assert set(re.findall(r"`(span_profiles\w*)`", PAGE)) == fixtures
    assert set(re.findall(r"`(span_profiles\.\w+)` \|", PAGE)) == set(re.findall(r'"(span_profiles\.\w+)"', diagnosis))
