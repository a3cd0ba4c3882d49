"""The parts of a JFR file: numbers, texts, fields and types as profilers write them, and what is wrong with others."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.embedded.proto.jfr_labels_pb2 import LabelsSnapshot
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.jfr import constants as chunk_constants
from spanprofiles.embedded.pyroscope.jfr.chunks import Budget, Event, Occurrence, occurrences
from spanprofiles.embedded.pyroscope.jfr.conversion import JfrSamples
from spanprofiles.embedded.pyroscope.jfr.metadata import MetadataReader
from spanprofiles.embedded.pyroscope.jfr.primitives import (
    ARRAY,
    BOOLEAN,
    FIELDS,
    INT,
    INT_SHIFTS,
    LONG,
    NO_PLACE,
    SHORT,
    SHORT_SHIFTS,
    TEXT,
    UNKNOWN,
    JfrError,
    Step,
    read_fields,
    read_number,
    read_text,
)
from spanprofiles.embedded.pyroscope.jfr.upload import Circumstances, JfrUpload, bad, read_profiles
from spanprofiles.embedded.pyroscope.limits import JFR_EXPANSION
from spanprofiles.embedded.refusals import Reason
from tests.support.embedded.jfr_writer import TYPES, JfrChunk, number, sized, text

SEVEN_ONES = b"\xff" * 7


@pytest.mark.parametrize(
    ("written", "shifts", "value"),
    [
        (b"\x00", INT_SHIFTS, 0),
        (b"\x7f", INT_SHIFTS, 127),
        (b"\x80\x01", INT_SHIFTS, 128),
        (b"\xff\x7f", SHORT_SHIFTS, 2**14 - 1),
        (b"\xff\xff\x03", SHORT_SHIFTS, 2**16 - 1),
        (b"\xff\xff\x07", SHORT_SHIFTS, 2**16 - 1),
        (b"\xff\xff\xff\xff\x0f", INT_SHIFTS, 2**32 - 1),
        (b"\xff\xff\xff\xff\x7f", INT_SHIFTS, 2**32 - 1),
        (b"\x80" * 8 + b"\x01", 64, 2**56),
        (b"\xff" * 9, 64, 2**64 - 1),
        (SEVEN_ONES + b"\x7f", 64, 2**56 - 1),
    ],
)
def test_a_number_has_seven_bits_a_byte_and_its_ninth_byte_has_eight(written: bytes, shifts: int, value: int) -> None:
    assert read_number(b"?" + written + b"\x05", 1, shifts) == (value, 1 + len(written))


@pytest.mark.parametrize(("written", "shifts"), [(b"\xff" * 3, SHORT_SHIFTS), (b"\xff" * 5, INT_SHIFTS)])
def test_a_number_that_goes_on_for_too_long_is_refused(written: bytes, shifts: int) -> None:
    with pytest.raises(JfrError) as error:
        read_number(written + b"\x01", 0, shifts)
    assert str(error.value) == "int overflow"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"\x00", ""),
        (b"\x01", ""),
        (b"\x03\x03n\xc3\xa9", "né"),
        (b"\x05\x02n\xe9", "né"),
        (b"\x04\x02n" + number(0xE9), "né"),
        (b"\x04\x03" + number(0xD7FF) + number(0xE000) + number(0x10FFFF), "\ud7ff\ue000\U0010ffff"),
        (b"\x04\x03" + number(0xD800) + number(0xDFFF) + number(0x110000), "\ufffd\ufffd\ufffd"),
        (b"\x04\x00", ""),
    ],
)
def test_a_text_is_read_in_each_of_its_forms(written: bytes, shown: str) -> None:
    assert read_text(b"?" + written, 1) == (shown, 1 + len(written))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"\x02", "unknown string type 2 at 1"),
        (b"\x03\x02n", "unexpected EOF"),
        (b"\x04\x02n", "unexpected EOF"),
        (b"\x03\x01\xff", "a text is not UTF-8"),
    ],
)
def test_a_text_that_is_none_is_refused(written: bytes, words: str) -> None:
    with pytest.raises(JfrError) as error:
        read_text(written, 0)
    assert str(error.value) == words


def test_texts_of_the_metadata_are_not_in_latin() -> None:
    with pytest.raises(JfrError, match="unknown string type 5 at 1"):
        read_text(b"\x05\x01a", 0, is_latin_known=False)


def test_fields_are_read_in_order_and_those_that_nobody_asks_for_are_skipped() -> None:
    steps = [
        Step(LONG, 0), Step(INT, 1), Step(SHORT, NO_PLACE), Step(BOOLEAN, 2), Step(TEXT, 3),
        Step(ARRAY, NO_PLACE, (Step(TEXT, NO_PLACE),)), Step(FIELDS, NO_PLACE, [Step(INT, NO_PLACE)]), Step(LONG, 4),
    ]  # fmt: skip
    written = (
        number(2**40) + b"\x85\x01" + b"\xff\xff\x07" + b"\x01" + text("né") + b"\x02" + text("a") + text("b")
        + number(300) + b"\x7f"
    )  # fmt: skip
    values: list[Any] = [None] * 5
    assert read_fields(b"?" + written, 1, steps, values) == 1 + len(written)
    assert values == [2**40, 133, 1, "né", 127]


def test_an_array_has_no_more_members_than_there_are_bytes() -> None:
    steps = [Step(ARRAY, NO_PLACE, (Step(INT, NO_PLACE),))]
    assert read_fields(b"\x02\x05\x06", 0, steps, []) == 3
    with pytest.raises(JfrError, match="unexpected EOF"):
        read_fields(b"\x03\x05\x06", 0, steps, [])


def test_a_field_of_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(JfrError) as error:
        read_fields(b"\x01", 0, [Step(UNKNOWN, NO_PLACE, "jdk.types.New")], [])
    assert str(error.value) == "unknown type jdk.types.New"


def chunk_of(**types: Any) -> JfrChunk:
    """A chunk of one sample, whose types have these fields instead of their own."""
    chunk = JfrChunk(types=dict(TYPES) | types)
    return chunk.cpu(chunk.stack("A.a"))


def refusal_of(data: bytes) -> str:
    with pytest.raises(JfrError) as error:
        list(occurrences(data))
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (text("root"), text("toor"), "error reading metadata: expected root element, got toor"),
        (text("region"), text("noiger"), "error reading metadata: unexpected element noiger"),
        (text("jdk.types.Symbol"), text("jdk.types.Symbil"), 'error reading metadata: missing "jdk.types.Symbol"'),
        (text("1"), text("2"), "error reading metadata: unsupported dimension 2"),
        (text("20"), text("2x"), "error reading metadata: id '2x' is not a number"),
        (text("20"), text("²0"), "error reading metadata: id '²0' is not a number"),
        (text("boolean"), text(""), "error reading metadata: class/field name is empty"),
    ],
)
def test_metadata_that_make_no_sense_are_refused_with_what_is_wrong(old: bytes, new: bytes, words: str) -> None:
    data = chunk_of().write()
    assert data.count(old) >= 1
    place = data.rindex(old)
    assert refusal_of(data[:place] + new + data[place + len(old) :]) == words


def metadata(texts: list[str], elements: bytes, count: int | None = None) -> bytes:
    """Metadata of some texts and elements, without the size and type before them."""
    length = len(texts) if count is None else count
    return bytes(5) + number(length) + b"".join(map(text, texts)) + elements


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (metadata(["root"], b"\x01"), "error reading metadata: int overflow"),
        (metadata([], b"\x00"), "error reading metadata: int overflow"),
        (metadata([], b"", 1), "unexpected EOF"),
        (metadata(["root", "metadata", "class", "id"], bytes([0, 0, 1, 1, 0, 1, 2, 0, 0])),
         "error reading metadata: id '' is not a number"),
        (metadata(["root", "metadata", "class", "id", "-7"], bytes([0, 0, 1, 1, 0, 1, 2, 1, 3, 4, 0])),
         "error reading metadata: class/field name is empty"),
        (metadata(["root", "metadata", "class", "id", "9" * 20], bytes([0, 0, 1, 1, 0, 1, 2, 1, 3, 4, 0])),
         f"error reading metadata: id '{'9' * 20}' is not a number"),
        (metadata(["root"], bytes([0, 0, 0])), 'error reading metadata: missing "java.lang.String"'),
    ],
)  # fmt: skip
def test_elements_are_read_as_they_are_written(written: bytes, words: str) -> None:
    with pytest.raises(JfrError) as error:
        MetadataReader(written, 0).read()
    assert str(error.value) == words


def test_a_pool_of_a_type_that_is_not_known_is_refused() -> None:
    data = chunk_of().write()
    pool = number(JfrChunk()._numbers()["jdk.types.FrameType"]) + number(1) + number(1) + text("Inlined")
    place = data.index(pool)
    assert refusal_of(data[:place] + b"\x05" + data[place + 1 :]) == "error reading constants: unknown type 5"


def test_a_stack_without_frames_and_frames_without_fields_are_refused() -> None:
    assert refusal_of(chunk_of(**{"jdk.types.StackTrace": (("truncated", "boolean"),)}).write()) == (
        "the stack traces have no frames"
    )
    assert refusal_of(chunk_of(**{"jdk.types.StackFrame": ()}).write()) == "the frames of stack traces have no fields"


def test_a_field_of_an_object_in_an_object_is_of_an_unknown_type() -> None:
    nested = {"jdk.types.Inner": (("x", "int"),), "jdk.types.Outer": (("inner", "jdk.types.Inner"), ("y", "int"))}
    execution = (*TYPES["jdk.ExecutionSample"], ("outer", "jdk.types.Outer"))
    assert (
        refusal_of(chunk_of(**nested, **{"jdk.ExecutionSample": execution}).write()) == "unknown type jdk.types.Inner"
    )


def test_an_object_in_an_event_is_skipped_whole() -> None:
    outer = {"jdk.types.Outer": (("x", "int"), ("names", "[]java.lang.String"), ("z", "&jdk.types.Symbol"))}
    execution = (("outer", "jdk.types.Outer"), *TYPES["jdk.ExecutionSample"])
    chunk = JfrChunk(types=dict(TYPES) | outer | {"jdk.ExecutionSample": execution})
    stack = chunk.stack("A.a")
    # an array in an object is read as one of its members: so it is there
    body = number(chunk._numbers()["jdk.ExecutionSample"]) + number(300) + text("name") + number(9)
    chunk._events.append(sized(body + number(1) + number(2) + number(stack) + number(1) + bytes(5)))
    (found,) = occurrences(chunk.write())
    assert (found.event, found.values[:2]) == (Event.EXECUTION, [stack, 1])


def test_bytes_that_are_read_again_are_counted_up_to_the_size_of_the_file() -> None:
    budget = Budget(10)
    budget.take(4)
    budget.take(6)
    with pytest.raises(JfrError) as error:
        budget.take(1)
    assert str(error.value) == "types or constants of its chunks overlap"


def test_a_file_of_many_chunks_has_so_many_events_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.jfr.chunks.JFR_EVENTS_LIMIT", 6)
    chunk = chunk_of().write()
    assert len(list(occurrences(chunk * 2))) == 2  # with its constants and metadata each has three
    assert refusal_of(chunk * 3) == "there are more than 6 events in it"


def test_memory_is_asked_for_before_a_file_is_read() -> None:
    asked: list[int] = []
    data = chunk_of().write()
    upload, circumstances = JfrUpload.of_body(data), Circumstances([("service_name", "shop")], 0, 100)
    assert len(list(read_profiles(upload, circumstances, asked.append))) == 1
    assert asked == [JFR_EXPANSION * len(data)]
    assert (str(bad("why")), bad("why").code, bad("why").reason) == (
        "parsing JFR failed: why", "unknown", Reason.UNDECODED,
    )  # fmt: skip


class Constants:
    """Stands in for the constants of a chunk."""

    def __init__(self, stacks: dict[int, list[int]]) -> None:
        self.stacks = stacks

    def function(self, method: int) -> str | None:
        return None if method == 99 else f"A.m{method}"

    def thread_state(self, number: int) -> str | None:
        return {1: "STATE_RUNNABLE", 2: "STATE_SLEEPING"}.get(number)


def samples_of(*events: tuple[Event, list[Any]], rate: int = 100, stacks: dict[int, list[int]] | None = None) -> Any:
    constants: Any = Constants(stacks or {1: [5, 7]})
    samples = JfrSamples(LabelsSnapshot(), rate, Allowance())
    samples.add_all(Occurrence(event, values, constants) for event, values in events)
    return samples


def test_a_state_that_the_file_does_not_have_is_no_cpu() -> None:
    nobody = [0, 0, 0, 0, 0]
    assert samples_of((Event.EXECUTION, [1, 3, *nobody])).profiles == {}
    (kind,) = samples_of((Event.EXECUTION, [1, 1, *nobody])).profiles
    assert kind.metric == "process_cpu"


def test_no_more_samples_are_kept_than_it_takes_to_refuse_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.jfr.conversion.SAMPLES_LIMIT", 3)
    stacks = {number: [5, number] for number in range(1, 9)}
    events = [(Event.LIVE_OBJECT, [number]) for number in stacks]
    (profile,) = samples_of(*events, stacks=stacks).profiles.values()
    assert len(profile.samples) == 3 + 1


def test_a_method_without_a_name_is_no_frame_and_each_line_of_another_is_one() -> None:
    samples = samples_of((Event.LIVE_OBJECT, [1]), stacks={1: [5, 7, 99, 1, 5, 8, 6, 7]})
    assert list(samples.table.functions) == [("A.m5", "", ""), ("A.m6", "", "")]
    assert list(samples.table.frames) == [(0, 7), (0, 8), (1, 7)]
    assert [list(stack) for stack in samples.table.stacks] == [[3, 2, 1]]


def test_a_setting_without_a_value_says_nothing() -> None:
    chunk = JfrChunk(types=dict(TYPES) | {"jdk.ActiveSetting": (("name", "java.lang.String"),)})
    chunk.event("jdk.ActiveSetting", name="event")
    (found,) = occurrences(chunk.write())
    assert (found.event, found.values) == (Event.SETTING, ["event", ""])


def test_numbers_of_the_metadata_have_32_bits() -> None:
    with pytest.raises(JfrError) as error:
        MetadataReader(b"\xff" * 5 + b"\x01" + bytes(20), 0).read()
    assert str(error.value) == "int overflow"


def test_pools_of_constants_are_read_from_the_last_to_the_first() -> None:
    data = chunk_of().write()
    types = MetadataReader(data, int.from_bytes(data[24:32], "big")).read()
    kind = number(types.by_name["jdk.types.ThreadState"].number)

    def pool(delta: int, state: int, name: str) -> bytes:
        return bytes(4) + number(delta) + b"\x01\x01" + kind + number(1) + number(state) + text(name)

    first = pool(0, 1, "STATE_RUNNABLE")
    second = pool(-len(first), 2, "STATE_SLEEPING")
    sizes: list[int] = []
    constants = chunk_constants.Constants(types)
    constants.read(b"?" + first + second, 1 + len(first), sizes.append)
    assert [constants.thread_state(state) for state in (1, 2, 3)] == ["STATE_RUNNABLE", "STATE_SLEEPING", None]
    assert sizes == [len(second), len(first)]


@pytest.mark.parametrize(
    ("written", "words"),
    [(b"\x05\x01a", "unknown string type 5 at 7"), (b"\x03" + b"\xff" * 5 + b"\x01", "int overflow")],
)
def test_a_text_of_the_metadata_that_is_none_is_refused(written: bytes, words: str) -> None:
    with pytest.raises(JfrError) as error:
        MetadataReader(bytes(5) + number(1) + written, 0).read()
    assert str(error.value) == words


def test_a_chunk_says_where_it_ends_and_no_less_than_its_header_takes() -> None:
    data = chunk_of().write()
    assert refusal_of(data[:8] + (67).to_bytes(8, "big") + data[16:]) == (
        "error reading chunk header: invalid size: 67"
    )


def constants_of(*pools: bytes, delta: int = 0) -> chunk_constants.Constants:
    """Read pools of constants, before which others lie so far away."""
    found = chunk_constants.Constants(TYPES_READ)
    body = bytes(4) + number(delta) + b"\x01" + number(len(pools)) + b"".join(pools)
    found.read(b"?" + body, 1, lambda _: None)
    return found


CONTAINED = chunk_of(**{"jdk.types.ChunkHeader": ()}).write()
TYPES_READ = MetadataReader(CONTAINED, int.from_bytes(CONTAINED[24:32], "big")).read()
STATE, STACK, HEADER = (
    number(TYPES_READ.by_name[f"jdk.types.{name}"].number) for name in ("ThreadState", "StackTrace", "ChunkHeader")
)


def test_the_header_of_a_chunk_among_its_constants_is_passed_over() -> None:
    state = STATE + number(1) + number(1) + text("STATE_RUNNABLE")
    assert constants_of(HEADER + bytes(68), state).thread_state(1) == "STATE_RUNNABLE"
    assert constants_of(state).function(1) is None


@pytest.mark.parametrize(
    ("pool", "delta"),
    [(STATE + number(99), 0), (STACK + number(1) + b"\x01\x00" + number(99), 0), (STATE + b"\x00", 99)],
    ids=["constants", "frames", "pools"],
)
def test_constants_that_the_file_ends_before_are_refused(pool: bytes, delta: int) -> None:
    with pytest.raises(JfrError, match=r"^unexpected EOF$"):
        constants_of(pool, delta=delta)
