"""The parameters of Tempo's searches, with the real server's refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spanprofiles.embedded.traceql.builder import DURATION_PART, NANOSECONDS
from spanprofiles.embedded.web import AnswerError, text

LARGEST_32 = 2**32 - 1
DEFAULT_LIMIT, DEFAULT_SPANS_PER_SPANSET = 20, 3
LARGEST_LIMIT, MOST_SPANS_PER_SPANSET = 256 * 1024, 100
"""How many traces, and spans of each spanset, a search may ask for; Tempo's defaults."""
SECOND_NS = 10**9
NUMBER = re.compile(r"[0-9]+")
LONGEST_WINDOW_S = 168 * 3600
SECOND_DIGITS = 10
"""A time of more digits than this is one in ns, where both are taken."""
ONE_BOUND = "error parsing date range: only one of start and end provided: must provide both or neither"
NO_TAGS = frozenset({"q", "tags", "minDuration", "maxDuration", "limit", "spss", "start", "end"})


def refusal(message: str) -> AnswerError:
    """Make an answer of 400 with a message in plain text."""
    return AnswerError(text(message, 400))


def _unsigned(name: str, written: str) -> int:
    shown = written[:128].replace('"', "'")
    if not NUMBER.fullmatch(written):
        raise refusal(f'invalid {name}: strconv.ParseUint: parsing "{shown}": invalid syntax')
    if len(written) > 10 or int(written) > LARGEST_32:
        raise refusal(f'invalid {name}: strconv.ParseUint: parsing "{shown}": value out of range')
    return int(written)


def _positive(parameters: Mapping[str, str], name: str, default: int) -> int:
    written = parameters.get(name)
    if not written:
        return default
    number = _unsigned(name, written)
    if number == 0:
        raise refusal(f"invalid {name}: must be a positive number")
    return number


@dataclass(frozen=True)
class Window:
    """A time range in whole seconds since the epoch; zeros for none."""

    start: int = 0
    end: int = 0

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Window:
        """Read the ``start`` and ``end`` of a search: whole seconds, both or neither.

        Raises:
            AnswerError: one is not a number, they are the wrong way round, too far apart, or there is only one.
        """
        start, end = (_unsigned(name, written) if (written := parameters.get(name)) else 0 for name in ("start", "end"))
        if (start or end) and start >= end:
            shown = parameters.get("end") or "0"
            quoted = f'"{shown}"' if parameters.get("end") else shown
            raise refusal(f'http parameter start must be before end. received start="{start}" end={quoted}')
        if end and not parameters.get("start"):
            raise refusal(ONE_BOUND)
        return cls(start, end)._checked()

    @classmethod
    def of_tags(cls, parameters: Mapping[str, str]) -> Window:
        """Read the ``start`` and ``end`` of a question about tags: seconds, nanoseconds, or dates, both or neither.

        Raises:
            AnswerError: one is no time, they are the wrong way round, too far apart, or there is only one.
        """
        written = [parameters.get(name, "") for name in ("start", "end")]
        if not any(written):
            return cls()
        if not all(written):
            raise refusal(ONE_BOUND)
        start, end = (_time(name, text) for name, text in zip(("start", "end"), written, strict=True))
        return cls(start, end)._checked()

    def _checked(self) -> Window:
        """Return the window if it is one, and not too long.

        Raises:
            AnswerError: it is not.
        """
        if not 0 <= self.end - self.start <= LONGEST_WINDOW_S:
            raise refusal(
                f"range specified by start and end exceeds {LONGEST_WINDOW_S // 3600}h0m0s."
                f" received start={self.start} end={self.end}"
            )
        return self

    @property
    def bounds_ns(self) -> tuple[int | None, int | None]:
        """The range in ns; None where it has no bounds."""
        return (self.start * SECOND_NS, self.end * SECOND_NS) if self.start and self.end else (None, None)


