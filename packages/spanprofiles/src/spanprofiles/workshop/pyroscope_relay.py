"""A relay to a Pyroscope: it adds the learner's credentials to what agents send, or loses what they send.

An agent can be told an address, and in some languages a login, but not always a tenant or further headers. A learner's
program must not have to know them.

It serves programs of this machine. A browser's request for a web page of another site is refused, and so is one by
another name than this machine's, which a website could give to 127.0.0.1: the credentials are not theirs to use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests

from spanprofiles.model import Credentials

TIMEOUT_S = (2.0, 30.0)
"""To connect to the real server, and to read its answer, s."""

LARGEST_BODY_BYTES = 16 * 1024 * 1024
"""A larger body is refused: an agent's upload has some kilobytes."""

_POLL_S = 0.05
_UPLOADS = ("/push.v1.PusherService/", "/ingest", "/pyroscope/ingest", "/v1development/profiles")
_OF_WEB_PAGES = ("Origin", "Sec-Fetch-Site")
_OF_ONE_CONNECTION = {"connection", "content-length", "transfer-encoding", "host", "keep-alive"}


@contextmanager
def relay(pyroscope: str, credentials: Credentials | None = None, *, loses_uploads: bool = False) -> Iterator[str]:
    """Serve a relay on a free port of 127.0.0.1 until the end of the block, and give its address.

    Args:
        pyroscope: the address of the real server.
        credentials: what is added to each request, in the place of what it has of that kind; None leaves all as it is.
        loses_uploads: whether it takes each upload and keeps none, and passes on the questions alone.
    """
    credentials = credentials or Credentials()
    settings = {
        "pyroscope": pyroscope,
        "added": credentials.as_headers(),
        "verify_tls": credentials.verify_tls,
        "loses_uploads": loses_uploads,
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Relay", (_Handler,), settings))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(_POLL_S,), name="pyroscope-relay", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30.0
    wbufsize = -1  # an answer in one piece: a second one would wait until the first is acknowledged, for 40 ms
    pyroscope = ""
    added: Mapping[str, str] = {}
    verify_tls: bool | str = True
    loses_uploads = False

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        status = self._refusal()
        if status:
            self.close_connection = True
            self.send_error(status)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.loses_uploads and self.path.startswith(_UPLOADS):
            self._send(200, {}, b"")
            return
        left_out = _OF_ONE_CONNECTION | {name.lower() for name in self.added}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        try:
            found = requests.request(
                self.command,
                f"{self.pyroscope}{self.path}",
                headers={**headers, **self.added},
                verify=self.verify_tls,
                data=body,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException:
            self._send(502, {}, b"")
            return
        left_out = _OF_ONE_CONNECTION | {"content-encoding"}  # it was decoded here
        kept = {name: value for name, value in found.headers.items() if name.lower() not in left_out}
        self._send(found.status_code, kept, found.content)

    def _refusal(self) -> int:
        """Return the status with which a request is refused unread; 0 if it is not."""
        if not self.path.startswith("/"):  # what follows an address must not become a part of its host
            return 400
        if not self._is_for_a_program():
            return 403
        length = self.headers.get("Content-Length", "0")
        is_known = re.fullmatch("[0-9]{1,19}", length) and "Transfer-Encoding" not in self.headers
        return 0 if is_known and int(length) <= LARGEST_BODY_BYTES else 413

    def _is_for_a_program(self) -> bool:
        port = self.connection.getsockname()[1]
        is_here = self.headers.get("Host", "").lower() in {f"127.0.0.1:{port}", f"localhost:{port}"}
        return is_here and not any(name in self.headers for name in _OF_WEB_PAGES)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
