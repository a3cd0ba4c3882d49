"""Exports of profiles that are refused: what their sender is told, and what is told of them to whoever asks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import MESSAGE_BYTES
from spanprofiles.embedded.proto.otlp_profiles_pb2 import ExportProfilesServiceRequest, ProfilesDictionary
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import LINES_LIMIT, SAMPLE_LABELS_LIMIT, SYMBOL_LENGTH_LIMIT
from spanprofiles.embedded.pyroscope.otlp.conversion import ConvertedProfile, convert
from spanprofiles.embedded.pyroscope.otlp.dictionary import ConversionError, Dictionary
from spanprofiles.embedded.pyroscope.otlp.messages import NUMBER_BYTES, decode_json, decode_protobuf
from spanprofiles.embedded.pyroscope.otlp.receiver import ProfileExports, ProfileReceiver
from spanprofiles.embedded.refusals import Origin, Reason, Refusals, Sender, Signal, Way
from tests.support.embedded.otlp_profiles import PERIOD_NS, SPAN, TRACE, attribute, cpu_export, the_profile
from tests.unit.embedded.conftest import BODY_LIMIT, Applications
from tests.unit.embedded.test_otlp_profiles import NOW_S, PATH, PROTOBUF

JSON = "application/json"
SHOP_LABELS = '{__delta__="false", __name__="process_cpu", __otel__="true", service.name="shop", service_name="shop"'
TAKEN = "(taken: application/json, application/x-protobuf, application/protobuf)"


def exported(*profiles: dict[str, Any], **dictionary: Any) -> bytes:
    """An export of some profiles, with other tables."""
    document = cpu_export(NOW_S)
    document["dictionary"] |= dictionary
    scope = document["resourceProfiles"][0]["scopeProfiles"][0]
    scope["profiles"] = [scope["profiles"][0] | profile for profile in profiles or ({},)]
    return json.dumps(document).encode()


DUPLICATE = json.loads(exported({}, {}, {}))
DUPLICATE["resourceProfiles"][0]["resource"]["attributes"].append(attribute("service_name"))


@pytest.mark.parametrize(
    ("body", "headers", "status", "told", "reason", "message", "of"),
    [
        (b"x", {}, 415, "{}", "unsupported_media_type", f"Unsupported Content-Type:  {TAKEN}", ("", 0)),
        (b"x", {"Content-Type": "text/plain"}, 415, "{}", "unsupported_media_type",
         f"Unsupported Content-Type: text/plain {TAKEN}", ("", 0)),
        (b"\xff", {"Content-Type": PROTOBUF}, 400, "{}", "malformed_request",
         "Failed to parse protobuf request: Error parsing message", ("", 0)),
        (b"{", {"Content-Type": JSON}, 400, "{}", "malformed_request", "Failed to parse JSON request: ", ("", 0)),
        (b"", {"Content-Type": JSON, "Content-Encoding": "gzip"}, 400, "Failed to read request body: {}",
         "damaged_compression", "gzip: unexpected EOF", ("", 0)),
        (b"xx", {"Content-Type": JSON, "Content-Encoding": "GZIP"}, 400, "Failed to read request body: {}",
         "damaged_compression", "gzip: incorrect header check", ("", 0)),
        (b" " * (BODY_LIMIT + 1), {"Content-Type": JSON}, 413, "profile payload size exceeds limit: {}",
         "body_size_limit_exceeded", f"the body is larger than {BODY_LIMIT} bytes", ("", 0)),
        (gzip.compress(bytes(BODY_LIMIT + 1)), {"Content-Type": JSON, "Content-Encoding": "gzip"}, 413,
         "profile payload size exceeds limit: {}", "body_size_limit_exceeded",
         f"the decompressed body is larger than {BODY_LIMIT} bytes", ("", 0)),
        (b"{}", {"Content-Type": JSON}, 500, "rpc error: code = InvalidArgument desc = {}", "malformed_request",
         "missing profile metadata dictionary", ("", 0)),
        (b'{"dictionary": {}}', {"Content-Type": JSON}, 500, "rpc error: code = InvalidArgument desc = {}",
         "malformed_request", "missing resource profiles", ("", 0)),
        (exported({"samples": [{"stackIndex": 9, "values": ["1"]}]}), {"Content-Type": JSON}, 500,
         "rpc error: code = InvalidArgument desc = {}", "malformed_profile",
         "failed to convert otel profile: could not access stack: index 9 out of bounds", ("", 0)),
        (exported({"timeUnixNano": "1"}), {"Content-Type": JSON}, 400, "failed to push the profiles: {}",
         "not_in_ingestion_window",
         f"profile with labels '{SHOP_LABELS}}}' is outside of ingestion window (profile timestamp: 1970-01-01"
         " 00:00:00 +0000 UTC, the ingestion window starts at ", ("shop", 1)),
        (json.dumps(DUPLICATE).encode(), {"Content-Type": JSON}, 400, "failed to push the profiles: {}",
         "duplicate_label_names",
         f"profile with labels '{SHOP_LABELS}}}' has duplicate label name: 'service_name'", ("shop", 3)),
    ],
    ids=["no type", "text", "no protobuf", "no JSON", "empty gzip", "no gzip", "large", "large in gzip",
         "no dictionary", "no profiles", "a stack that is not there", "old", "a label twice"],
)  # fmt: skip
def test_a_sender_is_told_the_reason_that_is_told_of_it(
    applications: Applications, body: bytes, headers: dict[str, str], status: int, told: str, reason: str,
    message: str, of: tuple[str, int],
) -> None:  # fmt: skip
    response = applications.pyroscope.post(PATH, data=body, headers=headers, environ_overrides={"REMOTE_ADDR": "::7"})
    assert (response.status_code, response.content_type) == (status, "text/plain; charset=utf-8")
    assert response.text.startswith(told.format(message))
    (refusal,) = applications.pyroscope.get("/spanprofiles/refused").get_json()["refused"]
    assert refusal["message"].startswith(message[:290])
    assert (refusal["way"], refusal["reason"], refusal["peer"]) == ("OTLP over HTTP", reason, "::7")
    assert (refusal["service"], refusal["items"], refusal["uploads"]) == (*of, 1)


def test_an_export_that_is_taken_is_answered_with_an_empty_message(applications: Applications) -> None:
    at_limit = exported() + b" " * (BODY_LIMIT - len(exported()))
    response = applications.pyroscope.post(PATH, data=at_limit, content_type=JSON)
    assert (response.status_code, response.data, response.content_type) == (200, b"", PROTOBUF)
    assert "Retry-After" not in response.headers


def test_an_export_that_could_not_be_stored_is_to_be_sent_again(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ConnectError("the disk is full", "unavailable", Reason.NOT_STORED)

    monkeypatch.setattr("spanprofiles.embedded.pyroscope.push.Pusher.store", fail)
    response = applications.pyroscope.post(PATH, data=exported(), content_type=JSON)
    assert (response.status_code, response.text) == (503, "failed to push the profiles: the disk is full")
    assert response.headers["Retry-After"] == "5"


class Expected:
    """Adds up the bytes of memory that were asked for."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def __call__(self, count: int) -> None:
        self.bytes.append(count)


