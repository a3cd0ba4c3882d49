"""What was refused, of whom, and why: counted by reason, and told in the log once in a while."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache

from spanprofiles.embedded.loglines import COUNTED
from spanprofiles.embedded.logtext import escaped

logger = logging.getLogger("spanprofiles.embedded")

SILENCE_S = 60.0
KEPT_MINUTES = 24 * 60
GROUPS_LIMIT = 200
SHOWN_CHARACTERS, SHOWN_NAME = 300, 80
MANY = "(several)"
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


class Signal(str, Enum):
    """What an upload would have brought."""

    TRACES = "traces"
    PROFILES = "profiles"


class Way(str, Enum):
    """How an upload came, as people call it."""

    OTLP_HTTP = "OTLP over HTTP"
    OTLP_GRPC = "OTLP over gRPC"
    PUSH = "push"
    INGEST = "ingest"
    ELSEWHERE = "a path that takes none"


class Reason(str, Enum):
    """Why an upload was refused; where the real servers count a reason, it has their name."""

    UNKNOWN_ENCODING = "unsupported_content_encoding"
    DAMAGED_COMPRESSION = "damaged_compression"
    MEDIA_TYPE = "unsupported_media_type"
    WRONG_PATH = "wrong_path"
    UNAUTHORIZED = "unauthorized"
    FOREIGN_PAGE = "page_of_another_site"
    FOREIGN_HOST = "host_not_allowed"
    OVERLOAD = "overloaded"
    MESSAGES = "too_many_messages"
    MALFORMED_REQUEST = "malformed_request"
    NOT_STORED = "not_stored"
    BODY_SIZE = "body_size_limit_exceeded"
    # Tempo's
    TRACE_ID = "invalid_trace_id"
    SPAN_ID = "invalid_span_id"
    # Pyroscope's
    MALFORMED_PROFILE = "malformed_profile"
    NOT_IN_WINDOW = "not_in_ingestion_window"
    PROFILE_SIZE = "profile_size_limit"
    SAMPLES = "samples_limit"
    SAMPLE_LABELS = "sample_labels_limit"
    FRAMES = "frames_limit"
    SERIES = "series_limit"
    LABEL_COUNT = "max_label_names_per_series"
    LABEL_NAME_LENGTH = "label_name_too_long"
    LABEL_VALUE_LENGTH = "label_value_too_long"
    DUPLICATE_LABELS = "duplicate_label_names"
    INVALID_LABELS = "invalid_labels"
    FORMAT = "unsupported_format"
    NAME = "invalid_name"
    UNDECODED = "undecodable_profile"
    OTHER = "unknown"


@dataclass(frozen=True)
class Sender:
    """Who sent an upload.

    Attributes:
        peer: its address; empty where that is not known.
        agent: what it calls itself, or an empty text.
    """

    peer: str = ""
    agent: str = ""

    def __str__(self) -> str:
        return f"{self.peer or 'an unknown sender'}{f' ({self.agent})' if self.agent else ''}"


@dataclass(frozen=True)
class Origin:
    """Where an export comes from.

    Attributes:
        way: its transport.
        sender: who sent it.
    """

    way: Way
    sender: Sender


@dataclass(frozen=True)
class Refusal:
    """One upload that was refused.

    Attributes:
        signal: what it would have brought.
        way: how it came.
        reason: why it was refused.
        message: the same in a sentence, as in the answer to the sender.
        sender: who sent it.
        service: the service it was of; empty where that is not known.
        items: how many spans or profiles were in it; 0 where that is not known.
    """

    signal: Signal
    way: Way
    reason: Reason
    message: str
    sender: Sender = Sender()
    service: str = ""
    items: int = 0


@dataclass
class Group:
    """The refusals of one reason, of one service.

    Attributes:
        last: the last of them, with all its texts printable.
        uploads: how many there were.
        items: how many spans or profiles were in them, as far as that is known.
        first_s: time of the first, s since the epoch.
        last_s: time of the last, s since the epoch.
        minutes: how many there were in each minute since the epoch, of the last day.
        told: how many there were when the log had its last line of them.
        told_s: when that was, s of the monotonic clock.
    """

    last: Refusal
    uploads: int = 0
    items: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    minutes: Counter[int] = field(default_factory=Counter)
    told: int = 0
    told_s: float = float("-inf")

    def since(self, since_s: float) -> int:
        """How many there were from a time on, s since the epoch; the whole minute of that time counts."""
        first = int(since_s // 60)
        return sum(count for minute, count in self.minutes.items() if minute >= first)


def printable(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Make a foreign text fit for a terminal: one line, without control characters, and not too long."""
    return _printable(text[: limit + 1], limit)


