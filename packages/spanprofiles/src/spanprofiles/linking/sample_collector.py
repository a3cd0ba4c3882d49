"""Gets the samples of spans, and knows when all of them have arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient
from spanprofiles.model import CPU, FlameGraph, Span
from spanprofiles.model.endpoints import QUERYABLE_AFTER_S
from spanprofiles.model.margins import BUTTON_MARGIN_MS
from spanprofiles.model.profile_types import stand_ins
from spanprofiles.waiting import Waiting

_PROFILE_TYPE = "__profile_type__"

# The types of a service's profiles are remembered for so many seconds.
_REMEMBERED_S = 1.0

# An upload that was under way when the request ended cannot hold its last samples. The server has it by then, s.
_UPLOAD_UNDER_WAY_S = 0.25

# How far the app's clock may be behind this one before a span is taken for older than it is.
_CLOCKS_AGREE_WITHIN_S = 1.0


class SampleCollector:
    """Asks one Pyroscope for the samples of spans, once or until they are complete.

    A span that straddles two uploads has its samples in both. They are complete when they came with an upload that
    began after the request had ended, or when an upload interval has passed since then, and with it the time that an
    upload takes (0.25 s) and that the server may need to find its samples (``queryable_after_s``).

    Args:
        pyroscope: where profiles are.
        profile_type: which profiles; CPU time by default. If no sample of CPU time carries a span's profile ID and
            samples of another type of time do (wall time, counts of samples), the span is linked by that type.
        upload_interval_s: the agent's upload interval, s.
        queryable_after_s: how long after a push was answered its samples may not be found yet, s.
        margin_ms: how much earlier and later than the span profiles are looked for, ms. A profile is dated by the start
            of its upload window, so this must be longer than the upload interval.
    """

    def __init__(
        self,
        pyroscope: PyroscopeClient,
        *,
        profile_type: str = CPU,
        upload_interval_s: float = 1.0,
        queryable_after_s: float = QUERYABLE_AFTER_S,
        margin_ms: int = BUTTON_MARGIN_MS,
    ) -> None:
        self.pyroscope = pyroscope
        self.profile_type = profile_type
        self.upload_interval_s = upload_interval_s
        self.queryable_after_s = queryable_after_s
        self.margin_ms = margin_ms
        self._types: dict[str, tuple[float, tuple[str, ...]]] = {}

    def query(self, span: Span) -> ProfileQuery:
        """Return the query for the profiles of a span's service around the span's time."""
        return ProfileQuery.around(span, self.margin_ms, profile_type=self.profile_type)

    def ask(self, asked: Sequence[tuple[ProfileQuery, Sequence[str]]]) -> FlameGraph:
        """Ask once for the samples of spans, and return them together; ``profile_type`` tells which type they are.

        If no sample of CPU time carries one of the IDs, it asks for the other types of time that the service has.

        Args:
            asked: queries, each with the profile IDs to ask for; at least one.

        Raises:
            IdentifierError: a profile ID is malformed.
            ClientError: Pyroscope failed.
        """
        found = self._merged(asked, self.profile_type)
        if not found.is_empty or self.profile_type != CPU:
            return found
        for profile_type in dict.fromkeys(name for query, _ in asked for name in self._stand_ins(query)):
            instead = self._merged(asked, profile_type)
            if not instead.is_empty:
                return instead
        return found

    def await_complete(
        self, ask: Callable[[], FlameGraph], ended_ns: int, waiting: Waiting, *, one_process: bool
    ) -> tuple[FlameGraph, float]:
        """Ask until all samples have arrived, or the deadline passes without any.

        Once the first samples are there, it waits until they are complete, even past the deadline.

        Args:
            ask: asks once.
            ended_ns: when the last of the spans ended, ns since the epoch.
            waiting: how long to wait for the first samples.
            one_process: whether all samples come from one process, whose uploads come in order.

        Returns:
            The last answer, and how long it waited for it, s.
        """
        found, empty_until = FlameGraph(), 0.0
        longest = replace(waiting, timeout_s=max(waiting.timeout_s, self._all_uploaded_s + self._under_way_s))
        for waited in longest.attempts():  # pragma: no branch - it breaks at the last, with samples or without
            found = ask()
            if found.is_empty:
                empty_until = waited
                if waited >= waiting.timeout_s:
                    break
            elif self._has_ended_long_ago(ended_ns) or waited > self._all_uploaded_s:
                break
            elif one_process and empty_until > self._under_way_s and found.profile_type == self.profile_type:
                break  # a stand-in may have come moments before the type that is asked for
        return found, waited

    def await_uploads(
        self, ask: Callable[[], FlameGraph], ended_ns: int, waiting: Waiting, enough_ns: float
    ) -> FlameGraph:
        """Ask for as long as samples can take to arrive, and return them; there may be none.

        Args:
            ask: asks once.
            ended_ns: when the span ended, ns since the epoch.
            waiting: how often to ask; its deadline does not count.
            enough_ns: stop asking once there is more CPU than this, ns.
        """
        timeout_s = 0.0 if self._has_ended_long_ago(ended_ns) else self._all_uploaded_s
        for _ in replace(waiting, timeout_s=timeout_s).attempts():
            found = ask()
            if found.cpu_ns > enough_ns:
                break
        return found

    @property
    def _under_way_s(self) -> float:
        """How long an upload may be under way until its samples can be found, s."""
        return _UPLOAD_UNDER_WAY_S + self.queryable_after_s

    @property
    def _all_uploaded_s(self) -> float:
        """How long after a span's end all its samples can be found, s."""
        return self.upload_interval_s + self._under_way_s

    def _has_ended_long_ago(self, ended_ns: int) -> bool:
        return time.time() - ended_ns / 1e9 > self._all_uploaded_s + _CLOCKS_AGREE_WITHIN_S

    def _merged(self, asked: Sequence[tuple[ProfileQuery, Sequence[str]]], profile_type: str) -> FlameGraph:
        queries = ((replace(query, profile_type=profile_type), profile_ids) for query, profile_ids in asked)
        return reduce(add, (self.pyroscope.span_profile(query, profile_ids) for query, profile_ids in queries))

    def _stand_ins(self, query: ProfileQuery) -> tuple[str, ...]:
        known = self._types.get(query.selector)
        if known is not None and time.monotonic() - known[0] < _REMEMBERED_S:
            return known[1]
        found = stand_ins(types_of(self.pyroscope, query), self.profile_type)
        self._types[query.selector] = time.monotonic(), found
        return found


def types_of(pyroscope: PyroscopeClient, query: ProfileQuery) -> list[str]:
    """Return the types of the profiles that a query's selector finds; none if the server fails.

    A failure here hides nothing: the server has already answered that there are no samples of the first type.
    """
    try:
        series = pyroscope.series(query.start_ms, query.end_ms, [query.selector], [_PROFILE_TYPE])
    except ClientError:
        return []
    return sorted({labels[_PROFILE_TYPE] for labels in series if _PROFILE_TYPE in labels})
