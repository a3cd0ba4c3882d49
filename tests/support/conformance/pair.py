"""The embedded pair as a process of its own, on ports of its own."""

from __future__ import annotations

import http.client
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

START_S = 20.0
STOP_S = 60.0
REQUEST_S = 20.0
REFUSED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (refused .+)")


def send(
    url: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Send a request to a server and give the status and body of its answer."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=REQUEST_S)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@dataclass(frozen=True)
class Pair:
    """A running pair: the process, and the URL of each port."""

    process: subprocess.Popen[str]
    urls: dict[str, str]
    log: Path | None = None

    def refusals_logged(self) -> list[str]:
        """What the log says of uploads that were refused, without the time."""
        assert self.log, "this pair was started without a log"
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [match[1] for match in map(REFUSED.fullmatch, lines) if match]

    def send(
        self, port: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request and give the status and body of its answer."""
        return send(self.urls[port], method, path, body, headers)


def _read_into(lines: queue.Queue[str | None], stream: IO[str]) -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)


def announced(process: subprocess.Popen[str]) -> list[str]:
    """The lines that a starting pair announces, up to `ready`; fewer where it ends before that."""
    assert process.stdout
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_into, args=(lines, process.stdout), daemon=True).start()
    deadline = time.monotonic() + START_S
    seen: list[str] = []
    while "ready" not in seen:
        line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        if line is None:
            break
        seen.append(line)
    return seen


@contextmanager
def running_pair(data_directory: Path | None = None, *options: str) -> Iterator[Pair]:
    """A pair that runs while the context is entered."""
    command = [sys.executable, "-m", "spanprofiles.embedded"]
    for port in ("--tempo-port", "--otlp-http-port", "--pyroscope-port"):
        command += [port, "0"]
    if data_directory:
        command += ["--data-dir", str(data_directory)]
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as log:  # of any size: a pipe would fill, and hold it up
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8"
        )
        try:
            lines = announced(process)
            assert lines[-1:] == ["ready"], f"the pair did not start: {lines}"
            yield Pair(process, dict(line.split() for line in lines[:-1]), Path(log.name))
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
        log.seek(0)
        errors = [line for line in log.read().splitlines() if not REFUSED.fullmatch(line)]
        assert not errors, f"the pair wrote to its standard error: {errors}"
