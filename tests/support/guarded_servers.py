"""The embedded pair as a hosted service has it: behind proxies that demand a user name, a password and a tenant."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from werkzeug.datastructures import Headers
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from spanprofiles.backends import EmbeddedBackend
from spanprofiles.model import Credentials, Endpoints

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


@contextmanager
def guarded_pair() -> Iterator[Endpoints]:
    """Serve a pair behind proxies until the end of the block, and give their addresses and the credentials."""
    with (
        EmbeddedBackend() as own,
        guarded(own.tempo) as tempo,
        guarded(own.pyroscope) as pyroscope,
        guarded(own.otlp_http) as otlp_http,
    ):
        yield Endpoints(tempo, pyroscope, otlp_http, credentials=CREDENTIALS)
