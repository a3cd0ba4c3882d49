"""The workflow for a public CI, which nobody has run: it obeys the rules, and a broken one is found out."""

from __future__ import annotations

import re

import pytest

from tests.support.repository import ROOT
from tests.support.stack.workflow_rules import PYTHONS, RULES, Rule, faults_of, pythons_of_the_makefile

WORKFLOWS = ROOT / ".github" / "workflows"
TEXT = (WORKFLOWS / "tests.yml").read_text(encoding="utf-8")
CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"


def test_there_is_one_workflow() -> None:
    assert [path.name for path in WORKFLOWS.iterdir()] == ["tests.yml"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_workflow_obeys(rule: Rule) -> None:
    assert list(rule(TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("\non:\n", "\nwhen:\n", "a workflow has a name, events, permissions and jobs"),
        ("    steps:\n", "    stages:\n", "suite: it does nothing"),
        ("timeout-minutes: 30", "timeout_minutes: 30", "suite: timeout_minutes is not a key of a job"),
        ("      - run: make slow", "      - runs: make slow", "slow: runs is not a key of a step"),
        (
            "      - run: make slow PYTHON=python\n",
            "      - name: x\n",
            "slow: a step either uses an action or runs a command",
        ),
        (f"{CHECKOUT} # v6.0.2", "actions/checkout@v6", "suite: actions/checkout@v6 is not pinned to a commit"),
        (f"{CHECKOUT} # v6.0.2", CHECKOUT, f"suite: nothing says which version {CHECKOUT} is"),
        (
            "permissions:\n  contents: read",
            "permissions: write-all",
            "the workflow: its permissions are write-all, and reading the contents is enough",
        ),
        (
            "permissions:\n  contents: read\n",
            "",
            "the workflow: its permissions are None, and reading the contents is enough",
        ),
        (
            "    runs-on: ubuntu-24.04\n",
            "    runs-on: ubuntu-24.04\n    permissions: {contents: write}\n",
            "suite: its permissions are {'contents': 'write'}, and reading the contents is enough",
        ),
        ("run: make up", "run: make up TOKEN=${{ secrets.TOKEN }}", "it uses a secret"),
        (
            "persist-credentials: false",
            "persist-credentials: true",
            "suite: the checkout leaves its credentials behind",
        ),
        (
            "pull_request:",
            "pull_request_target:",
            "pull_request_target runs what strangers wrote with the repository's rights",
        ),
        (
            "run: make test PYTHON=python",
            "run: make test PYTHON=python${{ matrix.python }}",
            "suite: an expression within a command is filled in before the shell sees it",
        ),
        ("    timeout-minutes: 30\n", "", "suite: it may run for hours"),
        ("ubuntu-24.04", "ubuntu-latest", "suite: the machine 'ubuntu-latest' is not an exact version"),
        ("make slow", "make slower", "slow: the Makefile has no target slower"),
        ("BACKEND=compose", "BACKENDS=compose", "stack: the Makefile has no variable BACKENDS"),
        (', "3.14"', "", f"the suite runs on {PYTHONS[:-1]}, not on {PYTHONS}"),
        ('"3.10", ', "3.10, ", None),
        ("run: make grafana", "run: make integration", "stack: nothing runs make grafana"),
        ("run: docker compose version", "run: docker pull example.io/tempo", "it names the host example.io"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_a_broken_workflow_is_found_out(old: str, new: str, fault: str | None) -> None:
    assert old in TEXT
    assert (fault in faults_of(TEXT.replace(old, new))) if fault else faults_of(TEXT.replace(old, new)) == []


def test_each_python_that_make_takes_is_tried() -> None:
    assert pythons_of_the_makefile() == PYTHONS


def test_what_make_grafana_runs_is_marked_and_asks_the_real_stack() -> None:
    (command,) = re.findall(r"^grafana: install\n\t(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert command == "$(PYTEST) -m grafana tests/browser --span-profiles-backend=compose"
    marked = (ROOT / "tests" / "browser" / "test_in_grafana.py").read_text().count("@pytest.mark.grafana")
    assert marked == 2
