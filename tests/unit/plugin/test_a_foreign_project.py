"""Another team's project: its own app, its own telemetry, the plugin installed and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from spanprofiles.backends import BACKEND_NAMES
from spanprofiles.model import Endpoints
from tests.support.documentation import NO_OTHER_PLUGINS, not_printed, page

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[3] / "examples" / "bookshop"
FILES = ("bookshop.py", "conftest.py", "test_bookshop.py")
SETTINGS = [f"SPAN_PROFILES_{name}" for name in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL")]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for variable in SETTINGS:
        monkeypatch.delenv(variable, raising=False)
    for name in FILES:
        shutil.copy(PROJECT / name, pytester.path)
    return pytester


@pytest.fixture(scope="module")
def external(embedded_pair: Endpoints) -> list[str]:
    """The options that let a run use the pair of this one."""
    return [
        f"--span-profiles-tempo-url={embedded_pair.tempo}",
        f"--span-profiles-pyroscope-url={embedded_pair.pyroscope}",
        f"--span-profiles-otlp-url={embedded_pair.otlp_http}",
    ]


def test_its_test_passes_where_the_link_works(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(*NO_OTHER_PLUGINS)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["span profiles: embedded backend (picked by auto)"])


def test_its_test_fails_where_a_hop_is_broken_and_says_which_as_in_the_readme(
    project: pytest.Pytester, external: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKSHOP_WITHOUT_PROCESSOR", "1")

    result = project.runpytest_inprocess("--span-profiles-timeout=6", *external)

    result.assert_outcomes(failed=1)
    assert not_printed(page("README.md").blocks("text")[1], result.stdout.str()) == []


WRONG = """
def test_alone(shop, span_profiles):
    span = span_profiles.linked_span(shop.get("/search?title=wite+wale"))
    assert span.flamegraph.share("no_such_function") > 0.5
"""

MERGED = """
def test_together(shop, span_profiles):
    searches = [shop.get("/search?title=wite+wale") for _ in range(2)]
    assert span_profiles.merged(searches).share("edit_distance") > 0.5
    assert span_profiles.merged(searches).share("no_such_function") > 0.5

def test_one_after_another(shop, span_profiles):
    linked = (span_profiles.linked_span(shop.get("/search?title=wite+wale")) for _ in range(2))
    assert span_profiles.merged(span.trace_id for span in linked).share("no_such_function") > 0.5

def test_one(shop, span_profiles):
    span_profiles.merged(shop.get("/search?title=wite+wale"))

def test_none(span_profiles):
    span_profiles.merged([])
