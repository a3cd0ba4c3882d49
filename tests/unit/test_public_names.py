"""What ``import spanprofiles`` offers: the names that users write, and nothing that they have to pay for unasked."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import spanprofiles

_PUBLIC = {
    "AppEndedError", "AppStarter", "Backend", "BackendError", "BackendSettings", "ClientError", "Credentials",
    "EmbeddedBackend", "Endpoints", "Evidence", "Examination", "ExternalBackend", "Finding", "FinishedJob",
    "FlameGraph", "FlameGraphDifference", "FollowedRequest", "FunctionChange", "FunctionCpu", "FunctionTotals",
    "IdentifierError", "MeasuredRequest", "Measurement", "MeasurementEnvironment", "Precision",
    "JobRunner", "LinkError", "LinkedSpan", "Linker", "NativeBackend", "NoProfileIdError", "NoSamplesError",
    "NotTracedError", "NotWaitingError", "ProfileQuery", "PyroscopeClient", "RequestRefusedError", "RunningApp",
    "ServerUnreachableError", "SeveralServicesError", "Span", "SpanKind", "SpanProfiles", "SpanStatus", "TempoClient",
    "Trace", "TraceContext", "TraceNotFoundError", "TracedSession", "UnexpectedAnswerError", "Verdict", "Waiting",
    "Estimate", "MeasurementError", "MeasurementFailedError", "RecordingFailedError", "Until", "read_measurement",
    "read_measurements", "write_measurement",
    "Basis", "Change", "Comparison", "ComparisonVerdict", "FunctionComparison", "Interval", "compare_measurements",
    "__version__", "examine",
}  # fmt: skip
_NAMES = sorted(_PUBLIC - {"__version__"})


def _for_type_checkers() -> Iterator[tuple[str, str]]:
    """Yield name and module of what is imported for type checkers alone."""
    tree = ast.parse(inspect.getsource(spanprofiles))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    for statement in guarded.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            yield alias.name, str(statement.module)


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(spanprofiles.__all__) == _PUBLIC
    assert len(spanprofiles.__all__) == len(_PUBLIC)


@pytest.mark.parametrize("name", _NAMES)
def test_each_name_is_what_its_module_offers_and_what_type_checkers_see(name: str) -> None:
    module = dict(_for_type_checkers())[name]
    assert getattr(spanprofiles, name) is getattr(import_module(module), name)
    assert name in import_module(module).__all__ if hasattr(import_module(module), "__all__") else True


def test_type_checkers_see_no_name_that_is_not_offered() -> None:
    assert sorted(name for name, _ in _for_type_checkers()) == _NAMES


def test_each_name_says_what_it_is() -> None:
    for name in _NAMES:
        assert getattr(spanprofiles, name).__doc__, name


def test_a_name_that_is_not_offered_is_an_attribute_error_like_any_other() -> None:
    with pytest.raises(AttributeError, match="module 'spanprofiles' has no attribute 'Linkr'"):
        _ = spanprofiles.Linkr  # type: ignore[attr-defined]


def test_an_editor_is_shown_the_names_before_they_are_used() -> None:
    code = "import spanprofiles; print(*set(spanprofiles.__all__) - set(dir(spanprofiles)))"
    assert _printed(code) == ""


def test_importing_the_package_imports_nothing_of_what_it_needs() -> None:
    code = "import sys; before = set(sys.modules); import spanprofiles; print(*set(sys.modules) - before)"
    imported = {name.split(".")[0] for name in _printed(code).split()} - set(sys.stdlib_module_names)
    assert imported == {"spanprofiles"}
    assert not {name for name in _printed(code).split() if name.startswith("spanprofiles.")}


def test_asking_for_plain_data_brings_no_test_framework_and_no_web_server() -> None:
    code = "import sys; from spanprofiles import Endpoints, FlameGraph, Linker, examine; print(*sys.modules)"
    assert not {"pytest", "flask", "click", "rich", "waitress"} & set(_printed(code).split())


def test_all_names_come_with_a_star() -> None:
    assert _printed("from spanprofiles import *; print(len([LinkedSpan, examine, Waiting]))") == "3"


def _printed(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout.strip()


def test_the_reference_names_each_of_them_once() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/python.md").read_text(encoding="utf-8")
    named = [name for row in page.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == _NAMES


@pytest.mark.parametrize("missing", ["spanprofiles_processor", "opentelemetry"])
def test_without_the_processor_its_old_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "spanprofiles_processor":
                raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    for name in ("spanprofiles.processor", "spanprofiles_processor"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(ImportError) as failed:
        importlib.import_module("spanprofiles.processor")
    is_told = "pip install spanprofiles-processor" in str(failed.value)
    assert is_told is (missing == "spanprofiles_processor")
