"""JFR, as the Java agent sends it: what each event becomes, whose it is, and files that are damaged."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from spanprofiles.embedded.proto.jfr_labels_pb2 import LabelsSnapshot
from spanprofiles.embedded.pyroscope.jfr.constants import without_numbers
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, SIZE_LIMIT
from tests.support.conformance.meaning import call_tree
from tests.support.embedded.jfr_writer import SPAN, TRACE, TYPES, JfrChunk, number, text
from tests.unit.embedded.conftest import Applications

NOW_S = int(time.time())
WINDOW = {"start": str((NOW_S - 3_000) * 1_000), "end": str((NOW_S + 600) * 1_000)}
CPU, WALL = "process_cpu:cpu:nanoseconds:cpu:nanoseconds", "wall:wall:nanoseconds:wall:nanoseconds"
SAMPLE_NS = 10_000_000
OWNED: dict[str, Any] = {"spanId": SPAN, "traceIdHi": TRACE[0], "traceIdLo": TRACE[1]}


def send(applications: Applications, data: bytes, labels: bytes = b"", **query: Any) -> TestResponse:
    """Send a file as the agent does: both parts compressed, in a form."""
    form = {"jfr": (io.BytesIO(gzip.compress(data)), "jfr")}
    if labels:
        form["labels"] = (io.BytesIO(gzip.compress(labels)), "labels")
    told = {
        "name": "shop", "format": "jfr", "spyName": "javaspy", "units": "samples", "aggregationType": "sum",
        "sampleRate": "100", "from": str(NOW_S - 10), "until": str(NOW_S),
    }  # fmt: skip
    return applications.pyroscope.post("/ingest", data=form, query_string=told | query)


def tree(applications: Applications, profile_type: str = CPU, **more: Any) -> dict[str, int]:
    """The own value of each path."""
    body = {"profileTypeID": profile_type, "labelSelector": "{}"} | WINDOW | more
    graph = applications.call("SelectMergeStacktraces", body)["flamegraph"]
    paths = call_tree(graph["names"], graph["levels"])
    return {">".join(path[1:]): own for path, (_, own) in paths.items() if own}


def types(applications: Applications) -> list[str]:
    return sorted(kind["ID"] for kind in applications.call("ProfileTypes", WINDOW).get("profileTypes", []))


def labels(applications: Applications) -> list[dict[str, str]]:
    found = applications.call("Series", WINDOW).get("labelsSet", [])
    return [{pair["name"]: pair.get("value", "") for pair in series["labels"]} for series in found]


def snapshot(strings: dict[int, str], contexts: dict[int, dict[int, int]] | None = None) -> bytes:
    message = LabelsSnapshot(strings=strings)
    for key, pairs in (contexts or {}).items():
        message.contexts[key].labels.update(pairs)
    return message.SerializeToString()


def busy_chunk() -> JfrChunk:
    """A chunk of two samples of a span, and one of nobody."""
    chunk = JfrChunk().setting("itimer")
    ride = chunk.stack("Rides.find", "Shop.ride")
    chunk.cpu(ride, spanName=3, **OWNED).cpu(ride, spanName=3, **OWNED)
    return chunk.event("jdk.CPULoad", jvmUser=5).cpu(chunk.stack("Shop.idle"))


def test_samples_lead_from_the_span_to_its_java_methods(applications: Applications) -> None:
    response = send(applications, busy_chunk().write(), snapshot({3: "GET /bike"}))
    assert (response.status_code, response.data) == (200, b"")
    assert tree(applications) == {"Shop.ride>Rides.find": 2 * SAMPLE_NS, "Shop.idle": SAMPLE_NS}
    of_span = {"Shop.ride>Rides.find": 2 * SAMPLE_NS}
    assert tree(applications, spanSelector=[f"{SPAN:016x}"]) == of_span
    assert tree(applications, traceIdSelector=[f"{TRACE[0]:016x}{TRACE[1]:016x}"]) == of_span
    assert tree(applications, spanSelector=["b" * 16]) == {}
    assert {(found["jfr_event"], found["pyroscope_spy"], found.get("span_name")) for found in labels(applications)} == {
        ("itimer", "javaspy", "GET /bike"),
        ("itimer", "javaspy", None),
    }


def test_a_form_that_comes_in_pieces_and_uncompressed_is_taken(applications: Applications) -> None:
    """The agent's HTTP client sends chunks; the file inside may be plain."""
    form = {"jfr": (io.BytesIO(busy_chunk().write()), "jfr")}
    response = applications.pyroscope.post("/ingest?name=shop&format=jfr", data=form)
    assert response.status_code == 200, response.text
    assert sum(tree(applications).values()) == 3 * SAMPLE_NS


