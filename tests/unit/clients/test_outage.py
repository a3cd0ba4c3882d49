"""A server that hangs is asked again by one request at a time, every few seconds; a slow one is asked as ever."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from spanprofiles.clients import HttpClient, RequestRefusedError, ServerUnreachableError
from spanprofiles.clients.outage import ASK_AGAIN_AFTER_S, HangingError, Outage
from tests.support.clocks import Clock
from tests.unit.conftest import Answer, Seen, Serve, StubServer

_SHORT_S = (5.0, 0.1)
_IN_VAIN = r"no answer in time|not complete"


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage(clock=clock)


def is_late(error: BaseException) -> bool:
    return isinstance(error, TimeoutError)


def hang(outage: Outage) -> None:
    with suppress(TimeoutError), outage.watch(is_late):
        raise TimeoutError


def ask(outage: Outage) -> None:
    with outage.watch(is_late):
        pass


def test_while_a_server_hangs_nothing_is_sent_and_it_is_said_since_when(outage: Outage, clock: Clock) -> None:
    hang(outage)
    clock.now_s += 1

    with pytest.raises(HangingError, match=r"no answer since \d\d:\d\d:\d\d, asked again in 4 s"):
        ask(outage)


def test_after_a_while_one_request_tries_and_the_others_need_not_wait_for_it(outage: Outage, clock: Clock) -> None:
    hang(outage)
    clock.now_s += ASK_AGAIN_AFTER_S
    with outage.watch(is_late), pytest.raises(HangingError, match="it is being asked again"):
        ask(outage)

    ask(outage)


def test_a_trial_in_vain_keeps_the_time_since_when_and_starts_the_pause_again(outage: Outage, clock: Clock) -> None:
    hang(outage)
    clock.now_s += ASK_AGAIN_AFTER_S
    hang(outage)

    with pytest.raises(HangingError, match="asked again in 5 s"):
        ask(outage)


def test_an_answer_to_another_request_meanwhile_shows_that_the_server_does_not_hang(
    outage: Outage, clock: Clock
) -> None:
    with suppress(TimeoutError), outage.watch(is_late):
        clock.now_s += 1
        ask(outage)
        raise TimeoutError

    ask(outage)


def test_an_answer_from_before_says_nothing(outage: Outage, clock: Clock) -> None:
    ask(outage)
    clock.now_s += 1
    hang(outage)

    with pytest.raises(HangingError):
        ask(outage)


def test_a_request_that_its_sender_gave_up_says_nothing(outage: Outage, clock: Clock) -> None:
    hang(outage)
    clock.now_s += ASK_AGAIN_AFTER_S
    with suppress(KeyboardInterrupt), outage.watch(lambda _: None):
        raise KeyboardInterrupt

    with outage.watch(is_late), pytest.raises(HangingError):  # the next one is a trial again
        ask(outage)


@pytest.fixture
def hanging(serve: Serve) -> Iterator[StubServer]:
    over = threading.Event()

    def respond(_: Seen) -> Answer:
        over.wait(60)
        return Answer("{}")

    yield serve(respond)
    over.set()


def test_a_server_that_lets_a_request_time_out_is_not_asked_again_at_once(hanging: StubServer) -> None:
    client = HttpClient("Tempo", hanging.url, timeout_s=_SHORT_S).with_outage(Outage(60))
    with pytest.raises(ServerUnreachableError, match=_IN_VAIN):
        client.get("/first")

    with pytest.raises(ServerUnreachableError, match=r"Tempo does not answer at \S+/second: no answer since"):
        client.get("/second")

    assert "/second" not in {seen.path for seen in hanging.seen}


def test_a_client_in_a_hurry_proves_no_outage_and_heeds_that_of_others(hanging: StubServer) -> None:
    patient = HttpClient("Tempo", hanging.url, timeout_s=_SHORT_S).with_outage(Outage(60))
    hasty = patient.with_timeout((5.0, 0.05))
    for client in (hasty, hasty, patient):
        with pytest.raises(ServerUnreachableError, match=_IN_VAIN):
            client.get("/asked")

    with pytest.raises(ServerUnreachableError, match="no answer since"):
        hasty.get("/not-asked")
    assert "/not-asked" not in {seen.path for seen in hanging.seen}


def test_a_server_that_refuses_or_is_not_there_is_asked_each_time(serve: Serve, dead_url: str) -> None:
    refusing = serve(lambda _: Answer("no", 500))
    client = HttpClient("Tempo", refusing.url).with_outage(Outage())
    for _ in range(2):
        with pytest.raises(RequestRefusedError):
            client.get("/")
    absent = HttpClient("Tempo", dead_url).with_outage(Outage())
    for _ in range(2):
        with pytest.raises(ServerUnreachableError, match=re.compile("refused", re.IGNORECASE)):
            absent.get("/")

    assert len(refusing.seen) == 2
