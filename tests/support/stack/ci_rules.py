"""The rules of the action and the template for other people's CI. Each gives a sentence for each fault it finds."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator

import click

from spanprofiles.cli import main
from tests.support.repository import ROOT, Json
from tests.support.stack.workflow_rules import actions_pinned_in, content, no_host_is_named

ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / "ci" / "span-profiles.gitlab-ci.yml"

_ACTION_KEYS = {"name", "description", "inputs", "outputs", "runs"}
_STEP_KEYS = {"name", "id", "if", "uses", "with", "run", "shell", "env"}
_JOB_KEYS = {"image", "rules", "variables", "script", "artifacts"}
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_ASSIGNED = re.compile(r"(?:^|[\s;{])([A-Za-z_]\w*)=")
_GIVEN = re.compile(r"GITHUB_\w+|CI_\w+|GITLAB_COMMENT_TOKEN")
_COMMAND = re.compile(r"\bspanprofiles (?P<name>[a-z]+)(?P<rest>(?:[^|&;\n\\]|\\\n)*)")


def action_steps(text: str) -> list[Json]:
    """Return the action's steps."""
    steps: list[Json] = content(text)["runs"]["steps"]
    return steps


def scripts(text: str) -> list[str]:
    """Return what an action or a template runs, as scripts of a shell."""
    read = content(text)
    if "runs" in read:
        return [step["run"] for step in action_steps(text) if "run" in step]
    return [line for job in read.values() for line in job["script"]]


def action_has_its_form(text: str) -> Iterator[str]:
    read = content(text)
    yield from (f"{key} is not a key of an action" for key in sorted(read.keys() - _ACTION_KEYS))
    if read.get("runs", {}).get("using") != "composite":
        yield "it is no composite action"
    for step in action_steps(text):
        yield from (f"{key} is not a key of a step" for key in sorted(step.keys() - _STEP_KEYS))
        if ("uses" in step) == ("run" in step):
            yield "a step either uses an action or runs a command"
        if "run" in step and step.get("shell") != "bash":
            yield f"the step {step.get('name')!r} says no shell"
    for name, described in read.get("inputs", {}).items():
        if not described.get("description", "").endswith("."):
            yield f"nothing says what {name} is"
        if f"inputs.{name}" not in text:
            yield f"{name} is used nowhere"
    for name in re.findall(r"inputs\.([\w-]+)", text):
        if name not in read.get("inputs", {}):
            yield f"there is no input {name}"


def action_uses_what_is_pinned(text: str) -> Iterator[str]:
    yield from actions_pinned_in(text, ((step.get("name", ""), step) for step in action_steps(text)))
    if "secrets." in text:
        yield "it uses a secret"


def expressions_stay_out_of_commands(text: str) -> Iterator[str]:
    for script in scripts(text):
        if "${{" in script:
            yield "an expression within a command is filled in before the shell sees it"


def steps_are_given_their_variables(text: str) -> Iterator[str]:
    for step in action_steps(text):
        yield from _unset(step.get("run", ""), step.get("env", {}))


def template_has_its_form(text: str) -> Iterator[str]:
    for name, job in content(text).items():
        yield from (f"{name}: {key} is not a key of the job" for key in sorted(job.keys() - _JOB_KEYS))
        yield from _unset("\n".join(job["script"]), job["variables"])
        if job.get("artifacts", {}).get("when") != "always":
            yield f"{name}: the artifacts of a failure are not kept"
        for variable in job["variables"]:
            if variable != "GIT_DEPTH" and f"${variable}" not in "\n".join(job["script"]):
                yield f"{name}: {variable} is used nowhere"


def shells_can_read_it(text: str) -> Iterator[str]:
    for script in scripts(text):
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"no shell can read it: {done.stderr.strip()}"


def its_commands_are_there(text: str) -> Iterator[str]:
    context = click.Context(main)
    for found in _COMMAND.finditer("\n".join(scripts(text))):
        command = main.get_command(context, found["name"])
        if command is None:
            yield f"there is no command {found['name']}"
            continue
        known = {name for parameter in command.params for name in parameter.opts}
        ours, _, _ = found["rest"].partition(" -- ")
        for word in shlex.split(ours.replace("\\\n", " ")):
            if word.startswith("--") and word not in known:
                yield f"{found['name']} has no option {word}"


def _unset(script: str, given: dict[str, str]) -> Iterator[str]:
    known = {*given, *_ASSIGNED.findall(script), "_"}
    for name in dict.fromkeys(_VARIABLE.findall(script)):
        if name not in known and not _GIVEN.fullmatch(name):
            yield f"nothing sets {name}"


Rule = Callable[[str], Iterator[str]]

ACTION_RULES: tuple[Rule, ...] = (
    action_has_its_form,
    action_uses_what_is_pinned,
    expressions_stay_out_of_commands,
    steps_are_given_their_variables,
    shells_can_read_it,
    its_commands_are_there,
    no_host_is_named,
)

TEMPLATE_RULES: tuple[Rule, ...] = (template_has_its_form, shells_can_read_it, its_commands_are_there, no_host_is_named)
