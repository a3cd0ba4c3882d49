"""Labels that follow asyncio's tasks, and the work they hand to threads.

An event loop runs many tasks on one thread, so labels that stay from a span's start to its end land on every task in
between. Each callback of a loop runs in its own ``contextvars`` context, as asyncio documents, and a task's context
says which local root it works for. All that is missing is somebody who looks when a callback starts and ends.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from .labels import thread_labels, threads
from .propagation import carry
from .roots import root_stack

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import Executor

MARK = "follows_span_profiles"


class _Step(functools.partial[object]):
    """A loop's callback, such as one step of a task, that runs with the labels of its context's root.

    Seen from outside it is the callback: asyncio's messages name the app's function or task and where it is written,
    not this. There is one for each step, and a partial is made and called in two thirds of the time of a class with
    ``__call__``.
    """

    __slots__ = ()

    # What asyncio and ``inspect`` take a partial apart by. The call itself goes by the fields beneath.

    @property
    def func(self) -> Any:
        return _bound(self)[0]

    @property
    def args(self) -> tuple[Any, ...]:
        arguments: tuple[Any, ...] = _bound(self)[1:]
        return arguments

    @property
    def __wrapped__(self) -> Any:
        return _bound(self)[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(_bound(self)[0], name)

    def __repr__(self) -> str:
        return repr(_bound(self)[0])


_bound: Callable[[_Step], tuple[Any, ...]] = vars(functools.partial)["args"].__get__
"""The callback, and the arguments it is called with."""


def _run_step(callback: Callable[..., object], *arguments: Any) -> object:
    thread = threads.labels
    before = thread.current
    roots = root_stack.get()
    if roots:
        # What ``show_innermost`` does, for the common case, without its calls.
        root = roots[-1]
        span = root()
        if span is None or not span.is_recording():
            thread.show_innermost()
        elif root is not before:
            thread.show(root)
    elif before is not None:
        thread.show(None)
    try:
        return callback(*arguments)
    finally:
        if before is not None:
            thread.show_live(before)
        elif thread.current is not None:
            thread.show(None)


def follow_event_loop(loop: AbstractEventLoop | None = None) -> bool:
    """Let labels follow the tasks of a loop, and what they give to ``run_in_executor`` and ``asyncio.to_thread``.

    The processor does this itself when the first local root span starts on a loop. Call it at the start of the app only
    for loops other than asyncio's own, if the steps that wait beside the first span must be right too.

    It replaces methods of this one loop object (``call_soon``, ``call_soon_threadsafe``, ``call_later``, ``call_at``,
    ``run_in_executor``, and ``create_task`` where tasks may be eager), through which every step of every task passes,
    whenever and by whomever the task was made. A task factory would be the public place, but it never sees the tasks
    that exist already, including the one that starts the first span.

    Args:
        loop: The loop, the running one by default. It must be this thread's, running or not yet.

    Returns:
        Whether the loop was not followed before.

    Raises:
        RuntimeError: No loop was given and none is running.
    """
    if loop is None:
        # Here, not above: an app of threads should not pay for importing asyncio.
        from asyncio import get_running_loop

        loop = get_running_loop()
    if getattr(loop.call_soon, MARK, False):
        return False
    _follow_waiting(loop)
    # Whoever runs in this step, which is none of ours, stays labelled after it: until all that waits has had its turn.
    loop.call_soon(thread_labels().show_live, thread_labels().current)
    for name in ("call_soon", "call_soon_threadsafe"):
        _replace(loop, name, _scheduling_now(getattr(loop, name)))
    for name in ("call_later", "call_at"):
        _replace(loop, name, _scheduling_later(getattr(loop, name)))
    if sys.version_info >= (3, 12):
        _replace(loop, "create_task", _keeping_labels(loop.create_task))
    _replace(loop, "run_in_executor", _carrying_executor(loop.run_in_executor))
    _follow_anyio()
    return True


def _follow_waiting(loop: AbstractEventLoop) -> None:
    """Make steps of the callbacks that wait already; otherwise they run once with the labels of the step before.

    asyncio has no public view of them. Other loops keep them elsewhere, and there it is so.
    """
    for handle in tuple(getattr(loop, "_ready", ())):
        callback = getattr(handle, "_callback", None)
        if callback is not None:  # as it is in a cancelled one
            handle._callback = _Step(_run_step, callback)


def _replace(owner: object, name: str, function: Callable[..., Any]) -> None:
    setattr(function, MARK, True)
    setattr(owner, name, function)


def _scheduling_now(schedule: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(schedule)
    def scheduled(callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> Any:
        # The arguments go into the step: passed on from call to call they would cost more.
        return schedule(_Step(_run_step, callback, *arguments), context=context)

    return scheduled


def _scheduling_later(schedule: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(schedule)
    def scheduled(time: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> Any:
        # asyncio's own call_later calls call_at.
        if isinstance(callback, _Step):
            return schedule(time, callback, *arguments, context=context)
        return schedule(time, _Step(_run_step, callback, *arguments), context=context)

    return scheduled


def _keeping_labels(create: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(create)
    def create_task(*arguments: Any, **options: Any) -> Any:
        # An eager task (Python 3.12 and later) takes its first step in here, and may leave it with its own labels.
        thread = thread_labels()
        before = thread.current
        try:
            return create(*arguments, **options)
        finally:
            if thread.current is not before:
                thread.show_live(before)

    return create_task


def _carrying_executor(run: Callable[..., Any]) -> Callable[..., Any]:
    from concurrent.futures import ThreadPoolExecutor

    @functools.wraps(run)
    def run_in_executor(executor: Executor | None, function: Callable[..., object], *arguments: Any) -> Any:
        # What goes to another process must stay what it was.
        if executor is None or isinstance(executor, ThreadPoolExecutor):
            function = carry(function)
        return run(executor, function, *arguments)

    return run_in_executor


def _follow_anyio() -> None:
    """Let labels follow anyio's worker threads, in which FastAPI and Starlette run whatever is not ``async``.

    anyio has threads of its own and no hook, so its public function is replaced; it is called by its module's name.
    """
    module = sys.modules.get("anyio.to_thread")
    original = getattr(module, "run_sync", None)
    if original is None or getattr(original, MARK, False):
        return

    @functools.wraps(original)
    async def run_sync(function: Callable[..., object], *arguments: Any, **options: Any) -> Any:
        return await original(carry(function), *arguments, **options)

    _replace(module, "run_sync", run_sync)
