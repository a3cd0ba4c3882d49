from __future__ import annotations

from collections.abc import Callable

import pytest

from spanprofiles.linking import Linker, Waiting
from spanprofiles.model import Endpoints
from tests.support.linking import Scene
from tests.unit.conftest import Serve

Follow = Callable[..., Linker]


@pytest.fixture
def follow(serve: Serve) -> Follow:
    """Give a function that puts a scene on a server and returns a linker that asks it."""

    def start(
        scene: Scene, timeout_s: float = 5.0, upload_interval_s: float = 0.0, queryable_after_s: float = 0.0
    ) -> Linker:
        stub = serve(scene.respond)
        waiting = Waiting(timeout_s, first_s=0.01, longest_s=0.03, clock=scene.clock, sleep=scene.clock.sleep)
        endpoints = Endpoints(stub.url, stub.url, queryable_after_s=queryable_after_s)
        return Linker.of(endpoints, waiting=waiting, upload_interval_s=upload_interval_s)

    return start
