"""The body of a WSGI response, which the server asks for when the request's span may have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from .labels import thread_labels
from .roots import Root, root_stack

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Result = TypeVar("Result")


class LabelledBodies:
    """A WSGI app whose streamed bodies are computed with the labels of their request's local root span.

    Flask ends a request's span before the server asks for the body. The span's duration does not change; its profile
    gets the work of the body too. Put it outside the instrumentation: ``app.wsgi_app = LabelledBodies(app.wsgi_app)``
    after ``FlaskInstrumentor().instrument_app(app)``.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the app does, with a body that is labelled if the app started a local root span."""
        thread = thread_labels()
        found: list[Root] = []
        waiting = thread.first_started
        thread.first_started = found
        try:
            body = self._application(environ, start_response)
        finally:
            thread.first_started = waiting
        # Of a list there is nothing left to compute, and a file the server may send without reading it.
        if not found or isinstance(body, list | tuple) or _is_file(body, environ):
            return body
        return _LabelledBody(body, found[0])


def _is_file(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _LabelledBody:
    """A body that is labelled while it computes its next part, on whatever thread, and not while that is sent."""

    def __init__(self, body: Iterable[bytes], root: Root) -> None:
        self._body = body
        self._root = root
        root.held = True
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._labelled(self._next)

    def close(self) -> None:
        """Close the body, as the server must; its labels are gone with it."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                self._labelled(close)
        finally:
            self._root.held = False

    def _next(self) -> bytes:
        if self._parts is None:
            self._parts = iter(self._body)
        return next(self._parts)

    def _labelled(self, function: Callable[[], Result]) -> Result:
        thread = thread_labels()
        before = thread.current
        token = root_stack.set((self._root,))
        thread.show(self._root)
        try:
            return function()
        finally:
            root_stack.reset(token)
            thread.show_live(before)
