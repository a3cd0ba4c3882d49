"""What the report of a failed test says, on the terminal and in JUnit's file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spanprofiles.model import Endpoints
from tests.unit.plugin.conftest import WEB_APP

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]

_CONFTEST = """
import json, os, sys, time
import pytest
from spanprofiles.linking import Waiting
from spanprofiles.model import Credentials, Endpoints, TraceContext, new_span_id
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

@pytest.fixture(scope="session")
def span_profiles_endpoints():
    given = json.loads(os.environ["GIVEN_ENDPOINTS"])
    return Endpoints(**{**given, "credentials": Credentials()})

@pytest.fixture(scope="session")
def shop(span_profiles_app):
    return span_profiles_app([sys.executable, "web_app.py", "{host}", "{port}"])

@pytest.fixture
def sent(span_profiles_endpoints):
    '''Send the telemetry of a request of 200 ms to a service, and return its trace ID.'''
    def send(service, *, linked=True):
        context, span_id = TraceContext.new(), new_span_id()
        end_ns = time.time_ns() - 30 * 10**9
        span = otlp_span(context.trace_id, span_id, "GET /book", parent_id=context.span_id,
                         profile_id=span_id if linked else None, start_ns=end_ns - 200_000_000, end_ns=end_ns)
        push_spans(span_profiles_endpoints, resource_spans(service, span))
        samples = [(("main", "read"), 150_000_000, {"span_id": span_id} if linked else {})]
        push_samples(span_profiles_endpoints, service, samples, end_ns)
        return context.trace_id
    return send
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Another team's suite, on a pair that is there already."""
    for variable in ("BACKEND", "TEMPO_URL", "PYROSCOPE_URL", "OTLP_URL", "TIMEOUT", "PICTURES", "LOGS"):
        monkeypatch.delenv(f"SPAN_PROFILES_{variable}", raising=False)
    monkeypatch.setenv("GIVEN_ENDPOINTS", json.dumps(asdict(embedded_pair)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    pytester.makeconftest(_CONFTEST)
    (pytester.path / "web_app.py").write_text(WEB_APP)
    return pytester


def test_a_claim_about_an_app_that_has_crashed_says_so_at_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest, requests

        def test_a_book(shop, span_profiles):
            response = shop.get("/")
            with pytest.raises(requests.ConnectionError):
                shop.get("/crash")
            span_profiles.linked_span(response)
        """
    )
    began = time.monotonic()

    result = suite.runpytest_inprocess("--span-profiles-timeout=300")

    assert time.monotonic() - began < 100
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *TraceNotFoundError: Tempo has no span of the trace *",
            "E *the app under test has ended with exit code 7; its last traceback:",
            "E *| KeyError: 'no such book'",
        ]
    )


def test_the_log_of_an_app_is_shown_where_a_test_of_it_fails_and_nowhere_else(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_of_the_app(shop):
            assert shop.get("/").status_code == 204

        def test_of_something_else():
            assert 1 == 2
        """
    )

    result = suite.runpytest_inprocess("--span-profiles-logs=logs")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*- span profiles -*",
            f"log of the app under test (shop), the whole of it in {suite.path}/logs/shop.log",
            "  its last lines:",
            "  | listening on *",
            "*_ test_of_something_else _*",
        ]
    )
    assert str(result.stdout).count("its last lines:") == 1
    assert (suite.path / "logs" / "shop.log").read_text().startswith("listening on ")


def test_fixtures_of_one_name_in_two_folders_are_two_askers(suite: pytest.Pytester) -> None:
    for folder in ("first", "second"):
        (suite.path / folder).mkdir()
        (suite.path / folder / "conftest.py").write_text(
            "import sys, pytest\n"
            "@pytest.fixture(scope='session')\n"
            "def app(span_profiles_app):\n"
            "    return span_profiles_app([sys.executable, '-c', ''], ready=None)\n"
        )
        (suite.path / folder / f"test_{folder}.py").write_text("def test_of_it(app): assert app is None\n")

    result = suite.runpytest_inprocess("--span-profiles-logs=logs")

    result.assert_outcomes(failed=2)
    assert str(result.stdout).count("its last lines:") == 2
    assert {path.name for path in (suite.path / "logs").iterdir()} == {"app.log", "app-2.log"}


