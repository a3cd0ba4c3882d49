"""Scenarios with real servers on 127.0.0.1: FastAPI under uvicorn, Flask with a streamed body, gunicorn."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any

import requests

from tests.support.processor.outcomes import SpanSeen
from tests.support.processor.setup import ENOUGH, Setup
from tests.support.processor.work import WORK

DEADLINE_S = 60.0
STEPS = 8


def _once_ready(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"no answer from {url} within {DEADLINE_S:g} s")


def _asked_for(base: str, paths: list[str]) -> list[dict[str, Any]]:
    """The JSON answers to requests that are sent at the same time."""
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: requests.get(base + path, timeout=DEADLINE_S), paths))
    return [answer.json() for answer in answers]


@contextmanager
def answering(app: object, listening: socket.socket) -> Iterator[str]:
    """An ASGI app under uvicorn, in a thread of its own: its address. At the end, all that it has begun is done."""
    import uvicorn

    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))  # type: ignore[arg-type]
    thread = Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def fastapi_under_uvicorn(setup: Setup) -> None:
    """Requests at once: three coroutines, a function and a body (anyio's threads), executor work of a coroutine."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = FastAPI()

    waiting: list[asyncio.Event] = []

    async def in_steps(name: str) -> dict[str, str]:
        # Three take turns, and none begins before all are there.
        own = asyncio.Event()
        waiting.append(own)
        if len(waiting) == 3:
            for event in waiting:
                event.set()
        await own.wait()
        for _ in range(STEPS):
            WORK[name](ENOUGH // STEPS)
            await asyncio.sleep(0)
        return {}

    @app.get("/coroutine")
    async def coroutine() -> dict[str, str]:
        return await in_steps("red")

    @app.get("/neighbour")
    async def neighbour() -> dict[str, str]:
        return await in_steps("white")

    @app.get("/function")
    def function() -> dict[str, str]:
        WORK["blue"](ENOUGH)
        return {}

    @app.get("/executor")
    async def executor() -> dict[str, str]:
        await asyncio.to_thread(WORK["green"], ENOUGH)
        return {}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"{"
            WORK["gold"](ENOUGH)
            yield b"}"

        return StreamingResponse(parts())

    @app.get("/untraced")
    async def untraced() -> dict[str, str]:
        return await in_steps("nobody")

    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=setup.provider(), excluded_urls="untraced", exclude_spans=["receive", "send"]
    )
    setup.start_agent()
    with socket.socket() as listening, answering(app, listening) as base:
        # Nothing is warmed up: the very first spans of the loop overlap.
        _asked_for(base, ["/coroutine", "/neighbour", "/untraced", "/function", "/executor", "/stream"])


def flask_streaming(setup: Setup) -> None:
    """A body that is computed while it is sent."""
    from flask import Flask, Response
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from werkzeug.serving import WSGIRequestHandler, make_server

    app = Flask("streaming")

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[bytes]:
            for _ in range(STEPS):
                WORK["red"](ENOUGH // STEPS)
                yield b"part"

        return Response(parts())

    @app.get("/plain")
    def plain() -> dict[str, str]:
        WORK["blue"](ENOUGH)
        return {}

    FlaskInstrumentor().instrument_app(app, tracer_provider=setup.provider())
    if setup.ours:
        from spanprofiles_processor import LabelledBodies

        app.wsgi_app = LabelledBodies(app.wsgi_app)  # type: ignore[method-assign] # Flask's documented place for it
    setup.start_agent()

    class Handler(WSGIRequestHandler):
        def log(self, *arguments: object) -> None:
            pass

    # One thread, one after the other: labels that were left on it would be seen in the next request.
    server = make_server("127.0.0.1", 0, app, request_handler=Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        for path in ("/stream", "/plain"):
            requests.get(f"http://127.0.0.1:{server.server_port}{path}", timeout=DEADLINE_S).raise_for_status()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    WORK["nobody"](ENOUGH)


def gunicorn_preload(setup: Setup) -> None:
    """The app, its telemetry and its agent are set up in gunicorn's parent process, and two workers are forked off."""
    from spanprofiles.backends.ports import free_ports

    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--bind", address, "--workers", "2", "--threads", "2"]
    command += [
        "--log-level",
        "warning",
        "--no-control-socket",
        "--keep-alive",
        "1",
        "tests.support.processor.preloaded:app",
    ]
    environment = {"PROCESSOR": setup.processor, "PUSH_URL": setup.push_url, "SERVICE": setup.service}
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=sys.stderr) as server:
        try:
            _once_ready(f"http://{address}/", server)
            # one after the other: a span that starts while another thread starts the agent does not wait for it
            answers = [_asked_for(f"http://{address}", [path])[0] for path in ("/red", "/blue", "/green")]
        finally:
            server.terminate()
            server.wait(DEADLINE_S)
    setup.spans.seen += [SpanSeen(**answer) for answer in answers]
