"""Draws measurements as an agent would make them: what a function really costs is known, and the samples are chance.

Exercises about chance need many different recordings with a known truth. An agent looks at random moments, about 100 a
second. So the number of samples of a piece of work is drawn from a Poisson distribution around what the work costs, in
sample periods of 10 ms; and each request does a little more or less than the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from random import Random

from spanprofiles.model import (
    CPU,
    FlameGraph,
    FunctionCpu,
    MeasuredRequest,
    Measurement,
    MeasurementEnvironment,
)
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS

SPREAD = 0.08
"""Standard deviation of how much more or less than the others a request does, as a part of it."""

_HOST, _AGENT, _RUNTIME = "workshop", "drawn, not measured", "CPython"
_START_NS = 1_700_000_000_000_000_000
_BETWEEN_NS = 1_000_000_000

Path = tuple[str, ...]


def drawn_measurement(
    random: Random, name: str, work: Mapping[Path, float], *, requests: int, service: str, version: str = ""
) -> Measurement:
    """Return a measurement of a request.

    Args:
        random: draws it.
        name: what was measured.
        work: by call path, outermost function first, how many samples its own code has in a request on average.
        requests: how many requests.
        service: ``service.name``.
        version: the app's version.
    """
    merged: Counter[Path] = Counter()
    drawn: list[MeasuredRequest] = []
    for number in range(requests):
        more = math.exp(random.gauss(0.0, SPREAD))
        samples = {path: _poisson(random, mean * more) for path, mean in work.items()}
        for path, count in samples.items():
            merged[path] += count * SAMPLE_PERIOD_NS
        drawn.append(_request(random, number, samples, sum(work.values()) * more))
    stacks = {path: value for path, value in merged.items() if value}
    environment = MeasurementEnvironment(
        app_version=version, host=_HOST, runtime=_RUNTIME, agent=_AGENT, time_ns=_START_NS, processor_wait=0.0
    )
    return Measurement(name, service, tuple(drawn), FlameGraph(stacks, CPU), environment)


def _request(random: Random, number: int, samples: Mapping[Path, int], periods: float) -> MeasuredRequest:
    count = sum(samples.values())
    names = {name for path, own in samples.items() if own for name in path}
    functions = {
        name: FunctionCpu(
            sum(own for path, own in samples.items() if path[-1] == name) * SAMPLE_PERIOD_NS,
            sum(own for path, own in samples.items() if name in path) * SAMPLE_PERIOD_NS,
        )
        for name in sorted(names)
    }
    return MeasuredRequest(
        f"{random.getrandbits(127) + 1:032x}",
        (f"{random.getrandbits(63) + 1:016x}",),
        _START_NS + number * _BETWEEN_NS,
        round(periods * SAMPLE_PERIOD_NS),
        count * SAMPLE_PERIOD_NS,
        count,
        functions,
    )


def _poisson(random: Random, mean: float) -> int:
    """Return how many random moments, one in each period on average, fall into so many periods."""
    count, left = 0, mean - random.expovariate(1.0)
    while left > 0:
        count += 1
        left -= random.expovariate(1.0)
    return count