def test_every_traceback_of_an_app_is_shown_those_of_earlier_tests_as_such(suite: pytest.Pytester) -> None:
    lines = [
        "import sys, time, traceback",
        "def fail(what):",
        "    try: raise KeyError(what)",
        "    except KeyError: traceback.print_exc()",
        "fail('at the start')",
        "print('ready')",
        "while not __import__('os').path.exists('go'): time.sleep(0.05)",
        "for _ in range(3): fail('later')",
        "for number in range(100): print('line', number)",
        "time.sleep(600)",
    ]
    (suite.path / "worker.py").write_text("\n".join(lines))
    suite.makepyfile(
        """
        import pathlib, re, sys, pytest

        @pytest.fixture(scope="session")
        def worker(span_profiles_app):
            return span_profiles_app([sys.executable, "worker.py"], ready=re.compile("ready"))

        def test_first(worker):
            pass

        def test_second(worker):
            pathlib.Path("go").touch()
            worker.wait_until_printed("line 99", timeout=60)
            assert not worker.is_running
        """
    )

    result = suite.runpytest_inprocess()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "  a traceback (3 times):",
            "  | KeyError: 'later'",
            "  a traceback before this test:",
            "  | KeyError: 'at the start'",
            "  | line 99",
        ]
    )


_TWO_FAILURES = """
    def test_reads(sent, span_profiles):
        assert span_profiles.linked_span(sent("books")).flamegraph.share("write") > 0.5

    def test_is_linked(sent, span_profiles):
        span_profiles.linked_span(sent("dead-books", linked=False))
"""


@pytest.mark.parametrize("distributed", [[], ["-n", "1"]], ids=["alone", "distributed"])
def test_the_diagnosis_is_in_junits_file_as_properties_and_in_the_failures_text(
    suite: pytest.Pytester, distributed: list[str]
) -> None:
    suite.makepyfile(_TWO_FAILURES)

    result = suite.runpytest_inprocess(
        "--junitxml=report.xml", "--span-profiles-pictures=pictures", "--span-profiles-timeout=3", *distributed
    )

    result.assert_outcomes(failed=2)
    reads, is_linked = sorted(_cases(suite), key=_name, reverse=True)
    properties = _properties(reads)
    assert len(properties["span_profiles.trace_id"]) == 32
    assert "GET /book 200.0 ms books; └ span profile" in properties["span_profiles.seen"]
    assert properties["span_profiles.seen"].endswith("150 ms of CPU (15 samples, 90 to 250 ms)")
    assert properties["span_profiles.verdict"].startswith("doctor: books: ")
    assert "read" in (suite.path / properties["span_profiles.picture"]).read_text()
    text = reads.find("failure").text or ""  # type: ignore[union-attr]  # the test has failed
    assert f"trace {properties['span_profiles.trace_id']}" in text
    assert "the doctor says" in text
    assert f"flame graph: {properties['span_profiles.picture']}" in text
    assert "broken: profile ID" in (is_linked.find("failure").text or "")  # type: ignore[union-attr]  # it has too
    assert "profile ID" in _properties(is_linked)["span_profiles.verdict"]