def test_a_body_may_be_the_file_itself(applications: Applications) -> None:
    response = applications.pyroscope.post("/ingest?name=shop&format=jfr", data=busy_chunk().write())
    assert response.status_code == 200, response.text
    assert sum(tree(applications).values()) == 3 * SAMPLE_NS


def test_the_labels_of_a_context_split_the_series(applications: Applications) -> None:
    chunk = JfrChunk().setting("cpu")
    chunk.cpu(chunk.stack("A.a"), contextId=5).cpu(chunk.stack("A.a"), contextId=6)
    said = snapshot({1: "tenant", 2: "blue", 4: ""}, {5: {1: 2, 9: 2}, 6: {1: 4}})
    assert send(applications, chunk.write(), said).status_code == 400 + 22
    said = snapshot({1: "tenant", 2: "blue", 4: ""}, {5: {1: 2}, 6: {1: 4}})
    assert send(applications, chunk.write(), said).status_code == 200
    assert sorted(found.get("tenant", "") for found in labels(applications)) == ["", "blue"]


@pytest.mark.parametrize(
    ("event", "values", "expected"),
    [
        ("jdk.ObjectAllocationInNewTLAB", {"tlabSize": 500, "allocationSize": 9},
         {"memory:alloc_in_new_tlab_objects:count:space:bytes": 1,
          "memory:alloc_in_new_tlab_bytes:bytes:space:bytes": 500}),
        ("jdk.ObjectAllocationOutsideTLAB", {"allocationSize": 300},
         {"memory:alloc_outside_tlab_objects:count:space:bytes": 1,
          "memory:alloc_outside_tlab_bytes:bytes:space:bytes": 300}),
        ("jdk.ObjectAllocationSample", {"weight": 70},
         {"memory:alloc_sample_objects:count:space:bytes": 1, "memory:alloc_sample_bytes:bytes:space:bytes": 70}),
        ("jdk.JavaMonitorEnter", {"duration": 1_000_000},
         {"mutex:contentions:count:mutex:count": 1, "mutex:delay:nanoseconds:mutex:count": 1_000_000}),
        ("jdk.ThreadPark", {"duration": 5},
         {"block:contentions:count:block:count": 1, "block:delay:nanoseconds:block:count": 5}),
        ("profiler.LiveObject", {}, {"memory:live:count:objects:count": 1}),
        ("profiler.Malloc", {"size": 64}, {"memory:malloc_objects:count::": 1, "memory:malloc_bytes:bytes::": 64}),
    ],
)  # fmt: skip
def test_each_kind_of_event_becomes_a_profile_of_its_own(
    applications: Applications, event: str, values: dict[str, int], expected: dict[str, int]
) -> None:
    chunk = JfrChunk()
    chunk.event(event, stackTrace=chunk.stack("A.a", "B.b"), **values)
    assert send(applications, chunk.write()).status_code == 200
    assert types(applications) == sorted(expected)
    for profile_type, value in expected.items():
        assert tree(applications, profile_type) == {"B.b>A.a": value}


@pytest.mark.parametrize(
    "event", ["jdk.ObjectAllocationInNewTLAB", "jdk.ObjectAllocationOutsideTLAB", "jdk.JavaMonitorEnter"]
)
def test_allocations_and_locks_lead_to_their_span_as_well(applications: Applications, event: str) -> None:
    chunk = JfrChunk()
    for owner in (OWNED, {}):
        chunk.event(event, stackTrace=chunk.stack("A.a"), **owner)
    assert send(applications, chunk.write()).status_code == 200
    counted = next(kind for kind in types(applications) if ":count:" in kind)
    assert tree(applications, counted) == {"A.a": 2}
    assert tree(applications, counted, spanSelector=[f"{SPAN:016x}"]) == {"A.a": 1}


