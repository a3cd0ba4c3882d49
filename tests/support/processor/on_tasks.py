"""Scenarios on event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.processor.setup import ENOUGH, Setup, remote_parent
from tests.support.processor.work import WORK, work_of_blue, work_of_green, work_of_nobody, work_of_red


async def _in_steps(work: Callable[[int], object], steps: int = 8) -> None:
    for _ in range(steps):
        work(ENOUGH // steps)
        await asyncio.sleep(0)


def concurrent_tasks(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()

    async def order(name: str) -> None:
        with tracer.start_as_current_span(name):
            await _in_steps(WORK[name])

    async def main() -> None:
        await asyncio.gather(order("red"), order("blue"), _in_steps(work_of_nobody))

    asyncio.run(main())


def tasks_of_a_span(setup: Setup) -> None:
    """A span's own tasks, timers and callbacks, beside a neighbour that has none of it."""
    setup.start_agent()
    tracer = setup.tracer()

    async def order() -> None:
        with tracer.start_as_current_span("red"):
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            child = asyncio.create_task(_in_steps(work_of_red))

            def timer() -> None:
                work_of_green(ENOUGH)
                done.set()

            loop.call_later(0.01, timer)
            await asyncio.gather(child, done.wait())

    async def main() -> None:
        await asyncio.gather(order(), _in_steps(work_of_nobody))

    asyncio.run(main())


def threads_of_a_task(setup: Setup) -> None:
    setup.start_agent()
    tracer = setup.tracer()

    async def order(executor: ThreadPoolExecutor) -> None:
        with tracer.start_as_current_span("red"):
            await asyncio.to_thread(work_of_red, ENOUGH)
            await asyncio.get_running_loop().run_in_executor(executor, work_of_blue, ENOUGH)
        await asyncio.to_thread(work_of_nobody, ENOUGH)

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            await order(executor)

    asyncio.run(main())


def loop_inside_a_span(setup: Setup) -> None:
    """A thread that runs a loop in the middle of its span has its labels back afterwards."""
    setup.start_agent()
    tracer = setup.tracer()

    async def main() -> None:
        with tracer.start_as_current_span("blue", remote_parent(0xABC)):
            await _in_steps(work_of_blue)

    with tracer.start_as_current_span("red"):
        asyncio.run(main())
        work_of_red(ENOUGH)


def eager_tasks(setup: Setup) -> None:
    """Tasks that take their first step inside whoever creates them (Python 3.12 and later)."""
    setup.start_agent()
    tracer = setup.tracer()

    async def order(name: str) -> None:
        with tracer.start_as_current_span(name):
            await _in_steps(WORK[name])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with tracer.start_as_current_span("first"):
            pass
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined] # the types are Python 3.10's
        tasks = [asyncio.create_task(order(name)) for name in ("red", "blue")]
        work_of_nobody(ENOUGH)
        await asyncio.gather(*tasks)

    asyncio.run(main())
