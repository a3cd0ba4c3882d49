"""The matrix: each wiring fault of the app, and the hop the doctor names for it. Without a fault it is silent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from spanprofiles.backends import ManagedProcess
from spanprofiles.doctor import Examination, Verdict
from spanprofiles.linking import Linker, LinkError, TracedSession, Waiting
from spanprofiles.linking.grafana import read_data_sources
from spanprofiles.pytest_plugin import SpanProfiles
from tests.integration.conftest import ROOT, SERVICE, StartRegion

PROVISIONED = ROOT / "grafana" / "provisioning" / "datasources"
BOOKSHOP = ROOT / "examples" / "bookshop" / "bookshop.py"

#: What `slow-upload` does shows after its second upload: it uploads once a minute.
LONGEST_S = {"slow-upload": 180.0}
#: How long the others may take: what a leak mixes is chance.
PATIENCE_S = 90.0

KITCHEN = [sys.executable, "-m", "tests.support.apps.kitchen"]
HOP = "one span a sample"

HOP_OF_FAULT = {
    "no-processor": "profile ID",
    "no-agent": "profiles",
    "agent-before-fork": "profiles",
    "agent-under-another-name": "service name",
    "dotted-name": "Grafana",
    "sampler-off": "traces",
    "slow-upload": "window",
    "unlabelled": "sample labels",
    "pushes-refused": "profiles",
    "clock-ahead": "clocks",
    "leaking-processor": "one span a sample",
}

#: One of each part that can be wrong: agent, labels, clocks; ``test_broken_regions`` has spans and names, in each
#: language. The others are for ``make exhaustive``.
IN_MAKE_SLOW = {"agent-before-fork", "unlabelled", "clock-ahead"}

Doctor = Callable[..., Examination]


def examine_until(
    doctor: Doctor, service: str, hop: str, region: TracedSession, longest_s: float = PATIENCE_S, **options: Any
) -> Examination:
    """Examine again and again, with new rides in between, until the hop is found broken or the time is over.

    What takes minutes to show is looked for the less often: each look computes.
    """
    for _ in Waiting(timeout_s=longest_s, first_s=1.0, longest_s=longest_s / 30).attempts():
        for path in ("/scooter", "/bike"):
            region.get(path)
        found = doctor(service, sources=read_data_sources([PROVISIONED]), tempo_uid="tempo", **options)
        if found.broken is not None and found.broken.hop == hop:
            break
    return found


@pytest.mark.parametrize(
    ("fault", "hop"),
    [
        pytest.param(fault, hop, marks=pytest.mark.slow if fault in IN_MAKE_SLOW else pytest.mark.exhaustive)
        for fault, hop in HOP_OF_FAULT.items()
    ],
)
def test_the_doctor_names_the_hop_that_the_fault_breaks(
    start_region: StartRegion, span_profiles_doctor: Doctor, fault: str, hop: str
) -> None:
    service = f"faulty-{fault}"
    region = start_region(RIDESHARE_FAULTS=fault, OTEL_SERVICE_NAME=service)

    longest_s = LONGEST_S.get(fault, PATIENCE_S)
    options = {"upload_interval_s": None} if fault in LONGEST_S else {}  # it must find out by itself

    found = examine_until(span_profiles_doctor, service, hop, region, longest_s, **options)

    assert found.verdict is Verdict.BROKEN
    assert found.broken is not None
    assert found.broken.hop == hop, "\n".join(found.lines())
    assert found.broken.advice


# With the official one it is silent in `test_fleet`, too.
@pytest.mark.parametrize(
    "processor",
    [pytest.param("official", marks=pytest.mark.exhaustive), pytest.param("spanprofiles", marks=pytest.mark.slow)],
)
def test_the_doctor_finds_nothing_broken_without_a_fault(
    start_region: StartRegion, span_profiles_doctor: Doctor, span_profiles: SpanProfiles, processor: str
) -> None:
    service = f"healthy-{processor}"
    region = start_region(OTEL_SERVICE_NAME=service, RIDESHARE_PROCESSOR=processor)
    for _ in range(3):
        span_profiles.linked_span(region.get("/car"))

    found = span_profiles_doctor(service, sources=read_data_sources([PROVISIONED]), tempo_uid="tempo")

    assert found.broken is None, "\n".join(found.lines())
    assert found.finding("link").verdict is Verdict.OK


@pytest.mark.slow
def test_the_doctor_finds_nothing_broken_where_rides_pass_from_region_to_region(
    regions: dict[str, TracedSession], span_profiles_doctor: Doctor, span_profiles: SpanProfiles
) -> None:
    for _ in range(2):
        span_profiles.linked_spans(regions["ap-south"].get("/car"), count=2)
    span_profiles.linked_span(regions["us-east"].get("/car"))

    found = span_profiles_doctor(SERVICE, sources=read_data_sources([PROVISIONED]), tempo_uid="tempo")

    assert found.broken is None, "\n".join(found.lines())
    assert found.finding("link").verdict is Verdict.OK


@pytest.mark.slow
def test_the_doctor_finds_nothing_broken_in_somebody_elses_app(
    span_profiles_app: Callable[..., TracedSession], span_profiles_doctor: Doctor, span_profiles: SpanProfiles
) -> None:
    command = [sys.executable, str(BOOKSHOP), "{port}"]
    shop = span_profiles_app(command, ready="/health", environment={"OTEL_SERVICE_NAME": "healthy-bookshop"})
    for title in ("White Whale", "Lost Ship"):
        span_profiles.linked_span(shop.get("/search", params={"title": title}))

    found = span_profiles_doctor(
        "healthy-bookshop", sources=read_data_sources([PROVISIONED]), tempo_uid="tempo-custom-query"
    )

    assert found.broken is None, "\n".join(found.lines())
    assert found.finding("link").verdict is Verdict.OK


@pytest.mark.slow
def test_the_doctor_says_that_an_unknown_service_has_no_traces(span_profiles_doctor: Doctor) -> None:
    found = span_profiles_doctor("nobody-runs-this")

    assert found.broken is not None
    assert found.broken.hop == "traces"


@pytest.mark.slow
def test_a_failed_claim_and_the_doctor_agree(
    start_region: StartRegion, span_profiles_doctor: Doctor, span_profiles: SpanProfiles
) -> None:
    region = start_region(RIDESHARE_FAULTS="no-processor", OTEL_SERVICE_NAME="agreed-on")

    response = region.get("/car")
    span_profiles.trace(response)
    with pytest.raises(LinkError, match="span processor"):
        Linker(span_profiles.tempo, span_profiles.pyroscope, waiting=Waiting(2.0)).linked_span(response)
    found = examine_until(span_profiles_doctor, "agreed-on", "profile ID", region)
    assert found.broken is not None
    assert found.broken.hop == "profile ID"


def cook(environment: dict[str, str], service: str, processor: str) -> None:
    everything = {**os.environ, **environment, "OTEL_SERVICE_NAME": service}
    with ManagedProcess("the kitchen", [*KITCHEN, processor], environment=everything, directory=ROOT) as kitchen:
        assert Waiting(30).until(lambda: not kitchen.is_running)
        assert kitchen.exit_code == 0, kitchen.output


@pytest.mark.exhaustive
def test_tasks_that_share_a_threads_labels_are_found_and_others_are_not(
    span_profiles_environment: dict[str, str], span_profiles_doctor: Doctor
) -> None:
    cook(span_profiles_environment, "mixed-kitchen", "official")
    cook(span_profiles_environment, "tidy-kitchen", "spanprofiles")

    for _ in Waiting(20.0, first_s=1.0, longest_s=1.0).attempts():  # what ended moments ago is not judged
        mixed, tidy = (span_profiles_doctor(f"{name}-kitchen").finding(HOP) for name in ("mixed", "tidy"))
        if Verdict.NOT_CHECKED not in (mixed.verdict, tidy.verdict):
            break

    assert mixed.verdict is Verdict.BROKEN, mixed
    assert {"boil", "fry"} <= set(mixed.evidence[0].replace(",", "").split()), mixed
    assert tidy.verdict is Verdict.OK, tidy