def test_memory_is_asked_for_before_an_export_is_decoded() -> None:
    """Each message takes an object's room, each number in a row as much as in memory, and a text its length."""
    expected = Expected()
    two = b"\x0a\x00" * 2
    assert len(decode_protobuf(two, expected).resource_profiles) == 2
    assert expected.bytes == [NUMBER_BYTES * 4 + MESSAGE_BYTES * 2]
    expected = Expected()
    body = b'{"resourceProfiles": [{}, {}]}'
    assert len(decode_json(body, expected).resource_profiles) == 2
    assert expected.bytes == [len(body) + MESSAGE_BYTES * body.count(b"{") + MESSAGE_BYTES * 2]


def told_over_grpc(body: bytes, refused: ConnectError | None = None) -> tuple[str, Reason, list[Any]]:
    """What the sender of an export over gRPC is told, and what is noted."""

    class Stores:
        def store_each(self, _: object) -> None:
            if refused is not None:
                raise refused

    refusals, sender = Refusals(), Sender("192.0.2.7", "exporter")
    exports = ProfileExports(ProfileReceiver(Stores(), refusals))  # type: ignore[arg-type]  # stands in for a store
    with pytest.raises(ExportError) as error:
        exports.take(body, lambda _: None, Origin(Way.OTLP_GRPC, sender))
    noted = [group.last for group in refusals.groups(Signal.PROFILES)]
    assert [(refusal.way, refusal.sender) for refusal in noted] == [(Way.OTLP_GRPC, sender)]
    return str(error.value), error.value.reason, [(refusal.reason, refusal.message) for refusal in noted]