def _wall_clock(chunk: JfrChunk, samples: int, state: int) -> None:
    chunk.event("profiler.WallClockSample", stackTrace=chunk.stack("A.a"), state=state, samples=samples)


@pytest.mark.parametrize(
    ("setting", "state", "expected"),
    [
        ("wall", 1, {CPU: 3 * SAMPLE_NS, WALL: 3 * SAMPLE_NS}),
        ("wall", 2, {WALL: 3 * SAMPLE_NS}),
        ("cpu", 1, {WALL: 3 * SAMPLE_NS}),
    ],
)
def test_wall_clock_samples_count_for_as_many_as_they_say(
    applications: Applications, setting: str, state: int, expected: dict[str, int]
) -> None:
    chunk = JfrChunk().setting(setting)
    _wall_clock(chunk, 3, state)
    assert send(applications, chunk.write()).status_code == 200
    assert {kind: tree(applications, kind)["A.a"] for kind in types(applications)} == expected


@pytest.mark.parametrize(
    ("setting", "state", "expected"),
    [
        ("wall", "STATE_RUNNABLE", [CPU, WALL]),
        ("wall", "STATE_SLEEPING", [WALL]),
        ("itimer", "STATE_RUNNABLE", [CPU]),
        ("itimer", "STATE_SLEEPING", []),
    ],
)
def test_a_sleeping_thread_takes_no_cpu(
    applications: Applications, setting: str, state: str, expected: list[str]
) -> None:
    chunk = JfrChunk().setting(setting)
    chunk.cpu(chunk.stack("A.a"), state)
    assert send(applications, chunk.write()).status_code == 200
    assert types(applications) == expected


def test_a_rate_of_zero_leaves_no_time_and_a_higher_one_less(applications: Applications) -> None:
    chunk = JfrChunk()
    chunk.cpu(chunk.stack("A.a")).event("profiler.Malloc", stackTrace=chunk.stack("A.a"), size=64)
    assert send(applications, chunk.write(), sampleRate="0").status_code == 200
    assert types(applications) == ["memory:malloc_bytes:bytes::", "memory:malloc_objects:count::"]
    assert send(applications, chunk.write(), sampleRate="1000").status_code == 200
    assert tree(applications) == {"A.a": 1_000_000}


def test_chunks_follow_each_other_and_numbers_keep_their_meaning(applications: Applications) -> None:
    first, second = JfrChunk(), JfrChunk(first=100)
    first.cpu(first.stack("A.a"))
    second.cpu(second.stack("B.b", "A.a")).cpu(second.stack("A.a"))
    assert send(applications, first.write() + second.write()).status_code == 200
    assert tree(applications) == {"A.a": 2 * SAMPLE_NS, "A.a>B.b": SAMPLE_NS}


def test_many_threads_and_stacks_are_added_up(applications: Applications) -> None:
    chunk = JfrChunk()
    for thread in range(25):
        for depth in range(1, 11):
            chunk.cpu(chunk.stack(*(f"C{thread}.m{place}" for place in range(depth))), spanId=thread + 1)
    assert send(applications, chunk.write()).status_code == 200
    assert sum(tree(applications).values()) == 250 * SAMPLE_NS
    assert sum(tree(applications, spanSelector=[f"{25:016x}"]).values()) == 10 * SAMPLE_NS


def test_a_deep_stack_is_cut_to_its_outermost_frames(applications: Applications) -> None:
    chunk = JfrChunk()
    chunk.cpu(chunk.stack(*(f"A.m{place}" for place in range(DEPTH_LIMIT + 5))))
    assert send(applications, chunk.write()).status_code == 200
    (path,) = tree(applications)
    assert (path.count(">"), path.split(">")[0], path.split(">")[-1]) == (
        DEPTH_LIMIT - 1,
        f"A.m{DEPTH_LIMIT + 4}",
        "A.m5",
    )


def test_a_method_that_is_not_in_the_file_is_no_frame_and_a_stack_no_sample(applications: Applications) -> None:
    chunk = JfrChunk()
    chunk.cpu(chunk.stack("A.a")).cpu(99)
    assert send(applications, chunk.write()).status_code == 200
    assert tree(applications) == {"A.a": SAMPLE_NS}


