"""Random queries over the recorded data: TraceQL that makes sense, or nearly, and label selectors.

Left out is what Tempo 3.0.3 itself answers by chance or not at all (docs/reference/embedded-differences.md): `= nil` on
attributes without a text column of their own, arithmetic on lists, and `span:childCount`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from spanprofiles.clients.probe import PROBE_SERVICE

STRINGS: dict[str, Sequence[str]] = {
    "resource.service.name": ("rec-rideshare", "rec-payments", "rec-types", "rec-orphan", "none"),
    "resource.region": ("eu", "us", "eu-north"),
    "resource.host.name": ("h1", "h2"),
    "resource.deployment.environment": ("test", "prod"),
    "span.http.request.method": ("GET", "POST"),
    "span.http.route": ("/bike", "/car", "/"),
    "span.pyroscope.profile.id": ("a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2", "0000000000000001"),
    "span.vehicle": ("bike", "car"),
    "span.s": ("x", "", "nil"),
    "span.list": ("p", "q", "x"),
    ".region": ("eu", "us"),
    ".vehicle": ("bike", "car"),
    "event.exception.type": ("ValueError", "Timeout"),
    "event.exception.message": ("boom", "no bike"),
    "link.why": ("follows", "x"),
    "name": ("GET /bike", "find_nearest_vehicle", "charge", "GET", "bare"),
    "statusMessage": ("", "boom"),
    "rootName": ("GET /bike", "bare"),
    "rootServiceName": ("rec-rideshare", "rec-types"),
    "event:name": ("exception", "found"),
    "instrumentation:name": ("opentelemetry.instrumentation.flask", "other.scope", ""),
}
NUMBERS: dict[str, Sequence[str]] = {
    "span.http.response.status_code": ("200", "404", "500"),
    "span.i": ("0", "-7", "7"),
    "span.ints": ("1", "2", "3"),
    "span.f": ("0.25", "0.5"),
    "span.km": ("1.5", "2", "0.1"),
    "span.tried": ("250", "3"),
    ".i": ("-7", "7"),
    "nestedSetLeft": ("1", "2"),
    "nestedSetParent": ("-1", "1"),
}
DURATIONS = ("duration", "span:duration", "traceDuration", "trace:duration", "event:timeSinceStart")
KEYWORDS: dict[str, Sequence[str]] = {
    "status": ("ok", "error", "unset"),
    "kind": ("server", "client", "internal", "producer", "consumer", "unspecified"),
    "span.b": ("true", "false"),
    "span.found": ("true", "false"),
}
LENGTHS = ("0s", "1ms", "50ms", "100ms", "1s", "1500us")
PATTERNS = (".*", "rec.*", "(GET|POST) .*", "bike|car", "[a-e].*", "", "nil", "e.")
COLUMNS = ("span.http.request.method", "span.http.route")
ORDER = ("=", "!=", ">", ">=", "<", "<=")
RELATIONS = ("&&", "||", ">>", "<<", ">", "<", "~", "!>>", "!<<", "!>", "!<", "!~", "&>>", "&<<", "&>", "&<", "&~")
TYPES = (
    "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
    "process_cpu:samples:count:cpu:nanoseconds",
    "memory:alloc_space:bytes:space:bytes",
)
LABELS: dict[str, Sequence[str]] = {
    "service_name": ("rec-rideshare", "rec-dots", "rec-split", "rec-tree", "unknown_service", ""),
    "region": ("eu", "us", ""),
    "endpoint": ("/a", "/b", ""),
    '"host.name"': ("h1", ""),
    '"a b"': ("c", ""),
    "span_name": ("GET /bike", ""),
    "__profile_type__": TYPES,
    "missing": ("", "x"),
}
SPAN_IDS = ("a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2", "c3c3c3c3c3c3c3c3", "A1A1A1A1A1A1A1A1", "0000000000000001")


class TraceQL:
    """Makes random TraceQL.

    Args:
        seed: of the random numbers: the same seed makes the same queries.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def _quoted(self, text: str) -> str:
        return f"`{text}`" if self._random.random() < 0.1 else f'"{text}"'

    def _text_comparison(self) -> str:
        name = self._random.choice(list(STRINGS))
        if self._random.random() < 0.35:
            return f"{name} {self._random.choice(('=~', '!~'))} {self._quoted(self._random.choice(PATTERNS))}"
        operator = self._random.choice(("=", "=", "=", "!=", ">", "<="))
        return f"{name} {operator} {self._quoted(self._random.choice(STRINGS[name]))}"

    def _number_comparison(self) -> str:
        name = self._random.choice(list(NUMBERS))
        left = name
        if name != "span.ints" and self._random.random() < 0.25:
            left = f"{name} {self._random.choice('+-*/%')} {self._random.choice(('1', '2', '0.5', '3'))}"
        return f"{left} {self._random.choice(ORDER)} {self._random.choice(NUMBERS[name])}"

    def _duration_comparison(self) -> str:
        return f"{self._random.choice(DURATIONS)} {self._random.choice(ORDER)} {self._random.choice(LENGTHS)}"

    def _keyword_comparison(self) -> str:
        name = self._random.choice(list(KEYWORDS))
        return f"{name} {self._random.choice(('=', '!='))} {self._random.choice(KEYWORDS[name])}"

    def _presence(self) -> str:
        if self._random.random() < 0.3:
            return f"{self._random.choice(COLUMNS)} = nil"
        return f"{self._random.choice([*STRINGS, *NUMBERS, 'span.b', 'span.nowhere'])} != nil"

    def comparison(self) -> str:
        """One comparison of an attribute."""
        made: Sequence[Callable[[], str]] = (
            self._text_comparison,
            self._text_comparison,
            self._number_comparison,
            self._duration_comparison,
            self._keyword_comparison,
            self._presence,
        )
        return self._random.choice(made)()

    def expression(self, depth: int = 2) -> str:
        """A condition on a span."""
        roll = self._random.random()
        if depth == 0 or roll < 0.5:
            return self.comparison()
        if roll < 0.58:
            return f"!({self.expression(depth - 1)})"
        joined = f"{self.expression(depth - 1)} {self._random.choice(('&&', '||'))} {self.expression(depth - 1)}"
        return f"({joined})" if self._random.random() < 0.4 else joined

    def spanset(self, depth: int = 2) -> str:
        """Spansets and what relates them."""
        roll = self._random.random()
        if depth == 0 or roll < 0.6:
            return "{ }" if roll < 0.06 else f"{{ {self.expression()} }}"
        joined = f"{self.spanset(depth - 1)} {self._random.choice(RELATIONS)} {self.spanset(depth - 1)}"
        return f"({joined})" if depth < 2 and self._random.random() < 0.6 else joined

    def _stage(self) -> str:
        number = self._random.choice(list(NUMBERS))
        length = self._random.choice(("duration", "traceDuration"))
        operator = self._random.choice(ORDER)
        aggregate = self._random.choice(("avg", "min", "max", "sum"))
        made = (
            f"count() {operator} {self._random.randint(0, 4)}",
            f"{aggregate}({number}) {operator} {self._random.choice(('0', '1', '2.5', '200'))}",
            f"{aggregate}({length}) {operator} {self._random.choice(LENGTHS)}",
            f"by({self._random.choice([*STRINGS, 'status', 'kind', number])})",
            f"select({self._random.choice([*STRINGS, *NUMBERS, 'status', 'duration'])})",
            f"select({self._random.choice(list(STRINGS))}, {self._random.choice(list(NUMBERS))})",
            f"{{ {self.expression(1)} }}",
            "coalesce()",
        )
        return self._random.choice(made)

    def query(self) -> str:
        """A whole query."""
        stages = [self.spanset(), *(self._stage() for _ in range(self._random.choice((0, 0, 0, 1, 1, 2))))]
        return " | ".join(stages)


