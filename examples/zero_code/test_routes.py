import sys
from pathlib import Path

import pytest

INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))
GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "{address}", "app:app"]
ENVIRONMENT = {
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
def forked_routes(span_profiles_app):
    environment = {**ENVIRONMENT, "OTEL_SERVICE_NAME": "forked-routes", "ROUTES_AGENT": "before the fork"}
    return span_profiles_app([INSTRUMENT, *GUNICORN], ready="/health", environment=environment)


def test_a_route_spends_its_cpu_planning(routes, span_profiles):
    assert span_profiles.linked_span(routes.get("/route")).flamegraph.share("plan_route") > 0.8


def test_with_the_agent_before_the_fork_the_doctor_says_that_it_runs_elsewhere(
    forked_routes, span_profiles, span_profiles_doctor
):
    for _ in range(15):
        last = forked_routes.get("/route")
    with pytest.raises(AssertionError, match="no sample has it"):
        span_profiles.linked_span(last)

    broken = span_profiles_doctor("forked-routes").broken

    assert broken.hop == "profiles"
    assert "post_fork" in broken.advice
