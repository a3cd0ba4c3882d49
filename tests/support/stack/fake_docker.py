"""Programs named `docker` and `docker-compose` that answer as they are told: machines in any state, with no engine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanprofiles.backends.ports import free_ports
from tests.support.repository import COMPOSE_FILE, ROOT, SETTINGS_FILE, SOURCES

PROJECT = "span-profiles"

#: A shell starts in a twentieth of the time that Python takes, and a start of the stack asks ten times.
_PROGRAM = """\
#!/bin/sh
line="${{0##*/}} $*"
printf '%s\\n' "$line" >> {calls}
test "$COMPOSE_PROFILES" && printf '%s\\n' "$COMPOSE_PROFILES: $line" >> {calls}-of-profiles
called() {{
    while read -r call; do
        case "$call" in *"$1"*) return 0 ;; esac
    done < {calls}
    return 1
}}
{answers}
exit 0
"""
_ANSWER = """\
case "$line" in {pattern})
    if {condition}; then {action}; fi
esac
"""
_SAYS = "printf %s {out}; printf %s {err} >&2; exit {code}"

DOCKER = {"command": "^docker version", "out": "28.2.2\n"}
COMPOSE_2 = {"command": "^docker compose version", "out": "2.40.3\n"}
COMPOSE_1 = {"command": "^docker-compose version", "out": "1.29.2\n"}
NO_COMPOSE_2 = {"command": "^docker compose", "err": "docker: 'compose' is not a docker command.\n", "code": 1}


def container(service: str, health: str = "healthy", **changes: Any) -> dict[str, Any]:
    """Give what `docker inspect` says of a container."""
    state = {"Status": changes.pop("state", "running"), "ExitCode": changes.pop("code", 0), "OOMKilled": False}
    state["OOMKilled"] = changes.pop("out_of_memory", False)
    if health:
        state["Health"] = {"Status": health, "Log": [{"ExitCode": 1, "Output": changes.pop("check", "")}]}
    restart = changes.pop("restart", "unless-stopped")
    count = changes.pop("restarts", 0)
    assert not changes
    return {
        "Id": f"id-of-{service}",
        "Name": f"/{PROJECT}-{service}-1",
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": state,
        "RestartCount": count,
        "HostConfig": {"RestartPolicy": {"Name": restart}},
    }


@dataclass
class Machine:
    """A machine with a clone of the stack, on which `docker` answers as it is told.

    Attributes:
        folder: its files.
        answers: what the programs answer; the first that fits is taken. Without one they succeed in silence. Each has
            the words of a `command`, behind `^` from its beginning on, and may have words of one that came `after`
            which it holds, what it says as `out` and `err`, its `code`, or the `seconds` it hangs.
    """

    folder: Path
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bin.mkdir(parents=True)
        self.clone.mkdir()
        names = [line.partition("=")[0] for line in SETTINGS_FILE.read_text().splitlines() if "_PORT=" in line]
        names = [name for name in names if name.isupper() and " " not in name]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        lines = [
            f"{name}={self.ports[name]}" if (name := line.partition("=")[0]) in self.ports else line
            for line in SETTINGS_FILE.read_text().splitlines()
        ]
        (self.clone / ".env").write_text("\n".join(lines))
        shutil.copy(COMPOSE_FILE, self.clone)
        for name in ("tempo", "pyroscope", "grafana"):
            shutil.copytree(ROOT / name, self.clone / name)

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def calls(self) -> list[str]:
        """What was asked of the programs."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.is_file() else []

    def calls_for(self, profiles: str) -> list[str]:
        """What was asked of the programs with these profiles of the stack."""
        calls = self.folder / "calls-of-profiles"
        lines = calls.read_text().splitlines() if calls.is_file() else []
        return [line.removeprefix(f"{profiles}: ") for line in lines if line.startswith(f"{profiles}: ")]

    @property
    def started(self) -> list[str]:
        """The commands that started the stack."""
        return [call for call in self.calls if " up " in call]

    @property
    def removed(self) -> list[str]:
        """The commands that removed it."""
        return [call for call in self.calls if " down " in call]

    def has(self, *programs: str) -> None:
        """Install programs of these names."""
        for name in programs:
            (self.bin / name).touch()

    def answer(self, *answers: Mapping[str, Any]) -> None:
        """Let the programs answer so, before all that they were told so far."""
        complete = [{"out": "", "err": "", "code": 0, "after": "", "seconds": 0, **answer} for answer in answers]
        self.answers = complete + self.answers

    def runs(self, *found: dict[str, Any]) -> None:
        """Let the stack have these containers once it was started."""
        self.answer(
            {
                "command": "^docker ps --all",
                "after": "compose up",
                "out": "\n".join(container["Id"] for container in found),
            },
            {"command": "^docker inspect", "after": "compose up", "out": json.dumps(found)},
        )

    def write_answers(self) -> None:
        """Let the programs know what to answer."""
        calls = shlex.quote(str(self.folder / "calls"))
        text = _PROGRAM.format(calls=calls, answers="".join(map(_in_shell, self.answers)))
        for program in self.bin.iterdir():
            program.write_text(text)
            program.chmod(0o755)

    def make(self, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run what `make TARGET` runs, with a Python that has no package installed."""
        self.write_answers()
        kept = {name: value for name, value in os.environ.items() if name not in self.ports and name != "DOCKER_HOST"}
        for name in ("COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"):
            kept.pop(name, None)
        return subprocess.run(
            [sys.executable, "-S", "-m", "spanprofiles.stack", target],
            cwd=self.clone,
            env={
                **kept,
                "PATH": str(self.bin),
                "PYTHONPATH": str(SOURCES),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _in_shell(answer: Mapping[str, Any]) -> str:
    command = answer["command"]
    pattern = ("" if command.startswith("^") else "*") + shlex.quote(command.removeprefix("^")) + "*"
    condition = f"called {shlex.quote(answer['after'])}" if answer["after"] else ":"
    said = _SAYS.format(out=shlex.quote(answer["out"]), err=shlex.quote(answer["err"]), code=answer["code"])
    action = f"exec /bin/sleep {answer['seconds']}" if answer["seconds"] else said
    return _ANSWER.format(pattern=pattern, condition=condition, action=action)


def machine_with_docker(folder: Path) -> Machine:
    """Give a machine on which all is there and everything works."""
    machine = Machine(folder)
    machine.has("docker")
    machine.answer(DOCKER, COMPOSE_2)
    machine.runs(container("tempo"), container("tempo-gives-back", "", state="exited", restart="no"))
    return machine
