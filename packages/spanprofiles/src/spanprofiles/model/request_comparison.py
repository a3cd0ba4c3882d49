"""Whether requests use more CPU than before, and which functions do.

The unit is the request. Each request gives a value for its own CPU and two for each function, its own code and what it
called, and all of these quantities are compared at once by :mod:`spanprofiles.model.permutation`. So the error is that
of the whole report, however many functions there are.

A change that is no chance need not matter. Two starts of the same program differ by a few per cent for as long as they
live, and with enough requests any difference is significant. So a regression must reach the threshold as well
(:mod:`spanprofiles.model.comparison_verdict`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.model import estimates, sampling
from spanprofiles.model.comparison import Basis, Change, Comparison, ComparisonVerdict, FunctionComparison
from spanprofiles.model.comparison_verdict import verdict_of
from spanprofiles.model.intervals import Interval, difference_interval, ratio_interval
from spanprofiles.model.measurement import MeasuredRequest, Measurement
from spanprofiles.model.permutation import DEALS, permutation_test

#: Growth of the request's CPU, as a part of it, from which on it is a regression.
THRESHOLD = 0.1

#: Probability that a report of equal requests claims any change.
ERROR = 0.005

_UNIFORM = "; no function's share of it changed for sure, as if the machine had been slower or busier"

# A rarer error takes more deals to tell, and they take their time: seconds.
_MOST_DEALS = 40_000


def compare_measurements(
    base: Measurement,
    head: Measurement,
    *,
    threshold: float = THRESHOLD,
    basis: Basis = Basis.CPU,
    seed: int = 0,
    error: float = ERROR,
) -> Comparison:
    """Compare two measurements of the same request. The same input gives the same report.

    Args:
        base: the requests as they were.
        head: the requests as they are.
        threshold: the smallest growth that is a regression, as a part of the request's CPU; above 0.
        basis: what to compare. Times compare on equal machines only.
        seed: the seed of the random deals.
        error: probability that a change is claimed where there is none, such as a part of :data:`ERROR` in a report of
            several comparisons.

    Raises:
        ValueError: the threshold is not positive, or the measurements are of different profile types.
    """
    types = {side.flamegraph.profile_type for side in (base, head) if not side.flamegraph.is_empty}
    if len(types) > 1:
        raise ValueError(f"profiles of different types do not compare: {' and '.join(sorted(types))}")
    return compare_requests(base.requests, head.requests, threshold=threshold, basis=basis, seed=seed, error=error)


def compare_requests(
    base: Sequence[MeasuredRequest],
    head: Sequence[MeasuredRequest],
    *,
    threshold: float = THRESHOLD,
    basis: Basis = Basis.CPU,
    seed: int = 0,
    error: float = ERROR,
) -> Comparison:
    """Compare requests before with requests after; see :func:`compare_measurements`.

    Raises:
        ValueError: the threshold is not positive.
    """
    if not (threshold > 0 and math.isfinite(threshold)):
        raise ValueError(f"a threshold must be a number above 0, and {threshold} is not")
    names = sorted({name for request in (*base, *head) for name in request.functions})
    before, after = _Side.of(base, names), _Side.of(head, names)
    changes = _changes(before, after, basis, seed, error)
    functions = [
        FunctionComparison(name, own, total)
        for name, own, total in zip(names, changes[1::2], changes[2::2], strict=True)
    ]
    functions.sort(key=_rank)
    is_uniform = basis is Basis.CPU and changes[0].is_significant and not any(_shares_changed(before, after, seed))
    said = verdict_of(changes[0], functions, min(len(base), len(head)), threshold, basis)
    return Comparison(
        said.verdict,
        said.reason + (_UNIFORM if is_uniform and said.verdict is ComparisonVerdict.REGRESSION else ""),
        basis,
        threshold,
        changes[0],
        tuple(functions),
        len(base),
        len(head),
        said.more,
        is_uniform,
    )


@dataclass(frozen=True)
class _Side:
    """The requests of one side.

    Attributes:
        columns: the values of each quantity: the request's CPU, then own code and total of each function, ns.
        sample_ns: what a sample stands for, ns.
    """

    columns: Sequence[Sequence[float]]
    sample_ns: float

    @classmethod
    def of(cls, requests: Sequence[MeasuredRequest], names: Sequence[str]) -> _Side:
        places = {name: 2 * number + 1 for number, name in enumerate(names)}
        columns = [[0.0] * len(requests) for _ in range(2 * len(names) + 1)]
        for number, request in enumerate(requests):
            columns[0][number] = float(request.cpu_ns)
            for name, cost in request.functions.items():
                columns[places[name]][number] = float(cost.self_ns)
                columns[places[name] + 1][number] = float(cost.total_ns)
        samples = sum(request.samples for request in requests)
        whole = math.fsum(columns[0])
        return cls(columns, whole / samples if samples and whole else float(sampling.SAMPLE_PERIOD_NS))

    @property
    def requests(self) -> int:
        return len(self.columns[0])

    @property
    def cpu_ns(self) -> float:
        """CPU of a request, ns, on average; 0 of none."""
        return statistics.fmean(self.columns[0]) if self.columns[0] else 0.0


def _changes(before: _Side, after: _Side, basis: Basis, seed: int, error: float) -> list[Change]:
    """Return the change of each quantity, in the order of the columns."""
    tested = [*map(list, before.columns)], [*map(list, after.columns)]
    if basis is Basis.SHARE:
        tested = _deviations(before, after)
    result = permutation_test(
        [[*first, *second] for first, second in zip(*tested, strict=True)],
        before.requests,
        error,
        seed=seed,
        deals=min(_MOST_DEALS, math.ceil(DEALS * max(1.0, ERROR / error))),
    )
    found = []
    for place, significant in enumerate(result.significant):
        base, around = _estimate(before, place, basis)
        head, about = _estimate(after, place, basis)
        if around is None or about is None:
            found.append(Change(base, head, None, None, is_significant=False))
            continue
        ratio = ratio_interval(base, around, head, about)
        found.append(
            Change(
                base,
                head,
                difference_interval(base, around, head, about),
                None if ratio is None else Interval(ratio.low - 1, ratio.high - 1),
                significant,
            )
        )
    return found


def _shares_changed(before: _Side, after: _Side, seed: int) -> list[bool]:
    """Return whether each quantity's share changed by more than chance, in the order of the columns."""
    columns = [[*first, *second] for first, second in zip(*_deviations(before, after), strict=True)]
    return permutation_test(columns, before.requests, ERROR, seed=seed).significant


