"""Exports of profiles, decoded from protobuf or JSON, and counted before their messages are made."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import MESSAGE_BYTES
from spanprofiles.embedded.message_counter import MessageCounter, count_values
from spanprofiles.embedded.proto.otlp_profiles_pb2 import ExportProfilesServiceRequest
from spanprofiles.embedded.web import plain_json

NUMBER_BYTES = 8
"""How much memory the shortest number in a row of them takes, which is one byte in the body."""
MESSAGES = MessageCounter(ExportProfilesServiceRequest)


def decode_protobuf(body: bytes, expect: Callable[[int], None]) -> ExportProfilesServiceRequest:
    """Decode an export in protobuf.

    Args:
        body: the export.
        expect: called with about how many bytes of memory the export needs, before it uses them; what it raises
            ends the work.

    Raises:
        ExportError: it is not an export, or has too much in it.
    """
    expect(NUMBER_BYTES * len(body) + MESSAGE_BYTES * MESSAGES.count(body))
    try:
        return ExportProfilesServiceRequest.FromString(body)
    except DecodeError as error:
        raise ExportError(f"Failed to parse protobuf request: {error}") from error


def decode_json(body: bytes, expect: Callable[[int], None]) -> ExportProfilesServiceRequest:
    """Decode an export in JSON, as protobuf writes it: bytes in base64, and no field that is not known.

    Args:
        body: the export.
        expect: called with about how many bytes of memory the export needs, before it uses them; what it raises
            ends the work.

    Raises:
        ExportError: it is not an export, or has too much in it.
    """
    expect(len(body) + MESSAGE_BYTES * count_values(body))
    export = ExportProfilesServiceRequest()
    try:
        json_format.Parse(plain_json(body), export)
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise ExportError(f"Failed to parse JSON request: {error}") from error
    except RecursionError as error:
        raise ExportError("Failed to parse JSON request: it is nested too deeply") from error
    return export
