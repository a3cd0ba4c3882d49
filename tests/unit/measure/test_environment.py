"""A measurement says where and with what it was made, as far as the app's spans and this machine tell."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from spanprofiles.measure import environment
from spanprofiles.measure.environment import environment_of

PYTHON = {"telemetry.sdk.language": "python", "service.name": "shop"}


def test_a_python_app_of_this_machine_is_described_by_what_is_installed_here() -> None:
    found = environment_of(PYTHON, backend="embedded", seed=7, upload_interval_s=1.0)
    assert found.runtime == f"{platform.python_implementation()} {platform.python_version()}"
    assert found.agent == f"pyroscope-io {version('pyroscope-io')}"
    assert found.host == platform.node()
    assert "cores" in found.machine
    assert (found.backend, found.seed, found.upload_interval_s) == ("embedded", 7, 1.0)
    assert found.time_ns > 1_700_000_000_000_000_000


def test_what_the_apps_spans_say_goes_before_what_is_seen_here() -> None:
    resource = PYTHON | {
        "service.version": "1.4.2",
        "process.runtime.name": "cpython",
        "process.runtime.version": "3.11.9",
        "host.name": "elsewhere",
        "host.arch": "arm64",
    }
    found = environment_of(resource)
    assert (found.app_version, found.runtime) == ("1.4.2", "cpython 3.11.9")
    assert (found.host, found.machine, found.agent) == ("elsewhere", "arm64", "")


def test_a_version_that_the_caller_tells_goes_before_that_of_the_spans() -> None:
    assert environment_of(PYTHON | {"service.version": "0"}, app_version="abc123").app_version == "abc123"


def test_an_app_in_another_language_is_not_given_this_interpreter() -> None:
    found = environment_of({"telemetry.sdk.language": "go"})
    assert found.runtime == "go"
    assert found.agent == ""


def test_attributes_that_are_no_texts_are_left_out() -> None:
    assert environment_of(PYTHON | {"service.version": 7}).app_version == ""


def test_without_the_agent_and_the_processors_name_it_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise PackageNotFoundError(name)

    def no_such_file(path: Path, **_: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(environment, "version", not_installed)
    monkeypatch.setattr(Path, "read_text", no_such_file)
    environment._machine.cache_clear()
    try:
        found = environment_of(PYTHON)
    finally:
        environment._machine.cache_clear()
    assert found.agent == ""
    assert found.machine.startswith(f"{platform.processor() or platform.machine()}, ")
