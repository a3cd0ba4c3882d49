"""A hundred thousand hostile requests of all kinds, over HTTP and gRPC: nothing breaks, and nothing is lost.

How long the valid load waits meanwhile depends on the machine: ``python -m bench.soak`` measures it.
"""

from __future__ import annotations

import pytest

from tests.support.soak.soak import Plan, soak

MEMORY_LIMIT = 300 * 2**20
KINDS = 18
#: So large a part of the load's answers may be 503 on a machine that has other work.
BUSY_SHARE = 0.01


@pytest.mark.slow
def test_a_hundred_thousand_hostile_requests_break_nothing_and_lose_nothing() -> None:
    plan = Plan()

    seen = soak(plan)

    assert seen.sent.total() == plan.requests
    assert len(seen.sent) == KINDS, seen.sent
    assert seen.wrong == [], seen.statuses
    assert seen.load.failed == []
    assert seen.load.busy < BUSY_SHARE * seen.answers
    assert seen.lost == []
    assert seen.slowest_s < plan.query_timeout_s + 1
    assert seen.longest_s < plan.query_timeout_s + 1
    assert seen.memory < MEMORY_LIMIT
