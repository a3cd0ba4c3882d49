"""Reads the state of a stack's containers from the engine, which is the same for both generations of Compose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanprofiles.stack.commands import Commands

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
#: A container that keeps on ending is restarted without end; this often tells it from an accident.
_RESTARTS = 3
_LAST_LINES = 12


@dataclass(frozen=True)
class Container:
    """One container of the stack.

    Attributes:
        identifier: the engine's.
        service: its name in the compose file.
        state: "created", "running", "restarting", "exited", ...
        health: "starting", "healthy", "unhealthy", or empty where nothing checks it.
        exit_code: of its last end.
        restarts: how often it was started again after it had ended by itself.
        ends: whether it is meant to end by itself.
        out_of_memory: whether it was killed because memory ran out.
        last_check: what the last health check wrote.
    """

    identifier: str
    service: str
    state: str
    health: str
    exit_code: int
    restarts: int
    ends: bool
    out_of_memory: bool
    last_check: str

    @property
    def works(self) -> bool:
        """Whether it is what it should be."""
        if self.ends:
            return self.state == "exited" and self.exit_code == 0
        return self.state == "running" and self.health in {"", "healthy"}

    @property
    def fault(self) -> str:
        """What is wrong with it for good, or nothing."""
        if self.out_of_memory:
            return "was killed for want of memory"
        if self.state in {"exited", "dead"} and not self.works:
            return f"ended with exit code {self.exit_code}"
        if self.restarts >= _RESTARTS:
            return self._ending
        # One that is about to be started again is called unhealthy as well.
        return "is unhealthy" if self.health == "unhealthy" and self.state == "running" else ""

    @property
    def trouble(self) -> str:
        """What is wrong with it, even if only for now, or nothing; for a report after the waiting is over."""
        return self.fault or (self._ending if self.restarts and not self.works else "")

    @property
    def _ending(self) -> str:
        code = "" if self.state == "running" else f", with exit code {self.exit_code}"
        return f"keeps on ending{code}"


def containers(commands: Commands, project: str) -> list[Container]:
    """Give all containers of a project, those that have ended as well."""
    identifiers = commands.docker("ps", "--all", "--quiet", "--filter", f"label={_PROJECT}={project}").out.split()
    if not identifiers:
        return []
    seen = commands.docker("inspect", *identifiers).out
    return [_container(container) for container in json.loads(seen or "[]")]


def has_volumes(commands: Commands, project: str) -> bool:
    """Whether the project has volumes, which hold data of an earlier run."""
    return bool(commands.docker("volume", "ls", "--quiet", "--filter", f"label={_PROJECT}={project}").out.split())


def last_lines(commands: Commands, container: Container) -> list[str]:
    """Give the end of a container's log, and what its last health check wrote."""
    log = commands.docker("logs", "--tail", str(_LAST_LINES), container.identifier).said.splitlines()
    check = container.last_check.strip().splitlines()[-3:] if container.health == "unhealthy" else []
    return [*log[-_LAST_LINES:], *(f"health check: {line}" for line in check)]


def _container(described: dict[str, Any]) -> Container:
    state = described["State"]
    health = state.get("Health") or {}
    checks = health.get("Log") or []
    return Container(
        identifier=described["Id"],
        service=described["Config"]["Labels"].get(_SERVICE, described["Name"].lstrip("/")),
        state=state["Status"],
        health=health.get("Status", ""),
        exit_code=state.get("ExitCode", 0),
        restarts=described.get("RestartCount", 0),
        ends=described["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"},
        out_of_memory=bool(state.get("OOMKilled")),
        last_check=checks[-1].get("Output", "") if checks else "",
    )
