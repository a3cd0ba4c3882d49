"""Scenarios on threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread, get_ident

from opentelemetry import trace

from tests.support.processor.setup import ENOUGH, Setup, on_one_thread, remote_parent
from tests.support.processor.work import WORK, work_of_blue, work_of_nobody, work_of_red


def renamed(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()
    with tracer.start_as_current_span("GET") as span:
        span.update_name("GET /ride")
    with tracer.start_as_current_span("red"):
        work_of_red(ENOUGH)


def ended_on_another_thread(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()
    for number in range(60):
        span = tracer.start_span(f"message {number}")
        on_one_thread(span.end)
    with tracer.start_as_current_span("red"):
        work_of_red(ENOUGH)
    work_of_nobody(ENOUGH)


def child_after_end_on_another_thread(setup: Setup) -> None:
    """The thread goes on with children of a span that has ended elsewhere, as a consumer's loop does."""
    setup.start_agent()
    tracer = setup.tracer()
    span = tracer.start_span("message")
    on_one_thread(span.end)
    with tracer.start_as_current_span("red", trace.set_span_in_context(span)):
        work_of_red(ENOUGH)


def thread_dies_with_its_span_open(setup: Setup) -> None:
    """Threads end within their spans, and a later one gets the number of one of them."""
    setup.start_agent()
    tracer = setup.tracer()
    open_spans: list[trace.Span] = []
    numbers: set[int] = set()
    together = Barrier(8)

    def start() -> None:
        together.wait(10)  # so that there are as many numbers as threads
        numbers.add(get_ident())
        open_spans.append(tracer.start_span("message"))

    def work_under_the_number() -> None:
        if get_ident() in numbers:
            setup.notes["same_number"] = True
            work_of_nobody(ENOUGH)

    threads = [Thread(target=start) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(500):
        if "same_number" not in setup.notes:
            on_one_thread(work_under_the_number)
    for span in open_spans:
        span.end()


def abandoned(setup: Setup) -> None:
    """Spans that are dropped without ever being ended."""
    setup.start_agent()
    tracer = setup.tracer()
    for number in range(60):
        tracer.start_span(f"dropped {number}")
    with tracer.start_as_current_span("red"):
        work_of_red(ENOUGH)


def nested_remote_roots(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()
    with tracer.start_as_current_span("red") as outer:
        trace_id = outer.get_span_context().trace_id
        with tracer.start_as_current_span("blue", remote_parent(trace_id)):
            work_of_blue(ENOUGH)
        work_of_red(ENOUGH)
    work_of_nobody(ENOUGH)


def concurrent_threads(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()

    def order(name: str) -> None:
        with tracer.start_as_current_span(name), tracer.start_as_current_span(f"child of {name}"):
            WORK[name](ENOUGH)

    threads = [Thread(target=order, args=(name,)) for name in ("red", "blue", "green")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def executor_of_a_thread(setup: Setup) -> None:
    """An executor of one's own needs ``carry``, which the official processor has no counterpart of."""
    setup.start_agent()
    tracer = setup.tracer()
    with ThreadPoolExecutor(1) as executor:
        with tracer.start_as_current_span("red"):
            work: Callable[[int], object] = work_of_red
            late: Callable[[int], object] = work_of_blue
            if setup.ours:
                from spanprofiles_processor import carry

                work, late = carry(work_of_red), carry(work_of_blue)
            executor.submit(work, ENOUGH).result()
        executor.submit(work_of_nobody, ENOUGH).result()
        executor.submit(late, ENOUGH).result()


def children_of_each_kind(setup: Setup) -> None:
    """Work of a root, of its child, of the root again; then of the children of two tasks that take turns."""
    setup.start_agent()
    tracer = setup.tracer()
    with tracer.start_as_current_span("red"):
        work_of_red(ENOUGH)
        with tracer.start_as_current_span("blue"):
            work_of_blue(ENOUGH)
        WORK["green"](ENOUGH)

    async def order(name: str) -> None:
        with tracer.start_as_current_span(f"order of {name}"), tracer.start_as_current_span(name):
            for _ in range(8):
                WORK[name](ENOUGH // 8)
                await asyncio.sleep(0)

    async def orders() -> None:
        await asyncio.gather(order("gold"), order("white"))

    asyncio.run(orders())
    work_of_nobody(ENOUGH)
