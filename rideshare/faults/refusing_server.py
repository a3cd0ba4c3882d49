"""A profile server that wants nobody's profiles, as one does whose credentials have expired."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

IDLE_S = 5.0
"""A connection on which nothing comes is closed after this time."""


class _Refusal(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def do_POST(self) -> None:
        """Refuse a push; its body is thrown away."""
        self.send_error(403, "pushes are refused")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the agent says nothing either, which is what makes this fault hard to find."""


def start_refusing_server() -> str:
    """Serve on a free port of 127.0.0.1 until the process ends; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusal)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="refusing-server", daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