def test_a_field_that_a_later_profiler_adds_is_skipped(applications: Applications) -> None:
    later = dict(TYPES)
    fields = list(later["jdk.ExecutionSample"])
    later["jdk.types.Place"] = (("x", "int"), ("y", "&jdk.types.Symbol"))
    fields[1:1] = [("place", "jdk.types.Place"), ("state2", "short"), ("flag", "boolean"), ("note", "java.lang.String")]
    later["jdk.types.Frame"] = ()
    chunk = JfrChunk(types=later | {"jdk.ExecutionSample": tuple(fields)})
    body = number(chunk._numbers()["jdk.ExecutionSample"])
    body += number(1) + number(300) + number(70_000) + number(9) + b"\x01" + text("x") + number(1)
    body += number(chunk.stack("A.a")) + number(1) + bytes(5)
    chunk._events.append(number(len(body) + 1) + body)
    assert send(applications, chunk.write()).status_code == 200
    assert tree(applications) == {"A.a": SAMPLE_NS}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("jdk/internal/reflect/GeneratedMethodAccessor31", "jdk/internal/reflect/GeneratedMethodAccessor_"),
        ("org/example/OrderService$$Lambda$669.0x0000000800fd7318", "org/example/OrderService$$Lambda_"),
        ("Fib$$Lambda.0x00007ffa600c4da0", "Fib$$Lambda_"),
        ("Fib$$Lambda/0x00007ffa600c4da0", "Fib$$Lambda_"),
        ("Fib$$Lambda12", "Fib$$Lambda_"),
        ("libzstd-jni-1.5.1-16931311898282279136.so", "libzstd-jni-_.so"),
        ("./tmp/libzstd-jni-1.5.1-16931311898282279136.so (deleted)", "libzstd-jni-_.so"),
        ("./tmp/libamazonCorrettoCryptoProvider109b39cf33c563eb.so", "libamazonCorrettoCryptoProvider_.so"),
        ("libasyncProfiler-linux-arm64-17b9a1d8156277a98ccc871afa9a8f69215f92.so", "libasyncProfiler-_.so"),
        ("A$$EnhancerBySpringCGLIB$$1af2", "A$$EnhancerBySpringCGLIB$$_"),
        ("java/lang/Thread", "java/lang/Thread"),
        ("A$$Lambda$x", "A$$Lambda$x"),
    ],
)
def test_what_java_makes_while_it_runs_has_no_number_in_its_name(name: str, kept: str) -> None:
    assert without_numbers(name) == kept


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"name": "shop{region=eu}"}, {"service_name": "shop", "region": "eu"}),
        ({"name": "shop{service_name=till}"}, {"service_name": "till", "app_name": "shop"}),
        ({"name": "shop{service_name=till,app_name=x}"}, {"service_name": "till", "app_name": "x"}),
        ({"spyName": ""}, {"pyroscope_spy": "unknown"}),
        ({"name": "shop{jfr_event=mine,__session_id__=5}"}, {"service_name": "shop"}),
    ],
)
def test_the_name_of_the_application_and_its_tags_become_labels(
    applications: Applications, query: dict[str, Any], expected: dict[str, str]
) -> None:
    chunk = JfrChunk()
    chunk.cpu(chunk.stack("A.a"))
    assert send(applications, chunk.write(), **query).status_code == 200
    (found,) = labels(applications)
    assert found | expected == found
    assert not {"jfr_event", "__session_id__", "__delta__"} & set(found), "without a value, or not for queries"


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def _at(place: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + new + data[place + len(new) :]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: b"nonsense", "error reading chunk header: unexpected EOF"),
        (lambda data: data[:60], "error reading chunk header: unexpected EOF"),
        (lambda data: data[: len(data) // 2], "unexpected EOF"),
        (lambda data: data + b"FLR", "error reading chunk header: unexpected EOF"),
        (lambda data: data + b"x" * 100, "invalid chunk magic: 78787878"),
        (_at(4, b"\0\1"), "unknown version"),
        (_at(8, b"\xff" * 8), "unexpected EOF"),
        (_at(16, b"\0" * 8), "invalid offset of constants: 0"),
        (_at(24, b"\x7f"), "invalid offset of metadata"),
        (_at(68, b"\0"), "invalid event size 0"),
        (_replaced(text("jdk.types.Symbol"), text("jdk.types.Symbil")), 'missing "jdk.types.Symbol"'),
        (_replaced(text("root"), text("toor")), "expected root element, got toor"),
        (_replaced(text("region"), text("noiger")), "unexpected element noiger"),
        (_replaced(text("dimension") + text("1"), text("dimension") + text("2")), "unsupported dimension 2"),
        (_replaced(text("A"), b"\x02\x01A"), "unknown string type 2"),
        (_replaced(text("STATE_RUNNABLE"), b"\x03\x0eSTATE_RUNNABL\xff"), "a text is not UTF-8"),
    ],
)
def test_a_damaged_file_is_a_422_that_says_where(
    applications: Applications, change: Callable[[bytes], bytes], says: str
) -> None:
    chunk = JfrChunk()
    chunk.cpu(chunk.stack("A.a"))
    response = send(applications, change(chunk.write()))
    assert (response.status_code, response.get_json()["code"]) == (422, "unknown")
    assert says in response.get_json()["message"]
    assert types(applications) == []


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"other": b"x"}, "jfr field is required"),
        ({"jfr": b""}, "jfr field is required"),
        ({"jfr": b"x"}, "failed to read magic"),
        ({"jfr": gzip.compress(b"x" * 100)[:-4]}, "failed to decompress jfr"),
        ({"jfr": gzip.compress(bytes(SIZE_LIMIT + 1))}, "exceeds maximum allowed size"),
        ({"jfr": b"FLR", "labels": b"x"}, "failed to decompress labels"),
        ({"jfr": b"FLR", "labels": b"\x0a\xff"}, "failed to parse labels form field"),
    ],
)
def test_a_form_without_a_whole_file_is_a_422(applications: Applications, form: dict[str, bytes], says: str) -> None:
    files = {name: (io.BytesIO(content), name) for name, content in form.items()}
    response = applications.pyroscope.post("/ingest?name=shop&format=jfr", data=files)
    assert (response.status_code, says in response.get_json()["message"]) == (422, True), response.text


