"""Requests that can be found again, because each carries its own ``traceparent``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from spanprofiles.clients.http import LOOPBACK_HOSTS
from spanprofiles.linking.errors import NotTracedError
from spanprofiles.model import IdentifierError, TraceContext, new_span_id
from spanprofiles.model.addresses import without_login
from spanprofiles.waiting import Waiting

_TRACEPARENT = "traceparent"
_SERVER_ERROR = 500
_HARMLESS_HEADERS = {
    "accept", "accept-encoding", "accept-language", "baggage", "connection", "content-length", "content-type", "host",
    "traceparent", "tracestate", "transfer-encoding", "user-agent",
}  # fmt: skip
_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")

#: (connect, read), s; an app under test that hangs must fail the test, not hang it.
APP_TIMEOUT_S = (5.0, 30.0)


class _Request(Protocol):
    @property
    def headers(self) -> Mapping[str, Any]: ...


class AnsweredRequest(Protocol):
    """A response that knows the request it answers: those of ``requests`` and of ``httpx`` do."""

    @property
    def request(self) -> _Request:
        """The request."""


class TracedSession(requests.Session):
    """A :class:`requests.Session` in which each request starts its own trace.

    A call with its own ``traceparent`` header keeps that. ``sampled=False`` (``get``, ``request``) asks the app not to
    record the request.

    Args:
        base_url: the app's address, for calls such as ``session.get("/bike")``. A user name and password in it are
            used for basic authentication.
        timeout_s: (connect, read), s; a call can give its own.
    """

    def __init__(self, base_url: str = "", timeout_s: tuple[float, float] = APP_TIMEOUT_S) -> None:
        super().__init__()
        self.base_url, login = without_login(base_url.rstrip("/"))  # it is shown in messages
        if login is not None:
            self.auth = login
        self.timeout_s = timeout_s
        if urlsplit(self.base_url).hostname in LOOPBACK_HOSTS:
            self.trust_env = False  # a proxy of the environment would answer in the app's place

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Follow a redirect as a second call in the same trace: otherwise two spans would seem to answer one call.

        A redirect to another host, port or scheme gets none of the caller's headers, since any of them may be a secret.
        """
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]  # the library's, untyped
        if self.should_strip_auth(response.request.url or "", prepared_request.url or ""):  # type: ignore[no-untyped-call]  # likewise
            for name in [name for name in prepared_request.headers if name.lower() not in _HARMLESS_HEADERS]:
                del prepared_request.headers[name]
        try:
            context = TraceContext.parse(prepared_request.headers.get(_TRACEPARENT, ""))
        except IdentifierError:
            return
        prepared_request.headers[_TRACEPARENT] = replace(context, span_id=new_span_id()).traceparent

    def get(self, url: str, *, sampled: bool = True, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a GET; see :meth:`request`."""
        return self.request("GET", url, sampled=sampled, **options)

    def request(  # type: ignore[override]  # adds an argument, hands all the others on
        self, method: str, url: str, *, sampled: bool = True, **options: Any
    ) -> requests.Response:
        """Send a request with a ``traceparent``, and with a time-out."""
        headers = dict(options.pop("headers", None) or {})
        if not any(name.lower() == _TRACEPARENT for name in headers):
            headers[_TRACEPARENT] = TraceContext.new(sampled=sampled).traceparent
        options.setdefault("timeout", self.timeout_s)
        if self.base_url and not _ABSOLUTE.match(url):
            url = f"{self.base_url}/{url.lstrip('/')}"
        return super().request(method, url, headers=headers, **options)


def trace_context_of(response: AnsweredRequest) -> TraceContext:
    """Return the trace context that the answered request carried.

    Raises:
        NotTracedError: the request carried no usable ``traceparent``, so its trace is unknown.
        TypeError: this is no response.
    """
    if not hasattr(response, "request"):
        raise TypeError(
            f"a {type(response).__name__} is not an answered request: give a response of requests or httpx, a trace"
            " context or a trace ID"
        )
    headers = response.request.headers
    header = next((value for name, value in headers.items() if str(name).lower() == _TRACEPARENT), None)
    text = header.decode("latin-1") if isinstance(header, bytes) else header
    if not text:
        raise NotTracedError(
            "the request carried no traceparent header, so its trace cannot be told from others: send it with a"
            " TracedSession, as span_profiles_app and span_profiles.session(url) give, or set the header"
        )
    try:
        return TraceContext.parse(text)
    except IdentifierError as error:
        raise NotTracedError(str(error)) from error


def await_answer(
    session: TracedSession, path: str, timeout_s: float, while_true: Callable[[], bool] = lambda: True
) -> bool:
    """Ask until the app answers with a status below 500, and return whether it did.

    Args:
        session: talks to the app. The requests ask not to be sampled, so they leave no traces behind.
        path: what to ask for.
        timeout_s: give up after this many seconds.
        while_true: give up when this is false, for example because the app's process has ended.
    """
    for _ in Waiting(timeout_s, longest_s=0.05).attempts():
        with (
            contextlib.suppress(requests.RequestException),
            session.get(path, sampled=False, timeout=(1.0, 5.0), stream=True) as answer,  # the status is enough
        ):
            if answer.status_code < _SERVER_ERROR:
                return while_true()  # somebody else's answer where the app itself has ended
        if not while_true():
            return False
    return False
