"""The Dockerfiles: pinned by the lock, small, and without root."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT, compose, services, settings

LOCK = (ROOT / "requirements.lock").read_text()

# The packages that the code of each image imports or runs.
WANTED = {
    "rideshare": [
        "flask",
        "gunicorn",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-instrumentation-flask",
        "opentelemetry-instrumentation-requests",
        "opentelemetry-sdk",
        "pyroscope-io",
        "pyroscope-otel",
        "requests",
    ],
    "loadgen": ["locust", "requests"],
}

# Python and machine of the images, for the conditions of requirements.
IN_THE_IMAGE = {
    "python_version": "3.13",
    "python_full_version": "3.13.9",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}

images = pytest.mark.parametrize("image", sorted(WANTED))


def dockerfile(image: str) -> str:
    """Give a Dockerfile with its continued lines joined and without comments."""
    text = (ROOT / image / "Dockerfile").read_text().replace("\\\n", "")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def listed(image: str) -> set[str]:
    """Give the packages that the Dockerfile takes from the lock."""
    found = re.search(r'^ARG PACKAGES="([^"]+)"$', dockerfile(image), re.MULTILINE)
    assert found is not None
    return set(found[1].split())


def needed(names: list[str]) -> set[str]:
    """Give the packages and all that they need, as the installed ones say."""
    found: set[str] = set()
    waiting = [(name, "") for name in names]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        found.add(name)
        for line in requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({**IN_THE_IMAGE, "extra": extra}):
                continue
            other = str(canonicalize_name(requirement.name))
            more = {(other, ""), *((other, wanted) for wanted in requirement.extras)} - seen
            seen |= more
            waiting += more
    return found


def faults_of(text: str) -> list[str]:
    """Find what makes an image unpinned, fat or privileged."""
    faults = []
    stages = re.findall(r"^FROM (.+)$", text, re.MULTILINE)
    if stages != ["${PYTHON_IMAGE}"]:
        faults.append("it is not built in one stage on the base image given: another leaves an image without a name")
    if not re.search(r"^ARG PYTHON_IMAGE$", text, re.MULTILINE):
        faults.append("the base image is not an argument without a default")
    for option in ("--require-hashes", "--only-binary :all:", "--no-cache-dir"):
        if option not in text:
            faults.append(f"pip installs without {option}")
    if not re.search(r"^USER [1-9]\d*:\d+$", text, re.MULTILINE):
        faults.append("it runs as root")
    if not re.search(r"^COPY \w+/ /app/\w+/\nRUN chmod -R a\+rX /app\b", text, re.MULTILINE):
        faults.append("its code can be read by root alone, after a clone under umask 077")
    if not re.search(r"^LABEL span-profiles\.image=\w+$", text, re.MULTILINE):
        faults.append("it has no label by which an image that a build replaced is found and removed")
    if re.search(r"latest|apt-get|curl|ADD ", text):
        faults.append("it takes something that is not pinned")
    return faults


@images
def test_an_image_is_pinned_small_and_without_root(image: str) -> None:
    assert faults_of(dockerfile(image)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("FROM ${PYTHON_IMAGE}", "FROM python:3", "it is not built in one stage on the base image given"),
        ("WORKDIR /app", "FROM ${PYTHON_IMAGE}", "it is not built in one stage on the base image given"),
        ("ARG PYTHON_IMAGE\n", "ARG PYTHON_IMAGE=python:3\n", "the base image is not an argument without a default"),
        ("--require-hashes", "", "pip installs without --require-hashes"),
        ("USER 10001:10001", "", "it runs as root"),
        ("USER 10001:10001", "USER 0:0", "it runs as root"),
        ("chmod -R a+rX /app", "true", "its code can be read by root alone"),
        ("LABEL span-profiles.image=rideshare", "", "it has no label"),
        ("WORKDIR /app", "ADD https://127.0.0.1/x /x", "it takes something that is not pinned"),
    ],
)
def test_a_broken_dockerfile_is_found_out(old: str, new: str, fault: str) -> None:
    text = dockerfile("rideshare")
    assert old in text
    assert any(found.startswith(fault) for found in faults_of(text.replace(old, new)))


@images
def test_every_package_of_an_image_is_in_the_lock_with_hashes(image: str) -> None:
    for package in listed(image):
        assert re.search(rf"^{re.escape(package)}==\S+.*\\\n    --hash=sha256:[0-9a-f]{{64}}", LOCK, re.MULTILINE), (
            package
        )


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="for Python 3.10 the lock has other versions than for the images"
)
@images
def test_an_image_has_what_its_code_needs_and_nothing_else(image: str) -> None:
    assert listed(image) == needed(WANTED[image])


@images
def test_only_the_lock_and_the_code_of_the_images_are_sent_to_the_engine(image: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert set(rules[1:]) == {
        "!requirements.lock",
        "!rideshare",
        "!loadgen",
        "!fleet",
        "fleet/go/build",
        "fleet/java/target",
        "**/__pycache__",
    }
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile(image), re.MULTILINE)
    assert copied == ["requirements.lock", f"{image}/"]


def test_each_image_is_built_on_the_base_images_of_the_settings() -> None:
    built = {name: service for name, service in services(compose()).items() if "build" in service}
    for name, service in built.items():
        folder = service["build"]["dockerfile"].removesuffix("/Dockerfile").replace("fleet/", "rideshare-")
        assert service["image"].startswith(f"span-profiles/{folder}:"), name
        for argument, base in service["build"]["args"].items():
            assert re.fullmatch(BASES[argument], base), name
            assert settings()[argument] == base
    assert len(built) == 4


# The exact versions of what the images are built on, by the setting that has each.
BASES = {
    "PYTHON_IMAGE": r"python:3\.13\.\d+-slim-\w+",
    "GO_IMAGE": r"golang:1\.26\.\d+-\w+",
    "MAVEN_IMAGE": r"maven:3\.9\.\d+-eclipse-temurin-17",
    "JAVA_IMAGE": r"eclipse-temurin:17\.\d+\.\d+_\d+-jre-\w+",
}

# By the folder of its sources: the bases of an image's stages, and what each of the first ones must be built with.
FLEET = {
    "fleet/go": (["${GO_IMAGE} AS build", "scratch"], ["CGO_ENABLED=0 ", "-mod=readonly ", "-trimpath "]),
    "fleet/java": (
        ["${MAVEN_IMAGE} AS build", "${JAVA_IMAGE}"],
        ["--strict-checksums ", "--batch-mode ", "diff ", "/.mvn/ "],
    ),
}


def faults_of_the_fleets(folder: str, text: str) -> list[str]:
    """Find what makes an image of the fleet unpinned, fat or privileged."""
    bases, options = FLEET[folder]
    faults = []
    if re.findall(r"^FROM (.+)$", text, re.MULTILINE) != bases:
        faults.append("it is not built in two stages on the base images given")
    if re.search(r"^ARG \w+=", text, re.MULTILINE):
        faults.append("a base image is not an argument without a default")
    faults += [f"it is built without {option.strip()}" for option in options if option not in text]
    last = text.rpartition("\nFROM ")[2]
    if not re.search(r"^USER [1-9]\d*:\d+$", last, re.MULTILINE):
        faults.append("it runs as root")
    if re.search(r"^RUN ", last, re.MULTILINE) or not re.search(r"^COPY --from=build ", last, re.MULTILINE):
        faults.append("its last stage has more than what the first one made")
    if text.count(f"LABEL span-profiles.image=rideshare-{folder.partition('/')[2]}\n") != len(bases):
        faults.append("a stage has no label by which an image that a build leaves without a name is found and removed")
    if re.search(r"latest|apt-get|ADD |COPY \. ", text):
        faults.append("it takes something that is not pinned")
    if not re.search(r'^CMD \["', last, re.MULTILINE):
        faults.append("its program is started by a shell")
    return faults


@pytest.mark.parametrize("folder", sorted(FLEET))
def test_an_image_of_the_fleet_is_pinned_small_and_without_root(folder: str) -> None:
    assert faults_of_the_fleets(folder, dockerfile(folder)) == []


@pytest.mark.parametrize(
    ("folder", "old", "new", "fault"),
    [
        ("fleet/go", "FROM scratch", "FROM ${GO_IMAGE}", "it is not built in two stages"),
        ("fleet/java", "FROM ${JAVA_IMAGE}\n", "FROM java\n", "it is not built in two stages"),
        ("fleet/go", "ARG GO_IMAGE\n", "ARG GO_IMAGE=golang:1\n", "a base image is not an argument without a default"),
        ("fleet/go", "CGO_ENABLED=0 ", "", "it is built without CGO_ENABLED=0"),
        ("fleet/java", "--strict-checksums ", "", "it is built without --strict-checksums"),
        ("fleet/java", "COPY fleet/java/.mvn/ .mvn/\n", "", "it is built without /.mvn/"),
        ("fleet/java", "| diff ../checksums.sha256 -", "", "it is built without diff"),
        ("fleet/java", "USER 10001:10001", "", "it runs as root"),
        ("fleet/java", "USER 10001:10001", "USER 0:0", "it runs as root"),
        ("fleet/java", "WORKDIR /app", "RUN mvn package", "its last stage has more"),
        ("fleet/java", "WORKDIR /app", "RUN apt-get install curl", "it takes something that is not pinned"),
        ("fleet/go", "LABEL span-profiles.image=rideshare-go\nWORKDIR", "WORKDIR", "a stage has no label"),
        ("fleet/go", 'CMD ["/rideshare"]', "CMD /rideshare", "its program is started by a shell"),
    ],
)
def test_a_broken_dockerfile_of_the_fleet_is_found_out(folder: str, old: str, new: str, fault: str) -> None:
    text = dockerfile(folder)
    assert old in text
    assert any(found.startswith(fault) for found in faults_of_the_fleets(folder, text.replace(old, new)))


@pytest.mark.parametrize("folder", sorted(FLEET))
def test_an_image_of_the_fleet_takes_its_own_sources_and_nothing_else(folder: str) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(folder), re.MULTILINE)
    assert all(path.startswith(f"{folder}/") for line in copied for path in line.split())
    assert copied
