"""Measurements to compare: requests of a known average CPU, which differ among themselves by a sample or two."""

from __future__ import annotations

from collections.abc import Mapping

from spanprofiles.model import CPU, FlameGraph, Measurement, MeasurementEnvironment
from tests.support.measurements import a_measurement

HERE = MeasurementEnvironment(host="a", machine="a processor", runtime="CPython 3.13.1", agent="pyroscope-io 1.4.0")

# How many samples the requests have more than the average.
_MORE = (0, 1, -1, 2, -2, 1, -1, 0)


def measurement(
    functions_ms: Mapping[str, int],
    *,
    name: str = "test_shop.py::test_a_search",
    requests: int = 60,
    environment: MeasurementEnvironment = HERE,
    profile_type: str = CPU,
) -> Measurement:
    """Return a measurement of requests with so much CPU of each function on average, ms."""
    drawn = [
        {
            function: max(0, average + 10 * _MORE[(number + 3 * place) % len(_MORE)])
            for place, (function, average) in enumerate(functions_ms.items())
        }
        for number in range(requests)
    ]
    made = a_measurement(drawn, name, environment=environment)
    return Measurement(
        made.name, made.service, made.requests, FlameGraph(made.flamegraph.stacks, profile_type), environment
    )


def recording(*measurements: Measurement) -> dict[str, Measurement]:
    """Return measurements by name."""
    return {each.name: each for each in measurements}
