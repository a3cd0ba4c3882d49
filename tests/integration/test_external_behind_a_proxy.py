"""Servers as a hosted service has them: behind a proxy that demands a user name, a password and a tenant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spanprofiles.backends import BackendError, ExternalBackend
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Linker, NoSamplesError, TraceNotFoundError, Waiting
from spanprofiles.model import Credentials, Endpoints
from tests.integration.conftest import running
from tests.support.guarded_servers import CREDENTIALS, guarded_pair


@pytest.fixture(scope="module")
def hosted() -> Iterator[Endpoints]:
    """The addresses of the proxies, with the credentials they want."""
    with guarded_pair() as endpoints:
        yield endpoints


def test_a_ride_is_linked_through_the_proxy(hosted: Endpoints) -> None:
    endpoints = ExternalBackend(hosted).start()
    (port,) = free_ports(1)

    with running(endpoints.environment(), "eu-north", port) as rideshare:
        linked = Linker.of(endpoints).linked_span(rideshare.get("/car"))

    assert linked.profile_id == linked.span_id
    assert linked.flamegraph.total_of("find_nearest_vehicle") > 0


def test_an_app_without_the_credentials_leaves_no_trace_behind_the_proxy(hosted: Endpoints) -> None:
    environment = Endpoints(hosted.tempo, hosted.pyroscope, hosted.otlp_http).environment()
    (port,) = free_ports(1)

    with running(environment, "eu-north", port) as rideshare, pytest.raises((TraceNotFoundError, NoSamplesError)):
        Linker.of(hosted, waiting=Waiting(2.0)).linked_span(rideshare.get("/scooter"))


@pytest.mark.parametrize(
    "credentials",
    [Credentials(), Credentials(username="rider", password="guess", tenant="team-a"), Credentials(tenant="team-a")],
    ids=["none", "wrong password", "tenant only"],
)
def test_without_the_right_credentials_the_backend_says_what_to_look_at(
    hosted: Endpoints, credentials: Credentials
) -> None:
    stranger = Endpoints(hosted.tempo, hosted.pyroscope, credentials=credentials)

    with pytest.raises(BackendError, match=r"Tempo refused .* 401.*user name, password, token and tenant"):
        ExternalBackend(stranger).start()


def test_another_tenant_is_refused(hosted: Endpoints) -> None:
    other = Credentials(username=CREDENTIALS.username, password=CREDENTIALS.password, tenant="team-b")

    with pytest.raises(BackendError, match="no org id"):
        ExternalBackend(Endpoints(hosted.tempo, hosted.pyroscope, credentials=other)).start()
