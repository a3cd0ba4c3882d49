"""Says where and with what a measurement is made, as far as the app's spans and this machine tell."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import spanprofiles
from spanprofiles.model import MeasurementEnvironment
from spanprofiles.model.span import AttributeValue

_PYTHON_AGENT = "pyroscope-io"


def environment_of(
    resource: Mapping[str, AttributeValue],
    *,
    app_version: str = "",
    backend: str = "",
    seed: int | None = None,
    upload_interval_s: float = 0.0,
    time_ns: int | None = None,
) -> MeasurementEnvironment:
    """Return the environment of a measurement.

    What the app's resource attributes say goes before what is seen of this machine, which may not be the app's.

    Args:
        resource: the resource attributes of the app's spans.
        app_version: the app's version, if the caller knows better than ``service.version``.
        backend: what stores traces and profiles.
        seed: the seed of the requests' order, if there is one.
        upload_interval_s: the agent's upload interval, s.
        time_ns: when the measurement began, ns since the epoch; by default now.
    """
    language = _text(resource, "telemetry.sdk.language")
    host = _text(resource, "host.name")
    is_here = host in {"", platform.node()}
    return MeasurementEnvironment(
        app_version=app_version or _text(resource, "service.version"),
        host=host or platform.node(),
        machine=_machine() if is_here else _text(resource, "host.arch"),
        runtime=_runtime(resource, language, is_here=is_here),
        agent=_agent() if language in {"", "python"} and is_here else "",
        backend=backend,
        seed=seed,
        time_ns=time.time_ns() if time_ns is None else time_ns,
        upload_interval_s=upload_interval_s,
        spanprofiles=spanprofiles.__version__,
    )


def _runtime(resource: Mapping[str, AttributeValue], language: str, *, is_here: bool) -> str:
    name, number = _text(resource, "process.runtime.name"), _text(resource, "process.runtime.version")
    if name or number:
        return f"{name} {number}".strip()
    if language in {"", "python"} and is_here:  # started by this test run, most likely with its own interpreter
        return f"{platform.python_implementation()} {platform.python_version()}"
    return language


def _agent() -> str:
    try:
        return f"{_PYTHON_AGENT} {version(_PYTHON_AGENT)}"
    except PackageNotFoundError:
        return ""


@cache
def _machine() -> str:
    processor = _model_name() or platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count() or 1} cores, {platform.system()} {platform.machine()}"


def _model_name() -> str:
    """Return what Linux calls the processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _text(resource: Mapping[str, AttributeValue], name: str) -> str:
    value = resource.get(name)
    return value if isinstance(value, str) else ""
