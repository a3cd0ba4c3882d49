"""Servers as a hosted service has them: behind a proxy that demands a user name, a password and a tenant."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from werkzeug.datastructures import Headers
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from spanprofiles.backends import BackendError, EmbeddedBackend, ExternalBackend
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Linker, NoSamplesError, TraceNotFoundError, Waiting
from spanprofiles.model import Credentials, Endpoints
from tests.integration.conftest import running

CREDENTIALS = Credentials(username="rider", password="s3cret: ü", tenant="team-a")
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}


@contextmanager
def guarded(server: str) -> Iterator[str]:
    """A proxy before a server, which lets nobody through without the credentials."""

    @Request.application
    def application(request: Request) -> Response:
        wanted = CREDENTIALS.as_headers()
        if request.headers.get("Authorization") != wanted["Authorization"]:
            return Response("who are you?", 401)
        if request.headers.get("X-Scope-OrgID") != wanted["X-Scope-OrgID"]:
            return Response("no org id", 401)
        headers = {name: value for name, value in request.headers if name.lower() != "host"}
        path = request.full_path if request.query_string else request.path
        answer = requests.request(request.method, server + path, data=request.get_data(), headers=headers, timeout=10)
        passed_on = Headers([pair for pair in answer.headers.items() if pair[0].lower() not in HOP_BY_HOP])
        return Response(answer.content, answer.status_code, passed_on)

    proxy = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


@pytest.fixture(scope="module")
def hosted() -> Iterator[Endpoints]:
    """The addresses of the proxies, with the credentials they want."""
    with (
        EmbeddedBackend() as own,
        guarded(own.tempo) as tempo,
        guarded(own.pyroscope) as pyroscope,
        guarded(own.otlp_http) as otlp_http,
    ):
        yield Endpoints(tempo, pyroscope, otlp_http, credentials=CREDENTIALS)


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
