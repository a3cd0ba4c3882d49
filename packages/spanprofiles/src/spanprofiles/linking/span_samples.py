"""Asks for the samples of spans: CPU time or, if that has no samples of them, another type of time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient
from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model.profile_types import stand_ins

_PROFILE_TYPE = "__profile_type__"

# Which types of profiles a service has is asked again after so many seconds.
_REMEMBERED_S = 1.0


class SpanSamples:
    """Asks one Pyroscope, and remembers for a moment which types of profiles a service has.

    Args:
        profile_type: the type to ask for. CPU time, the default, has stand-ins: wall time and counts of samples. Any
            other type has none.
    """

    def __init__(self, profile_type: str = CPU) -> None:
        self._profile_type = profile_type
        self._types: dict[str, tuple[float, tuple[str, ...]]] = {}

    def of(self, pyroscope: PyroscopeClient, asked: Sequence[tuple[ProfileQuery, Sequence[str]]]) -> FlameGraph:
        """Return the samples of all spans together; their ``profile_type`` tells which type they are.

        Args:
            pyroscope: the server to ask.
            asked: queries, each with the profile IDs to ask for; at least one.

        Raises:
            IdentifierError: a profile ID is malformed.
            ClientError: Pyroscope failed.
        """
        found = _merged(pyroscope, asked, self._profile_type)
        if not found.is_empty or self._profile_type != CPU:
            return found
        for profile_type in dict.fromkeys(
            profile_type for query, _ in asked for profile_type in self._stand_ins(pyroscope, query)
        ):
            instead = _merged(pyroscope, asked, profile_type)
            if not instead.is_empty:
                return instead
        return found

    def _stand_ins(self, pyroscope: PyroscopeClient, query: ProfileQuery) -> tuple[str, ...]:
        asked_s, known = self._types.get(query.selector, (-_REMEMBERED_S, ()))
        if time.monotonic() - asked_s < _REMEMBERED_S:
            return known
        known = stand_ins(types_of(pyroscope, query), self._profile_type)
        self._types[query.selector] = time.monotonic(), known
        return known


def types_of(pyroscope: PyroscopeClient, query: ProfileQuery) -> list[str]:
    """Return the types of the profiles that a query's selector finds; none if the server fails.

    A failure here hides nothing: the server has already answered that there are no samples of the first type.
    """
    try:
        series = pyroscope.series(query.start_ms, query.end_ms, [query.selector], [_PROFILE_TYPE])
    except ClientError:
        return []
    return sorted({labels[_PROFILE_TYPE] for labels in series if _PROFILE_TYPE in labels})


def _merged(
    pyroscope: PyroscopeClient, asked: Sequence[tuple[ProfileQuery, Sequence[str]]], profile_type: str
) -> FlameGraph:
    found = (pyroscope.span_profile(replace(query, profile_type=profile_type), ids) for query, ids in asked)
    return reduce(add, found)
