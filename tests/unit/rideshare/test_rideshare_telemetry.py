"""Telemetry as it leaves a region under gunicorn; the servers are stubs."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from threading import Event

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from rideshare.telemetry import Telemetry
from tests.support.stub_servers import (
    RegionProcess,
    TelemetryStub,
    running_region,
    running_stub,
    telemetry_environment,
    wait_for,
)

pytestmark = pytest.mark.slow

TwoRegions = tuple[RegionProcess, RegionProcess]
PROFILE_ID = "pyroscope.profile.id"


def attributes(span: Span) -> dict[str, str | int | float | bool]:
    def plain(item: object) -> str | int | float | bool:
        value = item.value  # type: ignore[attr-defined] # a KeyValue
        plain_value: str | int | float | bool = getattr(value, value.WhichOneof("value"))
        return plain_value

    return {item.key: plain(item) for item in span.attributes}


def trace_of(region: RegionProcess, stub: TelemetryStub, path: str, server_spans: int = 1) -> list[Span]:
    """Send a request with a trace of its own and give the spans of the trace, in the order of their start."""
    trace_id = token_hex(16)
    response = region.get(path, traceparent=f"00-{trace_id}-{token_hex(8)}-01")
    if response.status_code == 200:
        assert response.json()["trace_id"] == trace_id
    wait_for(lambda: len(stub.server_spans(trace_id)) >= server_spans, "server spans")
    return sorted(stub.spans(trace_id), key=lambda span: span.start_time_unix_nano)


def test_a_ride_is_a_server_span_with_the_steps_as_its_children(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    root, *children = trace_of(north, telemetry_stub, "/car")
    assert (root.name, root.kind) == ("GET /car", Span.SPAN_KIND_SERVER)
    assert attributes(root)["http.route"] == "/car"
    assert attributes(root)["http.request.method"] == "GET"
    assert attributes(root)["http.response.status_code"] == 200
    assert [child.name for child in children] == [
        "find_nearest_vehicle",
        "check_driver",
        "plan_route",
        "calculate_price",
    ]
    assert all(child.parent_span_id == root.span_id for child in children)
    assert attributes(children[0])["vehicles.examined"] == 4700


def test_only_the_local_root_span_has_a_profile_id_and_it_is_its_own(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    root, *children = trace_of(north, telemetry_stub, "/scooter")
    assert attributes(root)[PROFILE_ID] == root.span_id.hex()
    assert children
    assert not any(PROFILE_ID in attributes(child) for child in children)


def test_a_rides_samples_arrive_with_its_span_id_and_the_functions_that_did_the_work(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    root, *_ = trace_of(north, telemetry_stub, "/car")
    expected = ("ride-sharing-app", "find_nearest_vehicle", "eu-north", socket.gethostname(), root.trace_id.hex())
    # The upload may fall into the span's first milliseconds.
    wait_for(
        lambda: any(
            all(word.encode() in push for word in expected) for push in telemetry_stub.pushes(root.span_id.hex())
        ),
        f"samples of the span with {expected}",
    )


def test_a_span_that_is_not_sampled_leaves_neither_span_nor_samples(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    trace_id = token_hex(16)
    assert north.get("/bike", traceparent=f"00-{trace_id}-{token_hex(8)}-00").status_code == 200
    later, *_ = trace_of(north, telemetry_stub, "/car")
    wait_for(lambda: telemetry_stub.pushes(later.span_id.hex()), "samples of a later span")
    assert telemetry_stub.spans(trace_id) == []
    assert telemetry_stub.pushes(trace_id) == []


def test_a_forwarded_car_is_one_trace_with_two_local_roots_and_two_profile_ids(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    south, _ = two_regions
    spans = trace_of(south, telemetry_stub, "/car", server_spans=2)
    asked, served = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
    client_span = next(span for span in spans if span.kind == Span.SPAN_KIND_CLIENT)
    forward = next(span for span in spans if span.name == "forward_order")
    assert forward.parent_span_id == asked.span_id
    assert client_span.parent_span_id == forward.span_id
    assert served.parent_span_id == client_span.span_id
    assert [attributes(span)[PROFILE_ID] for span in (asked, served)] == [asked.span_id.hex(), served.span_id.hex()]
    for span_id in (asked.span_id.hex(), served.span_id.hex()):
        wait_for(partial(telemetry_stub.pushes, span_id), "samples of each local root")


def test_a_400_is_no_error_of_the_server_and_records_no_exception(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    (root,) = trace_of(north, telemetry_stub, "/bike?lat=x&lon=1")
    assert attributes(root)["http.response.status_code"] == 400
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert not root.events


def test_health_is_not_traced_and_a_query_that_mentions_it_is(
    two_regions: TwoRegions, telemetry_stub: TelemetryStub
) -> None:
    _, north = two_regions
    trace_id = token_hex(16)
    assert north.get("/health?x=1", traceparent=f"00-{trace_id}-{token_hex(8)}-01").status_code == 200
    mentioned = trace_of(north, telemetry_stub, "/quote?vehicle=bike&x=/health")
    assert mentioned[0].name == "GET /quote"
    assert telemetry_stub.spans(trace_id) == []


def test_a_receipt_takes_the_gateways_time(two_regions: TwoRegions, telemetry_stub: TelemetryStub) -> None:
    _, north = two_regions
    ride_id = north.get("/bike").json()["ride_id"]
    root, waiting = trace_of(north, telemetry_stub, f"/receipt/{ride_id}")
    assert (root.name, waiting.name) == ("GET /receipt/<ride_id>", "await_payment")
    assert waiting.end_time_unix_nano - waiting.start_time_unix_nano >= 0.3e9


def test_the_resource_names_service_region_and_host(two_regions: TwoRegions, telemetry_stub: TelemetryStub) -> None:
    south, _ = two_regions
    trace_of(south, telemetry_stub, "/bike")
    found = {
        (resource["service.name"], resource["region"], resource["host.name"]) for resource in telemetry_stub.resources()
    }
    assert ("ride-sharing-app", "ap-south", socket.gethostname()) in found
    assert {service for service, _, _ in found} == {"ride-sharing-app"}


@dataclass(frozen=True)
class Outcome:
    """What came of one order in a region that was started for it and then stopped."""

    status: int
    trace_id: str
    spans: list[Span]
    resources: list[dict[str, str]]
    pushes: list[bytes]
    pushes_before_the_stop: int
    log: str
    exit_code: int | None
    seconds_to_stop: float

    @property
    def root(self) -> Span:
        return self.spans[0]


def one_order(environment: dict[str, str], path: str = "/bike", *, hang: bool = False, dead_url: str = "") -> Outcome:
    with running_stub() as stub:
        url = dead_url or stub.url
        if hang:
            stub.hang.set()
        trace_id = token_hex(16)
        patient = {"GUNICORN_CMD_ARGS": "--graceful-timeout 60"}  # what hurries a worker must be its telemetry
        with running_region(telemetry_environment(url) | patient | environment) as region:
            response = region.get(path, traceparent=f"00-{trace_id}-{token_hex(8)}-01")
            before = len(stub.pushes(trace_id))
            seconds = region.stop()
        return Outcome(
            status=response.status_code,
            trace_id=trace_id,
            spans=sorted(stub.spans(trace_id), key=lambda span: span.start_time_unix_nano),
            resources=stub.resources(),
            pushes=stub.pushes(),
            pushes_before_the_stop=before,
            log=region.log,
            exit_code=region.process.returncode,
            seconds_to_stop=seconds,
        )


@pytest.fixture(scope="module")
def outcomes(dead_url: str) -> dict[str, Outcome]:
    """One order in regions that are wired differently, several at a time."""
    named = {
        "OTEL_SERVICE_NAME": "my-rides",
        "OTEL_RESOURCE_ATTRIBUTES": "region=moon,host.name=crater",
        "PYROSCOPE_APPLICATION_NAME": "my-profiles",
        "PYROSCOPE_UPLOAD_INTERVAL": "60",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
    }
    with ThreadPoolExecutor(8) as pool:
        running = {
            "hung": pool.submit(one_order, {}, hang=True),
            "no server": pool.submit(one_order, {}, dead_url=dead_url),
            "named": pool.submit(one_order, named, "/scooter"),
            "no neighbour": pool.submit(
                one_order, {"RIDESHARE_REGION": "ap-south", "RIDESHARE_NEIGHBOUR_URL": dead_url}, "/car"
            ),
            "agent only": pool.submit(one_order, {"RIDESHARE_FAULTS": "no-processor"}, "/car"),
            "processor only": pool.submit(one_order, {"RIDESHARE_FAULTS": "no-agent"}),
            "no address": pool.submit(one_order, {"PYROSCOPE_SERVER_ADDRESS": ""}),
            "disabled": pool.submit(one_order, {"OTEL_SDK_DISABLED": "true"}),
        }
        return {name: future.result() for name, future in running.items()}


def test_a_503_is_an_error_of_the_server_span_without_a_traceback(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["no neighbour"]
    forward = next(span for span in outcome.spans if span.name == "forward_order")
    assert outcome.status == 503
    assert attributes(outcome.root)["http.response.status_code"] == 503
    assert outcome.root.status.code == forward.status.code == Status.STATUS_CODE_ERROR
    assert not outcome.root.events
    assert not forward.events


def test_names_in_the_environment_win(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["named"]
    (resource,) = {tuple(sorted(resource.items())) for resource in outcome.resources}
    assert {("service.name", "my-rides"), ("region", "moon"), ("host.name", "crater")} <= set(resource)
    assert [word for word in (b"my-profiles", b"moon", b"crater") if word not in outcome.pushes[0]] == []
    assert b"ride-sharing-app" not in outcome.pushes[0]


def test_the_last_spans_and_samples_are_sent_on_stopping(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["named"]
    assert outcome.root.name == "GET /scooter"
    assert outcome.pushes_before_the_stop == 0
    assert outcome.trace_id.encode() in outcome.pushes[-1]


@pytest.mark.parametrize(
    ("name", "has_profile_id", "has_samples", "log"),
    [
        ("agent only", False, True, ""),
        ("processor only", True, False, ""),
        ("no address", False, False, "PYROSCOPE_SERVER_ADDRESS is not set"),
    ],
)
def test_without_one_half_there_is_no_link(
    outcomes: dict[str, Outcome], name: str, has_profile_id: bool, has_samples: bool, log: str
) -> None:
    outcome = outcomes[name]
    assert (PROFILE_ID in attributes(outcome.root)) == has_profile_id
    assert any(b"find_nearest_vehicle" in push for push in outcome.pushes) == has_samples
    assert not any(outcome.root.span_id.hex().encode() in push for push in outcome.pushes)
    assert outcome.log.count("\n") == bool(log)
    assert log in outcome.log


def test_with_the_sdk_disabled_rides_go_on_without_a_trace(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["disabled"].status == 200
    assert outcomes["disabled"].spans == []


@pytest.mark.parametrize("name", ["no server", "hung"])
def test_without_an_answering_server_rides_go_on_and_stopping_is_quick(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert (outcome.status, outcome.exit_code) == (200, 0)
    # Telemetry gives up after 1.2 s. How long gunicorn takes on a busy machine shows in a region with nothing to send.
    assert outcome.seconds_to_stop < outcomes["disabled"].seconds_to_stop + 4.5
    assert outcome.log.count("\n") <= 1
    assert "Traceback" not in outcome.log


def test_a_shutdown_that_finished_says_so_and_one_that_did_not_says_that() -> None:
    class Provider:
        def __init__(self) -> None:
            self.answered = Event()

        def shutdown(self) -> None:
            self.answered.wait(10)

    provider = Provider()
    telemetry = Telemetry(provider, profiled=False)  # type: ignore[arg-type] # all it needs of a provider
    assert telemetry.shutdown(timeout_seconds=0.05) is False
    provider.answered.set()
    assert telemetry.shutdown(timeout_seconds=5) is True
