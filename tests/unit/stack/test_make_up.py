"""`make up` starts the stack or shows why a service does not work, and leaves no half stack; `make down` ends it."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.stack.commands import Commands
from tests.support.stack.fake_docker import (
    COMPOSE_1,
    NO_COMPOSE_2,
    PROJECT,
    Machine,
    container,
    machine_with_docker,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return machine_with_docker(tmp_path / "machine")


def test_it_starts_the_stack_and_says_where_to_go_on(machine: Machine) -> None:
    done = machine.make("up")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-3:] == [
        f"Grafana  http://127.0.0.1:{machine.ports['GRAFANA_PORT']}",
        f"Locust   http://127.0.0.1:{machine.ports['LOCUST_PORT']}",
        f"a ride:  curl http://127.0.0.1:{machine.ports['EU_NORTH_PORT']}/bike",
    ]
    assert machine.started == ["docker compose up --detach --no-build --remove-orphans"]
    assert machine.removed == []


def test_the_fleet_is_started_where_it_is_asked_for(machine: Machine) -> None:
    done = machine.make("up", COMPOSE_PROFILES="fleet")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        f"a ride through Python, Go and Java:  curl http://127.0.0.1:{machine.ports['AP_SOUTH_PORT']}/car"
    )
    assert machine.started == ["docker compose up --detach --no-build --remove-orphans"]
    assert set(machine.started) <= set(machine.calls_for("fleet"))
    assert any(call.startswith("docker image inspect golang:") for call in machine.calls)


def test_nothing_of_the_fleet_is_looked_for_where_it_is_not_asked_for(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", machine.ports["SA_EAST_PORT"])):
        done = machine.make("up")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Go and Java" not in done.stdout
    assert not any("golang" in call or "temurin" in call for call in machine.calls)


def test_a_port_of_the_fleet_that_is_taken_is_named_where_it_is_asked_for(machine: Machine) -> None:
    port = machine.ports["SA_EAST_PORT"]
    with socket.create_server(("127.0.0.1", port)):
        done = machine.make("up", COMPOSE_PROFILES="fleet")

    assert done.stderr.startswith(f"make up: port {port} (SA_EAST_PORT) is taken by another program")
    assert machine.started == []


def test_a_profile_that_there_is_not_is_refused_by_name(machine: Machine) -> None:
    done = machine.make("up", COMPOSE_PROFILES="fleet,flet")

    assert done.stderr == "make up: COMPOSE_PROFILES has 'flet'; the stack has the profile fleet\n"
    assert machine.started == []


def test_down_removes_the_fleet_as_well_whoever_started_it(machine: Machine) -> None:
    done = machine.make("down")

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]
    assert set(machine.removed) <= set(machine.calls_for("fleet"))


@pytest.mark.parametrize("target", ["up", "down"])
def test_an_image_that_a_build_replaced_is_removed_and_no_other(machine: Machine, target: str) -> None:
    machine.make(target)

    assert "docker image prune --force --filter label=span-profiles.image" in machine.calls


def test_it_takes_the_older_generation_of_compose_as_well(machine: Machine) -> None:
    machine.has("docker-compose")
    machine.answer(NO_COMPOSE_2, COMPOSE_1)

    done = machine.make("up")

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.started == ["docker-compose up --detach --no-build --remove-orphans"]


UNHEALTHY = container("pyroscope", "unhealthy", check="level=error msg=upload failed: no space left on device\n")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (container("tempo", "unhealthy"), "tempo is unhealthy"),
        (container("tempo", "", state="exited", code=1), "tempo ended with exit code 1"),
        (container("tempo", "", state="exited", code=137, out_of_memory=True), "tempo was killed for want of memory"),
        (
            container("tempo", "starting", state="restarting", code=2, restarts=4),
            "tempo keeps on ending, with exit code 2",
        ),
        (container("tempo", "", state="exited", code=1, restart="no"), "tempo ended with exit code 1"),
        (container("tempo", "starting", restarts=4), "tempo keeps on ending"),
    ],
)
def test_a_service_that_does_not_work_is_named_and_its_last_lines_are_shown(
    machine: Machine, broken: dict[str, Any], sentence: str
) -> None:
    machine.runs(container("grafana", "starting"), broken)
    log = "".join(f"line {number}\n" for number in range(40)) + "the reason\n"
    machine.answer({"command": "^docker logs --tail 12 id-of-tempo", "err": "".join(log.splitlines(True)[-12:])})

    done = machine.make("up")

    first, *others = done.stderr.splitlines()
    assert done.returncode == 1
    assert first == f"make up: the stack did not start: {sentence}"
    assert others[0] == "the last lines of tempo:"
    assert "  | the reason" in others
    assert len(others) == 14
    assert "grafana" not in done.stderr
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]
    assert others[-1] == "(what had started is removed again)"


@pytest.mark.parametrize("generation", ["docker compose", "docker-compose"])
def test_a_start_that_compose_gives_up_is_told_the_same_way(machine: Machine, generation: str) -> None:
    if generation == "docker-compose":
        machine.has("docker-compose")
        machine.answer(NO_COMPOSE_2, COMPOSE_1)
    machine.answer(
        {"command": "compose up", "err": "dependency failed to start: container x is unhealthy\n", "code": 1}
    )
    machine.runs(UNHEALTHY)

    done = machine.make("up")

    first, *others = done.stderr.splitlines()
    assert first.startswith("make up: the stack did not start: pyroscope is unhealthy; the disk is full: ")
    assert "  | health check: level=error msg=upload failed: no space left on device" in others
    assert machine.removed == [f"{generation} down --remove-orphans --volumes"]


ENDS_AS_COMPOSE_2 = ["sh", "-c", "trap 'exit 130' TERM; touch told; while :; do sleep 0.05; done"]


def test_a_start_that_is_given_up_is_no_interruption(tmp_path: Path) -> None:
    """Compose 2 ends with exit code 130, whoever tells it to end."""
    outcome = Commands(tmp_path, os.environ).run_unless(ENDS_AS_COMPOSE_2, 60.0, (tmp_path / "told").exists)

    assert not outcome.succeeded


def test_an_interruption_that_compose_was_told_of_is_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Commands(tmp_path, os.environ).run_unless(["sh", "-c", "exit 130"], 60.0, lambda: False)


def test_a_service_that_compose_gave_up_while_it_was_started_again_is_named(machine: Machine) -> None:
    """docker-compose 1.29 does so after the first end: a container that is about to start again is called unhealthy."""
    machine.answer({"command": "compose up", "err": 'ERROR: for grafana  Container "4175" is unhealthy.\n', "code": 1})
    machine.runs(container("tempo", "unhealthy", state="restarting", code=1, restarts=1))
    machine.answer({"command": "^docker logs", "err": "line 3: field nonsense not found\n"})

    done = machine.make("up")

    first, *others = done.stderr.splitlines()
    assert first == "make up: the stack did not start: tempo keeps on ending, with exit code 1"
    assert "  | line 3: field nonsense not found" in others


def test_a_service_that_ends_again_and_again_is_told_before_compose_gives_up(machine: Machine) -> None:
    machine.answer({"command": "compose up", "seconds": 600})
    machine.runs(container("tempo", "starting", state="restarting", code=1, restarts=3))
    began = time.monotonic()

    done = machine.make("up")

    assert done.stderr.startswith("make up: the stack did not start: tempo keeps on ending, with exit code 1\n")
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]
    assert time.monotonic() - began < 300


def test_configuration_that_a_container_may_not_read_is_named(machine: Machine) -> None:
    machine.runs(container("tempo", "starting", state="restarting", code=1, restarts=5))
    machine.answer(
        {
            "command": "^docker logs",
            "err": "failed parsing config: failed to read configFile /etc/tempo/tempo.yaml: open "
            "/etc/tempo/tempo.yaml: permission denied\n",
        }
    )

    done = machine.make("up")

    assert "a container may not read the configuration of this folder: `chmod -R a+rX tempo" in done.stderr


def test_a_refusal_of_compose_before_any_container_is_told_in_its_own_words(machine: Machine) -> None:
    machine.answer({"command": "compose up", "err": "services.tempo.ports is invalid\n", "code": 15})
    machine.runs()

    done = machine.make("up")

    assert done.stderr.splitlines()[0] == "make up: the stack did not start: services.tempo.ports is invalid"


def test_a_start_that_is_interrupted_leaves_nothing(machine: Machine) -> None:
    machine.answer({"command": "compose up", "err": "canceled\n", "code": 130})

    done = machine.make("up")

    assert (done.returncode, done.stderr) == (130, "make up: interrupted\n")
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]


def test_a_failed_start_leaves_data_of_an_earlier_run_alone(machine: Machine) -> None:
    machine.answer({"command": "^docker volume ls", "out": "span-profiles_tempo-data\n"})
    machine.runs(container("tempo", "unhealthy"))

    machine.make("up")

    assert machine.removed == ["docker compose down --remove-orphans"]


def test_a_failed_change_leaves_a_running_stack_alone(machine: Machine) -> None:
    machine.answer(
        {"command": "^docker ps --all", "out": "id-of-tempo"},
        {"command": "^docker inspect", "out": "[]"},
        {"command": "compose up", "err": "Error response from daemon: too bad\n", "code": 1},
    )
    machine.answers[1]["out"] = json.dumps([container("tempo")])

    done = machine.make("up")

    assert done.stderr.splitlines() == ["make up: the stack did not start: too bad", "(what ran before still runs)"]
    assert machine.removed == []


def test_it_makes_the_configuration_of_a_clone_under_a_strict_umask_readable(machine: Machine) -> None:
    for path in [machine.clone / "tempo", *(machine.clone / "grafana").rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
    (machine.clone / "tempo" / "tempo.yaml").chmod(0o600)

    machine.make("up")

    modes = {path: path.stat().st_mode & 0o055 for path in machine.clone.rglob("*") if "/clone/" in str(path)}
    assert {path.name: oct(mode) for path, mode in modes.items() if path.is_dir() and mode != 0o055} == {}
    assert (machine.clone / "tempo" / "tempo.yaml").stat().st_mode & 0o777 == 0o644


def test_outside_of_the_repository_it_says_where_to_run_it(machine: Machine) -> None:
    (machine.clone / ".env").unlink()

    done = machine.make("up")

    assert done.stderr == (f"make up: there is no .env in {machine.clone}: run this in the root of the repository\n")


def test_make_down_removes_all_but_the_images(machine: Machine) -> None:
    done = machine.make("down")

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]
    assert done.stdout == f"the stack {PROJECT} is gone, with its data; its images stay\n"


def test_make_down_says_what_is_missing_as_make_up_does(tmp_path: Path) -> None:
    done = Machine(tmp_path / "machine").make("down")

    assert done.returncode == 1
    assert done.stderr.startswith("make down: there is no docker command")


def test_it_is_called_with_up_or_down(machine: Machine) -> None:
    done = machine.make("sideways")

    assert (done.returncode, done.stderr) == (2, "usage: python3 -m spanprofiles.stack up|down\n")
