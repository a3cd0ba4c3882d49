from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from spanprofiles.clients import PyroscopeClient
from spanprofiles.ui.cpu import CpuCache, CpuState, Known, ProfiledSpan
from tests.unit.conftest import Answer, Seen, Serve, StubServer, flamebearer

MS = 1_000_000
TIMEOUT_S = 5.0


def span(profile_id: str = "a" * 16, seconds_ago: float = 60) -> ProfiledSpan:
    end_ns = time.time_ns() - round(seconds_ago * 1e9)
    return ProfiledSpan(profile_id, "shop", end_ns - 100 * MS, end_ns)


@pytest.fixture
def pyroscope(serve: Serve) -> StubServer:
    """A Pyroscope that has samples of every span that begins with an a."""

    def answer(seen: Seen) -> Answer:
        (selected,) = seen.json["spanSelector"]
        return Answer.of({"flamegraph": flamebearer({("work",): 50 * MS} if selected.startswith("a") else {})})

    return serve(answer)


@pytest.fixture
def cpu_cache(pyroscope: StubServer) -> Iterator[CpuCache]:
    made = CpuCache(PyroscopeClient(pyroscope.url))
    yield made
    made.close()


def test_what_is_certain_is_asked_once(cpu_cache: CpuCache, pyroscope: StubServer) -> None:
    for _ in range(3):
        assert cpu_cache.look([span()], TIMEOUT_S) == {"a" * 16: Known(CpuState.FOUND, 50 * MS)}

    assert len(pyroscope.seen) == 1


def test_an_old_span_without_samples_has_none_and_a_young_one_waits(cpu_cache: CpuCache) -> None:
    known = cpu_cache.look([span("b" * 16), span("c" * 16, seconds_ago=1)], TIMEOUT_S)

    assert known == {"b" * 16: Known(CpuState.NONE), "c" * 16: Known(CpuState.WAITING)}


def test_a_profile_id_that_is_none_has_no_samples_and_is_not_asked_for(
    cpu_cache: CpuCache, pyroscope: StubServer
) -> None:
    assert cpu_cache.look([span("not an ID")], TIMEOUT_S) == {"not an ID": Known(CpuState.NONE)}
    assert not pyroscope.seen


def test_without_patience_nothing_is_known_yet(cpu_cache: CpuCache) -> None:
    known = cpu_cache.look([span(f"a{number:015x}") for number in range(50)], 0)

    assert Known(CpuState.NOT_ASKED) in known.values()


def test_of_a_server_that_is_away_nothing_is_remembered() -> None:
    away = CpuCache(PyroscopeClient("http://127.0.0.1:9"))

    assert away.look([span()], TIMEOUT_S) == {"a" * 16: Known(CpuState.NOT_ASKED)}
    away.close()