def test_whoever_exports_over_grpc_is_told_the_same() -> None:
    whole = json_format.ParseDict(cpu_export(NOW_S), ExportProfilesServiceRequest()).SerializeToString()
    missing = "missing profile metadata dictionary"
    assert told_over_grpc(b"") == (missing, Reason.MALFORMED_PROFILE, [(Reason.MALFORMED_REQUEST, missing)])
    full = ConnectError("the disk is full", "unavailable", Reason.NOT_STORED)
    assert told_over_grpc(whole, full) == (str(full), Reason.NOT_STORED, [(Reason.NOT_STORED, str(full))])
    large = ConnectError("too many", reason=Reason.SERIES)
    assert told_over_grpc(whole, large) == (str(large), Reason.MALFORMED_PROFILE, [(Reason.SERIES, str(large))])
    words, reason, noted = told_over_grpc(b"\xff")
    assert words.startswith("Failed to parse protobuf request: ")
    assert (reason, noted) == (Reason.MALFORMED_REQUEST, [(Reason.MALFORMED_REQUEST, words)])


def converted(change: Callable[[dict[str, Any]], object] = lambda _: None) -> list[ConvertedProfile]:
    """The profiles that an export is converted to."""
    document = cpu_export(NOW_S)
    change(document)
    export = json_format.ParseDict(document, ExportProfilesServiceRequest())
    return convert(export, Dictionary(export.dictionary, Allowance()))


