"""A Flask and a FastAPI app under OpenTelemetry's instrumentation, called without a network: a request and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from flask import Flask
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from werkzeug.test import Client

AT_ONCE = 8
_PATH = "/orders"
_SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": _PATH,
    "raw_path": _PATH.encode(),
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"shop")],
    "client": ("127.0.0.1", 40000),
    "server": ("127.0.0.1", 80),
}


class UnansweredError(Exception):
    """An app did not answer with 200."""


def flask_request(provider: TracerProvider) -> Callable[[], None]:
    """Return a function that sends one request to a Flask app of its own."""
    app = Flask("shop")
    app.add_url_rule(_PATH, view_func=lambda: "done", endpoint="orders")
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    client = Client(app)

    def request() -> None:
        if client.get(_PATH).status_code != 200:
            raise UnansweredError

    return request


def fastapi_request(provider: TracerProvider, *, waits: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a coroutine function that sends one request to a FastAPI app of its own.

    Args:
        provider: whose tracers make the spans.
        waits: how often its route gives the loop to others before it answers.
    """
    app = FastAPI()

    async def orders() -> str:
        for _ in range(waits):
            await asyncio.sleep(0)
        return "done"

    app.add_api_route(_PATH, orders)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)

    async def request() -> None:
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        # A task of its own, as a server makes it.
        await asyncio.create_task(app(dict(_SCOPE), receive, send))  # type: ignore[arg-type] # a coroutine, typed as less
        if statuses != [200]:
            raise UnansweredError

    return request
