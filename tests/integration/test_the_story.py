"""Rides get slow in one region, and the difference of two flame graphs names the function behind it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from spanprofiles.backends.ports import free_ports
from spanprofiles.cli.demo_story import print_story, story_as_json
from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.story import (
    FAULT,
    Rides,
    SlowSearchStory,
    new_admin_token,
    order_rides,
    switch_fault,
    tell_slow_search,
)
from spanprofiles.linking import Linker, TracedSession, Waiting
from spanprofiles.model import Endpoints
from tests.integration.conftest import running

pytestmark = pytest.mark.exhaustive

TOKEN = new_admin_token()


@pytest.fixture(scope="module")
def linker(
    span_profiles_endpoints: Endpoints, span_profiles_waiting: Waiting, span_profiles_upload_interval: float
) -> Linker:
    return Linker.of(
        span_profiles_endpoints, waiting=span_profiles_waiting, upload_interval_s=span_profiles_upload_interval
    )


@pytest.fixture(scope="module")
def us_east(span_profiles_environment: dict[str, str]) -> Iterator[TracedSession]:
    with running(span_profiles_environment, "us-east", free_ports(1)[0], RIDESHARE_ADMIN_TOKEN=TOKEN) as session:
        yield session


@pytest.fixture(scope="module")
def story(us_east: TracedSession, rideshare: TracedSession, linker: Linker) -> SlowSearchStory:
    return tell_slow_search({"us-east": us_east, "eu-north": rideshare}, linker, TOKEN)


def test_the_top_regression_is_the_one_with_the_quadratic_step(story: SlowSearchStory) -> None:
    regression = story.top_regression

    assert regression is not None
    assert regression.name == "drop_repeated_vehicles"
    assert regression.self_before == 0
    assert story.a_ride(regression.self_change) > 30_000_000
    assert story.is_as_told


def test_the_top_regression_stands_out_from_all_that_changed(story: SlowSearchStory) -> None:
    regression, second, *_ = story.difference.changes

    assert regression == story.top_regression
    assert abs(second.self_change) < 0.8 * regression.self_change


def test_rides_are_slower_in_that_region_and_not_elsewhere(story: SlowSearchStory) -> None:
    before, after = story.elsewhere["eu-north"]

    # twice as slow is expected; a machine that gets busier meanwhile does so for both regions
    assert story.slowdown > 1.4
    assert story.after.cpu_ns / story.before.cpu_ns > 1.2 * after.cpu_ns / before.cpu_ns
    assert after.flamegraph.total_of("drop_repeated_vehicles") == 0


def test_a_fast_and_a_slow_ride_of_the_same_kind_are_opened(story: SlowSearchStory) -> None:
    fast, slow = story.before.typical, story.after.typical

    assert fast.name == slow.name == "GET /scooter"
    assert fast.trace_id != slow.trace_id
    assert fast.flamegraph.total_of("drop_repeated_vehicles") == 0
    assert slow.flamegraph.share("drop_repeated_vehicles") > 0.2
    assert story.after.flamegraph.share("drop_repeated_vehicles") > 0.3


def test_without_the_fault_no_such_function_is_found_guilty(
    us_east: TracedSession, linker: Linker, story: SlowSearchStory
) -> None:
    switch_fault(us_east, FAULT, on=False, token=TOKEN)
    again = order_rides({"us-east": us_east}, linker, count=3)["us-east"]

    nothing_happened = SlowSearchStory("us-east", story.path, Rides(story.before.linked[:3]), again, {})

    assert nothing_happened.top_regression is None or nothing_happened.top_regression.name != "drop_repeated_vehicles"
    assert not nothing_happened.is_as_told


def test_the_terminal_names_durations_traces_changes_and_the_guilty_function(story: SlowSearchStory) -> None:
    screen = io.StringIO()
    print_story(story, Console(file=screen, width=120, highlight=False))
    printed = screen.getvalue()

    assert re.search(r"\d m?s +\d[\d.]* m?s .* us-east *$", printed, re.MULTILINE)
    assert f"a fast ride: trace {story.before.typical.trace_id}" in printed
    assert f"a slow ride: trace {story.after.typical.trace_id}" in printed
    grew = r"\+\d[\d.]* m?s \(\+[\d.]+ to \+[\d.]+ m?s\)"
    assert re.search(rf"^ +0 us +\d[\d.]* m?s +{grew}  drop_repeated_vehicles *$", printed, re.MULTILINE)
    assert re.search(rf"^top regression: drop_repeated_vehicles, {grew} of CPU a ride$", printed, re.MULTILINE)
    assert "too busy" not in printed


def test_the_same_is_there_as_json(story: SlowSearchStory) -> None:
    told = json.loads(json.dumps(story_as_json(story)))

    assert told["top_regression"] == told["guilty"] == told["changes"][0]["function"] == "drop_repeated_vehicles"
    assert told["slow"]["trace_id"] == story.after.typical.trace_id
    assert told["regions"]["us-east"]["after_ns"] == story.after.duration_ns
    assert told["slowdown"] > 1.4
    assert told["changes"][0]["self_before_ns"] == 0


def test_with_a_wrong_token_the_story_ends_with_the_reason(us_east: TracedSession, linker: Linker) -> None:
    with pytest.raises(DemoError, match=r"slow-search cannot be switched: .* 403 .* RIDESHARE_ADMIN_TOKEN"):
        tell_slow_search({"us-east": us_east}, linker, "not the token of it")


def test_in_a_region_without_a_token_the_story_ends_with_the_reason(rideshare: TracedSession, linker: Linker) -> None:
    with pytest.raises(DemoError, match=r"cannot be switched: .* 404 .* is RIDESHARE_ADMIN_TOKEN set there"):
        tell_slow_search({"us-east": rideshare}, linker, TOKEN)
