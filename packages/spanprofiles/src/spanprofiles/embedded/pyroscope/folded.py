"""Profiles as text: folded stacks with a value, or one stack a line.

Source: Pyroscope's ``og/convert`` and the type of profile it gives an application's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, SAMPLES_LIMIT, TABLE_LIMIT, Quantity
from spanprofiles.embedded.refusals import Reason

LONGEST_LINE = 64 * 1024
NUMBER = re.compile(rb"[+-]?[0-9]+")
LARGEST = 2**63 - 1
SECOND_NS = 10**9
COUNT, BYTES, NANOSECONDS, SAMPLES = "count", "bytes", "nanoseconds", "samples"

Values = dict[tuple[str, ...], int]
"""The value of each stack, root first."""


@dataclass(frozen=True)
class Kind:
    """A type of profile.

    Attributes:
        metric: its ``__name__``.
        sample_type: what is measured.
        unit: in which unit.
    """

    metric: str
    sample_type: str
    unit: str


CPU, WALL = Kind("process_cpu", SAMPLES, COUNT), Kind("wall", SAMPLES, COUNT)
KINDS = {
    "cpu": CPU,
    "itimer": CPU,
    "wall": WALL,
    "seconds": WALL,
    "milliseconds": WALL,
    "microseconds": WALL,
    "nanoseconds": WALL,
    "goroutines": Kind("goroutine", "goroutines", COUNT),
    "mutex_count": Kind("mutex", "contentions", COUNT),
    "mutex_duration": Kind("mutex", "delay", NANOSECONDS),
    "block_count": Kind("block", "contentions", COUNT),
    "block_duration": Kind("block", "delay", NANOSECONDS),
    "lock_count": Kind("block", "contentions", COUNT),
    "lock_duration": Kind("block", "delay", NANOSECONDS),
    "exceptions": Kind("exceptions", SAMPLES, COUNT),
    "bytes": Kind("memory", SAMPLES, BYTES),
} | {
    name: Kind("memory", name, BYTES if name.endswith(("_space", "_bytes")) else COUNT)
    for name in (
        "inuse_objects",
        "inuse_space",
        "alloc_objects",
        "alloc_space",
        "alloc_in_new_tlab_objects",
        "alloc_in_new_tlab_bytes",
        "alloc_outside_tlab_objects",
        "alloc_outside_tlab_bytes",
        "live",
    )
}
TIMED = {"process_cpu": "cpu", "wall": "wall"}


def kind_of(application: str) -> tuple[str, Kind]:
    """Split an application's name into the service and the type of profile, which follows the last dot.

    Raises:
        ConnectError: it names none that is known.
    """
    service, dot, suffix = application.rpartition(".")
    if not dot:
        return application, CPU
    kind = KINDS.get(suffix)
    if kind is None:
        raise ConnectError(
            f"failed to convert metadata: unknown profile type: {suffix[:64]}, the part of the name after its last dot",
            reason=Reason.NAME,
        )
    return service, kind


def _lines(body: bytes) -> Iterator[bytes]:
    for ended in BytesIO(body):  # one line at a time: a list of all would be much larger than the body
        line = ended.removesuffix(b"\n")
        if len(line) >= LONGEST_LINE:
            raise _bad(f"a line is longer than {LONGEST_LINE} bytes")
        yield line.removesuffix(b"\r")


def _bad(why: str) -> ConnectError:
    return ConnectError(why, "unknown", Reason.UNDECODED)


def read_groups(body: bytes) -> Values:
    """Read lines such as ``a;b 7``: names from the root on, then a value; a line without a value is ignored.

    Raises:
        ConnectError: a value is not a number, or there are too many stacks or frames.
    """
    return _values(_groups(body))


def _groups(body: bytes) -> Iterator[tuple[bytes, int]]:
    for line in _lines(body):
        stack, space, number = line.rpartition(b" ")
        if not space:
            continue
        if not NUMBER.fullmatch(number) or abs(int(number[:20])) > LARGEST or len(number) > 20:
            shown = number[:64].decode("utf-8", "replace")
            raise _bad(f'a line must end with a space and a whole number, not "{shown}"')
        yield stack, int(number)


def read_lines(body: bytes) -> Values:
    """Read lines such as ``a;b``, each of which is one sample.

    Raises:
        ConnectError: a line is far too long, or there are too many stacks or frames.
    """
    return _values((line, 1) for line in _lines(body) if line)


def _values(stacks: Iterable[tuple[bytes, int]]) -> Values:
    values: Values = {}
    names: dict[bytes, str] = {}
    frames = 0
    for stack, value in stacks:
        # what is beyond the depth limit is one more name, which is cut off
        path = stack.removesuffix(b";").split(b";", DEPTH_LIMIT)[:DEPTH_LIMIT] if stack else []
        for name in path:
            if name not in names:
                names[name] = _decoded(name)
        named = tuple([names[name] for name in path])
        if named not in values:
            frames += len(named)
            _check(len(values) + 1, frames, len(names))
        values[named] = values.get(named, 0) + value
    return values


def _decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ConnectError("a name is not UTF-8", reason=Reason.UNDECODED) from error


def _check(stacks: int, frames: int, names: int) -> None:
    if stacks > SAMPLES_LIMIT:
        raise ConnectError(
            "the profile exceeds the samples count limit"
            f" (max_profile_stacktrace_samples, actual: more than {SAMPLES_LIMIT}, limit: {SAMPLES_LIMIT})",
            reason=Reason.SAMPLES,
        )
    if frames > Quantity.FRAMES.limit or names > TABLE_LIMIT:
        raise ConnectError(
            f"the profile has more than {Quantity.FRAMES.limit} {Quantity.FRAMES.words}, or {TABLE_LIMIT} functions",
            reason=Reason.FRAMES,
        )


def profile_of(values: Values, kind: Kind, time_ns: int, rate: int) -> Profile:
    """Make a pprof profile of stacks and their values.

    Args:
        values: the value of each stack.
        kind: of which type.
        time_ns: when it was taken, ns since the epoch.
        rate: samples a second, by which samples become time; 0 leaves them samples.
    """
    strings = {"": 0}

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings))

    sample_type, unit, period = kind.sample_type, kind.unit, 1
    profile = Profile(time_nanos=max(0, time_ns))
    if rate and kind.metric in TIMED:
        sample_type, unit, period = TIMED[kind.metric], NANOSECONDS, SECOND_NS // rate
        if period:
            profile.period = period
            profile.period_type.type, profile.period_type.unit = text("cpu"), text(NANOSECONDS)
    profile.sample_type.add(type=text(sample_type), unit=text(unit))
    functions: dict[str, int] = {}
    for stack, value in values.items():
        locations = [functions.setdefault(name, len(functions) + 1) for name in reversed(stack)]
        profile.sample.add(location_id=locations, value=[max(-LARGEST, min(value * period, LARGEST))])
    for name, number in functions.items():
        profile.location.add(id=number).line.add(function_id=number)
        profile.function.add(id=number, name=text(name), system_name=text(name))
    profile.string_table.extend(strings)
    return profile
