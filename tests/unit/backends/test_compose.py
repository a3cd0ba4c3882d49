"""The compose backend says in one line why it cannot run, in the words of `make up`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spanprofiles.backends import BackendError
from tests.support.stack.fake_docker import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path / "machine")
    monkeypatch.setenv("PATH", str(machine.bin))
    return machine


def failure(machine: Machine) -> str:
    from spanprofiles.backends.compose import ComposeBackend

    machine.write_answers()
    backend = ComposeBackend({"SPAN_PROFILES_COMPOSE_DIRECTORY": str(machine.clone)})
    with pytest.raises(BackendError) as raised:
        backend.start()
    return str(raised.value)


def test_without_docker_it_says_so(machine: Machine) -> None:
    assert failure(machine) == (
        "the compose backend cannot run: there is no docker command; install Docker with Compose 2"
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("docker: 'compose' is not a docker command.", "it needs `docker compose` with `up --wait`"),
        ("unknown shorthand flag: 'f' in -f", "it needs `docker compose` with `up --wait`"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "the Docker engine does not answer"),
        (
            "permission denied while trying to connect to the Docker daemon socket",
            "this user may not talk to the Docker",
        ),
        ("Error response from daemon: Get x: dial tcp: lookup y: no such host", "the registry cannot be reached"),
        ("write /x: no space left on device", "the disk is full"),
        ("Error response from daemon: something new", "something new"),
    ],
)
def test_what_docker_complains_of_is_told_in_one_line(machine: Machine, said: str, sentence: str) -> None:
    machine.has("docker")
    machine.answer({"command": " up ", "err": said + "\n", "code": 1})

    assert failure(machine).startswith(f"the compose backend cannot run: {sentence}")


def test_the_last_lines_of_the_services_are_shown_and_the_half_stack_is_removed(machine: Machine) -> None:
    machine.has("docker")
    machine.answer(
        {"command": " up ", "err": "container x-tempo-1 is unhealthy\n", "code": 1},
        {"command": " logs ", "out": "tempo-1 | the reason\n"},
    )

    assert (
        failure(machine) == "the compose backend cannot run: container x-tempo-1 is unhealthy\n  | tempo-1 | the reason"
    )
    assert any("down --volumes --remove-orphans" in call for call in machine.calls)


def test_its_stack_has_a_name_and_ports_of_its_own(machine: Machine) -> None:
    machine.has("docker")
    machine.answer({"command": " up ", "err": "too bad\n", "code": 1})
    shutil.copy(machine.clone / ".env", machine.clone / "before")

    failure(machine)

    (up,) = (call for call in machine.calls if " up " in call)
    files = [word for word, before in zip(up.split()[1:], up.split(), strict=False) if before == "--env-file"]
    assert len(files) == 2  # the later wins, and it names the project and every port
    assert files[0] == str(machine.clone / ".env")
    assert (machine.clone / ".env").read_text() == (machine.clone / "before").read_text()


def test_a_folder_without_the_settings_of_the_stack_is_refused(machine: Machine) -> None:
    machine.has("docker")
    (machine.clone / ".env").unlink()

    assert failure(machine).startswith("the compose backend cannot run: there is no .env in ")
