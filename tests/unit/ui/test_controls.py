from __future__ import annotations

import json

import pytest

from spanprofiles.clients.answers import LARGEST_ANSWER_BYTES
from spanprofiles.ui import DemoControls
from spanprofiles.ui.controls import MOST_RIDERS, ControlError
from tests.unit.conftest import Answer, Seen, Serve

TOKEN = "the admin token"


def region(seen: Seen) -> Answer:
    """Answer as the demo app's admin route does."""
    if seen.headers.get("X-Rideshare-Admin") != TOKEN:
        return Answer("{}", 403)
    on = seen.method == "POST" and json.loads(seen.body)["on"]
    return Answer.of({"faults": {"slow-search": on}})


def test_faults_are_listed_by_region(serve: Serve) -> None:
    north, south = serve(region), serve(region)

    controls = DemoControls({"north": north.url, "south": south.url}, TOKEN)

    assert controls.faults() == {"slow-search": {"north": False, "south": False}}


def test_a_region_that_does_not_answer_is_left_out(serve: Serve) -> None:
    controls = DemoControls({"north": serve(region).url, "south": "http://127.0.0.1:9"}, TOKEN)

    assert controls.faults() == {"slow-search": {"north": False}}


def test_a_fault_is_switched_in_the_region_that_was_named(serve: Serve) -> None:
    north, south = serve(region), serve(region)

    DemoControls({"north": north.url, "south": south.url}, TOKEN).set_fault("slow-search", "south", True)

    assert not north.seen
    assert [(seen.method, seen.path, seen.json) for seen in south.seen] == [
        ("POST", "/admin/faults/slow-search", {"on": True})
    ]


def test_a_refused_or_unknown_fault_is_told(serve: Serve) -> None:
    controls = DemoControls({"north": serve(region).url}, "another token")

    with pytest.raises(ControlError, match="403"):
        controls.set_fault("slow-search", "north", True)
    with pytest.raises(ControlError, match="no region 'moon'"):
        controls.set_fault("slow-search", "moon", True)


def test_the_load_is_read_and_changed_through_locusts_own_routes(serve: Serve) -> None:
    locust = serve(lambda _: Answer.of({"user_count": 4, "success": True}))
    controls = DemoControls(locust_url=locust.url)

    assert controls.riders() == 4
    controls.set_riders(6)
    controls.set_riders(0)

    assert [(seen.method, seen.path, seen.body.decode()) for seen in locust.seen[1:]] == [
        ("POST", "/swarm", "user_count=6&spawn_rate=6"),
        ("POST", "/stop", ""),
    ]


@pytest.mark.parametrize(
    "answer", [Answer("no", 405), Answer("<html>"), Answer.of({"success": False, "message": "No runner"})]
)
def test_a_load_that_locust_does_not_change_is_told(serve: Serve, answer: Answer) -> None:
    locust = serve(lambda _: answer)

    for count in (0, 3):
        with pytest.raises(ControlError, match="Locust did not change the load"):
            DemoControls(locust_url=locust.url).set_riders(count)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.of({"success": False, "message": "No\x1b[2J runner"}, 400), r"load: No\\x1b\[2J runner$"),
        (Answer("[" * 2_000, 400), "refused .* with 400"),
        (Answer("x" * (LARGEST_ANSWER_BYTES + 1)), "larger than"),
        (Answer("", 307, headers={"Location": "http://192.0.2.1/swarm"}), "redirects to another server"),
    ],
    ids=["a refusal", "nonsense", "a flood", "another server"],
)
def test_what_is_said_in_locusts_place_is_not_trusted(serve: Serve, answer: Answer, words: str) -> None:
    with pytest.raises(ControlError, match=words):
        DemoControls(locust_url=serve(lambda _: answer).url).set_riders(3)


@pytest.mark.parametrize("count", [-1, MOST_RIDERS + 1])
def test_the_load_is_bounded(serve: Serve, count: int) -> None:
    locust = serve(lambda _: Answer())

    with pytest.raises(ControlError, match=f"0 to {MOST_RIDERS}"):
        DemoControls(locust_url=locust.url).set_riders(count)

    assert not locust.seen


def test_without_a_load_generator_there_are_no_riders() -> None:
    assert DemoControls().riders() is None
    assert DemoControls(locust_url="http://127.0.0.1:9").riders() is None


def test_the_token_is_not_in_what_is_printed_of_the_controls() -> None:
    assert TOKEN not in repr(DemoControls(token=TOKEN))
