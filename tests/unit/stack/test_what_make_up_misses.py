"""`make up` finds what is missing before anything starts, and says in one line what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.stack.fake_docker import COMPOSE_1, NO_COMPOSE_2, PROJECT, Machine, machine_with_docker

pytestmark = pytest.mark.slow

PULL_FAILS = 'Error response from daemon: Get "https://registry.example/v2/": dial tcp: {reason}\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return machine_with_docker(tmp_path / "machine")


@contextmanager
def listening_on(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_without_docker_it_says_so_and_names_the_demo_that_needs_none(tmp_path: Path) -> None:
    done = Machine(tmp_path / "machine").make("up")

    assert done.returncode == 1
    assert done.stderr == (
        "make up: there is no docker command: install Docker with Compose; or use `make demo`, which shows the same "
        "without Docker\n"
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "the Docker engine does not answer: start it",
        ),
        (
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if "
            "the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
            "the Docker engine does not answer: start it",
        ),
        (
            "error during connect: Get http://%2F%2F.%2Fpipe%2FdockerDesktopLinuxEngine/v1.47/version: open "
            "//./pipe/x: The system cannot find the file specified.",
            "the Docker engine does not answer: start it",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
            '"http://%2Fvar%2Frun%2Fdocker.sock/version": dial unix /var/run/docker.sock: connect: permission denied',
            "this user may not talk to the Docker engine: `sudo usermod -aG docker $USER`",
        ),
        (
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "this user may not talk to the Docker engine: `sudo usermod -aG docker $USER`",
        ),
        ("something new", "something new"),
    ],
)
def test_an_engine_that_does_not_let_us_in_is_told_by_its_reason(machine: Machine, said: str, sentence: str) -> None:
    machine.answer({"command": "^docker version", "err": said + "\n", "code": 1})

    done = machine.make("up")

    assert done.returncode == 1
    assert done.stderr.startswith(f"make up: {sentence}")
    assert done.stderr.count("\n") == 1
    assert machine.started == []


def test_without_compose_it_names_the_packages_that_have_it(machine: Machine) -> None:
    machine.answer(NO_COMPOSE_2)

    done = machine.make("up")

    assert done.returncode == 1
    assert done.stderr.startswith("make up: Docker is here and Compose is not: install docker-compose-plugin")
    assert done.stderr.count("\n") == 1


def test_a_compose_that_is_too_old_is_not_tried(machine: Machine) -> None:
    machine.has("docker-compose")
    machine.answer(NO_COMPOSE_2, {**COMPOSE_1, "out": "1.25.0\n"})

    done = machine.make("up")

    assert done.stderr == "make up: docker-compose is 1.25.0, too old for this stack: install 1.29.2, or 2\n"


def test_a_taken_port_is_named_with_its_variable_and_a_free_one(machine: Machine) -> None:
    port = machine.ports["TEMPO_PORT"]
    with listening_on(port):
        done = machine.make("up")

    assert done.returncode == 1
    assert done.stderr.startswith(
        f"make up: port {port} (TEMPO_PORT) is taken by another program: stop it, or take another"
    )
    assert "`TEMPO_PORT=" in done.stderr
    assert done.stderr.count("\n") == 1
    assert machine.started == []


def test_all_taken_ports_are_named_at_once(machine: Machine) -> None:
    first, second = machine.ports["GRAFANA_PORT"], machine.ports["LOCUST_PORT"]
    with listening_on(first), listening_on(second):
        done = machine.make("up")

    assert f"ports {first} (GRAFANA_PORT), {second} (LOCUST_PORT) are taken" in done.stderr


def test_a_port_that_another_container_has_is_told_with_its_name(machine: Machine) -> None:
    port = machine.ports["PYROSCOPE_PORT"]
    machine.answer({"command": "^docker ps --format", "out": f"my-database\t\t127.0.0.1:{port}->5432/tcp\n"})
    with listening_on(port):
        done = machine.make("up")

    assert f"port {port} (PYROSCOPE_PORT) is taken by the container my-database" in done.stderr


def test_the_ports_of_the_stack_itself_are_not_in_its_way(machine: Machine) -> None:
    port = machine.ports["PYROSCOPE_PORT"]
    machine.answer(
        {"command": "^docker ps --format", "out": f"{PROJECT}-pyroscope-1\t{PROJECT}\t127.0.0.1:{port}->4040/tcp\n"}
    )
    with listening_on(port):
        done = machine.make("up")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_port_of_the_shell_wins_over_that_of_the_file(machine: Machine) -> None:
    with listening_on(machine.ports["TEMPO_PORT"]):
        done = machine.make("up", TEMPO_PORT=str(machine.ports["TEMPO_PORT"] + 1))

    assert done.returncode == 0


def test_an_engine_on_another_machine_has_other_ports_than_this_one(machine: Machine) -> None:
    with listening_on(machine.ports["TEMPO_PORT"]):
        done = machine.make("up", DOCKER_HOST="tcp://127.0.0.1:2375")

    assert done.returncode == 0


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: driver failed programming external connectivity on endpoint x: Bind for "
        "127.0.0.1:{port} failed: port is already allocated",
        "Error response from daemon: failed to set up container networking: driver failed programming external "
        "connectivity on endpoint x (0f): failed to bind host port for 127.0.0.1:{port}:172.18.0.2:3200/tcp: address "
        "already in use",
        "ERROR: for tempo  Cannot start service tempo: driver failed programming external connectivity on endpoint x: "
        "Error starting userland proxy: listen tcp4 127.0.0.1:{port}: bind: address already in use",
        "Error response from daemon: Ports are not available: exposing port TCP 127.0.0.1:{port} -> 0.0.0.0:0: listen "
        "tcp 127.0.0.1:{port}: bind: address already in use",
    ],
)
def test_a_port_that_the_engine_finds_taken_is_named_as_well(machine: Machine, said: str) -> None:
    port = machine.ports["OTLP_HTTP_PORT"]
    machine.answer({"command": "compose up", "err": said.format(port=port) + "\n", "code": 1})

    done = machine.make("up")

    assert f"port {port} (OTLP_HTTP_PORT) is taken by another program" in done.stderr
    assert machine.removed == ["docker compose down --remove-orphans --volumes"]


@pytest.mark.parametrize("value", ["http", "0", "70000", ""])
def test_a_setting_that_is_no_port_is_refused_by_name(machine: Machine, value: str) -> None:
    done = machine.make("up", TEMPO_PORT=value)

    assert done.stderr == f"make up: TEMPO_PORT is {value!r}, not a port: set it in .env, from 1 to 65535\n"


def test_two_settings_of_one_port_are_refused_by_name(machine: Machine) -> None:
    port = str(machine.ports["TEMPO_PORT"])

    done = machine.make("up", GRAFANA_PORT=port)

    assert done.stderr == f"make up: TEMPO_PORT and GRAFANA_PORT are both {port}: give each a port of its own in .env\n"


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("no such host", "the registry cannot be reached: connect this machine to the internet"),
        (
            "Temporary failure in name resolution",
            "the registry cannot be reached: connect this machine to the internet",
        ),
        ("i/o timeout", "the registry cannot be reached: connect this machine to the internet"),
        ("toomanyrequests: You have reached your pull rate limit", "the registry gives no more images"),
        ("manifest unknown", "the registry has no such image for this machine"),
        (
            "no matching manifest for linux/riscv64 in the manifest list",
            "the registry has no such image for this machine",
        ),
        ("write /var/lib/docker/tmp/x: no space left on device", "the disk is full: `docker system df`"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(machine: Machine, reason: str, sentence: str) -> None:
    machine.answer(
        {"command": "^docker image inspect grafana/tempo", "code": 1},
        {"command": "^docker pull grafana/tempo", "err": PULL_FAILS.format(reason=reason), "code": 1},
    )

    done = machine.make("up")
    first, *others = done.stderr.splitlines()

    assert done.returncode == 1
    assert first.startswith(
        f"make up: the image grafana/tempo:3.0.3 (TEMPO_IMAGE) is not here and cannot be pulled: {sentence}"
    )
    assert len(others) == 1
    assert reason in others[0]
    assert machine.started == []


def test_an_image_that_is_here_is_not_pulled(machine: Machine) -> None:
    machine.make("up")

    assert [call for call in machine.calls if call.startswith("docker pull")] == []


def test_a_line_of_a_tool_is_shown_as_far_as_it_can_be_read(machine: Machine) -> None:
    machine.answer({"command": "compose build", "err": "RUN " + "x" * 5000 + "\n", "code": 1})

    assert max(map(len, machine.make("up").stderr.splitlines())) < 250


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("pip._vendor.urllib3: Failed to establish a new connection: [Errno -3]", "pip reaches no package index"),
        ("ERROR: Could not find a version that satisfies the requirement flask==3.1.0", "pip reaches no package index"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("compose build requires buildx 0.17.0 or later", "Compose cannot build without buildx"),
        ("ERROR: failed to solve: process did not complete: exit code: 7", "failed to solve: process did not complete"),
    ],
)
def test_images_that_cannot_be_built_are_told_by_the_reason(machine: Machine, said: str, sentence: str) -> None:
    machine.answer({"command": "compose build", "out": "#1 many lines\n" * 50, "err": said + "\n", "code": 17})

    done = machine.make("up")

    first, *others = done.stderr.splitlines()
    assert first.startswith(f"make up: the images cannot be built: {sentence}")
    assert f"  | {said}" in others
    assert len(others) < 12
    assert machine.started == []