class ProfileQueries:
    """Makes random calls of Pyroscope's querier.

    Args:
        seed: of the random numbers.
        now_ms: when the data was sent.
    """

    def __init__(self, seed: int, now_ms: int) -> None:
        self._random = random.Random(seed)
        self._now_ms = now_ms

    def selector(self) -> str:
        """A label selector, without what the harness sends to see whether a server works, and what has no time."""
        matchers = [f'service_name!~"{PROBE_SERVICE}|rec-notime"']
        for _ in range(self._random.choice((0, 1, 1, 2, 3))):
            name = self._random.choice(list(LABELS))
            operator = self._random.choice(("=", "=", "!=", "=~", "!~"))
            values = PATTERNS if "~" in operator else LABELS[name]
            matchers.append(f'{name}{operator}"{self._random.choice(values)}"')
        return f"{{{', '.join(matchers)}}}"

    def _window(self) -> dict[str, int]:
        start = self._now_ms - self._random.choice((3_000_000, 400_000, 100_000))
        return {"start": start, "end": self._now_ms + self._random.choice((0, 60_000))}

    def call(self) -> tuple[str, dict[str, Any]]:
        """(method, body) of a call."""
        selection = {
            "profileTypeID": self._random.choice((TYPES[0], TYPES[0], *TYPES)),
            "labelSelector": self.selector(),
            **self._window(),
        }
        spans = self._random.sample(SPAN_IDS, self._random.choice((1, 1, 2)))
        group_by = self._random.sample(
            ("service_name", "region", "endpoint", "span_name"), self._random.choice((0, 1, 2))
        )
        name = self._random.choice(("service_name", "region", "span_name"))
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("SelectMergeSpanProfile", selection | {"spanSelector": spans}),
            ("SelectMergeStacktraces", selection),
            ("SelectMergeStacktraces", selection | {"spanSelector": spans}),
            ("SelectMergeProfile", selection),
            ("SelectSeries", selection | {"step": self._random.choice((10, 15, 60)), "groupBy": group_by}),
            ("Series", {"matchers": [self.selector()], "labelNames": group_by, **self._window()}),
            ("LabelNames", {"matchers": [self.selector()], **self._window()}),
            ("LabelValues", {"name": name, "matchers": [self.selector()], **self._window()}),
        )  # fmt: skip
        return self._random.choice(calls)
