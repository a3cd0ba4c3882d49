"""The report of a comparison: a verdict, what a request used before and after, and what each function did.

:func:`spanprofiles.model.request_comparison.compare_measurements` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from spanprofiles.model.intervals import Interval


class ComparisonVerdict(Enum):
    """What a comparison says."""

    REGRESSION = "regression"
    NO_REGRESSION = "no regression"
    CANNOT_SAY = "cannot say"


class Basis(Enum):
    """What is compared."""

    CPU = "cpu"
    """CPU of a request, ns."""

    SHARE = "share"
    """Shares of the requests' CPU, 0 to 1: for machines of which one is faster than the other."""


@dataclass(frozen=True)
class Change:
    """A quantity on both sides.

    Attributes:
        base: its mean over the requests of the base: ns, or a share, by the comparison's basis.
        head: the same of the head.
        interval: 95 % interval of ``head - base``; None where a side has fewer than two requests, or no CPU at all to
            take a share of.
        relative_interval: 95 % interval of ``head / base - 1``; None where the base has nothing of it too.
        is_significant: whether it changed by more than chance, all quantities of the report considered together.
    """

    base: float
    head: float
    interval: Interval | None
    relative_interval: Interval | None
    is_significant: bool

    @property
    def change(self) -> float:
        """How much it grew; negative if it shrank."""
        return self.head - self.base

    @property
    def relative(self) -> float | None:
        """How much it grew as a part of the base; None where the base has nothing of it."""
        return self.change / self.base if self.base else None

    @property
    def grew(self) -> bool:
        """Whether it grew by more than chance."""
        return self.is_significant and self.change > 0

    @property
    def shrank(self) -> bool:
        """Whether it shrank by more than chance."""
        return self.is_significant and self.change < 0


@dataclass(frozen=True)
class FunctionComparison:
    """A function on both sides.

    Attributes:
        name: the function.
        self: its own code.
        total: the function and what it called.
    """

    name: str
    self: Change
    total: Change

    @property
    def is_significant(self) -> bool:
        """Whether its own code, or what it called, changed by more than chance."""
        return self.self.is_significant or self.total.is_significant


@dataclass(frozen=True)
class Comparison:
    """The report of a comparison.

    Attributes:
        verdict: what it says.
        reason: why, as a sentence with figures.
        basis: what was compared.
        threshold: the smallest growth that is a regression, as a part of the request's CPU.
        request: the CPU of a request. By shares it is 1 on both sides.
        functions: all functions: first those that grew for sure, by how much their own code grew; then those that
            shrank for sure; then the others, the largest change first.
        base_requests: requests of the base.
        head_requests: requests of the head.
        more_requests: how many more requests each side needs for a verdict; 0 where there is one; None where it cannot
            be told, because there are no samples.
        is_uniform: whether the request's CPU changed for sure and no function's share of it did. A machine that is
            slower or busier than the other looks like that, and so does a request that does all its work twice.
    """

    verdict: ComparisonVerdict
    reason: str
    basis: Basis
    threshold: float
    request: Change
    functions: tuple[FunctionComparison, ...]
    base_requests: int
    head_requests: int
    more_requests: int | None = 0
    is_uniform: bool = False

    @property
    def changed(self) -> list[FunctionComparison]:
        """The functions that changed for sure, in the order of :attr:`functions`."""
        return [function for function in self.functions if function.is_significant]

    @cached_property
    def top_regression(self) -> FunctionComparison | None:
        """The function whose own code grew most for sure, or else the one whose total did; None if none grew."""
        return next((row for row in self.functions if row.self.grew or row.total.grew), None)
