"""How much CPU spans used: asked of Pyroscope a few at a time, and remembered once it is certain."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from threading import Lock

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.model import FlameGraph, IdentifierError
from spanprofiles.model.margins import BUTTON_MARGIN_MS
from spanprofiles.ui.descendants import Descendants

_REMEMBERED = 20_000
_AT_ONCE = 4
#: So many seconds after its end, all samples of a span are there; and it is certain that none come.
_COMPLETE_AFTER_S = 5.0
CERTAIN_AFTER_S = 20.0
_ASK_AGAIN_AFTER_S = 1.5
_TIMEOUT_S = (1.0, 4.0)


class CpuState(Enum):
    """What is known of a span's samples."""

    FOUND = "found"
    WAITING = "waiting"
    NONE = "none"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class ProfiledSpan:
    """A span that carries a profile ID.

    Attributes:
        profile_id: as the span carries it.
        service: ``service.name`` of its process.
        start_ns: ns since the epoch.
        end_ns: ns since the epoch.
        trace_id: its trace, to look up what counts for it; empty where that is known.
        added: the profile IDs of the spans that count for it, where they are known.
    """

    profile_id: str
    service: str
    start_ns: int
    end_ns: int
    trace_id: str = ""
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What is known of one span.

    Attributes:
        state: whether samples were found.
        cpu_ns: CPU time in them, ns; 0 unless some of CPU time were found.
        instead: what was found in place of CPU time, in words: ``1.84 s of wall time``.
        added: the profile IDs of other spans whose samples are counted here.
    """

    state: CpuState
    cpu_ns: int = 0
    instead: str = ""
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Entry:
    known: Known
    certain: bool
    asked_s: float


class CpuCache:
    """Remembers the CPU of spans; the oldest are forgotten. Safe to use from several threads.

    Args:
        pyroscope: whom to ask.
        descendants: finds the spans that count for a span; by default none does.
    """

    def __init__(self, pyroscope: PyroscopeClient, descendants: Descendants | None = None) -> None:
        self._pyroscope = pyroscope.with_timeout(_TIMEOUT_S)
        self._descendants = descendants
        self._collector = SampleCollector(self._pyroscope)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._pending: dict[str, Future[None]] = {}
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cpu of spans")

    def look(
        self, spans: Iterable[ProfiledSpan], timeout_s: float, settled_after_s: float = CERTAIN_AFTER_S
    ) -> dict[str, Known]:
        """Return what is known of these spans, by profile ID; ask for the rest and wait for it for a while.

        Args:
            spans: any number of them.
            timeout_s: how long to wait, s.
            settled_after_s: how long after a span's end its samples have arrived, s; an older answer is asked for anew.
        """
        wanted = {span.profile_id: span for span in spans}
        futures = [future for span in wanted.values() if (future := self._ask(span, settled_after_s))]
        wait(futures, timeout=timeout_s)
        with self._lock:
            return {profile_id: self._known(profile_id) for profile_id in wanted}

    def close(self) -> None:
        """Drop the queries that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _known(self, profile_id: str) -> Known:
        entry = self._entries.get(profile_id)
        return entry.known if entry else Known(CpuState.NOT_ASKED)

    def _ask(self, span: ProfiledSpan, settled_after_s: float) -> Future[None] | None:
        with self._lock:
            entry = self._entries.get(span.profile_id)
            if entry and (entry.certain or not _is_due(entry, time.time() - span.end_ns / 1e9 - settled_after_s)):
                return None
            pending = self._pending.get(span.profile_id)
            if pending is None:
                pending = self._pending[span.profile_id] = self._pool.submit(self._answer, span)
            return pending

    def _answer(self, span: ProfiledSpan) -> None:
        query = ProfileQuery.around(span, BUTTON_MARGIN_MS)
        entry = None
        try:
            found = self._collector.ask([(query, [span.profile_id, *span.added])])
            age_s = time.time() - span.end_ns / 1e9
            added = self._added(span, is_dead=found.is_empty and age_s >= CERTAIN_AFTER_S)
            if added:
                found = self._collector.ask([(query, [span.profile_id, *added])])
            entry = _entry(found, age_s, added or span.added)
        except IdentifierError:  # what the span carries is no span ID: there can be no samples of it
            entry = _Entry(Known(CpuState.NONE), certain=True, asked_s=0.0)
        except ClientError:
            pass  # stays "not asked", and is asked again with the next look; the page says that Pyroscope is away
        finally:
            with self._lock:
                del self._pending[span.profile_id]
                if entry:
                    self._entries[span.profile_id] = entry
                    while len(self._entries) > _REMEMBERED:
                        self._entries.popitem(last=False)

    def _added(self, span: ProfiledSpan, *, is_dead: bool) -> tuple[str, ...]:
        if self._descendants is None or span.added:
            return ()
        return self._descendants.profile_ids(span, is_needed=is_dead)


def _is_due(entry: _Entry, settled_for_s: float) -> bool:
    """Tell whether to ask again about a span whose samples were due so long ago, s."""
    asked_ago_s = time.monotonic() - entry.asked_s
    return asked_ago_s >= _ASK_AGAIN_AFTER_S or 0 < settled_for_s < asked_ago_s


def _entry(found: FlameGraph, age_s: float, added: tuple[str, ...]) -> _Entry:
    now = time.monotonic()
    if not found.is_empty:
        known = Known(CpuState.FOUND, found.cpu_ns, "" if found.cpu_ns else found.amount, added)
        return _Entry(known, certain=age_s > _COMPLETE_AFTER_S, asked_s=now)
    if age_s < CERTAIN_AFTER_S:
        return _Entry(Known(CpuState.WAITING), certain=False, asked_s=now)
    return _Entry(Known(CpuState.NONE), certain=True, asked_s=now)
