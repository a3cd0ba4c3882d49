"""Checks that the ports that the stack publishes on this machine are free, or says who has them."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING

from spanprofiles.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spanprofiles.stack.commands import Commands
    from spanprofiles.stack.settings import Settings

_LOOPBACK = "127.0.0.1"
_PROJECT_LABEL = "com.docker.compose.project"
_HIGHEST = 65535
_STEP = 10_000


def check_ports(commands: Commands, settings: Settings) -> None:
    """Check that each port is free, or published by this very stack.

    Raises:
        StackError: some are taken; it names them, their variables, who has them, and others that are free.
    """
    ports = settings.ports
    same: dict[int, str] = {}
    for name, port in ports.items():
        if port in same:
            raise StackError(f"{same[port]} and {name} are both {port}: give each a port of its own in .env")
        same[port] = name
    if not _engine_is_here(commands):
        return
    publishers = _publishers(commands)
    own = {port for port, (_, project) in publishers.items() if project == settings.project}
    taken = {name: port for name, port in ports.items() if port not in own and not is_free(port)}
    if taken:
        raise StackError(_advice(taken, publishers))


def port_is_taken(settings: Settings, port: int) -> StackError:
    """Give the error for a port that the engine found taken."""
    return StackError(_advice({name: number for name, number in settings.ports.items() if number == port}, {}))


def is_free(port: int) -> bool:
    """Whether a program could listen on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            # Without the right to bind a low port nothing is known of it; the engine has that right.
            return error.errno != errno.EADDRINUSE
    return True


def _advice(taken: Mapping[str, int], publishers: Mapping[int, tuple[str, str]]) -> str:
    others = " ".join(f"{name}={_another(port)}" for name, port in taken.items())
    if len(taken) == 1:
        ((name, port),) = taken.items()
        container, _ = publishers.get(port, ("", ""))
        who = f"the container {container}" if container else "another program"
        return (
            f"port {port} ({name}) is taken by {who}: stop it, or take another: `{others} make up`, or set it in .env"
        )
    named = ", ".join(f"{port} ({name})" for name, port in taken.items())
    projects = sorted({publishers[port][1] or publishers[port][0] for port in taken.values() if port in publishers})
    who = f"by {' and '.join(projects)}" if projects else "by other programs"
    return f"ports {named} are taken {who}: stop what has them, or take others with `{others} make up` or in .env"


def _another(port: int, free: Callable[[int], bool] = is_free) -> int:
    candidates = (port + step for step in range(_STEP, _HIGHEST, 1) if port + step <= _HIGHEST)
    return next((candidate for candidate in candidates if free(candidate)), port + 1)


def _engine_is_here(commands: Commands) -> bool:
    """Whether the engine publishes ports on this very machine, and not on one that DOCKER_HOST or a context names."""
    host = commands.environment.get("DOCKER_HOST", "")
    if not host:
        seen = commands.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        host = seen.out.strip() if seen.succeeded else ""
    return not re.match(r"(tcp|ssh|https?)://", host)


def _publishers(commands: Commands) -> dict[int, tuple[str, str]]:
    """Give the container and the project behind each port that the engine publishes."""
    form = '{{.Names}}\t{{.Label "' + _PROJECT_LABEL + '"}}\t{{.Ports}}'
    found = {}
    for line in commands.docker("ps", "--format", form).out.splitlines():
        container, project, ports = [*line.split("\t"), "", ""][:3]
        for port in re.findall(r":(\d+)->", ports):
            found[int(port)] = (container, project)
    return found
