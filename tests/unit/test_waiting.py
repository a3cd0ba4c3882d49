from __future__ import annotations

import pytest

from spanprofiles import waiting
from spanprofiles.waiting import Waiting


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, look_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.look_s = look_s
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def looks(self, of: Waiting) -> list[float]:
        """Make all looks, each of which takes `look_s`."""
        found = []
        for waited in of.looks():
            found.append(waited)
            self.now_s += self.look_s
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_the_first_look_is_made_at_once_and_the_last_at_the_deadline(clock: Clock) -> None:
    looks = clock.looks(Waiting(1.0, first_s=0.3, longest_s=0.3))
    assert looks == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.0])


def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    clock.looks(Waiting(1.0, first_s=0.02, longest_s=0.2))
    assert clock.pauses[:6] == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.2, 0.2])


def test_without_time_to_wait_there_is_one_look(clock: Clock) -> None:
    assert clock.looks(Waiting(0.0)) == [0.0]
    assert clock.pauses == []


def test_a_look_that_takes_past_the_deadline_is_followed_by_a_last_one_without_a_pause(clock: Clock) -> None:
    clock.look_s = 5.0
    assert clock.looks(Waiting(1.0)) == [0.0, 5.0]
    assert clock.pauses == [0.0]


def test_real_time_is_kept_too() -> None:
    looks = list(Waiting(0.05, first_s=0.01).looks())
    assert looks[0] < 0.05 <= looks[-1]
    assert len(looks) >= 2
