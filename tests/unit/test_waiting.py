from __future__ import annotations

import time
from dataclasses import replace
from threading import Event

import pytest

from spanprofiles.waiting import Waiting


class Clock:
    """Time that passes only while somebody sleeps, or makes an attempt that takes some."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def attempts(self, waiting: Waiting, *, each_takes_s: float = 0.0) -> list[float]:
        found = []
        for waited in replace(waiting, clock=self, sleep=self.sleep).attempts():
            found.append(waited)
            self.now_s += each_takes_s
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_attempt_is_made_at_once_and_the_last_at_the_deadline(clock: Clock) -> None:
    attempts = clock.attempts(Waiting(1.0, first_s=0.3, longest_s=0.3))
    assert attempts == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.0])


def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    clock.attempts(Waiting(1.0, first_s=0.02, longest_s=0.2))
    assert clock.pauses[:6] == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.2, 0.2])


def test_without_time_to_wait_there_is_one_attempt(clock: Clock) -> None:
    assert clock.attempts(Waiting(0.0)) == [0.0]
    assert clock.pauses == []


def test_an_attempt_past_the_deadline_is_followed_by_a_last_one_without_a_pause(clock: Clock) -> None:
    assert clock.attempts(Waiting(1.0), each_takes_s=5.0) == [0.0, 5.0]
    assert clock.pauses == [0.0]


def test_waiting_until_something_is_true_ends_with_the_first_true_answer(clock: Clock) -> None:
    answers = iter(["", "", "here", "never asked for"])
    waiting = Waiting(1.0, clock=clock, sleep=clock.sleep)

    assert waiting.until(lambda: next(answers)) == "here"
    assert clock.pauses == pytest.approx([0.02, 0.04])


def test_waiting_until_something_is_true_gives_the_last_answer_at_the_deadline(clock: Clock) -> None:
    asked: list[float] = []
    waiting = Waiting(0.5, clock=clock, sleep=clock.sleep)

    assert waiting.until(lambda: asked.append(clock.now_s)) is None
    assert asked[0] == 100.0
    assert asked[-1] == pytest.approx(100.5)


def test_two_ways_to_wait_are_equal_whatever_clock_they_use(clock: Clock) -> None:
    assert Waiting(1.0, clock=clock, sleep=clock.sleep) == Waiting(1.0)
    assert repr(Waiting(1.0, clock=clock)) == "Waiting(timeout_s=1.0, first_s=0.02, longest_s=0.2)"


@pytest.mark.parametrize("timeout_s", [-1.0, float("inf"), float("nan")])
def test_a_wait_without_an_end_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="has no end: give a number of seconds from 0"):
        Waiting(timeout_s)


def test_real_time_is_kept_too() -> None:
    attempts = list(Waiting(0.05, first_s=0.01).attempts())
    assert attempts[0] < 0.05 <= attempts[-1]
    assert len(attempts) >= 2


def test_a_pause_can_be_cut_short_by_somebody_else() -> None:
    stopped = Event()
    stopped.set()
    began_s = time.monotonic()

    next(attempt for attempt in Waiting(600.0, first_s=600.0, sleep=stopped.wait).attempts() if attempt > 0)

    assert time.monotonic() - began_s < 300
