"""Reads the options and the environment when they are needed."""

from __future__ import annotations

import math
import os

import pytest

from spanprofiles.backends import BackendError, BackendSettings
from spanprofiles.pytest_plugin import TIMEOUT_S, UPLOAD_INTERVAL_S, option

OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""The variables that tell an app where traces go."""

NO_OTLP_URL = (
    "the external backend has no address for the traces of the app under test: give --span-profiles-otlp-url"
    " (SPAN_PROFILES_OTLP_URL), where OTLP/HTTP is taken, such as http://127.0.0.1:4318"
)


def backend_settings(config: pytest.Config) -> BackendSettings:
    """Return which backend to use.

    Raises:
        BackendError: the settings make no sense.
    """
    names = ("backend", "tempo_url", "pyroscope_url", "otlp_url")
    return BackendSettings.read(os.environ, {name: config.getoption(f"span_profiles_{name}") for name in names})


def seconds(config: pytest.Config, name: str, default: float) -> float:
    """Return an option that is a number of seconds above 0.

    Raises:
        pytest.UsageError: it is none.
    """
    text = option(config, name)
    try:
        number = float(text) if text else default
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        flag = f"--span-profiles-{name.replace('_', '-')}"
        raise pytest.UsageError(
            f"{flag} (SPAN_PROFILES_{name.upper()}) is {text!r}: a number of seconds above 0 is expected"
        )
    return number


def announcement(config: pytest.Config, *, starts_programs: bool) -> list[str]:
    """Return which backend the tests will use, and what they will miss of it.

    Args:
        config: pytest's.
        starts_programs: whether tests start apps or jobs, whose traces must go somewhere.

    Raises:
        pytest.UsageError: an option makes no sense.
    """
    try:
        seconds(config, "timeout", TIMEOUT_S)
        seconds(config, "upload_interval", UPLOAD_INTERVAL_S)
        settings = backend_settings(config)
    except BackendError as error:
        raise pytest.UsageError(str(error)) from error
    if option(config, "baseline"):
        from spanprofiles.pytest_plugin.regression_gate import baseline, threshold

        baseline(config)
        threshold(config)
    picked = " (picked by auto)" if settings.backend == "auto" else ""
    lines = [f"span profiles: {settings.chosen} backend{picked}"]
    is_told = settings.otlp_url or any(os.environ.get(name) for name in OTLP_VARIABLES)
    if starts_programs and settings.chosen == "external" and not is_told:
        lines.append(f"span profiles: {NO_OTLP_URL}")
    return lines
