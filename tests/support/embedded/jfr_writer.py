"""The tests' writer of JFR files, which shares nothing with the reader under test.

Source: what async-profiler writes: chunks of a header, events, constants and metadata; numbers in groups of seven bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SPAN, TRACE = 0xA1A1A1A1A1A1A1A1, (0x0AF7651916CD43DD, 0x8448EB211C80319C)
OWNER = ("contextId", "spanId", "spanName", "traceIdHi", "traceIdLo")
METADATA_EVENT, CONSTANTS_EVENT = 0, 1
PRIMITIVES = ("boolean", "char", "float", "double", "byte", "short", "int", "long", "java.lang.String")
REFERENCE, ARRAY = "&", "[]"

Fields = Sequence[tuple[str, str]]
"""(name, type) of each; the type has ``&`` before it for the number of a constant, and ``[]`` for several."""

TYPES: dict[str, Fields] = {
    "java.lang.Class": (("classLoader", "&jdk.types.ClassLoader"), ("name", "&jdk.types.Symbol"), ("modifiers", "int")),
    "java.lang.Thread": (("osName", "java.lang.String"), ("osThreadId", "long")),
    "jdk.types.ClassLoader": (("type", "&java.lang.Class"), ("name", "&jdk.types.Symbol")),
    "jdk.types.FrameType": (("description", "java.lang.String"),),
    "jdk.types.ThreadState": (("name", "java.lang.String"),),
    "jdk.types.Symbol": (("string", "java.lang.String"),),
    "jdk.types.Package": (("name", "&jdk.types.Symbol"),),
    "jdk.types.Method": (
        ("type", "&java.lang.Class"), ("name", "&jdk.types.Symbol"), ("hidden", "boolean"),
    ),
    "jdk.types.StackFrame": (
        ("method", "&jdk.types.Method"), ("lineNumber", "int"), ("type", "&jdk.types.FrameType"),
    ),
    "jdk.types.StackTrace": (("truncated", "boolean"), ("frames", "[]jdk.types.StackFrame")),
    "jdk.ActiveSetting": (("startTime", "long"), ("name", "java.lang.String"), ("value", "java.lang.String")),
    "jdk.ExecutionSample": (
        ("startTime", "long"), ("sampledThread", "&java.lang.Thread"), ("stackTrace", "&jdk.types.StackTrace"),
        ("state", "&jdk.types.ThreadState"), *((name, "long") for name in OWNER),
    ),
    "profiler.WallClockSample": (
        ("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace"), ("state", "&jdk.types.ThreadState"),
        ("samples", "int"), *((name, "long") for name in OWNER),
    ),
    "jdk.ObjectAllocationInNewTLAB": (
        ("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace"), ("allocationSize", "long"),
        ("tlabSize", "long"), *((name, "long") for name in OWNER),
    ),
    "jdk.ObjectAllocationOutsideTLAB": (
        ("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace"), ("allocationSize", "long"),
        *((name, "long") for name in OWNER),
    ),
    "jdk.ObjectAllocationSample": (
        ("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace"), ("weight", "long"),
    ),
    "jdk.JavaMonitorEnter": (
        ("startTime", "long"), ("duration", "long"), ("stackTrace", "&jdk.types.StackTrace"),
        *((name, "long") for name in OWNER),
    ),
    "jdk.ThreadPark": (("startTime", "long"), ("duration", "long"), ("stackTrace", "&jdk.types.StackTrace")),
    "profiler.LiveObject": (("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace")),
    "profiler.Malloc": (("startTime", "long"), ("stackTrace", "&jdk.types.StackTrace"), ("size", "long")),
    "jdk.CPULoad": (("startTime", "long"), ("jvmUser", "float")),
}  # fmt: skip
STATES = {"STATE_RUNNABLE": 1, "STATE_SLEEPING": 2}


def number(value: int) -> bytes:
    """A number in groups of seven bits; the ninth has eight."""
    value &= 2**64 - 1
    groups: list[int] = []
    while len(groups) < 8 and value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def text(value: str) -> bytes:
    """A text in UTF-8."""
    encoded = value.encode()
    return b"\x03" + number(len(encoded)) + encoded


def sized(body: bytes) -> bytes:
    """An event: its size, itself included, before it."""
    width = next(width for width in range(1, 10) if len(number(len(body) + width)) == width)
    return number(len(body) + width) + body


@dataclass
class JfrChunk:
    """Writes one chunk.

    Attributes:
        types: the fields of each type.
        stacks: how often each stack was given a number; numbers begin with ``first``.
        first: the first number of stacks, methods, classes and symbols.
    """

    types: Mapping[str, Fields] = field(default_factory=lambda: dict(TYPES))
    first: int = 1
    _events: list[bytes] = field(default_factory=list)
    _symbols: dict[str, int] = field(default_factory=dict)
    _classes: dict[str, int] = field(default_factory=dict)
    _methods: dict[str, int] = field(default_factory=dict)
    _stacks: dict[Sequence[tuple[str, int]], int] = field(default_factory=dict)

    def _numbers(self) -> dict[str, int]:
        return {name: place for place, name in enumerate((*PRIMITIVES, *self.types), 20)}

    def _intern(self, table: dict[Any, int], key: Any) -> int:
        return table.setdefault(key, self.first + len(table))

    def stack(self, *frames: str, line: int = 7) -> int:
        """The number of a stack of ``Class.method``, leaf first."""
        return self._intern(self._stacks, tuple((frame, line) for frame in frames))

    def event(self, event: str, /, **values: Any) -> JfrChunk:
        """Add an event; fields that are not named are 0."""
        body = number(self._numbers()[event])
        for member, kind in self.types[event]:
            body += self._value(kind, values.get(member, "" if kind == "java.lang.String" else 0))
        self._events.append(sized(body))
        return self

    def cpu(self, stack: int, state: str = "STATE_RUNNABLE", **values: Any) -> JfrChunk:
        """Add a sample of a thread in some state."""
        return self.event("jdk.ExecutionSample", stackTrace=stack, state=STATES[state], **values)

    def setting(self, value: str) -> JfrChunk:
        """Say what the profiler was told to look at."""
        return self.event("jdk.ActiveSetting", name="event", value=value)

    @staticmethod
    def _value(kind: str, value: Any) -> bytes:
        return text(value) if kind == "java.lang.String" else number(value)

    def _pool(self, name: str, rows: Iterable[bytes]) -> bytes:
        made = list(rows)
        return number(self._numbers()[name]) + number(len(made)) + b"".join(made)

    def _constants(self) -> bytes:
        frames = {frame for stack in self._stacks for frame, _ in stack}
        for frame in sorted(frames):
            owner, _, method = frame.rpartition(".")
            self._intern(self._methods, frame)
            self._intern(self._classes, owner)
            for name in (owner, method):
                self._intern(self._symbols, name)
        methods = [
            number(key) + number(self._classes[frame.rpartition(".")[0]])
            + number(self._symbols[frame.rpartition(".")[2]]) + b"\x00"
            for frame, key in self._methods.items()
        ]  # fmt: skip
        stacks = [
            number(key) + b"\x00" + number(len(stack))
            + b"".join(number(self._methods[frame]) + number(line) + b"\x01" for frame, line in stack)
            for stack, key in self._stacks.items()
        ]  # fmt: skip
        pools = [
            self._pool("jdk.types.FrameType", [number(1) + text("Inlined")]),
            self._pool("jdk.types.ThreadState", [number(key) + text(name) for name, key in STATES.items()]),
            self._pool("java.lang.Thread", [number(1) + text("main") + number(99)]),
            self._pool("jdk.types.Symbol", [number(key) + text(name) for name, key in self._symbols.items()]),
            self._pool(
                "java.lang.Class",
                [number(key) + b"\x00" + number(self._symbols[name]) + b"\x01" for name, key in self._classes.items()],
            ),
            self._pool("jdk.types.Method", methods),
            self._pool("jdk.types.StackTrace", stacks),
            self._pool("java.lang.String", [number(1) + text("jdk/internal/misc"), number(2) + b"\x00"]),
        ]
        body = number(CONSTANTS_EVENT) + number(0) * 3 + b"\x01" + number(len(pools)) + b"".join(pools)
        return sized(body)

    def _metadata(self) -> bytes:
        texts: dict[str, int] = {}

        def of(value: str) -> bytes:
            return number(texts.setdefault(value, len(texts)))

        def element(name: str, attributes: Mapping[str, str], *children: bytes) -> bytes:
            pairs = b"".join(of(key) + of(value) for key, value in attributes.items())
            return of(name) + number(len(attributes)) + pairs + number(len(children)) + b"".join(children)

        numbers = self._numbers()

        def member(name: str, kind: str) -> bytes:
            attributes = {"name": name, "class": str(numbers[kind.lstrip(REFERENCE + ARRAY)])}
            if kind.startswith(REFERENCE):
                attributes["constantPool"] = "true"
            if kind.startswith(ARRAY):
                attributes["dimension"] = "1"
            return element("field", attributes)

        described = [
            element("class", {"id": str(key), "name": name}, *(member(*pair) for pair in self.types.get(name, ())))
            for name, key in numbers.items()
        ]
        tree = element("root", {}, element("metadata", {}, *described), element("region", {"locale": "en_US"}))
        strings = number(len(texts)) + b"".join(map(text, texts))
        body = number(METADATA_EVENT) + number(0) * 3 + strings + tree
        return sized(body)

    def write(self) -> bytes:
        """The chunk."""
        constants, metadata, events = self._constants(), self._metadata(), b"".join(self._events)
        content = events + constants + metadata
        place = 68 + len(events)
        head = struct.pack(
            ">4sIQQQQQQQI", b"FLR\0", 0x20000, 68 + len(content), place, place + len(constants), 0, 0, 0, 10**9, 1
        )
        return head + content
