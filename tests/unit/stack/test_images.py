"""The Dockerfiles: pinned by the lock, small, and without root."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT, compose, services

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
    assert set(rules[1:]) == {"!requirements.lock", "!rideshare", "!loadgen", "**/__pycache__"}
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile(image), re.MULTILINE)
    assert copied == ["requirements.lock", f"{image}/"]


def test_both_images_are_built_on_the_base_image_of_the_settings() -> None:
    for name, service in services(compose()).items():
        if "build" in service:
            folder = service["build"]["dockerfile"].partition("/")[0]
            assert service["image"].startswith(f"span-profiles/{folder}:"), name
            assert re.fullmatch(r"python:3\.13\.\d+-slim-\w+", service["build"]["args"]["PYTHON_IMAGE"])
