"""The order of an experiment's requests: interleaved and at random, so that no build gets the better times."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.experiment.request_list import ListedRequest

BASE, HEAD = "base", "head"
SIDES = (BASE, HEAD)


@dataclass(frozen=True)
class Turn:
    """One request of an experiment, and the build that answers it."""

    side: str
    request: ListedRequest


def schedule(requests: Sequence[ListedRequest], count: int, seed: int) -> list[Turn]:
    """Return the turns of an experiment.

    They come in rounds. In each round either build answers each request once, in an order of its own that the seed
    draws. So whatever the machine does meanwhile, it does to both builds alike.

    Args:
        requests: the different requests.
        count: how many rounds.
        seed: what the order is drawn from. The same seed gives the same order.
    """
    drawn = random.Random(seed)  # noqa: S311  # an order is no secret
    turns: list[Turn] = []
    for _ in range(count):
        one_round = [Turn(side, request) for request in requests for side in SIDES]
        drawn.shuffle(one_round)
        turns += one_round
    return turns
