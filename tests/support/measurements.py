"""Measurements made by hand: requests of which each function's CPU is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanprofiles.model import FlameGraph, FunctionCpu, MeasuredRequest, Measurement

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


def a_request(number: int, functions_ms: Mapping[str, int], *, duration_ms: int = 500) -> MeasuredRequest:
    """A request whose functions, all called by ``handle``, have so many ms of CPU of their own, in whole samples."""
    cpu_ns = sum(functions_ms.values()) * MS
    costs = {name: FunctionCpu(ms * MS, ms * MS) for name, ms in functions_ms.items()}
    if cpu_ns:
        costs["handle"] = FunctionCpu(0, cpu_ns)
    start_ns = START_NS + number * 1_000 * MS
    return MeasuredRequest(
        f"{number + 1:032x}", (f"{number + 1:016x}",), start_ns, duration_ms * MS, cpu_ns, cpu_ns // (10 * MS), costs
    )


def a_measurement(
    requests_ms: Sequence[Mapping[str, int]], name: str = "tests/test_shop.py::test_search", **fields: Any
) -> Measurement:
    """A measurement of requests with these functions, each with so many ms of CPU."""
    requests = tuple(a_request(number, functions) for number, functions in enumerate(requests_ms))
    stacks = [(("handle", name), ms * MS) for functions in requests_ms for name, ms in functions.items()]
    return Measurement(name, fields.pop("service", "shop"), requests, FlameGraph(stacks), **fields)
