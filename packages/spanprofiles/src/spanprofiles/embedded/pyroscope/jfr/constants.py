"""The constants of one chunk: the names, methods and stacks that its events refer to by number."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from spanprofiles.embedded.pyroscope.jfr.metadata import FRAME, Asked, TypeDescription, Types
from spanprofiles.embedded.pyroscope.jfr.primitives import (
    INT_SHIFTS,
    NO_PLACE,
    TEXT,
    JfrError,
    Step,
    ended,
    read_fields,
    read_number,
)

CHUNK_HEADER, CHUNK_HEADER_BYTES = "jdk.types.ChunkHeader", 68
STACK = "jdk.types.StackTrace"
NUMBERS = "Q"
SYMBOL, STRING, CLASS = "jdk.types.Symbol", "java.lang.String", "java.lang.Class"
ASKED: dict[str, tuple[Asked, ...]] = {
    SYMBOL: (Asked("string", STRING),),
    CLASS: (Asked("name", SYMBOL, is_reference=True),),
    "jdk.types.Method": (Asked("type", CLASS, is_reference=True), Asked("name", SYMBOL, is_reference=True)),
    "jdk.types.ThreadState": (Asked("name", STRING),),
}
FRAME_ASKED = (Asked("method", "jdk.types.Method", is_reference=True), Asked("lineNumber", "int"))
Take = Callable[[int], None]


class Constants:
    """The constants of a chunk.

    Args:
        types: the chunk's types.

    Attributes:
        stacks: by number, the methods and lines of a stack's frames in turn, leaf first.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._tables: dict[str, dict[int, Sequence[Any]]] = {name: {} for name in ASKED}
        self.stacks: dict[int, Sequence[int]] = {}
        self._defaults: dict[str, list[Any]] = {
            name: ["" if wanted.type_name == STRING else 0 for wanted in asked] for name, asked in ASKED.items()
        }

    def read(self, data: bytes, position: int, take: Take) -> None:
        """Read the pools of constants, the last first: each says how far before it the one before is.

        Args:
            data: the file.
            position: of the last.
            take: called with the number of bytes that were read.

        Raises:
            JfrError: they are damaged.
            IndexError: the file ends in them.
        """
        while True:
            start = position
            for _ in ("size", "type", "start", "duration"):
                _, position = read_number(data, position)
            delta, position = read_number(data, position)
            _, position = read_number(data, position, INT_SHIFTS)
            count, position = read_number(data, position, INT_SHIFTS)
            for _ in range(count):
                position = self._read_table(data, position)
            take(position - start)
            before = start + (delta - 2**64 if delta >= 2**63 else delta)
            if delta == 0 or before <= 0:
                return
            if before >= len(data):
                raise ended()
            position = before

    def _read_table(self, data: bytes, position: int) -> int:
        number, position = read_number(data, position)
        described = self._types.by_number.get(number)
        if described is None:
            raise JfrError(f"error reading constants: unknown type {number}")
        if described.name == CHUNK_HEADER:
            return position + CHUNK_HEADER_BYTES
        count, position = read_number(data, position, INT_SHIFTS)
        if count > len(data) - position:
            raise ended()
        if described.name == STACK:
            return self._read_stacks(data, position, count, described)
        steps = self._types.steps(described, ASKED.get(described.name, ()))
        if described.name == STRING:  # a text among the constants is itself what its fields would be
            steps = (Step(TEXT, NO_PLACE), *steps)
        table = self._tables.get(described.name)
        default = self._defaults.get(described.name, [])
        for _ in range(count):
            number, position = read_number(data, position)
            values = default.copy()
            position = read_fields(data, position, steps, values)
            if table is not None:
                table[number] = values
        return position

    def _read_stacks(self, data: bytes, position: int, count: int, described: TypeDescription) -> int:
        frame = self._types.by_name[FRAME]
        before, after = self._around_frames(described, frame.number)
        steps = self._types.steps(frame, FRAME_ASKED)
        if not steps:
            raise JfrError("the frames of stack traces have no fields")
        values = [0, 0]
        for _ in range(count):
            number, position = read_number(data, position)
            position = read_fields(data, position, before, values)
            length, position = read_number(data, position, INT_SHIFTS)
            if length > len(data) - position:
                raise ended()
            frames = array(NUMBERS)
            for _ in range(length):
                position = read_fields(data, position, steps, values)
                frames.extend(values)
            position = read_fields(data, position, after, values)
            self.stacks[number] = frames
        return position

    def _around_frames(self, described: TypeDescription, frame: int) -> tuple[Sequence[Any], Sequence[Any]]:
        """Plan how the fields before and after a stack's frames are read.

        Raises:
            JfrError: the stacks have no frames.
        """
        for place, member in enumerate(described.fields):
            if member.is_array and not member.is_reference and (member.name, member.type_number) == ("frames", frame):
                steps = self._types.steps(described)
                return steps[:place], steps[place + 1 :]
        raise JfrError("the stack traces have no frames")

    def thread_state(self, number: int) -> str | None:
        """Return the name of a thread's state; None where there is none with that number."""
        found = self._tables["jdk.types.ThreadState"].get(number)
        return None if found is None else str(found[0])

    def function(self, method: int) -> str | None:
        """Return the name of a method with its class before it; None where one of them is not there."""
        found = self._tables["jdk.types.Method"].get(method)
        if found is None:
            return None
        owner = self._tables[CLASS].get(found[0])
        return None if owner is None else f"{self._symbol(owner[0])}.{self._symbol(found[1])}"

    def _symbol(self, number: int) -> str:
        found = self._tables[SYMBOL].get(number)
        return "" if found is None else without_numbers(found[0])


# What Java makes anew in each process has a number in its name, which says nothing and would split flame graphs.
_GENERATED = (
    ("jdk/internal/reflect/GeneratedMethodAccessor",
     re.compile(r"^(jdk/internal/reflect/GeneratedMethodAccessor)[0-9]+\Z"), r"\1_"),
    ("$$Lambda", re.compile(r"^(.+\$\$Lambda)(?:\$?[0-9]*[./](?:0x)?[0-9a-f]+|[0-9]+)\Z"), r"\1_"),
    ("libzstd-jni-",
     re.compile(r"^(?:\.?/tmp/)?libzstd-jni-[0-9]+\.[0-9]+\.[0-9]+-[0-9]+\.so(?: \(deleted\))?\Z"), "libzstd-jni-_.so"),
    ("amazonCorrettoCryptoProvider",
     re.compile(r"^(?:\.?/tmp/)?(?:lib)?amazonCorrettoCryptoProvider(?:NativeLibraries\.)?[0-9a-f]{16}"
                r"(?:/libcrypto|/libamazonCorrettoCryptoProvider)?\.so(?: \(deleted\))?\Z"),
     "libamazonCorrettoCryptoProvider_.so"),
    ("libasyncProfiler-",
     re.compile(r"^(?:\.?/tmp/)?libasyncProfiler-(?:linux-arm64|linux-musl-x64|linux-x64|macos)"
                r"-17b9a1d8156277a98ccc871afa9a8f69215f92\.so(?: \(deleted\))?\Z"), "libasyncProfiler-_.so"),
    ("$$EnhancerBySpringCGLIB$$", re.compile(r"^(.+\$\$EnhancerBySpringCGLIB\$\$).*\Z"), r"\1_"),
)  # fmt: skip


def without_numbers(name: str) -> str:
    """Return a name without the number that Java gave what it made while it ran."""
    for part, pattern, kept in _GENERATED:
        if part in name:
            name = pattern.sub(kept, name)
    return name