def test_a_file_out_of_the_window_is_refused(applications: Applications) -> None:
    response = send(applications, busy_chunk().write(), **dict[str, Any]({"from": str(NOW_S - 7_200)}))
    assert (response.status_code, "outside of ingestion window" in response.text) == (422, True)


def test_chunks_that_share_their_constants_are_not_read_again_and_again(applications: Applications) -> None:
    """Each header is 68 bytes and points to the same types: five hundred of them would be five hundred readings."""
    whole = JfrChunk().write()
    empty = [68 * count for count in range(500, 0, -1)]
    heads = b"".join(
        whole[:8] + (68).to_bytes(8, "big") + (left + 68).to_bytes(8, "big")
        + (left + int.from_bytes(whole[24:32], "big")).to_bytes(8, "big") + whole[32:68]
        for left in empty
    )  # fmt: skip
    response = send(applications, heads + whole)
    assert (response.status_code, "overlap" in response.text) == (422, True), response.text


def test_pools_of_constants_that_point_forward_end(applications: Applications) -> None:
    """The distance to the pool before is set so that a pool follows itself for ever."""
    whole = bytearray(JfrChunk().write())
    place = int.from_bytes(whole[16:24], "big")
    delta = whole.index(b"\x01\x00\x00\x00\x01", place) + 3
    assert whole[delta] == 0
    body = bytes(whole[:delta]) + b"\x80\x00" + bytes(whole[delta + 1 :])
    response = send(applications, body)
    assert response.status_code == 422, response.text


def test_a_file_of_very_many_events_is_refused(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.jfr.chunks.JFR_EVENTS_LIMIT", 5)
    chunk = JfrChunk()
    for _ in range(4):
        chunk.cpu(chunk.stack("A.a"))
    response = send(applications, chunk.write())
    assert (response.status_code, "more than 5 events" in response.text) == (422, True)


WHOLE = busy_chunk().write()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, 50))
def test_a_file_with_a_changed_byte_is_taken_or_refused_and_nothing_breaks(
    applications: Applications, position: int, byte: int, cut: int
) -> None:
    changed = WHOLE[:position] + bytes([byte]) + WHOLE[position + 1 : len(WHOLE) - cut]
    response = applications.pyroscope.post("/ingest?name=shop&format=jfr", data=changed)
    assert response.status_code in {200, 422}, response.text