@lru_cache(maxsize=256)  # most texts come again and again
def _printable(text: str, limit: int) -> str:
    shown = escaped(text[:limit])
    return shown[:limit] + ("..." if len(text) > limit or len(shown) > limit else "")


def _shown_peer(peer: str) -> str:
    """Make a sender's address fit for a terminal; IPv6's ``::1`` is no command to a CI, and stays as it is."""
    return peer if _ADDRESS.fullmatch(peer) else printable(peer, SHOWN_NAME)


class Refusals:
    """All that was refused since the start.

    Args:
        clock: the time, s since the epoch.
        steady: the time that is never set, s.
    """

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._groups: dict[tuple[Signal, Way, Reason, str], Group] = {}
        self._taken: Counter[Way] = Counter()
        self._lock = threading.Lock()
        self.started_s = clock()

    def note(self, refusal: Refusal) -> None:
        """Count a refusal, and log it unless its like was logged a moment ago."""
        shown = replace(
            refusal,
            message=printable(refusal.message),
            service=printable(refusal.service, SHOWN_NAME),
            sender=Sender(_shown_peer(refusal.sender.peer), printable(refusal.sender.agent, SHOWN_NAME)),
        )
        now_s, steady_s = self._clock(), self._steady()
        with self._lock:
            group = self._group(shown)
            _count(group, shown, now_s)
            if steady_s - group.told_s < SILENCE_S:
                return
            more, group.told, group.told_s = group.uploads - group.told, group.uploads, steady_s
        logger.warning("%s", _line(shown, more), extra=COUNTED)

    def note_taken(self, way: Way, items: int) -> None:
        """Count what was taken: spans or profiles."""
        with self._lock:
            self._taken[way] += items

    def taken(self, way: Way) -> int:
        """How many spans or profiles came that way and were taken."""
        with self._lock:
            return self._taken[way]

    def groups(self, signal: Signal) -> list[Group]:
        """Return the refusals of a signal, the latest first."""
        with self._lock:
            found = [
                replace(group, minutes=Counter(group.minutes))
                for (kind, *_), group in self._groups.items()
                if kind is signal
            ]
        return sorted(found, key=lambda group: -group.last_s)

    def tell_untold(self) -> None:
        """Log what was refused and not logged yet: it is lost when the process ends."""
        with self._lock:
            untold = [(group.last, group.uploads - group.told) for group in self._groups.values()]
            for group in self._groups.values():
                group.told = group.uploads
        for last, more in untold:
            if more:
                logger.warning("%s", _line(last, more), extra=COUNTED)

    def _group(self, refusal: Refusal) -> Group:
        """Return the group of a refusal; senders choose the names, so there must not be a group for each."""
        key = (refusal.signal, refusal.way, refusal.reason, refusal.service)
        if key not in self._groups and len(self._groups) >= GROUPS_LIMIT:
            key = (refusal.signal, refusal.way, refusal.reason, MANY)
        return self._groups.setdefault(key, Group(refusal))


def _count(group: Group, refusal: Refusal, now_s: float) -> None:
    minute = int(now_s // 60)
    group.last = refusal
    group.uploads += 1
    group.items += refusal.items
    group.first_s = group.first_s or now_s
    group.last_s = now_s
    group.minutes[minute] += 1
    while len(group.minutes) > KEPT_MINUTES:
        del group.minutes[min(group.minutes)]


def _line(last: Refusal, count: int) -> str:
    noun = "export" if last.signal is Signal.TRACES else "profile upload"
    what = f"a {noun}" if last.signal is Signal.PROFILES else f"an {noun}"
    counted = what if count == 1 else f"{count} {noun}s"
    of = f" of {last.service}" if last.service else ""
    which = ", the last of them" if count > 1 else ""
    return f"refused {counted} ({last.way.value}){of} from {last.sender}{which}: {last.message}"