"""


@dataclass(frozen=True)
class Run:
    """What came of the project's tests, and of wrong ones beside them.

    Attributes:
        folder: where pytest was started, which is not where the tests are.
        lines: what it printed.
    """

    folder: Path
    lines: list[str]

    @property
    def stdout(self) -> pytest.LineMatcher:
        return pytest.LineMatcher(self.lines)

    def picture_of(self, test: str) -> str:
        (picture,) = (self.folder / "pictures").glob(f"{test}-*.svg")
        return picture.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, external: list[str]) -> Run:
    """One run for all that these tests claim: each one starts the app."""
    project, folder = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("elsewhere")
    for name in FILES:
        shutil.copy(PROJECT / name, project)
    (project / "test_wrong.py").write_text(WRONG)
    (project / "test_merged.py").write_text(MERGED)
    where = [f"--rootdir={project}", str(project)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *NO_OTHER_PLUGINS,
        *where,
        *external,
        "--span-profiles-pictures=pictures",
    ]
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return Run(folder, done.stdout.splitlines())


def test_its_app_is_found_from_wherever_pytest_is_started(elsewhere: Run) -> None:
    elsewhere.stdout.fnmatch_lines(["*test_bookshop.py .*", "*= 5 failed, 1 passed in *"])


def test_an_external_backend_with_a_place_for_traces_is_used(elsewhere: Run) -> None:
    elsewhere.stdout.fnmatch_lines(["span profiles: external backend (picked by auto)"])
    elsewhere.stdout.no_fnmatch_line("*has no address*")


def test_a_wrong_claim_prints_the_samples_that_were_there(elsewhere: Run) -> None:
    assert "edit_distance" in elsewhere.picture_of("test_alone")
    elsewhere.stdout.fnmatch_lines(
        ["*_ test_alone _*", "*assert 0.0 > 0.5*", "*- span profiles -*", "samples of profile ID *", "*edit_distance*"]
    )


@pytest.mark.parametrize("test", ["test_together", "test_one_after_another"])
def test_a_wrong_claim_about_several_requests_prints_their_samples_merged(elsewhere: Run, test: str) -> None:
    assert "edit_distance" in elsewhere.picture_of(f"{test}-merged")
    elsewhere.stdout.fnmatch_lines(
        [f"*_ {test} _*", "*assert 0.0 > 0.5*", "samples of 2 requests, merged; *", "*edit_distance*"]
    )


def test_one_request_or_none_is_nothing_to_merge_and_is_told_so(elsewhere: Run) -> None:
    elsewhere.stdout.fnmatch_lines(["*TypeError: merged takes several requests: merged(*; linked_span is for one"])
    elsewhere.stdout.fnmatch_lines(["*ValueError: there are no requests, so there is nothing to merge"])


def test_an_app_that_does_not_start_fails_with_its_last_words(project: pytest.Pytester) -> None:
    (project.path / "bookshop.py").write_text("raise SystemExit('no books today')\n")

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the app under test does not answer at *with exit code 1*", "*| no books today"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling of the above*")


def test_an_unknown_backend_is_refused_before_any_test(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("--span-profiles-backend=cloud")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no backend 'cloud': choose one of *embedded, *external*"])


def test_an_external_backend_that_is_not_there_is_named(project: pytest.Pytester) -> None:
    address = "http://127.0.0.1:9"

    result = project.runpytest_inprocess(
        f"--span-profiles-tempo-url={address}", f"--span-profiles-pyroscope-url={address}"
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*external backend (picked by auto)*", f"Tempo does not answer at {address}/api/echo*"]
    )


@pytest.mark.parametrize("backend", [[], ["--span-profiles-backend=external"]], ids=["auto", "named"])
def test_an_external_backend_without_an_address_for_traces_is_refused(
    project: pytest.Pytester, embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch, backend: list[str]
) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)

    result = project.runpytest_inprocess(
        f"--span-profiles-tempo-url={embedded_pair.tempo}",
        f"--span-profiles-pyroscope-url={embedded_pair.pyroscope}",
        *backend,
    )

    result.assert_outcomes(errors=1)
    refusal = "*the external backend has no address for the traces *: give --span-profiles-otlp-url *OTLP_URL*"
    result.stdout.fnmatch_lines([f"span profiles: {refusal}", "*ERROR at setup of *", refusal])


_WITHOUT_FIXTURES = """
import sys

def test_something_else():
    ours = {name for name in sys.modules if name.partition(".")[0] == "spanprofiles"}
    assert ours == {"spanprofiles", "spanprofiles.pytest_plugin"}
    assert not {"requests", "flask", "yaml", "urllib3", "lark"} & set(sys.modules)
"""


def test_a_project_that_does_not_use_the_plugin_is_left_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(_WITHOUT_FIXTURES)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others load what they like

    result = pytester.runpytest_subprocess("-p", "spanprofiles.pytest_plugin")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*span profiles*backend*")


def test_a_failing_test_that_does_not_use_the_plugin_has_no_report_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_something_else(): assert 1 + 1 == 3")

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*span profiles*")


def test_the_options_are_in_the_help_with_every_backend(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")

    result.stdout.fnmatch_lines(["span profiles:", "*--span-profiles-backend=*", "*SPAN_PROFILES_BACKEND*"])
    words = set(re.findall(r"\w+", str(result.stdout).partition("span profiles:")[2].partition("TEMPO_URL")[0]))
    assert set(BACKEND_NAMES) <= words
