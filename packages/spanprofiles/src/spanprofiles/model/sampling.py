"""How agents sample, when a span may have no samples by chance, and how many samples a value stands for."""

from __future__ import annotations

import math
from collections.abc import Collection

#: Time between two samples of the usual 100 a second, ns.
SAMPLE_PERIOD_NS = 10_000_000

#: Work of fewer sample periods may have no sample by chance. The moments are random, 100 a second on average: three
#: periods of CPU are missed one time in twenty.
FEW_PERIODS = 3

#: Work of so many periods has samples: it is missed less than once in a hundred times.
MANY_PERIODS = 5

#: Variance of the number of samples of equal work, as a part of its mean. Independent moments have 1, and 0.8 to 1.1
#: was measured on a quiet machine, bursts included. Where threads wait for a processor, whole chunks of waiting fall to
#: the function that runs then: 1.5 was measured where they wait for half of the time (docs/explanation/statistics.md).
DISPERSION = 1.0

# No profiler samples more often than this: what divides values more finely is no period.
_SHORTEST_PERIOD_NS = 1_000_000

# So many values that are all multiples of a longer period than the usual are no coincidence.
_TELLING_VALUES = 8


def is_too_short(work_ns: int) -> bool:
    """Tell whether work of that length, ns, may have no sample by chance although it computes all the time."""
    return work_ns < FEW_PERIODS * SAMPLE_PERIOD_NS


def most_by_chance(work_ns: int) -> int:
    """Return the most CPU, ns, that a thread which computes for so long is found to use, 39 times in 40.

    Samples come at random moments, and each counts for a whole period.
    """
    expected = work_ns / SAMPLE_PERIOD_NS
    return round((expected + 2 * math.sqrt(expected) + 1) * SAMPLE_PERIOD_NS)


def sample_value(values: Collection[int], unit: str, *, is_time: bool) -> float | None:
    """Return the value of one sample, from the values of call paths, which are whole samples each.

    A profile's period does not come with a flame graph. Agents that sample at a fixed rate give each sample the same
    value, so the values' greatest common divisor is a period, or several; too few samples are assumed then rather than
    too many. Values that have none were measured or weighted, and the number of their samples is unknown.

    Args:
        values: positive values.
        unit: their unit, such as ``nanoseconds`` or ``count``.
        is_time: whether they are time, or samples taken in time.
    """
    if unit == "count" and is_time:
        return 1.0
    if unit != "nanoseconds":
        return None
    if not values:
        return float(SAMPLE_PERIOD_NS)
    divisor = math.gcd(*values)
    if divisor % SAMPLE_PERIOD_NS == 0 and len(values) < _TELLING_VALUES:
        return float(SAMPLE_PERIOD_NS)
    return float(divisor) if divisor >= _SHORTEST_PERIOD_NS else None
