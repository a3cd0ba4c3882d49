"""Runs a learner's tests against several variants of one program, to see what the tests notice.

A test is worth what it tells apart. So the judge of tests runs them against programs that are in order, on which they
must pass, and against *mutants*, programs with one thing wrong, on which one of them must fail. All variants are
programs that really run; the tests are the learner's files, in a copy of the folder, with :mod:`.variants_plugin` in
place of ``conftest.py``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError
from spanprofiles.workshop.workbench import Workbench

LONGEST_RUN_S = 300.0
"""How long the tests may take against all variants, s."""

SETTINGS_VARIABLE = "SPAN_PROFILES_WORKSHOP_VARIANTS"
"""Tells the plugin what to run and where to write what came of it, JSON."""

_ENTRY = "spanprofiles.workshop.variants_plugin"
_HARNESS = "spanprofiles.pytest_plugin"
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # importing all that are installed can take seconds
_RESULTS = "results.json"
_SHOWN_LINES = 12
_NOT_COPIED = shutil.ignore_patterns("conftest.py", "__pycache__", ".*")


@dataclass(frozen=True)
class Variant:
    """One variant of the program under test.

    Attributes:
        name: what to call it; unique.
        program: its file.
        is_healthy: whether all tests must pass on it; on any other, one test must fail.
        environment: variables that are added to the program's.
        timeout_s: how long the tests' claims wait, s; 0 for as long as usual.
        fewest_requests: how often the tests must ask for each of these paths.
    """

    name: str
    program: Path
    is_healthy: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 0.0
    fewest_requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the tests said of one variant.

    Attributes:
        variant: which.
        failed: the tests that failed, by name, and the first line of why.
        passed: the tests that passed.
        requests: how often the tests asked for each path.
    """

    variant: Variant
    failed: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether the tests tell what the variant is."""
        if not self.variant.is_healthy:
            return bool(self.failed)
        return bool(self.passed) and not self.failed and not self.too_few_requests

    @property
    def too_few_requests(self) -> dict[str, int]:
        """How often the tests asked for the paths for which they must ask more often."""
        asked = {path: self.requests.get(path, 0) for path in self.variant.fewest_requests}
        return {path: count for path, count in asked.items() if count < self.variant.fewest_requests[path]}


def verdicts(bench: Workbench, fixture: str, variants: Sequence[Variant], *, service: str) -> list[Verdict]:
    """Run the learner's tests against each variant in turn, until one verdict is wrong, and return those there are.

    Args:
        bench: the learner's folder and the backend.
        fixture: the fixture by which tests get the program.
        variants: what to run, in this order.
        service: ``OTEL_SERVICE_NAME`` of all of them.

    Raises:
        AttemptError: the tests cannot be run, or never ask the program; the judgement says which.
    """
    with tempfile.TemporaryDirectory(prefix="workshop-") as scratch:
        folder = Path(scratch) / "tests"
        shutil.copytree(bench.folder, folder, ignore=_NOT_COPIED)
        results = Path(scratch) / _RESULTS
        written = [{**asdict(variant), "program": str(variant.program)} for variant in variants]
        settings = {"fixture": fixture, "service": service, "variants": written, "results": str(results)}
        plugins = ["-p", "no:cacheprovider", "-p", _HARNESS, "-p", _ENTRY]
        command = ["{python}", "-m", "pytest", "-q", *plugins, "--rootdir", str(folder)]
        bench.tell(f"running your tests against {len(variants)} variants of the program")
        finished = bench.run(
            [*command, str(folder)],
            timeout_s=LONGEST_RUN_S,
            environment={**settings_of_backend(bench), **_NO_OTHER_PLUGINS, SETTINGS_VARIABLE: json.dumps(settings)},
            folder=folder,
            service=service,
        )
        found = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    said = finished.output.splitlines()[-_SHOWN_LINES:]
    if finished.exit_code is None:
        seen = [f"your tests were still running after {LONGEST_RUN_S:g} s", *(f"  | {line}" for line in said)]
        raise AttemptError(Judgement.fails(seen, "tests that end", 1))
    judged = [
        Verdict(variant, result["failed"], tuple(result["passed"]), result["requests"])
        for variant in variants
        if (result := found.get(variant.name))
    ]
    if not judged:
        seen = ["pytest found no test that asks for the program", *(f"  | {line}" for line in said)]
        raise AttemptError(Judgement.fails(seen, f"a test_*.py with a test that takes the fixture {fixture!r}", 1))
    return judged


def settings_of_backend(bench: Workbench) -> dict[str, str]:
    """Return the variables by which a test run finds the backend."""
    endpoints, credentials = bench.endpoints, bench.endpoints.credentials_for("pyroscope")
    tls = credentials.verify_tls
    settings = {
        "BACKEND": "external",
        "TEMPO_URL": endpoints.tempo,
        "PYROSCOPE_URL": endpoints.pyroscope,
        "OTLP_URL": endpoints.otlp_http,
        "USERNAME": credentials.username,
        "PASSWORD": credentials.password,
        "TOKEN": credentials.bearer_token,
        "TENANT": credentials.tenant,
        "HEADERS": ",".join(f"{quote(name)}={quote(value)}" for name, value in credentials.headers.items()),
        "CA_FILE": tls if isinstance(tls, str) else "",
        "QUERYABLE_AFTER": f"{endpoints.queryable_after_s:g}",
        "SEARCHABLE_AFTER": f"{endpoints.searchable_after_s:g}",
    }
    return {f"SPAN_PROFILES_{name}": value for name, value in settings.items() if value}
