"""Takes a span's labels along to another thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .labels import thread_labels
from .roots import Root, root_stack

Result = TypeVar("Result")


class _Carried:
    """A function that runs with a root's labels, for as long as the root's span runs."""

    __slots__ = ("__wrapped__", "_root")

    def __init__(self, function: Callable[..., Any], root: Root) -> None:
        self.__wrapped__ = function
        self._root = root

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        thread = thread_labels()
        before = thread.current
        token = root_stack.set((self._root,))
        thread.show_live(self._root)
        try:
            return self.__wrapped__(*arguments, **options)
        finally:
            root_stack.reset(token)
            thread.show_live(before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


def carry(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that does the same as ``function``, labelled as its caller is here.

    It is for your own threads and executors: ``executor.submit(carry(work), 1)``, ``Thread(target=carry(work))``.
    Outside a span it is ``function`` itself. If the span ends before the function does, the labels stay until the
    function ends, or until the next span on its thread. A function that has not started by then gets none.
    """
    root = thread_labels().current
    if root is None or not root.live:
        return function
    return _Carried(function, root)
