"""The order of an experiment: fair to both builds, at random, and the same again with the same seed."""

from __future__ import annotations

from collections import Counter

from spanprofiles.experiment.request_list import ListedRequest
from spanprofiles.experiment.schedule import SIDES, Turn, schedule

REQUESTS = [ListedRequest("GET", path) for path in ("/a", "/b", "/c")]


def test_each_build_answers_each_request_once_in_each_round() -> None:
    turns = schedule(REQUESTS, 20, seed=1)

    for start in range(0, len(turns), 6):
        assert Counter(turns[start : start + 6]) == Counter(Turn(side, asked) for asked in REQUESTS for side in SIDES)


def test_the_same_seed_gives_the_same_order_and_another_gives_another() -> None:
    assert schedule(REQUESTS, 20, seed=7) == schedule(REQUESTS, 20, seed=7)
    assert schedule(REQUESTS, 20, seed=7) != schedule(REQUESTS, 20, seed=8)


def test_neither_build_always_comes_first() -> None:
    first = Counter(turn.side for turn in schedule(REQUESTS[:1], 200, seed=3)[::2])

    assert 60 < first["base"] < 140
