import os
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
INSTRUMENT = str(BIN / "opentelemetry-instrument")
GUNICORN = ["gunicorn", "--workers", "2", "--threads", "4", "--no-control-socket", "--bind", "{address}", "app:app"]
ENVIRONMENT = {
    "PATH": f"{BIN}:{os.environ['PATH']}",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_FLASK_EXCLUDED_URLS": "health",
}


@pytest.fixture(scope="session")
def routes(span_profiles_app):
    environment = {**ENVIRONMENT, "OTEL_SERVICE_NAME": "routes"}
    return span_profiles_app([INSTRUMENT, *GUNICORN], ready="/health", environment=environment)


@pytest.fixture(scope="session")
def unprofiled_routes(span_profiles_app):
    environment = {
        **ENVIRONMENT,
        "OTEL_SERVICE_NAME": "unprofiled-routes",
        "OTEL_PYROSCOPE_START_PROFILING": "false",  # somebody else starts the agent; here nobody does
    }
    return span_profiles_app([INSTRUMENT, *GUNICORN], ready="/health", environment=environment)


def test_a_route_spends_its_cpu_planning(routes, span_profiles):
    assert span_profiles.linked_span(routes.get("/route")).flamegraph.share("plan_route") > 0.8


def test_where_nobody_starts_the_agent_the_doctor_says_so(unprofiled_routes, span_profiles, span_profiles_doctor):
    response = unprofiled_routes.get("/route")
    with pytest.raises(AssertionError, match="no agent in this process"):
        span_profiles.linked_span(response)

    broken = span_profiles_doctor("unprofiled-routes").broken

    assert broken.hop == "profiles"
    assert "after the fork" in broken.advice
