"""Hostile requests of all kinds by the ten thousand, over HTTP and gRPC: nothing breaks, and nothing is lost.

``make slow`` sends each request that differs from the others once; ``make long-soak`` goes on to a hundred thousand.

How long the valid load waits meanwhile depends on the machine: ``python -m bench.soak`` measures it.
"""

from __future__ import annotations

import pytest

from tests.support.soak.attack import DIFFERENT
from tests.support.soak.soak import Plan, soak

MEMORY_LIMIT = 300 * 2**20
KINDS = 18
#: So large a part of the load's answers may be 503 on a machine that has other work.
BUSY_SHARE = 0.01
#: So many on top, however short the run is: one moment in which such a machine does something else costs as many.
BUSY_ANSWERS = 15
ATTACKERS = Plan.http_attackers + Plan.grpc_attackers


@pytest.mark.parametrize(
    ("requests", "rounds"),
    [
        pytest.param(ATTACKERS * DIFFERENT, 4, marks=pytest.mark.slow, id="each that differs, once"),
        pytest.param(Plan.requests, Plan.rounds, marks=pytest.mark.exhaustive, id="a hundred thousand"),
    ],
)
def test_hostile_requests_break_nothing_and_lose_nothing(requests: int, rounds: int) -> None:
    plan = Plan(requests=requests, rounds=rounds)

    seen = soak(plan)

    assert seen.sent.total() == plan.requests
    assert len(seen.sent) == KINDS, seen.sent
    assert seen.wrong == [], seen.statuses
    assert seen.load.failed == []
    assert seen.load.busy < BUSY_SHARE * seen.answers + BUSY_ANSWERS
    assert seen.lost == []
    assert seen.slowest_s < plan.query_timeout_s + 1
    assert seen.longest_s < plan.query_timeout_s + 1
    assert seen.memory < MEMORY_LIMIT
