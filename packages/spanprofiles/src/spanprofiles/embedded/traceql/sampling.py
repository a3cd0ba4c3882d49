"""Which spans or traces a metrics query with ``with (sample=...)`` looks at, and how its result is scaled up."""

from __future__ import annotations

import math
from collections.abc import Mapping

from spanprofiles.embedded.traceql import values
from spanprofiles.embedded.traceql.values import Static

MOST = 10
"""The adaptive sampler looks at one in so many at least."""


class Sampler:
    """Looks at the first of every so many.

    Args:
        every: of how many spans one is read; None where that follows from how many of them the query finds.
    """

    def __init__(self, every: int | None) -> None:
        self._adapts = every is None
        self._every = every or 1
        self._turn = -1
        self._measured = 0
        self.sampled = self.skipped = 0

    def takes(self) -> bool:
        """Whether the next span is read."""
        sample = True
        if not self._adapts or self._measured:
            self._turn = (self._turn + 1) % self._every
            sample = self._turn == 0
        if sample:
            self.sampled += 1
        else:
            self.skipped += 1
        return sample

    def measured(self, count: int) -> None:
        """Note how many more of the spans that were read count."""
        self._measured += count
        if self._adapts and self.sampled and self._measured:
            self._every = min(math.ceil(self._measured / self.sampled * 10), MOST)

    @property
    def factor(self) -> float:
        """How many each of them stands for."""
        return (self.sampled + self.skipped) / self.sampled if self.sampled else 1.0


def samplers_of(hints: Mapping[str, Static], *, by_trace: bool) -> tuple[Sampler | None, Sampler | None]:
    """Make the samplers of traces and of spans that a query asks for.

    Args:
        hints: what the query says in ``with (...)``.
        by_trace: whether it needs traces as a whole.
    """
    traces = _by_share(hints.get("trace_sample"))
    spans = _by_share(hints.get("span_sample"))
    hint = hints.get("sample")
    sampler = Sampler(None) if hint == values.TRUE else _by_share(hint)
    if sampler is None:
        return traces, spans
    return (sampler, spans) if by_trace else (traces, sampler)


def _by_share(hint: Static | None) -> Sampler | None:
    """Make the sampler that looks at a share of all; none where that is no share."""
    if hint is None or hint[0] not in {values.FLOAT, values.INTEGER} or not 0 < hint[1] < 1:
        return None
    return Sampler(int(1 / hint[1]))
