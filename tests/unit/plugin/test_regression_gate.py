"""``--span-profiles-baseline``: which tests fail, which pass, and what the run says of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.measure.files import write_measurement
from tests.support.compared_measurements import measurement
from tests.support.documentation import NO_OTHER_PLUGINS

pytest_plugins = ["pytester"]

# A suite whose tests have measured: each file that the folder measured has is a measurement of the test of its name.
_CONFTEST = """
import pytest
from spanprofiles.measure.files import read_measurements
from spanprofiles.pytest_plugin import MEASUREMENTS

@pytest.fixture
def measured(request):
    found = read_measurements("measured").values()
    request.node.stash[MEASUREMENTS] = [each for each in found if each.name.split()[0] == request.node.nodeid]
"""
_TESTS = """
def test_search(measured): pass
def test_wrong(measured): assert 1 == 2
"""
SEARCH, WRONG = "test_shop.py::test_search", "test_shop.py::test_wrong"


class Suite:
    """A suite that has measured something, and a baseline."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        pytester.makeconftest(_CONFTEST)
        pytester.makepyfile(test_shop=_TESTS)

    def measures(self, search_ms: int, *, name: str = SEARCH, requests: int = 16) -> None:
        write_measurement(self.folder / "measured", measurement({"search": search_ms}, name=name, requests=requests))

    def measured_before(self, search_ms: int, *, name: str = SEARCH, requests: int = 16) -> None:
        write_measurement(self.folder / "before", measurement({"search": search_ms}, name=name, requests=requests))

    def run(self, *arguments: str, test: str = SEARCH) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(
            *NO_OTHER_PLUGINS, "-p", "no:cacheprovider", "--span-profiles-baseline=before", test, *arguments
        )


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    for variable in ("BASELINE", "THRESHOLD", "PICTURES"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    return Suite(pytester)


def test_a_test_whose_request_has_become_slower_fails_and_names_the_function(suite: Suite) -> None:
    suite.measured_before(200)
    suite.measures(600)
    result = suite.run("--span-profiles-pictures=pictures", "--junitxml=report.xml")

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.re_match_lines(
        [
            rf"regression     {SEARCH}",
            r"  a request uses 600\.0 ms of CPU instead of 200\.0 ms, .*",
            r"  search: \+400 ms \(.*\), 200 ms -> 600 ms, \+200 % \(.*\), own code",
            r"  difference of an average request:",
            r"     \+400\.0 ms  search  \(200.* ms -> 600.* ms\)",
            r"  difference flame graph: .*-difference\.svg",
            r".* span profiles: compared with the baseline .*",
            rf"regression     {SEARCH}: a request uses .*",
        ]
    )
    (picture,) = (suite.folder / "pictures").iterdir()
    assert "search" in picture.read_text()
    report = (suite.folder / "report.xml").read_text()
    assert f'name="span_profiles.picture" value="{picture}"' in report
    assert f'name="span_profiles.comparison" value="regression     {SEARCH}: a request uses ' in report


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "requests", "words"),
    [
        (200, 200, 60, "no regression  "),
        (200, 200, 3, "cannot say     "),
        (0, 200, 0, "new            "),
    ],
    ids=["no change", "too few requests", "no baseline"],
)
def test_a_test_whose_request_is_not_known_to_be_slower_passes(
    suite: Suite, before_ms: int, after_ms: int, requests: int, words: str
) -> None:
    (suite.folder / "before").mkdir()
    if requests:
        suite.measured_before(before_ms, requests=requests)
    suite.measures(after_ms, requests=requests or 16)
    result = suite.run()

    assert result.parseoutcomes() == {"passed": 1}
    assert [line for line in result.outlines if line.startswith(f"{words}{SEARCH}: ")]


def test_each_measurement_of_a_test_is_compared_with_the_one_of_its_name(suite: Suite) -> None:
    for name, search_ms in ((f"{SEARCH} short", 200), (f"{SEARCH} long", 600)):
        suite.measured_before(200, name=name)
        suite.measures(search_ms, name=name)
    result = suite.run()  # without a folder for pictures

    assert result.parseoutcomes() == {"failed": 1}
    # where CI is set, pytest's summary repeats the whole message
    (picture,) = {line for line in result.outlines if "difference flame graph: " in line}
    assert Path(picture.partition(": ")[2]).read_text().startswith("<svg ")
    assert f"regression     {SEARCH} long" in result.outlines
    assert f"regression     {SEARCH} short" not in result.outlines


def test_a_test_that_fails_by_itself_fails_for_its_own_reason(suite: Suite) -> None:
    suite.measured_before(200, name=WRONG)
    suite.measures(600, name=WRONG)
    result = suite.run(test=WRONG)

    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])
    assert "regression" not in result.stdout.str()


@pytest.mark.parametrize(
    ("threshold", "folder", "reason"),
    [
        ("10", True, "--span-profiles-threshold (SPAN_PROFILES_THRESHOLD) is '10': 10% or 0.1, above 0"),
        ("10%", False, "--span-profiles-baseline: "),
    ],
    ids=["threshold", "folder"],
)
def test_what_makes_no_sense_is_told(suite: Suite, threshold: str, folder: bool, reason: str) -> None:
    if folder:
        suite.measured_before(200)
    suite.measures(200)
    result = suite.run(f"--span-profiles-threshold={threshold}")

    assert result.ret != 0
    assert reason in result.stdout.str() + result.stderr.str()
