from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from rideshare.app import create_app
from rideshare.regions import REGIONS
from rideshare.settings import Settings
from spanprofiles.backends.ports import free_ports
from tests.support.stub_servers import (
    RegionProcess,
    TelemetryStub,
    running_region,
    running_stub,
    telemetry_environment,
)


@pytest.fixture(scope="session")
def eu_north() -> Flask:
    return create_app(Settings(gateway_seconds=0.05))


@pytest.fixture(scope="session")
def ap_south() -> Flask:
    return create_app(Settings(region=REGIONS["ap-south"]))


@pytest.fixture
def client(eu_north: Flask) -> FlaskClient:
    return eu_north.test_client()


@pytest.fixture(scope="session")
def telemetry_stub() -> Iterator[TelemetryStub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture(scope="session")
def two_regions(telemetry_stub: TelemetryStub) -> Iterator[tuple[RegionProcess, RegionProcess]]:
    """`ap-south`, whose neighbour is `eu-north`, and `eu-north`, as processes with telemetry."""
    (port,) = free_ports(1)
    common = telemetry_environment(telemetry_stub.url) | {"RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS": "30"}
    with (
        running_region({**common, "RIDESHARE_REGION": "eu-north", "RIDESHARE_GATEWAY_SECONDS": "0.3"}, port) as north,
        running_region(
            {**common, "RIDESHARE_REGION": "ap-south", "RIDESHARE_NEIGHBOUR_URL": f"http://127.0.0.1:{port}"}
        ) as south,
    ):
        yield south, north