def test_a_test_that_passes_has_no_such_properties(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_reads(sent, span_profiles): assert span_profiles.linked_span(sent('books'))")

    suite.runpytest_inprocess("--junitxml=report.xml").assert_outcomes(passed=1)

    (case,) = _cases(suite)
    assert _properties(case) == {}


def test_an_app_that_does_not_start_has_its_log_in_junits_file(suite: pytest.Pytester) -> None:
    (suite.path / "web_app.py").write_text("raise OSError('no shelf')")
    suite.makepyfile("def test_reads(shop): pass")

    suite.runpytest_inprocess("--junitxml=report.xml").assert_outcomes(errors=1)

    (case,) = _cases(suite)
    text = case.find("error").text or ""  # type: ignore[union-attr]  # the test has one
    assert text.count("OSError: no shelf") == 1
    assert _properties(case)["span_profiles.log"].endswith("shop.log")


def test_one_verdict_on_several_traces_is_said_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_is_linked(sent, span_profiles):
            books = [sent("dead-books", linked=False) for _ in range(3)]
            for book in books[1:]:
                span_profiles.trace(book)
            span_profiles.linked_span(books[0])
        """
    )

    result = suite.runpytest_inprocess("--junitxml=report.xml", "--span-profiles-timeout=2")

    result.assert_outcomes(failed=1)
    text = str(result.stdout)
    assert text.count("the doctor says of ") == 1
    assert text.count("GET /book  200.0 ms") == 3
    result.stdout.re_match_lines([r"the doctor says of [0-9a-f]{32} and [0-9a-f]{32} and [0-9a-f]{32}"])
    (case,) = _cases(suite)
    names = [element.get("name") for element in case.iter("property")]
    assert (names.count("span_profiles.trace_id"), names.count("span_profiles.verdict")) == (3, 1)


def test_a_trace_that_is_asked_about_twice_is_told_of_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_reads(sent, span_profiles):
            book = sent("books")
            span_profiles.linked_span(book)
            assert span_profiles.merged([book]).share("write") > 0.5
        """
    )

    result = suite.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    assert str(result.stdout).count("GET /book  200.0 ms") == 1


def _cases(suite: pytest.Pytester) -> Iterator[ElementTree.Element]:
    return ElementTree.parse(suite.path / "report.xml").iter("testcase")  # noqa: S314  # the tests' own file


def _name(case: ElementTree.Element) -> str:
    return case.get("name", "")


def _properties(case: ElementTree.Element) -> dict[str, str]:
    return {element.get("name", ""): element.get("value", "") for element in case.iter("property")}


def test_a_report_holds_nothing_but_text_whatever_telemetry_and_logs_hold(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        r"""
        import sys
        EVIL = "\x1b]0;owned\x07 ::error::forged ##[error]forged\n::error::forged"

        def test_a_claim(sent, span_profiles):
            span_profiles.linked_span(sent(EVIL, linked=False))

        def test_an_app(span_profiles_app):
            span_profiles_app([sys.executable, "-c", "print('\\x1b[31m::error::x\\n##[error]x'); sys.exit(3)"])

        def test_a_job(span_profiles_job):
            span_profiles_job([sys.executable, "-c", "print('\\x1b[2J\\n::error::x'); raise SystemExit(3)"])
        """
    )

    options = ["--span-profiles-timeout=0.2", "--color=no"]
    result = suite.runpytest_inprocess(*options, "--junitxml=report.xml", "--tb=no", "-rf")
    shown = suite.runpytest_inprocess(*options, "--tb=line")

    xml = (suite.path / "report.xml").read_text()
    for text in (str(result.stdout), str(shown.stdout), *_told(xml)):
        assert "\x1b" not in text
        assert "\x07" not in text
        for line in text.split("\n"):
            assert not line.lstrip().startswith("::"), line
            assert "##[" not in line or "EVIL" in line or "sys.executable" in line, line
    assert "\\x3a:error::x" in xml
    assert "\\x1b]0;owned" in xml


def _told(xml: str) -> Iterator[str]:
    """What the plugin put into JUnit's file: failures from its section on, and properties."""
    for case in ElementTree.fromstring(xml).iter("testcase"):  # noqa: S314  # pytest wrote it
        yield from (element.attrib["value"] for element in case.iter("property"))
        yield from (
            str(element.text)
            for element in (*case.iter("failure"), *case.iter("error"))
            if "EVIL" not in str(element.text)
        )


def test_a_claim_about_a_misspelt_function_fails_with_the_name_that_was_meant(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_it(span_profiles, sent):
            linked = span_profiles.linked_span(sent("shop-of-slips"))
            assert linked.flamegraph.share("raed") == 0.0
            assert linked.flamegraph.share("raed") > 0.5
        """
    )

    result = suite.runpytest_inprocess("--span-profiles-timeout=2")

    result.stdout.fnmatch_lines(["*no function is named 'raed'; nearest: read*"])
