"""The rules of the public CI's workflows. Each gives one sentence for each fault it finds in a workflow's text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import yaml

from tests.support.repository import ROOT, Json

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]

_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_USE = re.compile(r"uses:\s*(?P<action>\S+)(?P<comment>\s+# v\d+\.\d+\.\d+)?\s*$", re.MULTILINE)
_MAKE = re.compile(r"\bmake\b(?P<rest>[^|&;\n]*)")
_RUNNER = re.compile(r"[a-z]+-\d+(\.\d+)?")
_HOST = re.compile(r"\b(?:[\w-]+\.)+(?:io|org|com|net|dev)\b")
_JOB_KEYS = {"name", "runs-on", "timeout-minutes", "strategy", "steps", "env", "needs", "if", "permissions"}
_STEP_KEYS = {"name", "uses", "with", "run", "if", "env", "id", "working-directory", "timeout-minutes"}


@cache
def content(text: str) -> Json:
    """Read a workflow with all scalars as texts: to YAML 1.1 the key `on` would be the value true."""
    read: Json = yaml.load(text, yaml.BaseLoader)  # noqa: S506  # it makes texts, lists and mappings only
    return read


def jobs(text: str) -> dict[str, Json]:
    found: dict[str, Json] = content(text).get("jobs", {})
    return found


def steps(text: str) -> Iterator[tuple[str, Json]]:
    """Give the steps, each with the name of its job."""
    for name, job in jobs(text).items():
        for step in job.get("steps", []):
            yield name, step


def it_has_the_form_of_a_workflow(text: str) -> Iterator[str]:
    if not {"name", "on", "permissions", "jobs"} <= content(text).keys():
        yield "a workflow has a name, events, permissions and jobs"
    for name, job in jobs(text).items():
        yield from (f"{name}: {key} is not a key of a job" for key in job.keys() - _JOB_KEYS)
        if not job.get("steps"):
            yield f"{name}: it does nothing"
    for name, step in steps(text):
        yield from (f"{name}: {key} is not a key of a step" for key in step.keys() - _STEP_KEYS)
        if ("uses" in step) == ("run" in step):
            yield f"{name}: a step either uses an action or runs a command"


def actions_are_pinned(text: str) -> Iterator[str]:
    yield from actions_pinned_in(text, steps(text))


def actions_pinned_in(text: str, used: Iterable[tuple[str, Json]]) -> Iterator[str]:
    """Give a sentence for each action that is not pinned, of the named steps of a text."""
    commented = {found["action"] for found in _USE.finditer(text) if found["comment"]}
    for name, step in used:
        action = step.get("uses")
        if action is not None and not _PINNED.fullmatch(action):
            yield f"{name}: {action} is not pinned to a commit"
        elif action is not None and action not in commented:
            yield f"{name}: nothing says which version {action} is"


def permissions_are_the_least(text: str) -> Iterator[str]:
    for name, part in [("the workflow", content(text)), *jobs(text).items()]:
        granted = part.get("permissions", {"contents": "read"} if name != "the workflow" else None)
        if granted not in ({"contents": "read"}, {}):
            yield f"{name}: its permissions are {granted}, and reading the contents is enough"
    if "secrets." in text:
        yield "it uses a secret"
    for name, step in steps(text):
        checks_out = step.get("uses", "").startswith("actions/checkout@")
        if checks_out and step.get("with", {}).get("persist-credentials") != "false":
            yield f"{name}: the checkout leaves its credentials behind"


def events_run_no_stranger_with_rights(text: str) -> Iterator[str]:
    for event in ("pull_request_target", "workflow_run", "issue_comment"):
        if event in content(text).get("on", {}):
            yield f"{event} runs what strangers wrote with the repository's rights"


def commands_hold_no_expressions(text: str) -> Iterator[str]:
    for name, step in steps(text):
        if "${{" in step.get("run", ""):
            yield f"{name}: an expression within a command is filled in before the shell sees it"


def jobs_end(text: str) -> Iterator[str]:
    for name, job in jobs(text).items():
        if not job.get("timeout-minutes", "").isdigit():
            yield f"{name}: it may run for hours"
        if not _RUNNER.fullmatch(job.get("runs-on", "")):
            yield f"{name}: the machine {job.get('runs-on')!r} is not an exact version"


def make_knows_what_it_is_asked_for(text: str) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(" ".join(re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE)).split())
    variables = set(re.findall(r"^([A-Z]+) [?:]?=", makefile, re.MULTILINE))
    for name, step in steps(text):
        for command in _MAKE.finditer(step.get("run", "")):
            for word in command["rest"].split():
                variable, is_set, _ = word.partition("=")
                if is_set and variable not in variables:
                    yield f"{name}: the Makefile has no variable {variable}"
                if not is_set and word not in targets:
                    yield f"{name}: the Makefile has no target {word}"


def every_python_is_tried(text: str) -> Iterator[str]:
    tried = jobs(text).get("suite", {}).get("strategy", {}).get("matrix", {}).get("python")
    if tried != PYTHONS:
        yield f"the suite runs on {tried}, not on {PYTHONS}"


def the_real_stack_is_tried(text: str) -> Iterator[str]:
    commands = " ; ".join(step.get("run", "") for name, step in steps(text) if name == "stack")
    for wanted in ("make up", "make down", "make integration BACKEND=compose", "make grafana", "chromium --version"):
        if wanted not in commands:
            yield f"stack: nothing runs {wanted}"


def no_host_is_named(text: str) -> Iterator[str]:
    for host in _HOST.findall(text):
        yield f"it names the host {host}"


Rule = Callable[[str], Iterator[str]]

RULES: tuple[Rule, ...] = (
    it_has_the_form_of_a_workflow,
    actions_are_pinned,
    permissions_are_the_least,
    events_run_no_stranger_with_rights,
    commands_hold_no_expressions,
    jobs_end,
    make_knows_what_it_is_asked_for,
    every_python_is_tried,
    the_real_stack_is_tried,
    no_host_is_named,
)


def faults_of(text: str) -> list[str]:
    """Give all faults of a workflow."""
    return [fault for rule in RULES for fault in rule(text)]


def pythons_of_the_makefile() -> list[str]:
    """Give the versions of Python that `make` takes."""
    makefile: Any = (ROOT / "Makefile").read_text(encoding="utf-8")
    first, last = re.findall(r"\(3, (\d+)\)", makefile)[:2]
    return [f"3.{minor}" for minor in range(int(first), int(last) + 1)]
