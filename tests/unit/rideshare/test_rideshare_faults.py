"""The faults one by one, as far as they can be seen without a region; tests/integration/test_faults.py has the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
import requests
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

import rideshare.faults
from rideshare.app import create_app
from rideshare.faults import CODE_FAULTS, FAULTS, WIRING_FAULTS
from rideshare.faults.clock_ahead import AHEAD_S, ExporterAhead
from rideshare.faults.refusing_server import start_refusing_server
from rideshare.faults.slow_code import DISPATCHER_S, confirm_with_dispatcher, drop_repeated_vehicles
from rideshare.faults.switches import Switches
from rideshare.faults.wiring import agent_of_the_master, break_parts
from rideshare.fleet import Vehicle, build_vehicles
from rideshare.regions import REGIONS, VehicleKind
from rideshare.settings import Settings
from rideshare.telemetry import Parts

VEHICLES = build_vehicles(REGIONS["us-east"], VehicleKind.BIKE, 1, 20)


def test_every_fault_is_described() -> None:
    described = rideshare.faults.__doc__ or ""
    assert [name for name in FAULTS if f"| ``{name}`` |" not in described] == []
    assert len(set(FAULTS)) == len(WIRING_FAULTS) + len(CODE_FAULTS)


@given(st.lists(st.sampled_from(VEHICLES)))
def test_dropping_repeated_vehicles_keeps_the_first_of_each_in_order(vehicles: Sequence[Vehicle]) -> None:
    assert drop_repeated_vehicles(vehicles) == list(dict.fromkeys(vehicles))


def test_dropping_repeated_vehicles_is_quadratic_in_the_fleet() -> None:
    def comparisons(size: int) -> int:
        counted = 0

        class Identifier(str):
            def lower(self) -> str:
                nonlocal counted
                counted += 1
                return str(self)

        vehicles = build_vehicles(REGIONS["us-east"], VehicleKind.BIKE, 1, size)
        drop_repeated_vehicles(
            Vehicle(Identifier(vehicle.identifier), vehicle.anchor, vehicle.track, vehicle.out) for vehicle in vehicles
        )
        return counted // 2

    assert [comparisons(size) for size in (10, 20, 40)] == [45, 190, 780]


def test_orders_wait_for_the_dispatcher_one_after_the_other_and_compute_nothing() -> None:
    started, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(3) as pool:
        for waiting in [pool.submit(confirm_with_dispatcher) for _ in range(3)]:
            waiting.result()
    assert time.monotonic() - started >= 3 * DISPATCHER_S
    assert time.process_time() - cpu < DISPATCHER_S


def answer_of(app: Flask, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = app.test_client().get(path).json or {}
    return {name: value for name, value in answer.items() if name != "ride_id"}


@pytest.mark.parametrize("name", ["slow-search", "lock-contention"])
def test_a_slow_ride_is_the_same_ride(eu_north: Flask, name: str) -> None:
    slow = create_app(Settings(faults=frozenset({name})))
    assert answer_of(slow, "/bike") == answer_of(eu_north, "/bike")


def test_switches_start_with_the_code_faults_among_all_faults_that_are_set() -> None:
    switches = Switches(["no-agent", "slow-search"])
    assert switches.states() == {"slow-search": True, "lock-contention": False, "slow-gateway": False}


def test_a_switch_turns_one_fault_on_and_off_again() -> None:
    switches = Switches()
    switches.switch("slow-gateway", on=True)
    assert switches.is_on("slow-gateway")
    assert not switches.is_on("slow-search")
    switches.switch("slow-gateway", on=False)
    assert not switches.is_on("slow-gateway")


@pytest.mark.parametrize("name", ["no-agent", "gremlins"])
def test_what_is_no_code_fault_cannot_be_switched(name: str) -> None:
    with pytest.raises(KeyError):
        Switches().switch(name, on=True)


def test_switches_turned_by_many_threads_end_as_they_were_turned_last() -> None:
    switches = Switches()

    def turn(name: str) -> None:
        for count in range(501):
            switches.switch(name, on=count % 2 == 0)

    threads = [Thread(target=turn, args=(name,)) for name in CODE_FAULTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(switches.states().values())


def options_with(*faults: str) -> dict[str, Any]:
    """The options that the agent is started with where these faults are on."""
    seen: list[Mapping[str, Any]] = []

    def start(**options: object) -> bool:
        seen.append(options)
        return True

    parts = break_parts(Parts(start_agent=start), faults)
    if parts.start_agent is not None:
        parts.start_agent(**healthy_options())
    return dict(*seen)


def healthy_options() -> dict[str, Any]:
    return {
        "application_name": "rides",
        "server_address": "http://127.0.0.1:4040",
        "upload_interval": 1,
        "tags": {"region": "us-east", "hostname": "h1"},
    }


def test_without_faults_the_parts_are_left_as_they_are() -> None:
    assert break_parts(Parts(), CODE_FAULTS) == Parts()
    assert options_with() == healthy_options()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("agent-under-another-name", {"application_name": "rides-profiles"}),
        ("dotted-name", {"tags": {"region": "us-east", "host.name": "h1"}}),
        ("slow-upload", {"upload_interval": 60}),
    ],
)
def test_a_fault_of_the_agents_options_changes_one_option(name: str, change: dict[str, Any]) -> None:
    assert options_with(name) == {**healthy_options(), **change}


def test_several_faults_of_the_agents_options_are_all_there() -> None:
    options = options_with("slow-upload", "agent-under-another-name", "unlabelled")
    assert (options["upload_interval"], options["application_name"]) == (60, "rides-profiles")
    assert str(options["cpu_implementation"]).endswith("Stack")


@pytest.mark.parametrize("name", ["no-agent", "agent-before-fork"])
def test_without_an_agent_in_the_worker_nothing_starts_one(name: str) -> None:
    assert options_with(name, "slow-upload") == {}
    assert break_parts(Parts(), [name]).profile_processor is not None


def test_an_agent_starts_in_the_master_with_that_fault_and_without_it_never() -> None:
    assert agent_of_the_master(Parts(), ["agent-before-fork"]) is Parts().start_agent
    assert agent_of_the_master(Parts(), ["agent-before-fork", "no-agent"]) is None
    assert agent_of_the_master(Parts(), [name for name in FAULTS if name != "agent-before-fork"]) is None


def test_pushes_go_to_a_server_that_refuses_each_of_them() -> None:
    address = options_with("pushes-refused")["server_address"]
    assert address != healthy_options()["server_address"]
    for size in (10, 500_000):
        answer = requests.post(f"{address}/push.v1.PusherService/Push", data=b"x" * size, timeout=5)
        assert answer.status_code == 403


def test_a_refusing_server_is_on_this_machine_only_and_each_has_a_port_of_its_own() -> None:
    one, other = start_refusing_server(), start_refusing_server()
    assert one != other
    assert one.startswith("http://127.0.0.1:")


def exported(exporter: InMemorySpanExporter, *, ahead: bool) -> ReadableSpan:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ExporterAhead(exporter) if ahead else exporter))
    with provider.get_tracer("tests").start_as_current_span("ride", attributes={"vehicle": "bike"}) as span:
        span.add_event("found", timestamp=5)
        span.set_status(Status(StatusCode.ERROR, "no ride"))
    provider.shutdown()
    (found,) = exporter.get_finished_spans()
    return found


def test_with_the_clock_ahead_a_span_moves_as_a_whole_and_stays_the_same_otherwise() -> None:
    before = time.time_ns()
    span = exported(InMemorySpanExporter(), ahead=True)
    after = time.time_ns()
    ahead = AHEAD_S * 10**9

    assert span.start_time is not None
    assert span.end_time is not None
    assert before + ahead <= span.start_time <= span.end_time <= after + ahead
    assert [event.timestamp for event in span.events] == [5 + ahead]
    assert (span.name, dict(span.attributes or {})) == ("ride", {"vehicle": "bike"})
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no ride")


def test_with_a_right_clock_a_span_is_dated_as_it_ran() -> None:
    before = time.time_ns()
    span = exported(InMemorySpanExporter(), ahead=False)
    assert span.start_time is not None
    assert before <= span.start_time <= time.time_ns()
    assert [event.timestamp for event in span.events] == [5]
