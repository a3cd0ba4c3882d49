"""Another team's project: its own app, its own telemetry, the plugin installed and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from spanprofiles.backends import BACKEND_NAMES
from spanprofiles.model import Endpoints

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2] / "foreign_project"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for variable in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    for source in PROJECT.glob("*.py"):
        shutil.copy(source, pytester.path)
    return pytester


def test_its_test_passes_where_the_link_works(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["span profiles: embedded backend (picked by auto)"])


def test_its_test_fails_where_a_hop_is_broken_and_says_which(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKSHOP_WITHOUT_PROCESSOR", "1")

    result = project.runpytest_subprocess("--span-profiles-timeout=6")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*NoProfileIdError: no local root span of the trace * carries pyroscope.profile.id*",
            "*- span profiles -*",
            "trace *",
            "*GET /search*bookshop*",
        ]
    )


def test_a_wrong_claim_prints_the_samples_that_were_there(project: pytest.Pytester) -> None:
    claim = (project.path / "test_bookshop.py").read_text().replace('"edit_distance"', '"no_such_function"')
    (project.path / "test_bookshop.py").write_text(claim)

    result = project.runpytest_subprocess("--span-profiles-pictures=pictures")

    result.assert_outcomes(failed=1)
    (picture,) = (project.path / "pictures").glob("*.svg")
    assert "edit_distance" in picture.read_text(encoding="utf-8")
    result.stdout.fnmatch_lines(
        ["*assert 0.0 > 0.5*", "*- span profiles -*", "samples of profile ID *", "*edit_distance*"]
    )


MERGED = """
def test_together(shop, span_profiles):
    searches = [shop.get("/search?title=wite+wale") for _ in range(2)]
    assert span_profiles.merged(searches).share("edit_distance") > 0.5
    assert span_profiles.merged(searches).share("no_such_function") > 0.5

def test_one_after_another(shop, span_profiles):
    linked = (span_profiles.linked_span(shop.get("/search?title=wite+wale")) for _ in range(2))
    assert span_profiles.merged(one.trace_id for one in linked).share("no_such_function") > 0.5

def test_alone(shop, span_profiles):
    span_profiles.merged(shop.get("/search?title=wite+wale"))

def test_none(span_profiles):
    span_profiles.merged([])
"""


def test_a_wrong_claim_about_several_requests_prints_their_samples_merged(project: pytest.Pytester) -> None:
    (project.path / "test_bookshop.py").write_text(MERGED)

    result = project.runpytest_subprocess("--span-profiles-pictures=pictures")

    result.assert_outcomes(failed=4)
    (picture,) = (project.path / "pictures").glob("test_together-merged-*.svg")
    assert "edit_distance" in picture.read_text(encoding="utf-8")
    (picture,) = (project.path / "pictures").glob("test_one_after_another-merged-*.svg")
    assert "edit_distance" in picture.read_text(encoding="utf-8")
    result.stdout.fnmatch_lines(["*assert 0.0 > 0.5*", "samples of 2 requests, merged; *", "*edit_distance*"])
    result.stdout.fnmatch_lines(["*TypeError: merged takes several requests: merged(*; linked_span is for one"])
    result.stdout.fnmatch_lines(["*ValueError: there are no requests, so there is nothing to merge"])


def test_an_app_that_does_not_start_fails_with_its_last_words(project: pytest.Pytester) -> None:
    (project.path / "bookshop.py").write_text("raise SystemExit('no books today')\n")

    result = project.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the app under test does not answer at *with exit code 1*", "*| no books today"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling of the above*")


def test_an_unknown_backend_is_refused_before_any_test(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--span-profiles-backend=cloud")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no backend 'cloud': choose one of *embedded, *external*"])


def test_an_external_backend_that_is_not_there_is_named(project: pytest.Pytester) -> None:
    address = "http://127.0.0.1:9"

    result = project.runpytest_subprocess(
        f"--span-profiles-tempo-url={address}", f"--span-profiles-pyroscope-url={address}"
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*external backend (picked by auto)*", f"Tempo does not answer at {address}/api/echo*"]
    )


@pytest.mark.parametrize("backend", [[], ["--span-profiles-backend=external"]], ids=["auto", "named"])
def test_an_external_backend_without_a_place_for_traces_is_refused_with_the_options_name(
    project: pytest.Pytester, embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch, backend: list[str]
) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)

    result = project.runpytest_subprocess(
        f"--span-profiles-tempo-url={embedded_pair.tempo}",
        f"--span-profiles-pyroscope-url={embedded_pair.pyroscope}",
        *backend,
    )

    result.assert_outcomes(errors=1)
    refusal = "*the external backend has no address for the traces *: give --span-profiles-otlp-url *OTLP_URL*"
    result.stdout.fnmatch_lines([f"span profiles: {refusal}", "*ERROR at setup of *", refusal])


def test_an_external_backend_with_a_place_for_traces_is_used(
    project: pytest.Pytester, embedded_pair: Endpoints
) -> None:
    result = project.runpytest_subprocess(
        f"--span-profiles-tempo-url={embedded_pair.tempo}",
        f"--span-profiles-pyroscope-url={embedded_pair.pyroscope}",
        f"--span-profiles-otlp-url={embedded_pair.otlp_http}",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*has no address*")


def test_its_app_is_found_from_wherever_pytest_is_started(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    project.runpytest_subprocess(f"--rootdir={project.path}", str(project.path)).assert_outcomes(passed=1)


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

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*span profiles*")


def test_the_options_are_in_the_help_with_every_backend(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--help")

    result.stdout.fnmatch_lines(["span profiles:", "*--span-profiles-backend=*", "*SPAN_PROFILES_BACKEND*"])
    words = set(re.findall(r"\w+", str(result.stdout).partition("span profiles:")[2].partition("TEMPO_URL")[0]))
    assert set(BACKEND_NAMES) <= words