def _time(name: str, written: str) -> int:
    """Read a time in whole seconds since the epoch."""
    try:
        if NUMBER.fullmatch(written) and len(written) > SECOND_DIGITS:
            return int(written[:20]) // SECOND_NS
        try:
            return int(float(written))
        except ValueError:
            return int(datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError) as error:
        shown = written[:128].replace('"', "'")
        raise refusal(
            f"error parsing date range: could not parse '{name}' parameter:"
            f' strconv.ParseInt: parsing "{shown}": invalid syntax'
        ) from error


def limit_of(parameters: Mapping[str, str]) -> int | None:
    """Return how many names or values are asked for at most; None for all. What is not a number is no limit."""
    written = parameters.get("limit", "")
    if not NUMBER.fullmatch(written) or len(written) > SECOND_DIGITS:
        return None
    return int(written) or None


def _duration(name: str, written: str | None) -> int:
    if not written:
        return 0
    parts = DURATION_PART.findall(written)
    try:
        if "".join(digits + unit for digits, unit in parts) != written:
            raise ValueError
        return round(sum(float(digits) * NANOSECONDS[unit] for digits, unit in parts))
    except (ValueError, OverflowError) as error:
        raise refusal(f'invalid {name}: time: invalid duration "{written[:128]}"') from error


@dataclass(frozen=True)
class Search:
    """What a search asks for.

    Attributes:
        query: TraceQL; empty for the older form, which has the three attributes after it.
        tags: attributes and the values they must have.
        shortest_ns: the least duration of a trace; 0 for none.
        longest_ns: the greatest duration of a trace; 0 for none.
        limit: how many traces to give at most.
        spans_per_spanset: how many spans of each spanset.
        window: when.
    """

    query: str
    tags: dict[str, str]
    shortest_ns: int
    longest_ns: int
    limit: int
    spans_per_spanset: int
    window: Window

    def takes(self, duration_ns: int) -> bool:
        """Whether a trace of some duration is asked for; TraceQL has words of its own for that."""
        if self.query:
            return True
        return self.shortest_ns <= duration_ns and not 0 < self.longest_ns < duration_ns

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Search:
        """Read the parameters of ``/api/search``.

        Raises:
            AnswerError: one is refused.
        """
        window = Window.of(parameters)
        if parameters.get("q") and parameters.get("tags"):
            raise refusal("invalid request: can't specify tags and q in the same query")
        shortest = _duration("minDuration", parameters.get("minDuration"))
        longest = _duration("maxDuration", parameters.get("maxDuration"))
        if shortest and longest and shortest > longest:
            raise refusal("invalid maxDuration: must be greater than minDuration")
        spans = _unsigned("spss", written) if (written := parameters.get("spss")) else 0
        limit = _positive(parameters, "limit", DEFAULT_LIMIT)
        if limit > LARGEST_LIMIT:
            raise refusal(f"limit {limit} exceeds max limit {LARGEST_LIMIT}")
        if spans > MOST_SPANS_PER_SPANSET:
            raise refusal(f"spans per span set exceeds {MOST_SPANS_PER_SPANSET}. received {spans}")
        return cls(
            query=parameters.get("q", ""),
            tags=_tags_of(parameters, window),
            shortest_ns=shortest,
            longest_ns=longest,
            limit=limit,
            spans_per_spanset=spans or DEFAULT_SPANS_PER_SPANSET,
            window=window,
        )


def _tags_of(parameters: Mapping[str, str], window: Window) -> dict[str, str]:
    """Read the tags of the older form of search; in the oldest, each is a parameter of its own."""
    written = parameters.get("tags", "")
    if written or parameters.get("q") or window.start or window.end:
        return _tags(written)
    return {name: value for name, value in parameters.items() if name not in NO_TAGS and value}


def _tags(written: str) -> dict[str, str]:
    """Tags in logfmt: ``key=value other="a value"``."""
    found: dict[str, str] = {}
    position = 0
    pattern = re.compile(r'\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)')
    written = written.strip()
    while position < len(written):
        match = pattern.match(written, position)
        if match is None:
            raise refusal(f"invalid tags: logfmt syntax error at pos {position + 1}")
        if match[1] in found:
            raise refusal(f"invalid tags: tag {match[1]} has been set twice")
        found[match[1]] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        position = match.end()
    return found
