"""Claims about a flame graph's figures: what they were compared with, and whether the samples can decide it.

A test writes ``assert span.flamegraph.share("f") > 0.5``, and where that fails, nothing but two numbers is left of it.
So the numbers that a flame graph answers with remember what they are compared with. In all else they are plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spanprofiles.model import estimate_text
from spanprofiles.model.amounts import percent
from spanprofiles.model.request_numbers import requests_to_decide_share, requests_to_decide_total

if TYPE_CHECKING:
    from spanprofiles.model.flamegraph import FlameGraph
    from spanprofiles.model.intervals import Interval

Note = Callable[[float], object]
"""Is called with each number that a figure is compared with."""

#: A number of requests that is larger helps nobody.
MOST_REQUESTS = 100_000


@dataclass(frozen=True)
class Claim:
    """A comparison of a figure of a flame graph with a number.

    Attributes:
        flamegraph: the flame graph.
        subject: what the figure is, in words: ``the share of f``.
        value: the value of the flame graph that the figure is made of.
        bound: what it was compared with: a share from 0 to 1, or a value.
        is_share: whether the figure is the value's share of the whole.
    """

    flamegraph: FlameGraph
    subject: str
    value: int
    bound: float
    is_share: bool

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the figure; None if the samples cannot be counted."""
        if self.is_share:
            return self.flamegraph.interval_of_share(self.value)
        return self.flamegraph.interval_of(self.value)

    @property
    def is_undecided(self) -> bool:
        """Whether the samples leave it open on which side of the bound the truth lies."""
        interval = self.interval
        return interval is not None and interval.covers(self.bound)

    def requests_to_decide(self, requests: int = 1) -> int | None:
        """Return how many requests would decide it, if it is what it seems; None if no number does.

        Args:
            requests: how many requests the flame graph is of.
        """
        graph = self.flamegraph
        if not graph.sample_value or not graph.total:
            return None
        if self.is_share:
            samples = graph.total / graph.sample_value / requests
            return requests_to_decide_share(self.value / graph.total, self.bound, samples)
        return requests_to_decide_total(self.value / requests, self.bound / requests, graph.sample_value)

    def sentence(self, requests: int = 1) -> str:
        """Say what was compared with what, how well it is known, and what would decide it.

        Args:
            requests: how many requests the flame graph is of.
        """
        graph = self.flamegraph
        if self.is_share:
            figure, bound = graph.share_of(self.value), percent(self.bound)
        else:
            figure, bound = graph.amount_of(self.value), graph.as_text(round(self.bound))
        compared = f"{self.subject} is {figure}, and was compared with {bound}"
        if not self.is_undecided:
            return compared
        samples = estimate_text.samples(graph.samples or 0)
        needed = self.requests_to_decide(requests)
        if needed is None or needed > MOST_REQUESTS:
            return f"{compared}: {samples} cannot decide that, nor would a sensible number of requests"
        like = "this one" if requests == 1 else "these"
        return (
            f"{compared}: {samples} cannot decide that; about {max(needed, requests + 1):,} requests like {like} would"
        )


class ClaimedShare(float):
    """A share that notes what it is compared with."""

    _note: Note

    def __new__(cls, value: float, note: Note) -> ClaimedShare:
        """Make it.

        Args:
            value: the share, 0 to 1.
            note: is called with each number that it is compared with.
        """
        share = super().__new__(cls, value)
        share._note = note
        return share

    def __lt__(self, other: float, /) -> bool:
        """Compare, and note it."""
        return super().__lt__(_noted(other, self._note))

    def __le__(self, other: float, /) -> bool:
        """Compare, and note it."""
        return super().__le__(_noted(other, self._note))

    def __gt__(self, other: float, /) -> bool:
        """Compare, and note it."""
        return super().__gt__(_noted(other, self._note))

    def __ge__(self, other: float, /) -> bool:
        """Compare, and note it."""
        return super().__ge__(_noted(other, self._note))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy it as the plain number."""
        return float, (float(self),)


class ClaimedValue(int):
    """A value that notes what it is compared with."""

    _note: Note

    def __new__(cls, value: int, note: Note) -> ClaimedValue:
        """Make it.

        Args:
            value: the value, in the unit of the flame graph.
            note: is called with each number that it is compared with.
        """
        claimed = super().__new__(cls, value)
        claimed._note = note
        return claimed

    def __lt__(self, other: int, /) -> bool:
        """Compare, and note it."""
        return super().__lt__(_noted(other, self._note))

    def __le__(self, other: int, /) -> bool:
        """Compare, and note it."""
        return super().__le__(_noted(other, self._note))

    def __gt__(self, other: int, /) -> bool:
        """Compare, and note it."""
        return super().__gt__(_noted(other, self._note))

    def __ge__(self, other: int, /) -> bool:
        """Compare, and note it."""
        return super().__ge__(_noted(other, self._note))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy it as the plain number."""
        return int, (int(self),)


def _noted(other: Any, note: Note) -> Any:
    """Note a number that a figure is compared with, and return it."""
    if type(other) in {int, float}:  # another figure of a flame graph is no bound: it has an uncertainty of its own
        note(other)
    return other
