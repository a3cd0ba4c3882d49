"""Requests drawn as the agent samples them: at exponentially distributed moments, ten milliseconds apart on average."""

from __future__ import annotations

import random
from collections.abc import Mapping

from spanprofiles.model import FlameGraph, FunctionCpu, MeasuredRequest, Measurement
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS


def drawn_request(chance: random.Random, work: Mapping[str, float], unevenness: float = 0.0) -> MeasuredRequest:
    """Draw a request in which ``main`` calls some functions.

    Args:
        chance: where the moments come from.
        work: own CPU of each function, in sample periods.
        unevenness: how much requests differ among themselves: standard deviation of the logarithm of their work.
    """
    factor = chance.lognormvariate(0, unevenness) if unevenness else 1.0
    functions, samples = {}, 0
    for name, periods in work.items():
        count, moment = 0, chance.expovariate(1)
        while moment < periods * factor:
            count += 1
            moment += chance.expovariate(1)
        if count:
            functions[name] = FunctionCpu(count * SAMPLE_PERIOD_NS, count * SAMPLE_PERIOD_NS)
        samples += count
    cpu_ns = samples * SAMPLE_PERIOD_NS
    if samples:
        functions["main"] = FunctionCpu(0, cpu_ns)
    return MeasuredRequest("0" * 32, ("0" * 16,), 0, 2 * cpu_ns, cpu_ns, samples, functions)


def drawn_requests(
    seed: int, number: int, work: Mapping[str, float], unevenness: float = 0.0
) -> tuple[MeasuredRequest, ...]:
    """Draw so many requests; the same seed gives the same."""
    chance = random.Random(seed)
    return tuple(drawn_request(chance, work, unevenness) for _ in range(number))


def measurement_of(requests: tuple[MeasuredRequest, ...], profile_type: str | None = None) -> Measurement:
    """Return a measurement of some requests."""
    stacks = [
        (("main", name), cost.self_ns)
        for request in requests
        for name, cost in request.functions.items()
        if name != "main"
    ]
    flamegraph = FlameGraph(stacks) if profile_type is None else FlameGraph(stacks, profile_type)
    return Measurement("test_search", "shop", requests, flamegraph)
