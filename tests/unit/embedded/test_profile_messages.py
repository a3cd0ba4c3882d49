"""What the profile store says when it refuses, word for word: users search for these sentences, and agents log them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from spanprofiles.embedded.compression import BodyTooLargeError
from spanprofiles.embedded.proto.pprof_pb2 import Function, Label, Line, Location, Profile, Sample, ValueType
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    EXEMPLAR_TYPE_INDIVIDUAL,
    EXEMPLAR_TYPE_NONE,
    EXEMPLAR_TYPE_SPAN,
    HEATMAP_QUERY_TYPE_INDIVIDUAL,
    HEATMAP_QUERY_TYPE_SPAN,
    HEATMAP_QUERY_TYPE_UNSPECIFIED,
    SelectMergeStacktracesRequest,
)
from spanprofiles.embedded.pyroscope import folded, forms, pprof, shape
from spanprofiles.embedded.pyroscope.allowance import Allowance, Stacks
from spanprofiles.embedded.pyroscope.appname import parse_name
from spanprofiles.embedded.pyroscope.bounds import check_samples, check_size, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.ingest import Upload
from spanprofiles.embedded.pyroscope.jfr.upload import JfrUpload
from spanprofiles.embedded.pyroscope.labels import check_label_sizes, check_labels
from spanprofiles.embedded.pyroscope.limits import (
    CONFIGURATION_BYTES_LIMIT,
    DEPTH_LIMIT,
    FORM_HEADER_BYTES,
    FORM_PARTS_LIMIT,
    GROUP_LIMIT,
    IDS_LIMIT,
    LINES_LIMIT,
    NODES_LIMIT,
    SAMPLE_LABELS_LIMIT,
    SAMPLE_TYPES_LIMIT,
    SAMPLES_LIMIT,
    SIZE_LIMIT,
    Quantity,
)
from spanprofiles.embedded.pyroscope.queries import (
    LONGEST_WINDOW_MS,
    Selection,
    bad_id,
    binary_ids,
    check_profile_type,
    check_window,
    node_limit,
    profile_numbers,
    selector_of,
    step_ms,
)
from spanprofiles.embedded.pyroscope.render import parse_query
from spanprofiles.embedded.pyroscope.repairs import mend
from spanprofiles.embedded.pyroscope.sample_parts import serialized_samples
from spanprofiles.embedded.pyroscope.series import check_type_names
from spanprofiles.embedded.pyroscope.shape import ShapeError
from spanprofiles.embedded.pyroscope.timeseries import _check_heatmap, names_of
from spanprofiles.embedded.refusals import Reason
from tests.support.pprof_writer import block

INVALID, UNKNOWN = "invalid_argument", "unknown"
NOW_NS = 1_700_000_000 * 10**9
HOUR_MS = 3_600_000
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
NAMED = {"service_name": "shop"}
FORM_TYPE = "multipart/form-data; boundary=x"


def _both_selectors() -> None:
    Selection.of(
        SelectMergeStacktracesRequest(
            profile_typeID=CPU,
            label_selector="{}",
            start=1,
            end=2,
            span_selector=["a" * 16],
            trace_id_selector=["b" * 32],
        )
    )


QUESTIONS: dict[str, tuple[Callable[[], object], str, str]] = {
    "no window": (lambda: check_window(0, 5), "missing time range in the query", INVALID),
    "no end": (lambda: check_window(5, 0), "missing time range in the query", INVALID),
    "a window that runs backwards": (lambda: check_window(6, 5), "query start time is after end time", INVALID),
    "a window of more than a day": (
        lambda: check_window(1, LONGEST_WINDOW_MS + HOUR_MS + 62_001),
        "the query time range exceeds the limit (max_query_length, actual: 25h1m2s, limit: 1d)",
        INVALID,
    ),
    "a step below 1 ms": (lambda: step_ms(0.0009), "step must be >= 1ms", INVALID),
    "a step that is no number": (lambda: step_ms(float("nan")), "step must be >= 1ms", INVALID),
    "a step of centuries": (lambda: step_ms(1e12), "step is too long", INVALID),
    "nodes below zero": (
        lambda: node_limit(-1),
        f"max flamegraph nodes limit must be set (max allowed {NODES_LIMIT})",
        INVALID,
    ),
    "too many nodes": (
        lambda: node_limit(NODES_LIMIT + 1),
        f"max flamegraph nodes limit {NODES_LIMIT + 1} is greater than allowed {NODES_LIMIT}",
        INVALID,
    ),
    "a short span ID": (
        lambda: binary_ids("span", ["aé"], 16),
        'rpc error: code = Unknown desc = invalid span id length: "aé"',
        UNKNOWN,
    ),
    "a trace ID that is not hexadecimal": (
        lambda: binary_ids("trace", ["g" * 32], 32),
        "rpc error: code = Unknown desc = encoding/hex: invalid byte: U+0067 'g'",
        UNKNOWN,
    ),
    "a profile ID that is none": (
        lambda: profile_numbers(["nonsense"]),
        "rpc error: code = Unknown desc = invalid UUID length: 8",
        UNKNOWN,
    ),
    "too many IDs": (
        lambda: profile_numbers(["x"] * (IDS_LIMIT + 1)),
        f"more than {IDS_LIMIT} IDs in one selector: ask for fewer at once",
        INVALID,
    ),
    "spans and traces at once": (_both_selectors, "span_selector and trace_id_selector cannot be combined", INVALID),
    "too many labels to group by": (
        lambda: names_of([str(number) for number in range(GROUP_LIMIT + 1)]),
        f"more than {GROUP_LIMIT} labels to group by: ask for fewer",
        INVALID,
    ),
    "a selector that is none": (
        lambda: selector_of("é{"),
        "parsing label selector \"é{\": 1:1: parse error: unexpected character: 'é'",
        INVALID,
    ),
    "a type of three parts": (
        lambda: check_profile_type("é:b:c"),
        "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>"
        '(:delta), got(3): "é:b:c"',
        INVALID,
    ),
    "a type with another word than delta": (
        lambda: check_profile_type("a:b:c:d:e:f"),
        "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>"
        '(:delta), got(6): "a:b:c:d:e:f"',
        INVALID,
    ),
    "an older question without its query": (lambda: parse_query(None), '"query" is required', INVALID),
    "an older question without a type": (
        lambda: parse_query("{}"),
        '"query" must contain a profile-type selection',
        INVALID,
    ),
    "a heatmap of nothing": (
        lambda: _check_heatmap(HEATMAP_QUERY_TYPE_UNSPECIFIED, EXEMPLAR_TYPE_NONE),
        "rpc error: code = Unknown desc = valid heatmap query type must be specified",
        UNKNOWN,
    ),
    "a heatmap of spans with profiles as examples": (
        lambda: _check_heatmap(HEATMAP_QUERY_TYPE_SPAN, EXEMPLAR_TYPE_INDIVIDUAL),
        "rpc error: code = Unknown desc = individual exemplars only available for individual query type",
        UNKNOWN,
    ),
    "a heatmap of profiles with spans as examples": (
        lambda: _check_heatmap(HEATMAP_QUERY_TYPE_INDIVIDUAL, EXEMPLAR_TYPE_SPAN),
        "rpc error: code = Unknown desc = span exemplars only available for span query type",
        UNKNOWN,
    ),
}


@pytest.mark.parametrize(("ask", "message", "code"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_that_cannot_be_answered_is_told_why(ask: Callable[[], object], message: str, code: str) -> None:
    with pytest.raises(ConnectError) as refused:
        ask()
    assert (str(refused.value), refused.value.code) == (message, code)


def _mended(spy: str, *functions: Function, texts: tuple[str, ...] = ("",)) -> None:
    profile = Profile(location=[Location(id=1, line=[Line(function_id=1)])], function=functions, string_table=texts)
    mend(profile, spy, frozenset())


def _checked(**changes: Any) -> None:
    profile = Profile(sample_type=[ValueType()], string_table=[""])
    for name, value in changes.items():
        profile.ClearField(name)
        getattr(profile, name).extend(value)
    pprof.check(profile, serialized_samples(profile), 1, NAMED, NOW_NS)


def _split(**parts: Any) -> None:
    profile = Profile(sample_type=[ValueType()], string_table=[""], **parts)
    pprof.split(profile, serialized_samples(profile), [("__name__", "x"), *NAMED.items()], NOW_NS)


def _taken(quantity: Quantity, count: int) -> None:
    Allowance().take(quantity, count)


def _form(body: bytes, content_type: str = FORM_TYPE) -> None:
    forms.read_files(content_type, body)


SHOP = '{service_name="shop"}'
CALLED = {"__name__": "process_cpu", "service_name": "shop"}
MANY_LINES = [Line(function_id=1)] * (LINES_LIMIT + 1)
UPLOADS: dict[str, tuple[Callable[[], object], str, str, Reason]] = {
    "an old profile": (
        lambda: check_time(SHOP, NOW_NS - 7_200 * 10**9 + 5 * 10**6, NOW_NS),
        f"profile with labels '{SHOP}' is outside of ingestion window (profile timestamp: 2023-11-14 20:13:20.005"
        " +0000 UTC, the ingestion window starts at 2023-11-14 21:13:20 +0000 UTC and ends at 2023-11-14 22:23:20"
        " +0000 UTC)",
        INVALID,
        Reason.NOT_IN_WINDOW,
    ),
    "a large profile": (
        lambda: check_size(SHOP, SIZE_LIMIT + 1),
        f"the profile with labels '{SHOP}' exceeds the size limit (max_profile_size_byte, actual: 4194305,"
        " limit: 4194304)",
        INVALID,
        Reason.PROFILE_SIZE,
    ),
    "many samples": (
        lambda: check_samples(SHOP, SAMPLES_LIMIT + 1, 0),
        f"the profile with labels '{SHOP}' exceeds the samples count limit (max_profile_stacktrace_samples, actual:"
        " 16001, limit: 16000)",
        INVALID,
        Reason.SAMPLES,
    ),
    "many labels of a sample": (
        lambda: check_samples(SHOP, 1, SAMPLE_LABELS_LIMIT + 1),
        f"the profile with labels '{SHOP}' exceeds the sample labels limit (max_profile_stacktrace_sample_labels,"
        " actual: 101, limit: 100)",
        INVALID,
        Reason.SAMPLE_LABELS,
    ),
    "too short for gzip": (
        lambda: pprof.decode(b"short"), "gzip reset: unexpected EOF", UNKNOWN, Reason.UNDECODED,
    ),
    "damaged gzip": (
        lambda: pprof.decode(gzip.compress(b"x" * 100)[:-1]), "gzip reset: gzip: unexpected EOF", UNKNOWN,
        Reason.UNDECODED,
    ),
    "far too much in gzip": (
        lambda: pprof.decode(gzip.compress(bytes(SIZE_LIMIT + 1))),
        f"the uncompressed profile exceeds the size limit (max_profile_size_bytes, actual: more than {SIZE_LIMIT},"
        f" limit: {SIZE_LIMIT})",
        INVALID,
        Reason.PROFILE_SIZE,
    ),
    "far too much as it is": (
        lambda: pprof.decode(bytes(SIZE_LIMIT + 1)),
        f"the uncompressed profile exceeds the size limit (max_profile_size_bytes, actual: {SIZE_LIMIT + 1},"
        f" limit: {SIZE_LIMIT})",
        INVALID,
        Reason.PROFILE_SIZE,
    ),
    "very many sample types": (
        lambda: pprof.decode(block(1, b"") * SAMPLE_TYPES_LIMIT * 300),
        f"there are more than {SAMPLE_TYPES_LIMIT} sample types in a profile",
        INVALID,
        Reason.FRAMES,
    ),
    "no types of value": (lambda: _checked(sample_type=[]), "empty profile", INVALID, Reason.MALFORMED_PROFILE),
    "a first text": (
        lambda: _checked(string_table=["x"]), "string 0 should be empty string", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "no texts": (
        lambda: _checked(string_table=[]), "string 0 should be empty string", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a location without a number": (
        lambda: _checked(location=[Location()]), "location id is 0", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a function without a number": (
        lambda: _checked(function=[Function()]), "function id is 0", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a type without a text": (
        lambda: _checked(sample_type=[ValueType(unit=1)]),
        "sample type string index out of range", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a function without a text": (
        lambda: _checked(function=[Function(id=1, filename=1)]),
        "function string index out of range", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a dash in a type": (
        lambda: check_type_names(["cpu", "in-use"]), "sample type contains -", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a label without a text": (
        lambda: _split(sample=[Sample(value=[1], label=[Label(key=0, str=1)])]),
        "sample label string index out of range", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "a sample without its value": (
        lambda: _split(sample=[Sample(value=[1, 2])]),
        "sample value length mismatch", INVALID, Reason.MALFORMED_PROFILE,
    ),
    "many functions inlined in one location": (
        lambda: _split(
            sample=[Sample(location_id=[300], value=[1])],
            location=[Location(id=300, line=MANY_LINES)],
            function=[Function(id=1)],
        ),
        f"location 300 has {LINES_LIMIT + 1} lines, one for each function inlined in it; the limit is {LINES_LIMIT}",
        INVALID,
        Reason.FRAMES,
    ),
    "lines without functions": (
        lambda: _mended("rbspy"),
        "a line has a function, and the profile has none", UNKNOWN, Reason.MALFORMED_PROFILE,
    ),
    "a function to mend without a text": (
        lambda: _mended("rbspy", Function(id=1, filename=7)),
        "function string index out of range", UNKNOWN, Reason.MALFORMED_PROFILE,
    ),
    "more bytes than an upload may have": (
        lambda: _taken(Quantity.BYTES, Quantity.BYTES.limit + 1),
        "the upload has more than 16777216 bytes of decompressed profiles: send less at once, or fewer frames",
        INVALID,
        Reason.PROFILE_SIZE,
    ),
    "long names on many lines": (
        lambda: _taken(Quantity.NAMES, 2**20 + 1),
        "the names of the upload's frames take more than 16 times the room of the upload, as a long name does that is"
        " on many lines: send shorter names, or fewer lines",
        INVALID,
        Reason.FRAMES,
    ),
    "too many labels": (
        lambda: check_labels([*CALLED.items(), *((f"l{number:02}", "v") for number in range(29))]),
        "profile series '{__name__=\"process_cpu\""
        + "".join(f', l{number:02}="v"' for number in range(29))
        + ", service_name=\"shop\"}' has 31 label names; limit 30",
        INVALID,
        Reason.LABEL_COUNT,
    ),
    "no name of a metric": (
        lambda: check_labels(NAMED.items()),
        f"invalid labels '{SHOP}' with error: invalid metric name", INVALID, Reason.INVALID_LABELS,
    ),
    "no service among the labels": (
        lambda: check_labels([("__name__", "process_cpu"), ("service_name", "shop"), ("service_name", "")]),
        "invalid labels '{__name__=\"process_cpu\"}' with error: service name is not provided", INVALID,
        Reason.INVALID_LABELS,
    ),
    "the same label twice": (
        lambda: check_labels([*CALLED.items(), ("a", "1"), ("b", "1"), ("b", "2")]),
        "profile with labels '{__name__=\"process_cpu\", a=\"1\", b=\"2\", service_name=\"shop\"}' has duplicate label"
        " name: 'b'",
        INVALID,
        Reason.DUPLICATE_LABELS,
    ),
    "a label without a name": (
        lambda: check_label_sizes({"": "x"}),
        "invalid labels '{=\"x\"}' with error: invalid label name ''", INVALID, Reason.INVALID_LABELS,
    ),
    "a long name of a label": (
        lambda: check_label_sizes({"n" * 1_025: "é"}),
        f"profile with labels '{{{'n' * 1_025}=\"é\"}}' has label name too long: '{'n' * 1_025}'",
        INVALID,
        Reason.LABEL_NAME_LENGTH,
    ),
    "a long value of a label": (
        lambda: check_label_sizes({"n": "v" * 5_000}),
        f"profile with labels '{{n=\"{'v' * 4_096}\"}}' has label value too long: '{'v' * 4_096}'",
        INVALID,
        Reason.LABEL_VALUE_LENGTH,
    ),
    "no name of a service": (
        lambda: parse_name(" {a=b}"), "name: service name is required", INVALID, Reason.NAME,
    ),
    "a space in a tag": (
        lambda: parse_name("shop{a b=c}"),
        "name: invalid label name: a b: character is not allowed: ' '", INVALID, Reason.NAME,
    ),
    "a type of profile that is not known": (
        lambda: folded.kind_of("shop." + "x" * 100),
        f"failed to convert metadata: unknown profile type: {'x' * 64}, the part of the name after its last dot",
        INVALID,
        Reason.NAME,
    ),
    "a stack without a number": (
        lambda: folded.read_groups(b"a;b x" + b"\xff" * 100),
        f'a line must end with a space and a whole number, not "x{"�" * 63}"', UNKNOWN, Reason.UNDECODED,
    ),
    "a long line": (
        lambda: folded.read_lines(b"a" * 65_536), "a line is longer than 65536 bytes", UNKNOWN, Reason.UNDECODED,
    ),
    "a name that is no text": (
        lambda: folded.read_lines(b"\xff"), "a name is not UTF-8", INVALID, Reason.UNDECODED,
    ),
    "many stacks": (
        lambda: folded._check(SAMPLES_LIMIT + 1, 0, 0),
        "the profile exceeds the samples count limit (max_profile_stacktrace_samples, actual: more than 16000, limit:"
        " 16000)",
        INVALID,
        Reason.SAMPLES,
    ),
    "many frames": (
        lambda: folded._check(1, Quantity.FRAMES.limit + 1, 0),
        "the profile has more than 1048576 frames in its different stacks, or 131072 functions",
        INVALID,
        Reason.FRAMES,
    ),
    "many functions": (
        lambda: folded._check(1, 1, 2**17 + 1),
        "the profile has more than 1048576 frames in its different stacks, or 131072 functions",
        INVALID,
        Reason.FRAMES,
    ),
    "a large configuration": (
        lambda: Upload(b"", b" " * (CONFIGURATION_BYTES_LIMIT + 1)),
        "sample_type_config is larger than 65536 bytes", UNKNOWN, Reason.UNDECODED,
    ),
    "a configuration that is no JSON": (
        lambda: Upload(b"", b"{"),
        "sample_type_config is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        UNKNOWN,
        Reason.UNDECODED,
    ),
    "a configuration of numbers": (
        lambda: Upload(b"", b'{"cpu": 5}'),
        "sample_type_config must have an object for each sample type", UNKNOWN, Reason.UNDECODED,
    ),
    "a unit that is a number": (
        lambda: Upload(b"", b'{"cpu": {"Units": 5}}'),
        "sample_type_config: Units is no text", UNKNOWN, Reason.UNDECODED,
    ),
    "an answer that is a text": (
        lambda: Upload(b"", b'{"cpu": {"sampled": "yes"}}'),
        "sample_type_config: sampled is no boolean", UNKNOWN, Reason.UNDECODED,
    ),
    "a client of long ago": (
        lambda: Upload.of_files({"profile": b"x", "prev_profile": b"x"}),
        "unsupported client version: update github.com/grafana/pyroscope-go", UNKNOWN, Reason.UNDECODED,
    ),
    "a form without a boundary": (
        lambda: _form(b"", "multipart/form-data"),
        "failed to parse the multipart form: malformed multipart content type header", UNKNOWN, Reason.UNDECODED,
    ),
    "a form without a part": (
        lambda: _form(b"nonsense"), "failed to parse the multipart form: multipart: NextPart: EOF", UNKNOWN,
        Reason.UNDECODED,
    ),
    "a form that ends early": (
        lambda: _form(b"--x\r\n\r\ncontent"), "failed to parse the multipart form: unexpected EOF", UNKNOWN,
        Reason.UNDECODED,
    ),
    "a header that is none": (
        lambda: _form(b"--x\r\nnonsense\r\n\r\n"), "failed to parse the multipart form: malformed MIME header",
        UNKNOWN, Reason.UNDECODED,
    ),
    "a header without an end": (
        lambda: _form(b"--x\r\nA: " + b"b" * FORM_HEADER_BYTES + b"\r\n\r\n"),
        "failed to parse the multipart form: a part has no header, or one that does not end", UNKNOWN,
        Reason.UNDECODED,
    ),
    "no file of a recording": (
        lambda: JfrUpload.of_parts(b"", b""), "parsing JFR failed: jfr field is required", UNKNOWN, Reason.UNDECODED,
    ),
    "a byte for a recording": (
        lambda: JfrUpload.of_parts(b"x", b""),
        "parsing JFR failed: failed to decompress jfr: failed to read magic", UNKNOWN, Reason.UNDECODED,
    ),
    "a damaged recording": (
        lambda: JfrUpload.of_parts(b"\x1f\x8bxx", b""),
        "parsing JFR failed: failed to decompress jfr: gzip: unknown compression method", UNKNOWN, Reason.UNDECODED,
    ),
    "a byte for the labels of a recording": (
        lambda: JfrUpload.of_parts(b"FLR", b"x"),
        "parsing JFR failed: failed to decompress labels: failed to read magic", UNKNOWN, Reason.UNDECODED,
    ),
    "a recording far too large": (
        lambda: JfrUpload.of_parts(gzip.compress(bytes(SIZE_LIMIT + 1)), b""),
        "failed to decompress jfr: decompressed size exceeds maximum allowed size of 4194304 bytes", UNKNOWN,
        Reason.PROFILE_SIZE,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("send", "message", "code", "reason"), UPLOADS.values(), ids=UPLOADS.keys())
def test_an_upload_that_is_refused_is_told_why(
    send: Callable[[], object], message: str, code: str, reason: Reason
) -> None:
    with pytest.raises(ConnectError) as refused:
        send()
    assert (str(refused.value), refused.value.code, refused.value.reason) == (message, code, reason)


def test_a_form_of_very_many_parts_is_told_how_many_it_may_have() -> None:
    with pytest.raises(BodyTooLargeError) as refused:
        _form(b"\r\n".join([b"--x\r\n\r\n"] * (FORM_PARTS_LIMIT + 1)) + b"\r\n--x--")
    assert str(refused.value) == "the form has more than 1000 parts"


@pytest.mark.parametrize(
    ("field", "inner", "words"),
    [
        (1, b"", "sample types in a profile"),
        (2, b"", "samples in a profile"),
        (3, b"", "mappings in a profile"),
        (4, b"", "locations in a profile"),
        (5, b"", "functions in a profile"),
        (6, b"", "strings in a profile"),
        (2, block(3, b"") * 4, "labels in one sample"),
        (4, block(4, b"") * 4, "lines in one location"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_profile_has_too_much_of_is_named(
    monkeypatch: pytest.MonkeyPatch, field: int, inner: bytes, words: str
) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "TABLES", tuple((table, what, 3) for table, what, _ in shape.TABLES))
    monkeypatch.setattr(shape, "INNER", tuple((table, member, what, 3) for table, member, what, _ in shape.INNER))
    count = 1 if inner else 4
    shape.check_profile_shape(block(field, inner[: len(inner) * 3 // 4]) * min(count, 3))
    with pytest.raises(ShapeError) as refused:
        shape.check_profile_shape(block(field, inner) * count)
    assert str(refused.value) == f"there are more than 3 {words}"


def test_lines_and_labels_are_counted_over_the_whole_profile_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "MESSAGES_LIMIT", 3)
    shape.check_profile_shape(block(4, block(4, b"")) * 3 + block(2, block(3, b"")) * 3)
    for table, member, words in ((4, 4, "lines in all its locations"), (2, 3, "labels in all its samples")):
        with pytest.raises(ShapeError) as refused:
            shape.check_profile_shape(block(table, block(member, b"")) * 4)
        assert str(refused.value) == f"there are more than 3 {words}"


def test_json_of_very_many_values_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "JSON_VALUES_LIMIT", 4)
    shape.check_json_shape(b'{"a":[1,2]},')
    with pytest.raises(ShapeError) as refused:
        shape.check_json_shape(b'{"a":[1,2,3]},')
    assert str(refused.value) == "there are more than 4 values in the JSON"


def test_what_is_just_within_the_limits_is_no_refusal() -> None:
    check_window(1, 1)
    check_window(1, LONGEST_WINDOW_MS + 1)
    assert (step_ms(0.001), step_ms(LONGEST_WINDOW_MS * 1000)) == (1, LONGEST_WINDOW_MS * 10**6)
    assert bad_id("span", "0123456789abcdefABCDEF"[6:], 16) is None
    check_size(SHOP, SIZE_LIMIT)
    check_samples(SHOP, SAMPLES_LIMIT, SAMPLE_LABELS_LIMIT)
    check_time(SHOP, 0, NOW_NS)
    check_label_sizes({"n" * 1_024: "v" * 2_048})
    check_labels([*CALLED.items(), *((f"l{number}", "v") for number in range(28))])
    names_of([str(number) for number in range(GROUP_LIMIT)])
    folded._check(SAMPLES_LIMIT, Quantity.FRAMES.limit, 2**17)
    assert len(profile_numbers([f"{number:032x}" for number in range(2)] * (IDS_LIMIT // 2))) == IDS_LIMIT
    Upload(b"", b" " * (CONFIGURATION_BYTES_LIMIT - 2) + b"{}")
    _split(
        sample=[Sample(location_id=[300], value=[1])],
        location=[Location(id=300, line=MANY_LINES[1:])],
        function=[Function(id=1)],
    )
    for quantity in (Quantity.BYTES, Quantity.FRAMES, Quantity.VALUES, Quantity.SERIES, Quantity.LABELS):
        _taken(quantity, quantity.limit)
    _taken(Quantity.NAMES, 2**20)


@pytest.mark.parametrize(
    ("name", "bytes_each"),
    [("plain", 5), ("é", 6), ("\n", 6)],
    ids=["letters", "others", "a control character"],
)
def test_names_count_by_what_they_may_take_wherever_they_are_written(name: str, bytes_each: int) -> None:
    allowance = Allowance()
    Stacks(allowance).frame((name, "", "", 1))
    assert allowance.left(Quantity.NAMES) == Quantity.NAMES.limit - bytes_each


def test_frames_count_up_to_the_depth_limit() -> None:
    allowance = Allowance()
    stacks = Stacks(allowance)
    place = stacks.frame(("f", "", "", 1))
    for frames in (1, DEPTH_LIMIT + 1):
        before = allowance.left(Quantity.FRAMES)
        stacks.add([place] * frames)
        assert before - allowance.left(Quantity.FRAMES) == min(frames, DEPTH_LIMIT)
