"""Finds the spans that count for a local root span of which a search tells only its own profile ID."""

from __future__ import annotations

import math
import time
from threading import Lock
from typing import Protocol

from spanprofiles.clients import ClientError, TempoClient

_TIMEOUT_S = (1.0, 4.0)

# Whether a service labels every span is looked for again after so many seconds.
_REMEMBERED_S = 60.0


class FoundRoot(Protocol):
    """A span that a search has found."""

    @property
    def profile_id(self) -> str:
        """As the span carries it."""

    @property
    def service(self) -> str:
        """``service.name`` of its process."""

    @property
    def trace_id(self) -> str:
        """Its trace; empty where that is not known."""


class Descendants:
    """Looks traces up, of few requests where a service labels local roots alone. Safe to use from several threads.

    Args:
        tempo: where traces are.
    """

    def __init__(self, tempo: TempoClient) -> None:
        self._tempo = tempo.with_timeout(_TIMEOUT_S)
        self._services: dict[str, tuple[float, bool]] = {}
        self._lock = Lock()

    def profile_ids(self, span: FoundRoot, *, is_needed: bool = False) -> tuple[str, ...]:
        """Return the profile IDs of the spans below a local root that count for it.

        Args:
            span: the local root.
            is_needed: whether to look the trace up although other requests of the service have no such spans.

        Raises:
            ClientError: the IDs are needed, and Tempo failed.
        """
        with self._lock:
            asked_s, labels_every_span = self._services.get(span.service, (-math.inf, False))
        is_known = time.monotonic() - asked_s < _REMEMBERED_S
        if not span.trace_id or (is_known and not labels_every_span and not is_needed):
            return ()
        try:
            trace = self._tempo.trace(span.trace_id)
        except ClientError:
            if is_needed:
                raise
            return ()
        root = trace.span(span.profile_id) if trace else None
        found = tuple(child.span_id for child in root.added) if root else ()
        labels_every_span = (
            any(other.added for other in trace.spans if other.service == span.service) if trace else False
        )
        with self._lock:
            self._services[span.service] = time.monotonic(), labels_every_span
        return found
