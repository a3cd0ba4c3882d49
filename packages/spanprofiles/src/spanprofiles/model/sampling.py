"""How agents sample, and when a span may have no samples by chance."""

from __future__ import annotations

import math

#: Time between two samples of the usual 100 a second, ns.
SAMPLE_PERIOD_NS = 10_000_000

#: Work of fewer sample periods may have no sample by chance. The moments are random, 100 a second on average: three
#: periods of CPU are missed one time in twenty.
FEW_PERIODS = 3

#: Work of so many periods has samples: it is missed less than once in a hundred times.
MANY_PERIODS = 5


def is_too_short(work_ns: int) -> bool:
    """Tell whether work of that length, ns, may have no sample by chance although it computes all the time."""
    return work_ns < FEW_PERIODS * SAMPLE_PERIOD_NS


def most_by_chance(work_ns: int) -> int:
    """Return the most CPU, ns, that a thread which computes for so long is found to use, 39 times in 40.

    Samples come at random moments, and each counts for a whole period.
    """
    expected = work_ns / SAMPLE_PERIOD_NS
    return round((expected + 2 * math.sqrt(expected) + 1) * SAMPLE_PERIOD_NS)
