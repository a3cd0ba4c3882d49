"""To claim that a span waited takes proof, in an app whose labels follow its work and in one whose labels do not."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from spanprofiles.linking import NotWaitingError
from spanprofiles.pytest_plugin import AppStarter, RunningApp, SpanProfiles
from tests.integration.conftest import ROOT

StartCanteen = Callable[[str], RunningApp]


@pytest.fixture
def canteen(span_profiles_app: AppStarter) -> StartCanteen:
    def start(processor: str) -> RunningApp:
        command = [sys.executable, "-m", "tests.support.apps.canteen", processor, "{port}"]
        environment: dict[str, str | None] = {"OTEL_SERVICE_NAME": f"canteen-{processor}"}
        return span_profiles_app(command, ready="/health", environment=environment, cwd=ROOT, name="the canteen")

    return start


@pytest.mark.parametrize("processor", ["official", "spanprofiles"])
def test_the_first_request_of_an_app_may_be_claimed_to_wait(
    canteen: StartCanteen, span_profiles: SpanProfiles, processor: str
) -> None:
    delivery = span_profiles.waiting_span(canteen(processor).get("/deliver"))

    assert delivery.cpu_ns < delivery.span.duration_ns / 5


def test_work_on_a_thread_that_the_label_does_not_follow_is_no_waiting(
    canteen: StartCanteen, span_profiles: SpanProfiles
) -> None:
    app = canteen("official")

    with pytest.raises(NotWaitingError, match=r"CPU without a span ID around it, in .*stir"):
        span_profiles.waiting_span(app.get("/cook"))
    span_profiles.waiting_span(app.get("/deliver"))


def test_work_that_the_label_follows_is_computing(canteen: StartCanteen, span_profiles: SpanProfiles) -> None:
    app = canteen("spanprofiles")

    for path in ("/cook", "/cook-at-once"):
        with pytest.raises(NotWaitingError, match=r"computed: [\d.]+ m?s of CPU, in .*stir"):
            span_profiles.waiting_span(app.get(path))
    span_profiles.waiting_span(app.get("/deliver"))
