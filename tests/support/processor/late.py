"""Scenarios of spans that run although no local root span of their process is open."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import asdict
from threading import Thread

import pyroscope
import requests
from opentelemetry import context, trace

from tests.support.processor.outcomes import SpanSeen
from tests.support.processor.servers import DEADLINE_S, answering
from tests.support.processor.setup import ENOUGH, Setup, on_one_thread
from tests.support.processor.work import work_of_blue, work_of_gold, work_of_green, work_of_nobody, work_of_red


def child_outlives_its_root(setup: Setup) -> None:
    """A child is current when its root ends, and goes on; then comes the next request of this thread."""
    setup.start_agent()
    tracer = setup.tracer()
    root = tracer.start_span("blue")
    with tracer.start_as_current_span("red", trace.set_span_in_context(root)):
        work_of_blue(ENOUGH)
        root.end()
        work_of_red(ENOUGH)
    work_of_nobody(ENOUGH)
    with tracer.start_as_current_span("green"):
        work_of_green(ENOUGH)


def child_starts_after_its_root(setup: Setup) -> None:
    """On another thread, as a pool's is: the context is passed on, and the root has ended meanwhile."""
    setup.start_agent()
    tracer = setup.tracer()
    with tracer.start_as_current_span("blue"):
        work_of_blue(ENOUGH)
        inherited = context.get_current()

    def later() -> None:
        token = context.attach(inherited)
        with tracer.start_as_current_span("red"), tracer.start_as_current_span("child of red"):
            work_of_red(ENOUGH)
        work_of_nobody(ENOUGH)
        context.detach(token)
        with tracer.start_as_current_span("green"):
            work_of_green(ENOUGH)

    on_one_thread(later)


def root_ends_elsewhere(setup: Setup) -> None:
    """A child goes on, on the thread that started both, when its root is ended by another; this one starts a span."""
    setup.start_agent()
    tracer = setup.tracer()
    root = tracer.start_span("root")
    with tracer.start_as_current_span("red", trace.set_span_in_context(root)):
        on_one_thread(root.end)
        with tracer.start_as_current_span("child of red"):
            work_of_red(ENOUGH)
    work_of_nobody(ENOUGH)


def carried_work_outlives_its_root(setup: Setup) -> None:
    """A thread that was given work of a request is in the middle of a span of its own when the request ends."""
    setup.start_agent()
    tracer = setup.tracer()
    root = tracer.start_span("root")

    def work() -> None:
        with tracer.start_as_current_span("red", trace.set_span_in_context(root)):
            on_one_thread(root.end)
            with tracer.start_as_current_span("child of red"):
                work_of_red(ENOUGH)
        work_of_nobody(ENOUGH)

    from spanprofiles_processor import carry

    thread = Thread(target=carry(work))
    thread.start()
    thread.join()


def tasks_outlive_their_root(setup: Setup) -> None:
    """One task began its span within the request, one begins it afterwards, one has none; another request runs on."""
    setup.start_agent()
    tracer = setup.tracer()

    async def in_steps(work: object, steps: int = 8) -> None:
        for _ in range(steps):
            work(ENOUGH // steps)  # type: ignore[operator] # one of the functions of tests.support.processor.work
            await asyncio.sleep(0)

    async def early(ended: asyncio.Event) -> None:
        with tracer.start_as_current_span("red"):
            await ended.wait()
            await in_steps(work_of_red)
            await asyncio.to_thread(work_of_gold, ENOUGH)

    async def late(ended: asyncio.Event) -> None:
        await ended.wait()
        with tracer.start_as_current_span("blue"):
            await in_steps(work_of_blue)

    async def bare(ended: asyncio.Event) -> None:
        await ended.wait()
        await in_steps(work_of_nobody)

    async def main() -> None:
        ended = asyncio.Event()
        with tracer.start_as_current_span("root"):
            tasks = [asyncio.create_task(work(ended)) for work in (early, late, bare)]
            await asyncio.sleep(0)
        ended.set()
        with tracer.start_as_current_span("green"):
            await in_steps(work_of_green)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def forked_within_a_span(setup: Setup) -> None:
    """As ``multiprocessing`` forks: the child inherits the current span, starts an agent, and a span beneath."""
    tracer = setup.tracer()
    reader, writer = os.pipe()
    with tracer.start_as_current_span("parent"):
        process = os.fork()
        if process == 0:
            setup.start_agent()
            with tracer.start_as_current_span("red"), tracer.start_as_current_span("child of red"):
                work_of_red(ENOUGH)
            pyroscope.shutdown()
            os.write(writer, json.dumps([asdict(span) for span in setup.spans.seen]).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(process, 0)
    with os.fdopen(reader) as pipe:
        setup.spans.seen += [SpanSeen(**span) for span in json.load(pipe)]


def fastapi_background(setup: Setup) -> None:
    """Background tasks of FastAPI, which run when the request's span has ended; with the instrumentation's defaults."""
    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import JSONResponse
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = FastAPI()

    def in_a_thread() -> None:
        work_of_red(ENOUGH)

    async def in_the_loop() -> None:
        for _ in range(4):
            work_of_blue(ENOUGH // 4)
            await asyncio.sleep(0)

    @app.get("/order")
    async def order() -> JSONResponse:
        tasks = BackgroundTasks()
        tasks.add_task(in_a_thread)
        tasks.add_task(in_the_loop)
        return JSONResponse({}, background=tasks)

    @app.get("/next")
    def following() -> dict[str, str]:
        work_of_green(ENOUGH)
        return {}

    FastAPIInstrumentor.instrument_app(app, tracer_provider=setup.provider())
    setup.start_agent()
    _one_after_the_other(app, "/order", "/next")


def starlette_background(setup: Setup) -> None:
    """The same in Starlette, whose instrumentation makes no span of a background task; these make their own."""
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import Response
    from starlette.routing import Route

    provider = setup.provider()
    tracer = provider.get_tracer("scenario")

    def in_a_thread() -> None:
        with tracer.start_as_current_span("red"), tracer.start_as_current_span("child of red"):
            work_of_red(ENOUGH)
        work_of_nobody(ENOUGH)

    async def in_the_loop() -> None:
        with tracer.start_as_current_span("blue"):
            for _ in range(4):
                work_of_blue(ENOUGH // 4)
                await asyncio.sleep(0)

    async def first(_: object) -> Response:
        return Response(background=BackgroundTask(in_a_thread))

    async def second(_: object) -> Response:
        return Response(background=BackgroundTask(in_the_loop))

    async def third(_: object) -> Response:
        work_of_green(ENOUGH)
        return Response()

    routes = [Route("/first", first), Route("/second", second), Route("/third", third)]
    app = OpenTelemetryMiddleware(
        Starlette(routes=routes),
        tracer_provider=provider,
        default_span_details=lambda scope: (scope["path"], {}),
    )
    setup.start_agent()
    _one_after_the_other(app, "/first", "/second", "/third")


def _one_after_the_other(app: object, *paths: str) -> None:
    with socket.socket() as listening, answering(app, listening) as base, requests.Session() as session:
        for path in paths:
            session.get(base + path, timeout=DEADLINE_S).raise_for_status()