def _in_samples(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: the_profile(document)["samples"][0].update(fields)


def _in_profile(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: the_profile(document).update(fields)


def _in_table(name: str, row: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["dictionary"][name].__setitem__(1, row)


def _attributed(key: int) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        document["dictionary"]["attributeTable"].append({"keyStrindex": key, "value": {"stringValue": "x"}})
        the_profile(document)["samples"][0]["attributeIndices"] = [1]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_in_samples(stackIndex=-1), "could not access stack: index -1 out of bounds"),
        (_in_samples(linkIndex=2), "could not access link at index 2: index 2 out of bounds"),
        (_in_samples(values=[]), "sample value is required"),
        (_in_samples(values=["1", "2"]), "sample values length mismatch 2 1"),
        (_in_profile(sampleType=None), "sample type is missing"),
        (_in_profile(sampleType={"typeStrindex": 9}), "could not access type string: index 9 out of bounds"),
        (_in_profile(periodType={"unitStrindex": 9}), "could not access unit string: index 9 out of bounds"),
        (_in_table("stackTable", {"locationIndices": [4]}), "could not access location at index 4: index 4 out of"),
        (_in_table("locationTable", {"mappingIndex": 2}), "could not access mapping at index 2: index 2 out of"),
        (_in_table("mappingTable", {"filenameStrindex": 9}), "could not access mapping file name string: index 9"),
        (_in_table("locationTable", {"lines": [{"functionIndex": 4}]}), "could not access function: index 4 out of"),
        (_in_table("functionTable", {"nameStrindex": 9}), "could not access function name string: index 9 out of"),
        (_in_table("functionTable", {"systemNameStrindex": 9}), "could not access function system name string: index"),
        (_in_table("functionTable", {"filenameStrindex": 9}), "could not access function file name string: index 9"),
    ],
)
def test_what_an_export_refers_to_and_does_not_have_is_named(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(ConversionError) as error:
        converted(change)
    assert str(error.value).startswith(f"failed to convert otel profile: {words}")
    assert (error.value.code, error.value.reason) == ("invalid_argument", Reason.MALFORMED_PROFILE)


def test_a_key_that_an_attribute_does_not_have_leaves_the_profile_out() -> None:
    assert converted(_attributed(9)) == []
    (profile,) = converted(_attributed(3))
    assert profile.samples[0].labels == [("side", "x"), ("span_id", SPAN), ("trace_id", TRACE)]


def test_attributes_and_lines_are_looked_up_by_what_they_are() -> None:
    tables = Dictionary(ProfilesDictionary(), Allowance())
    for look_up in (tables.attribute_key, tables.attribute_value):
        with pytest.raises(ConversionError, match="could not access attribute at index 3: index 3 out of bounds"):
            look_up(3)
    lines = [{"functionIndex": 1}] * LINES_LIMIT
    assert converted(_in_table("locationTable", {"lines": lines}))
    with pytest.raises(ConnectError) as refused:
        converted(_in_table("locationTable", {"lines": [*lines, {}]}))
    assert str(refused.value) == (
        f"location 1 has {LINES_LIMIT + 1} lines, one for each function inlined in it; the limit is {LINES_LIMIT}"
    )
    assert refused.value.reason is Reason.FRAMES


def test_of_a_long_name_the_end_is_kept() -> None:
    document = cpu_export(NOW_S)
    names = ["n" * SYMBOL_LENGTH_LIMIT + "ame", "s" * SYMBOL_LENGTH_LIMIT + "ys", "f" * SYMBOL_LENGTH_LIMIT + "ile"]
    document["dictionary"]["stringTable"] += names
    document["dictionary"]["functionTable"][1] = {"nameStrindex": 9, "systemNameStrindex": 10, "filenameStrindex": 11}
    export = json_format.ParseDict(document, ExportProfilesServiceRequest())
    dictionary = Dictionary(export.dictionary, Allowance())
    dictionary.stack(1)
    assert tuple(text[-SYMBOL_LENGTH_LIMIT:] for text in names) in dictionary.table.functions
    assert ("leaf", "", "app.py") in dictionary.table.functions


@pytest.mark.parametrize(
    ("sample", "profile", "values"),
    [
        ({"values": ["7"]}, {}, [7 * PERIOD_NS]),
        ({"values": [], "timestampsUnixNano": ["1", "2"]}, {}, [2 * PERIOD_NS]),
        ({"values": ["7", "8", "9"]}, {"period": "0"}, [7, 8]),
        ({"values": ["7", "8", "9"]}, {"periodType": None}, [7, 8]),
        ({"values": ["7", "8"]}, {"sampleType": {"typeStrindex": 2}, "period": "0"}, [7, 8]),
        ({"values": [], "timestampsUnixNano": ["1", "2"]}, {"period": "0"}, [2]),
    ],
)
def test_of_the_values_of_a_sample_those_are_read_that_its_profile_says(
    sample: dict[str, Any], profile: dict[str, Any], values: list[int]
) -> None:
    def change(document: dict[str, Any]) -> None:
        _in_samples(**sample)(document)
        _in_profile(**profile)(document)
        the_profile(document)["samples"] = the_profile(document)["samples"][:1]

    (found,) = converted(change)
    assert found.samples[0].values == values


def test_labels_of_a_sample_are_read_as_far_as_they_are_needed_to_refuse_it() -> None:
    def change(document: dict[str, Any]) -> None:
        document["dictionary"]["attributeTable"].append({"keyStrindex": 1, "value": {"stringValue": "x"}})
        the_profile(document)["samples"][0]["attributeIndices"] = [1] * (SAMPLE_LABELS_LIMIT + 50)

    (found,) = converted(change)
    assert len(found.samples[0].labels) == SAMPLE_LABELS_LIMIT + 1


def test_of_a_link_and_of_labels_that_is_kept_which_says_something() -> None:
    def change(document: dict[str, Any]) -> None:
        document["dictionary"]["linkTable"][1].pop("traceId")
        document["dictionary"]["attributeTable"].append({"keyStrindex": 1, "value": {"stringValue": ""}})
        the_profile(document)["samples"][0]["attributeIndices"] = [1]

    (found,) = converted(change)
    assert found.samples[0].labels == [("span_id", SPAN)]


def test_a_sample_of_several_values_is_refused(applications: Applications) -> None:
    document = json.loads(exported())
    the_profile(document).update(period="0")
    the_profile(document)["samples"][0]["values"] = ["7", "8"]
    response = applications.pyroscope.post(PATH, data=json.dumps(document), content_type=JSON)
    assert (response.status_code, "sample value length mismatch" in response.text) == (400, True)