def _deviations(before: _Side, after: _Side) -> tuple[list[list[float]], list[list[float]]]:
    """Return for each quantity how far each request is from its share of both sides, as parts of a request's CPU.

    Their means differ between the sides by the difference of the shares.
    """
    sides: tuple[list[list[float]], list[list[float]]] = ([], [])
    whole = [math.fsum(side.columns[0]) for side in (before, after)]
    for place in range(len(before.columns)):
        shares = [
            math.fsum(side.columns[place]) / total for side, total in zip((before, after), whole, strict=True) if total
        ]
        share = statistics.fmean(shares) if shares else 0.0
        for values, side in zip(sides, (before, after), strict=True):
            cpu_ns = side.cpu_ns or 1.0
            pairs = zip(side.columns[place], side.columns[0], strict=True)
            values.append([(part - share * each) / cpu_ns for part, each in pairs])
    return sides


def _estimate(side: _Side, place: int, basis: Basis) -> estimates.Estimate:
    """Return the mean of a quantity, or its share of the CPU, and its interval."""
    column, cpu = side.columns[place], side.columns[0]
    if basis is Basis.CPU:
        return estimates.mean(column, side.sample_ns)
    if place == 0 and any(cpu):
        return estimates.Estimate(1.0, Interval(1.0, 1.0))
    return estimates.share(column, cpu, side.sample_ns)


def _rank(function: FunctionComparison) -> tuple[object, ...]:
    own, total = function.self, function.total
    if own.grew or total.grew:
        return 0, not own.grew, -own.change, -abs(total.change), function.name
    shrank = own.shrank or total.shrank
    return 1 if shrank else 2, not own.is_significant, -abs(own.change), -abs(total.change), function.name
