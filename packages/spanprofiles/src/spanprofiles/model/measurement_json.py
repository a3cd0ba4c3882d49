"""The recording of a measurement: a JSON document that describes itself, with a version.

It holds everything that a measurement is, but its spans. Functions are written once, in ``functions``; requests and
stacks name them by their places there. :mod:`spanprofiles.measure.files` keeps it in a file, beside the same flame
graph as a pprof profile.

A reader takes documents of its own version and older ones. Fields that it does not know are left out, so a later
version may add some without a new number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from spanprofiles.model.flamegraph import FlameGraph
from spanprofiles.model.identifiers import parse_span_id, parse_trace_id
from spanprofiles.model.measurement import (
    FunctionCpu,
    MeasuredRequest,
    Measurement,
    MeasurementEnvironment,
    Precision,
)
from spanprofiles.model.profile_types import ProfileType

FORMAT = "spanprofiles measurement"

#: The version of the format that is written.
VERSION = 1

#: The largest recording that is read, bytes.
LARGEST_RECORDING_BYTES = 64 * 2**20

DESCRIPTION = (
    "The same request many times. Each request has its CPU, and for each function with a sample"
    " [place in functions, self_ns, total_ns]. stacks are the samples of all requests together:"
    " [[places in functions, outermost first], value in the unit of profile_type]."
)

_LARGEST = 2**63 - 1
_SHOWN = 60
_WHAT_TO_DO = "record it again with pytest --span-profiles-record"


class MeasurementError(ValueError):
    """A file or text is not a measurement that can be read; the message says what is wrong, where, and what to do."""


def write_text(measurement: Measurement, pprof: str = "") -> str:
    """Return the recording as JSON, a line for each request and stack.

    Args:
        measurement: what to write.
        pprof: the name of the file beside it that has the same flame graph as a pprof profile; empty if there is none.
    """
    names: dict[str, int] = {}
    requests = [_request_document(request, names) for request in measurement.requests]
    stacks = [
        [[names.setdefault(name, len(names)) for name in path], value]
        for path, value in sorted(measurement.flamegraph.stacks.items())
    ]
    precision = measurement.precision
    head = {
        "format": FORMAT,
        "version": VERSION,
        "description": DESCRIPTION,
        "name": measurement.name,
        "service": measurement.service,
        "profile_type": measurement.flamegraph.profile_type,
        "pprof": pprof,
        "environment": _plain(measurement.environment),
        "precision": _plain(precision) if precision is not None else None,
        "functions": list(names),
    }
    lines = [f" {_dumped(key)}: {_dumped(value)}," for key, value in head.items()]
    lines += [_listed("requests", requests) + ",", _listed("stacks", stacks)]
    return "\n".join(["{", *lines, "}", ""])


def read_text(text: str | bytes, where: str) -> Measurement:
    """Read a recording.

    Args:
        text: JSON.
        where: where it is from, for messages: a file's name.

    Raises:
        MeasurementError: it is not a recording, one of a later version, or one that was cut or changed.
    """
    if len(text) > LARGEST_RECORDING_BYTES:
        raise MeasurementError(f"{where} is larger than {LARGEST_RECORDING_BYTES // 2**20} MiB, so it is not read")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise MeasurementError(f"{where} is not a measurement: its values are nested too deeply") from None
    except ValueError as error:  # of UTF-8 too
        raise MeasurementError(f"{where} is no JSON, perhaps cut off: {_short(error)}; {_WHAT_TO_DO}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MeasurementError(f"{where} is not a measurement: its field 'format' is not {FORMAT!r}; {_WHAT_TO_DO}")
    version = document.get("version")
    if type(version) is int and version > VERSION:  # true is no version
        raise MeasurementError(
            f"{where} has version {_short(version)} of the format, and this spanprofiles reads up to {VERSION}:"
            " install the spanprofiles that wrote it"
        )
    try:
        if type(version) is not int or version != VERSION:
            raise ValueError(f"its version is {_shown(version)}, where {VERSION} is expected")
        return _measurement(document)
    except KeyError as error:
        problem = f"it has no field {error}"
    except (TypeError, ValueError, OverflowError) as error:
        problem = _short(error)
    raise MeasurementError(f"{where} is a damaged measurement: {problem}; {_WHAT_TO_DO}")


def _measurement(document: Mapping[str, Any]) -> Measurement:
    names = [_text(name, "functions") for name in _list(document["functions"], "functions")]
    requests = tuple(_request(_mapping(each, "requests"), names) for each in _list(document["requests"], "requests"))
    stacks = [_stack(_list(each, "stacks"), names) for each in _list(document["stacks"], "stacks")]
    profile_type = _text(document["profile_type"], "profile_type")
    flamegraph = FlameGraph(stacks, profile_type)
    expected = sum(request.cpu_ns for request in requests)
    found = ProfileType.of(profile_type).time_ns(flamegraph.total)
    if found != expected:
        raise ValueError(f"its stacks sum up to {found} ns, and its requests to {expected} ns")
    precision = document.get("precision")
    return Measurement(
        name=_text(document["name"], "name"),
        service=_text(document["service"], "service"),
        requests=requests,
        flamegraph=flamegraph,
        environment=_environment(_mapping(document["environment"], "environment")),
        precision=None if precision is None else _precision(_mapping(precision, "precision")),
    )


def _request_document(request: MeasuredRequest, names: dict[str, int]) -> dict[str, Any]:
    costs = [
        [names.setdefault(name, len(names)), cost.self_ns, cost.total_ns] for name, cost in request.functions.items()
    ]
    return {
        "trace_id": request.trace_id,
        "span_ids": list(request.span_ids),
        "start_ns": request.start_ns,
        "duration_ns": request.duration_ns,
        "cpu_ns": request.cpu_ns,
        "samples": request.samples,
        "functions": costs,
    }


def _request(document: Mapping[str, Any], names: list[str]) -> MeasuredRequest:
    costs: dict[str, FunctionCpu] = {}
    for cost in _list(document["functions"], "functions of a request"):
        place, own, total = _list(cost, "functions of a request")
        costs[_name_at(place, names)] = FunctionCpu(_count(own, "self_ns"), _count(total, "total_ns"))
    return MeasuredRequest(
        trace_id=parse_trace_id(_text(document["trace_id"], "trace_id")),
        span_ids=tuple(parse_span_id(_text(each, "span_ids")) for each in _list(document["span_ids"], "span_ids")),
        start_ns=_count(document["start_ns"], "start_ns"),
        duration_ns=_count(document["duration_ns"], "duration_ns"),
        cpu_ns=_count(document["cpu_ns"], "cpu_ns"),
        samples=_count(document["samples"], "samples"),
        functions=costs,
    )


def _stack(document: list[Any], names: list[str]) -> tuple[tuple[str, ...], int]:
    places, value = document
    return tuple(_name_at(place, names) for place in _list(places, "stacks")), _count(value, "value of a stack")


def _environment(document: Mapping[str, Any]) -> MeasurementEnvironment:
    numbers = {"time_ns", "seed", "upload_interval_s", "processor_wait"}
    words = [each.name for each in fields(MeasurementEnvironment) if each.name not in numbers]
    seed, wait = document.get("seed"), document.get("processor_wait")
    return MeasurementEnvironment(
        **{name: _text(document.get(name, ""), name) for name in words},
        seed=None if seed is None else _count(seed, "seed"),
        time_ns=_count(document.get("time_ns", 0), "time_ns"),
        upload_interval_s=_number(document.get("upload_interval_s", 0.0), "upload_interval_s"),
        processor_wait=None if wait is None else _part(wait, "processor_wait"),
    )


def _part(value: Any, what: str) -> float:
    part = _number(value, what)
    if not 0 <= part < 1:
        raise MeasurementError(f"{what} is {part}: a part from 0 to 1 is expected")
    return part


def _precision(document: Mapping[str, Any]) -> Precision:
    half_width, needed = document.get("half_width"), document.get("requests_needed")
    if not isinstance(document["is_reached"], bool):
        raise TypeError(f"its is_reached is {_shown(document['is_reached'])}, where true or false is expected")
    return Precision(
        asked=_text(document["asked"], "asked"),
        target=_number(document["target"], "target"),
        half_width=None if half_width is None else _number(half_width, "half_width"),
        is_reached=document["is_reached"],
        requests_needed=None if needed is None else _count(needed, "requests_needed"),
        unit=_text(document.get("unit", "%"), "unit"),
    )


def _name_at(place: Any, names: list[str]) -> str:
    number = _count(place, "place of a function")
    if number >= len(names):
        raise ValueError(f"it names function {number} of {len(names)}")
    return names[number]


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise TypeError(f"its {what} is {_shown(value)}, where a whole number from 0 is expected")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise TypeError(f"its {what} is {_shown(value)}, where a number from 0 is expected")
    return float(value)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"its {what} is {_shown(value)}, where a text is expected")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"its {what} is {_shown(value)}, where a list is expected")
    return value


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"its {what} is {_shown(value)}, where an object is expected")
    return value


def _plain(record: MeasurementEnvironment | Precision) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _listed(key: str, values: list[Any]) -> str:
    inner = ",\n".join(f"  {_dumped(value)}" for value in values)
    return f" {_dumped(key)}: [\n{inner}\n ]" if values else f" {_dumped(key)}: []"


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _shown(value: Any) -> str:
    return _short(json.dumps(value))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN * 3 else f"{text[: _SHOWN * 3]}…"
