"""Starts and ends the stack. It finds what is missing before anything starts, and a failed start leaves nothing."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from spanprofiles.stack.commands import Commands, Compose, check_docker, find_compose
from spanprofiles.stack.complaints import complaint_of, explain, reason_in_log, shortened, taken_port
from spanprofiles.stack.containers import Container, containers, has_volumes, last_lines
from spanprofiles.stack.errors import StackError
from spanprofiles.stack.ports import check_ports, port_is_taken
from spanprofiles.stack.settings import MOUNTED, PROFILES, PROFILES_VARIABLE, Settings
from spanprofiles.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from spanprofiles.stack.commands import Outcome

    Tell = Callable[[str], None]

_PAUSE_S = 0.5
_HEALTHY_S = 400.0
_BUILD_LINES = 8
_READABLE = stat.S_IRGRP | stat.S_IROTH
_SEARCHABLE = stat.S_IXGRP | stat.S_IXOTH
_IMAGE_LABEL = "span-profiles.image"


def up(commands: Commands, settings: Settings, tell: Tell) -> None:
    """Start the stack and return when all of it works.

    Args:
        commands: run in the folder of the compose file.
        settings: of the stack.
        tell: called with a line for each step.

    Raises:
        StackError: something is missing, or a service does not work. What this call started is removed again, with its
            volumes where there were none before; a stack that ran before is left as it is.
    """
    check_docker(commands)
    compose = find_compose(commands)
    check_ports(commands, settings)
    make_readable(settings.directory)
    _pull(commands, settings, tell)
    ran_before = bool(containers(commands, settings.project))
    kept_data = ran_before or has_volumes(commands, settings.project)
    try:
        _build(compose, tell)
        tell(f"starting the stack with {compose}; it takes half a minute until everything works")
        started = compose.run_unless(
            # Compose waits two minutes for a service that ends again and again. It stops some where a stack ran before.
            lambda: not ran_before and any(container.fault for container in containers(commands, settings.project)),
            "up",
            "--detach",
            "--no-build",
            "--remove-orphans",
        )
        if not started.succeeded:
            raise _failure(commands, settings, started)
        _await_health(commands, settings)
    except BaseException as error:
        if not ran_before:
            _remove(compose, keep_volumes=kept_data)
        if isinstance(error, StackError):
            what = "what ran before still runs" if ran_before else "what had started is removed again"
            raise StackError(f"{error}\n({what})") from error
        raise
    _forget_replaced_images(commands)
    for line in _addresses(settings):
        tell(line)


def down(commands: Commands, settings: Settings, tell: Tell) -> None:
    """End the stack and remove its containers, networks and volumes; its images stay.

    That of each profile is removed, whichever are asked for: Compose would leave the others running.

    Raises:
        StackError: there is no engine or no Compose, or it refused.
    """
    commands = replace(commands, environment={**commands.environment, PROFILES_VARIABLE: ",".join(PROFILES)})
    check_docker(commands)
    compose = find_compose(commands)
    ended = _remove(compose, keep_volumes=False)
    if not ended.succeeded:
        raise StackError(explain(ended.said))
    _forget_replaced_images(commands)
    tell(f"the stack {settings.project} is gone, with its data; its images stay")


def _forget_replaced_images(commands: Commands) -> None:
    """Remove what a build left without a name when it replaced an image, unless a container still runs on it."""
    commands.docker("image", "prune", "--force", "--filter", f"label={_IMAGE_LABEL}")


def make_readable(directory: Path) -> None:
    """Let all users read the folders that the containers mount: under umask 077 a clone's are its owner's alone.

    Raises:
        StackError: they are somebody else's.
    """
    for folder in (directory / name for name in MOUNTED):
        for path in [folder, *folder.rglob("*")]:
            mode = path.stat().st_mode
            wanted = mode | _READABLE | (_SEARCHABLE if path.is_dir() else 0)
            if mode != wanted:
                try:
                    path.chmod(wanted)
                except OSError as error:
                    raise StackError(
                        f"the containers may not read {path}: `chmod -R a+rX {' '.join(MOUNTED)}` as its owner"
                    ) from error


def _pull(commands: Commands, settings: Settings, tell: Tell) -> None:
    for name, image in settings.images_to_pull.items():
        if commands.docker("image", "inspect", image).succeeded:
            continue
        tell(f"pulling {image} (once)")
        pulled = commands.pull(image)
        if not pulled.succeeded:
            raise StackError(
                f"the image {image} ({name}) is not here and cannot be pulled: {explain(pulled.said)}"
                f"\n  | {complaint_of(pulled.said)}"
            )


def _build(compose: Compose, tell: Tell) -> None:
    tell("building the images of the app and its load (the first time takes a minute or two)")
    built = compose.run("build")
    if not built.succeeded:
        tail = [line.rstrip() for line in built.said.splitlines() if line.strip()][-_BUILD_LINES:]
        raise StackError("\n".join([f"the images cannot be built: {explain(built.said)}", *_quoted(tail)]))


def _await_health(commands: Commands, settings: Settings) -> None:
    for _ in Waiting(_HEALTHY_S, _PAUSE_S, _PAUSE_S).attempts():
        found = containers(commands, settings.project)
        unhealthy = [container for container in found if not container.works]
        if found and not unhealthy:
            return
        if not found or any(container.fault for container in unhealthy):
            break
    raise _failure(commands, settings, None)


def _failure(commands: Commands, settings: Settings, started: Outcome | None) -> StackError:
    """Say which services do not work, show the ends of their logs, and name the reason where it is a known one."""
    said = started.said if started else ""
    port = taken_port(said)
    if port is not None and port in settings.ports.values():
        return port_is_taken(settings, port)
    bad = [container for container in containers(commands, settings.project) if container.trouble]
    # The others only wait for those that have failed.
    lines: list[str] = []
    for container in bad:
        lines += [f"the last lines of {container.service}:", *_quoted(last_lines(commands, container))]
    reason = reason_in_log("\n".join([said, *lines]))
    if bad:
        what = " and ".join(f"{container.service} {container.trouble}" for container in bad)
    elif started is not None:
        what, reason = explain(said), ""
    else:
        what = f"{_names(commands, settings)} did not get healthy within {_HEALTHY_S:.0f} s"
    return StackError("\n".join([f"the stack did not start: {what}" + (f"; {reason}" if reason else ""), *lines]))


def _names(commands: Commands, settings: Settings) -> str:
    waiting: list[Container] = [
        container for container in containers(commands, settings.project) if not container.works
    ]
    return ", ".join(sorted({container.service for container in waiting})) or "no container is there: it"


def _remove(compose: Compose, *, keep_volumes: bool) -> Outcome:
    return compose.run("down", "--remove-orphans", *([] if keep_volumes else ["--volumes"]))


def _quoted(lines: Iterable[str]) -> list[str]:
    return [f"  | {shortened(line)}" for line in lines]


def _addresses(settings: Settings) -> list[str]:
    ports = settings.ports
    return [
        f"Grafana  http://127.0.0.1:{ports['GRAFANA_PORT']}",
        f"Locust   http://127.0.0.1:{ports['LOCUST_PORT']}",
        f"a ride:  curl http://127.0.0.1:{ports['EU_NORTH_PORT']}/bike",
        *(
            [f"a ride through Python, Go and Java:  curl http://127.0.0.1:{ports['AP_SOUTH_PORT']}/car"]
            if "fleet" in settings.profiles
            else []
        ),
    ]
