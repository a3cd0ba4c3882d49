"""`make up` and `make down` on a real engine, beside whatever stack of the user's runs there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Linker, TracedSession, Waiting
from spanprofiles.model import Endpoints

ROOT = Path(__file__).parents[2]
SETTINGS = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env").read_text(encoding="utf-8"), re.MULTILINE))
PATIENCE_S = 900
FORM = "{{.Names}} {{.ID}} {{.State}}"


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def make(target: str, stack: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **stack}
    command = ["make", target]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def containers_of(project: str) -> list[str]:
    """Give the project's containers, with their IDs, and volumes."""
    label = f"label=com.docker.compose.project={project}"
    return [
        *docker("ps", "--all", "--filter", label, "--format", FORM).stdout.splitlines(),
        *docker("volume", "ls", "--filter", label, "--format", "{{.Name}}").stdout.splitlines(),
    ]


@pytest.fixture(scope="module")
def engine() -> None:
    """Skip where there is no engine that has the images, which no test downloads."""
    if shutil.which("docker") is None or docker("version").returncode != 0:
        pytest.skip("no Docker engine")
    skip_without_images("TEMPO_IMAGE", "PYROSCOPE_IMAGE", "GRAFANA_IMAGE", "PYTHON_IMAGE")


def skip_without_images(*variables: str) -> None:
    missing = [SETTINGS[name] for name in variables if docker("image", "inspect", SETTINGS[name]).returncode != 0]
    if missing:
        pytest.skip(f"the Docker engine does not have {', '.join(missing)}")


@pytest.fixture(scope="module")
def stack(engine: None) -> Iterator[dict[str, str]]:  # noqa: ARG001
    """The settings of a stack that shares no name, no port and no image that it builds with any other."""
    ports = [name for name in SETTINGS if name.endswith("_PORT")]
    numbers = dict(zip(ports, map(str, free_ports(len(ports))), strict=True))
    own = f"test-{uuid4().hex[:8]}"
    built = [name for name, image in SETTINGS.items() if image.startswith("span-profiles/")]
    images = {name: f"{SETTINGS[name].partition(':')[0]}:{own}" for name in built}
    yield {"COMPOSE_PROJECT_NAME": f"span-profiles-{own}", **numbers, **images}
    docker("image", "rm", *images.values())


def nameless_images() -> set[str]:
    """Give the images of the stack that a build replaced."""
    filters = ("--filter", "label=span-profiles.image", "--filter", "dangling=true")
    return set(docker("images", "--quiet", *filters).stdout.split())


@pytest.fixture
def stack_of_the_user(engine: None) -> Iterator[list[str]]:  # noqa: ARG001
    """A container and a volume that belong to the stack of the default name, as `make up` of a user leaves them."""
    project = SETTINGS["COMPOSE_PROJECT_NAME"]
    name = f"{project}-witness-{uuid4().hex[:8]}"
    labels = [f"--label=com.docker.compose.project={project}", "--label=com.docker.compose.service=witness"]
    docker("volume", "create", *labels, name)
    started = docker("run", "--detach", "--name", name, *labels, SETTINGS["PYTHON_IMAGE"], "sleep", str(2 * PATIENCE_S))
    assert started.returncode == 0, started.stderr
    yield containers_of(project)
    docker("rm", "--force", name)
    docker("volume", "rm", name)


def test_the_stack_comes_up_and_goes_and_a_running_one_of_the_default_name_survives(
    stack: dict[str, str], stack_of_the_user: list[str]
) -> None:
    nameless = nameless_images()
    try:
        up = make("up", stack)
        assert up.returncode == 0, up.stderr
        assert f"Grafana  http://127.0.0.1:{stack['GRAFANA_PORT']}" in up.stdout
        assert requests.get(f"http://127.0.0.1:{stack['EU_NORTH_PORT']}/bike", timeout=30).ok
        assert nameless_images() <= nameless
    finally:
        down = make("down", stack)

    assert down.returncode == 0, down.stderr
    assert containers_of(stack["COMPOSE_PROJECT_NAME"]) == []
    assert containers_of(SETTINGS["COMPOSE_PROJECT_NAME"]) == stack_of_the_user


def test_with_the_fleet_one_order_passes_through_three_languages(stack: dict[str, str]) -> None:
    skip_without_images("GO_IMAGE", "MAVEN_IMAGE", "JAVA_IMAGE")
    endpoints = Endpoints(
        tempo=f"http://127.0.0.1:{stack['TEMPO_PORT']}", pyroscope=f"http://127.0.0.1:{stack['PYROSCOPE_PORT']}"
    )
    try:
        up = make("up", {**stack, "COMPOSE_PROFILES": "fleet"})
        assert up.returncode == 0, up.stderr
        south = TracedSession(f"http://127.0.0.1:{stack['AP_SOUTH_PORT']}")
        south.get("/car")  # what is loaded and compiled when it first runs has now been
        ordered = south.get("/car")
        spans = Linker.of(endpoints, waiting=Waiting(60)).follow(ordered).linked_spans(3)
    finally:
        down = make("down", stack)

    assert ordered.json()["region"] == "sa-east"
    assert {span.span.resource["telemetry.sdk.language"] for span in spans} == {"python", "go", "java"}
    assert down.returncode == 0, down.stderr
    assert containers_of(stack["COMPOSE_PROJECT_NAME"]) == []
