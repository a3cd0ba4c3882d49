"""Profiles of a few bytes that would become millions of frames: refused before there are any, or cut as they are there.

A stack is cut to 1,000 frames, as the real server does; whatever else is too much is refused with a 4xx.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from spanprofiles.embedded.pyroscope.application import Pyroscope
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.folded import read_groups
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, NAMES_EXPANSION, NAMES_FREE_BYTES
from spanprofiles.embedded.pyroscope.pprof import check, decode, split
from spanprofiles.embedded.pyroscope.sample_parts import serialized_samples
from spanprofiles.embedded.pyroscope.shape import ShapeError, check_profile_shape, check_push_shape
from spanprofiles.embedded.store.database import Database
from tests.support.embedded import raw_profiles as raw
from tests.support.pprof_writer import block, number
from tests.unit.embedded.conftest import Applications

pytestmark = pytest.mark.slow

PUSH, INGEST = "/push.v1.PusherService/Push", "/ingest?name=shop&format=pprof"
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
WINDOW = {"start": (raw.NOW_S - 3_000) * 1000, "end": (raw.NOW_S + 600) * 1000}
F = raw.location(1, raw.line(1))


def pushed(applications: Applications, *profiles: bytes) -> tuple[int, str]:
    """The status and the message with which a push of some profiles is answered, and what it took."""
    body, headers = gzip.compress(raw.push(*map(gzip.compress, profiles))), {"Content-Encoding": "gzip"}
    response = applications.pyroscope.post(PUSH, data=body, content_type="application/proto", headers=headers)
    return response.status_code, "" if response.status_code == 200 else response.get_json()["message"]


def flamegraph(applications: Applications, **more: Any) -> dict[str, Any]:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW | more
    graph: dict[str, Any] = applications.call("SelectMergeStacktraces", body)["flamegraph"]
    return graph


def labelled(count: int, length: int) -> bytes:
    """A profile whose samples have so many label sets, each with the same value of so many characters."""
    samples = (raw.sample([1], labels=[(4, 5), (6, 7 + index)]) for index in range(count))
    return raw.profile(*samples, F, strings=[*raw.TABLE, "k", "x" * length, "n", *map(str, range(count))])


def long_names(frames: int, length: int) -> bytes:
    """A profile of one location a frame, each on another line of the one function, whose name is long."""
    places = (
        raw.location(index, block(4, number(1, 1) + number(2, index))) + raw.sample([index])
        for index in range(1, frames + 1)
    )
    return raw.profile(*places, strings=[*raw.TABLE[:3], "f" * length])


TOO_MUCH: dict[str, tuple[Callable[[], bytes], str]] = {
    "a million inlined lines": (
        lambda: raw.profile(raw.sample([1]), raw.location(1, b"\x22\x00" * 1_000_000)),
        "more than 1000 lines in one location",
    ),
    "inlined lines in a small profile": (
        lambda: raw.profile(raw.sample([1]), raw.location(1, b"\x22\x00" * 1_001)),
        "location 1 has 1001 lines",
    ),
    "lines of many locations": (
        lambda: raw.profile(*(raw.location(index, b"\x22\x00" * 1_000) for index in range(1, 300))),
        "more than 262144 lines in all its locations",
    ),
    "many stacks of many frames": (
        lambda: raw.profile(
            *(raw.sample([index % 3 + 1, *[4] * (index // 3 + 1)]) for index in range(1_500)),
            *(raw.location(index, raw.line(1)) for index in (1, 2, 3)),
            raw.location(4, raw.line(1) * 1_000),
        ),
        "more than 1048576 frames",
    ),
    "samples without anything": (lambda: raw.profile(b"\x12\x00" * 100_000), "more than 64000 samples"),
    "locations without anything": (lambda: raw.profile(b"\x22\x00" * 200_000), "more than 131072 locations"),
    "functions without anything": (lambda: raw.profile(b"\x2a\x00" * 200_000), "more than 131072 functions"),
    "strings without anything": (lambda: raw.profile(b"\x32\x00" * 300_000), "more than 262144 strings"),
    "labels without anything": (
        lambda: raw.profile(block(2, b"\x1a\x00" * 100_000)),
        "more than 400 labels in one sample",
    ),
    "sample types": (lambda: raw.profile(types=20_000), "more than 64 sample types"),
    "a name on many lines": (lambda: long_names(1_000, 60_000), "names of the upload's frames"),
    "a long label value": (lambda: labelled(1, 3_000), "label value too long"),
    "long label values": (lambda: labelled(2_100, 2_000), "bytes of labels in its series"),
    "label sets": (lambda: labelled(5_001, 5), "more than 5000 series"),
    "zeros without end": (lambda: b"\x00" * (4 * raw.MEBIBYTE + 1), "exceeds the size limit"),
}


@pytest.mark.parametrize(("make", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_profile_that_would_become_huge_is_refused_before_it_does(
    applications: Applications, make: Callable[[], bytes], message: str
) -> None:
    profile = make()
    body, headers = raw.twice_compressed(profile)
    pushed = applications.pyroscope.post(PUSH, data=body, content_type="application/proto", headers=headers)
    ingested = applications.pyroscope.post(INGEST, data=gzip.compress(profile))
    assert (pushed.status_code, ingested.status_code) == (400, 422)
    assert message in pushed.get_json()["message"]
    assert message in ingested.get_json()["message"]
    assert flamegraph(applications)["names"] == ["total"]


def test_the_smallest_push_of_a_million_inlined_lines_is_refused_in_little_memory(
    applications: Applications,
) -> None:
    body, headers = raw.twice_compressed(raw.profile(raw.sample([1]), raw.location(1, b"\x22\x00" * 1_000_000)))
    assert len(body) < 300
    with raw.peak_memory() as peak:
        response = applications.pyroscope.post(PUSH, data=body, content_type="application/proto", headers=headers)
    assert response.status_code == 400
    assert peak.bytes < 12 * raw.MEBIBYTE  # the two megabytes themselves, and their copies


def test_stacks_are_cut_to_a_thousand_frames_wherever_these_come_from(applications: Applications) -> None:
    inlined = raw.profile(
        raw.sample([2] * 500), raw.location(2, raw.line(1) * 999 + raw.line(2)),
        functions=[(1, 3), (2, 4)], strings=[*raw.TABLE, "outermost"],
    )  # fmt: skip
    deep = ";".join(f"f{index}" for index in range(1, 3_001))
    for body, query in ((raw.chain(3_000), "format=pprof"), (inlined, "format=pprof"), (f"{deep} 7".encode(), "")):
        service = f"shop{len(body)}"
        path = f"/ingest?name={service}&from={raw.NOW_S - 20}&{query}"
        assert applications.pyroscope.post(path, data=body).status_code == 200
        graph = flamegraph(applications, labelSelector=f'{{service_name="{service}"}}')
        assert len(graph["levels"]) == DEPTH_LIMIT + 1
        assert graph["names"][1] in {"f1", "outermost"}  # the frames at the root stay
        assert graph["maxSelf"] == graph["total"]


def test_what_is_just_within_the_limits_is_taken(applications: Applications) -> None:
    thousand = raw.profile(raw.sample([1]), raw.location(1, raw.line(1) * 1_000))
    assert pushed(applications, thousand, raw.chain(1_000), labelled(300, 2_000)) == (200, "")
    assert len(flamegraph(applications)["levels"]) == 1_001


def test_the_profiles_of_one_push_share_its_limits(applications: Applications) -> None:
    half = raw.profile(
        *(raw.sample([1] * 999 + [2 + index]) for index in range(700)),
        F,
        *(raw.location(2 + index, raw.line(1)) for index in range(700)),
    )
    assert pushed(applications, half) == (200, "")
    status, message = pushed(applications, half, half)
    assert status == 400
    assert "more than 1048576 frames" in message


def test_a_tiny_push_costs_little_disk(database: Database, applications: Applications) -> None:
    worst = (
        raw.profile(
            *(raw.sample([index % 3 + 1, *[4] * (index // 3 + 1)]) for index in range(1_500)),
            *(raw.location(index, raw.line(1)) for index in (1, 2, 3)),
            raw.location(4, raw.line(1) * 1_000),
        ),
        long_names(1_000, 60_000),
        labelled(2_100, 2_000),
    )
    for profile in worst:
        assert pushed(applications, profile)[0] == 400
    assert sum(file.stat().st_size for file in database.directory.iterdir()) < raw.MEBIBYTE


@pytest.mark.parametrize("length", [60_000, 6_000, 60])
def test_what_names_take_on_disk_is_in_proportion_to_what_was_sent(
    applications: Applications, database: Database, length: int
) -> None:
    profile = long_names(0, length)
    lines = 0
    while pushed(applications, more := long_names(lines + 25, length))[0] == 200 and lines < 500:
        profile, lines = more, lines + 25
    assert lines * length < NAMES_FREE_BYTES + NAMES_EXPANSION * len(more)
    on_disk = sum(file.stat().st_size for file in database.directory.iterdir())
    # A name is written with its function and in the index of those; the file and its log have as much of each push.
    assert on_disk < 10 * (NAMES_FREE_BYTES + NAMES_EXPANSION * len(profile)) + raw.MEBIBYTE


TEXTS = {
    "stacks": ("".join(f"a;f{index} 1\n" for index in range(16_001)), "more than 16000"),
    "frames": ("".join(f"{index}" + ";a" * 999 + " 1\n" for index in range(1_100)), "more than 1048576 frames"),
    "names": (
        "".join(";".join(f"{index}.{name}" for name in range(900)) + " 1\n" for index in range(150)),
        "131072 functions",
    ),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_text_with_too_many_stacks_frames_or_names_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConnectError, match=message):
        read_groups(text.encode())


def test_text_of_nothing_but_line_breaks_costs_no_more_than_itself(applications: Applications) -> None:
    text = b"\n" * 1_000_000
    with raw.peak_memory() as peak:
        assert applications.pyroscope.post("/ingest?name=shop", data=text).status_code == 200
    assert peak.bytes < 8 * raw.MEBIBYTE


def test_files_are_not_put_before_functions_where_that_makes_names_without_end(applications: Applications) -> None:
    names = [f"f{index}" for index in range(500)]
    functions = b"".join(block(5, number(1, index + 1) + number(2, 4 + index) + number(4, 3)) for index in range(500))
    calls = block(4, number(1, 1) + b"".join(block(4, number(1, index + 1)) for index in range(500)))
    profile = raw.profile(
        raw.sample([1]), calls, functions, functions=(), strings=[*raw.TABLE[:3], "d" * 60_000 + ".py", *names]
    )
    with raw.peak_memory() as peak:
        response = applications.pyroscope.post(f"{INGEST}&spyName=pyspy", data=profile)
    assert response.status_code == 422
    assert "names of functions with their files" in response.get_json()["message"]
    assert peak.bytes < 16 * raw.MEBIBYTE


def test_a_configuration_in_a_form_has_a_size(applications: Applications) -> None:
    files = {"profile": (BytesIO(raw.chain(1)), "p"), "sample_type_config": (BytesIO(b"{}" + b" " * 70_000), "c")}
    response = applications.pyroscope.post("/ingest?name=shop", data=files)
    assert response.status_code == 422
    assert "sample_type_config is larger" in response.get_json()["message"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x0a\x00" * 100_000, "application/proto"),
        (block(1, b"\x0a\x00" * 100_000), "application/proto"),
        (block(1, b"\x12\x00" * 100_000), "application/proto"),
        (b'{"series":[' + b"{}," * 150_000 + b"{}]}", "application/json"),
    ],
    ids=["series", "labels", "profiles", "JSON"],
)
def test_a_push_of_many_empty_messages_is_refused_before_they_are_made(
    applications: Applications, body: bytes, kind: str
) -> None:
    response = applications.pyroscope.post(PUSH, data=body, content_type=kind)
    assert response.status_code == 400
    assert "there are more than" in response.get_json()["message"]


def test_a_question_has_a_size(database: Database) -> None:
    body = json.dumps({"matchers": [], "labelNames": ["a" * 2_100_000], **WINDOW})
    response = Client(Pyroscope(database, 64 * raw.MEBIBYTE)).post(
        "/querier.v1.QuerierService/Series", data=body, content_type="application/json"
    )
    assert response.status_code == 429


PARTS = st.lists(
    st.one_of(
        st.builds(lambda count: b"\x12\x00" * count, st.integers(0, 3_000)),
        st.builds(lambda count: raw.location(1, b"\x22\x00" * count), st.integers(0, 3_000)),
        st.builds(raw.sample, st.lists(st.integers(0, 3), max_size=3_000)),
        st.builds(lambda values: raw.sample([1], values), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)),
        st.binary(max_size=30),
    ),
    max_size=8,
)


@given(PARTS, st.integers(1, 3))
def test_no_profile_keeps_more_than_its_limits(parts: list[bytes], types: int) -> None:
    try:
        decoded, size = decode(raw.profile(*parts, F, types=types))
        samples = serialized_samples(decoded)
        check(decoded, samples, size, raw.LABELS, raw.NOW_S * 10**9)
        made = split(decoded, samples, list(raw.LABELS.items()), raw.NOW_S * 10**9)
    except ConnectError:
        return
    for profile in made:
        assert all(len(stack) <= DEPTH_LIMIT for stack in profile.table.stacks)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_damaged_data_has_a_shape_or_is_left_to_its_parser(noise: bytes, place: int) -> None:
    parts = [raw.sample([1]) * 3_000, F * 500]
    parts.insert(place, noise)
    for check_one in (check_profile_shape, check_push_shape):
        try:
            check_one(b"".join(parts))
        except ShapeError:
            continue
