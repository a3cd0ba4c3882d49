"""A real app is measured until its CPU is known well enough, and its twin, which may not send that many, says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spanprofiles.measure.files import read_measurements
from spanprofiles.measure.until import Until
from spanprofiles.pytest_plugin import AppStarter, RunningApp, SpanProfiles
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.slow

SEARCH = "/search?title=w"
WORK = "edit_distance"


@pytest.fixture(scope="module")
def shop(span_profiles_app: AppStarter) -> RunningApp:
    command = [sys.executable, "bookshop.py", "{port}"]
    environment: dict[str, str | None] = {"OTEL_SERVICE_NAME": "measured-bookshop"}
    return span_profiles_app(command, ready="/health", environment=environment, cwd=ROOT / "examples" / "bookshop")


def test_a_search_is_measured_until_its_cpu_is_known_and_recorded(
    shop: RunningApp, span_profiles: SpanProfiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAN_PROFILES_RECORD", str(tmp_path))

    measurement = span_profiles.measure(lambda: shop.get(SEARCH), until=Until.cpu(within=0.5), timeout=300)

    assert measurement.is_precise
    assert measurement.cpu.relative_half_width is not None
    assert measurement.cpu.relative_half_width <= 0.5
    share = measurement.share(WORK).interval
    assert share is not None
    assert share.low > 0.5
    # not in each: the only sample of a short search may be of another function
    compared = [request.functions[WORK].total_ns for request in measurement.requests if WORK in request.functions]
    assert sum(compared) > 0.5 * sum(request.cpu_ns for request in measurement.requests)
    assert measurement.environment.agent.startswith("pyroscope-io ")
    assert read_measurements(tmp_path) == {measurement.name: measurement}


def test_a_search_that_may_be_sent_only_twelve_times_is_not_known_that_well(
    shop: RunningApp, span_profiles: SpanProfiles
) -> None:
    lines: list[str] = []

    measurement = span_profiles.measure(
        lambda: shop.get(SEARCH), until=Until.cpu(within=0.005), at_most=12, timeout=300, progress=lines.append
    )

    assert not measurement.is_precise
    assert len(measurement.requests) == 12
    assert "not as asked (the request's CPU to within 0.5 %); about" in lines[-1]
    assert measurement.precision is not None
    assert measurement.precision.requests_needed is not None
    assert measurement.precision.requests_needed > 100
