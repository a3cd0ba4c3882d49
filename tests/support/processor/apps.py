"""Scenarios of the processor as a guest in an app, which only ours has to play."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

import asyncio
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tests.support.processor.setup import ENOUGH, Setup
from tests.support.processor.work import WORK, work_of_red


def much_of_everything(setup: Setup) -> None:
    """Many spans, ended in all the ways there are: what is kept of them?"""
    import gc
    import tracemalloc

    from spanprofiles_processor.roots import Root

    setup.start_agent()
    tracer = TracerProvider(shutdown_on_exit=False)
    tracer.add_span_processor(setup.span_processor())
    spans = tracer.get_tracer("scenario")

    async def tasks() -> None:
        async def order() -> None:
            with spans.start_as_current_span("task"):
                await asyncio.sleep(0)

        await asyncio.gather(*(order() for _ in range(20)))

    def everything(rounds: int) -> None:
        held: list[trace.Span] = [spans.start_span("held")]
        for _ in range(rounds):
            # Hand over hand: each starts within the one before it and ends after that.
            held.append(spans.start_span("overlapping"))
            held.pop(0).end()
            spans.start_span("dropped")
            with spans.start_as_current_span("plain"):
                pass
        with ThreadPoolExecutor(2) as pool:
            for span in [spans.start_span("elsewhere") for _ in range(rounds // 10)]:
                pool.submit(span.end)
        asyncio.run(tasks())
        held.pop().end()

    everything(200)
    gc.collect()
    tracemalloc.start()
    everything(200)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    everything(2_000)
    gc.collect()
    setup.notes["grown_bytes"] = tracemalloc.get_traced_memory()[0] - before
    setup.notes["roots"] = sum(isinstance(thing, Root) for thing in gc.get_objects())


def asyncio_as_before(setup: Setup) -> None:
    """What a loop does for its app while it is followed."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    setup.start_agent()
    tracer = setup.tracer()
    notes = setup.notes
    contexts: list[dict[str, object]] = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("told")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        loop.slow_callback_duration = 0.01
        with tracer.start_as_current_span("first"):
            await asyncio.sleep(0)
        scheduling = loop.call_soon
        with tracer.start_as_current_span("second"):
            notes["followed_once"] = loop.call_soon is scheduling
            loop.call_soon([].pop)
            cancelled = loop.call_later(0, notes.setdefault, "cancelled_ran", True)
            cancelled.cancel()
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0.01)
            task.cancel()
            results = await asyncio.gather(task, failing(), return_exceptions=True)
            notes["results"] = [type(result).__name__ for result in results]
            with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
                notes["process"] = await loop.run_in_executor(pool, abs, -7)
            await asyncio.create_task(slow_step(), name="the slow one")

    async def slow_step() -> None:
        work_of_red(ENOUGH)

    asyncio.run(main(), debug=True)
    notes["handled"] = [repr(context.get("exception")) for context in contexts]


def wsgi_bodies(setup: Setup) -> None:
    """Bodies of all kinds, as a server sees them."""
    from io import BytesIO
    from wsgiref.util import FileWrapper, setup_testing_defaults

    from spanprofiles_processor import LabelledBodies
    from spanprofiles_processor.labels import thread_labels

    setup.start_agent()
    tracer = setup.tracer()
    closed: list[str] = []
    labelled: list[object] = []

    class Streamed:
        def __init__(self) -> None:
            self.parts = iter([b"a", b"b"])

        def __iter__(self) -> Iterator[bytes]:
            for part in self.parts:
                current = thread_labels().current
                labelled.append(current and current.span_name)
                with tracer.start_as_current_span("child of an ended span", trace.set_span_in_context(ended[-1])):
                    pass
                yield part

        def close(self) -> None:
            closed.append("streamed")

    ended: list[trace.Span] = []
    listed, file = [b"whole"], FileWrapper(BytesIO(b"file"))

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with tracer.start_as_current_span("order") as span:
            ended.append(span)
            start_response("200 OK", [])
            bodies: dict[str, Iterable[bytes]] = {"/list": listed, "/file": file, "/streamed": Streamed()}
            return bodies[environ["PATH_INFO"]]

    def untraced(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
        return Streamed()

    def get(path: str, app: WSGIApplication) -> Iterable[bytes]:
        environ: WSGIEnvironment = {"PATH_INFO": path, "wsgi.file_wrapper": FileWrapper}
        setup_testing_defaults(environ)
        return LabelledBodies(app)(environ, lambda *_: bytearray().extend)

    setup.notes["list"] = get("/list", application) is listed
    setup.notes["file"] = get("/file", application) is file
    setup.notes["untraced"] = type(get("/streamed", untraced)) is Streamed
    body = get("/streamed", application)
    parts = []
    for part in body:
        parts.append(part.decode())
        setup.notes["between"] = thread_labels().current is not None
    body.close()  # type: ignore[attr-defined] # a server asks first whether it is there
    setup.notes.update(parts=parts, closed=closed, labelled=labelled)


def after_shutdown(setup: Setup) -> None:
    setup.start_agent()
    provider = setup.provider()
    tracer = provider.get_tracer("scenario")
    with tracer.start_as_current_span("before"):
        provider.shutdown()
    work_of_red(ENOUGH)
    with tracer.start_as_current_span("after"):
        work_of_red(ENOUGH)


def fastapi_on_record(setup: Setup) -> None:
    """The overlapping requests again: which labels were set before and after each piece of work?"""
    from spanprofiles_processor.labels import thread_labels
    from tests.support.processor.servers import fastapi_under_uvicorn

    seen: set[tuple[str, str | None]] = set()

    def looking(name: str, work: Callable[[int], int]) -> Callable[[int], int]:
        def looked_at(units: int) -> int:
            for counted in (units, 0):
                current = thread_labels().current
                seen.add((name, None if current is None else current.span_name))
                work(counted)
            return units

        return looked_at

    WORK.update({name: looking(name, work) for name, work in WORK.items()})
    fastapi_under_uvicorn(setup)
    setup.notes["seen"] = sorted(seen, key=str)
