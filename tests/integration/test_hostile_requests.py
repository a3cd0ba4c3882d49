"""What the unit tests see of a thousand malformed requests holds of many more."""

from __future__ import annotations

import pytest

from tests.conformance.pair import running_pair
from tests.unit.embedded.bombardment import bombard


@pytest.mark.slow
def test_fifty_thousand_malformed_requests_are_refused_and_leave_nothing_behind() -> None:
    with running_pair() as pair:
        bombard(pair, 50_000)
