"""The stacks of one upload: as they come, as the store keeps them, and as they are read again.

Stacks differ from upload to upload in their lines, so each upload keeps its own, in a table of a few bytes a frame.
Only call paths, which are stacks without their lines, are shared.
"""

from __future__ import annotations

import sys
from array import array
from codecs import charmap_decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spanprofiles.embedded.store.connection import StoreConnection

Function = tuple[str, str, str]
"""Name, system name and file name."""
Frame = tuple[str, str, str, int]
"""Function name, system name, file name, line."""
NUMBERS, LINES = "i", "q"
PLACES = (("B", 2**8), ("H", 2**16), ("I", 2**32))
"""The type of the numbers by which stacks name frames, and from how many frames on the next larger one is needed."""
END = 0
"""In place of a frame: the end of a stack."""
_END_BYTE = b"\0"
CHARACTERS = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
"""How a text of characters is written so that it is an array of 32-bit numbers."""
Stack: TypeAlias = "bytes | array[int]"
"""The places of a stack's frames, root first; in bytes where none is above 255."""
Path: TypeAlias = "bytes | str"
"""The functions of a stack's frames, root first: the numbers of 32 bits, or a character in place of each number."""


class StackTable:
    """The frames and stacks of one upload, which the profiles made of it share.

    Attributes:
        functions: each different function, and its place, from 0 on.
        frames: (place of its function, line) of each different frame, and the frame's place, from 1 on.
        stacks: places of frames, root first.
    """

    def __init__(self) -> None:
        self.functions: dict[Function, int] = {}
        self.frames: dict[tuple[int, int], int] = {}
        self.stacks: list[Stack] = []

    def encoded(self, numbers: Sequence[int]) -> EncodedStacks:
        """Write everything as the store keeps it.

        Args:
            numbers: the store's number of each function.
        """
        functions = array(NUMBERS, [numbers[function] for function, _ in self.frames])
        frames = functions.tobytes() + array(LINES, [line for _, line in self.frames]).tobytes()
        kind = _type_of_places(len(self.frames))
        if kind == "B":
            stacks = b"".join([part for stack in self.stacks for part in (_as_bytes(stack), _END_BYTE)])
            return EncodedStacks(frames, stacks, _paths(stacks, functions))
        places = array(NUMBERS)
        for stack in self.stacks:
            places.extend(array(NUMBERS, list(stack)) if isinstance(stack, bytes) else stack)
            places.append(END)
        return EncodedStacks(frames, array(kind, places).tobytes(), _long_paths(places, functions))


@dataclass(frozen=True)
class EncodedStacks:
    """The frames and stacks of an upload as the store keeps them.

    Attributes:
        frames: the function of each frame, then the line of each.
        stacks: the frames of each stack.
        paths: the call path of each stack; ``path_bytes`` gives it as the store keeps it.
    """

    frames: bytes
    stacks: bytes
    paths: Sequence[Path]


def _as_bytes(stack: Stack) -> bytes:
    return stack if isinstance(stack, bytes) else bytes(stack.tolist())


def path_bytes(path: Path) -> bytes:
    """Return a call path as the store keeps it."""
    return path if isinstance(path, bytes) else path.encode(CHARACTERS, "surrogatepass")


def _paths(stacks: bytes, functions: Sequence[int]) -> Sequence[Path]:
    """Make the call path of each stack, given the function of each frame.

    A number of a function is taken for a character, since Python replaces bytes by characters, of which a table says
    which, in a fraction of the time that a loop takes.
    """
    of_frame = [END, *functions]
    try:
        table = "".join(map(chr, of_frame))
        text, _ = charmap_decode(stacks, "strict", table)
        return text.split("\0")[:-1]
    except ValueError:  # a number that is too large, or the one that stands for no character
        return _long_paths(stacks, functions)


def _long_paths(stacks: Sequence[int], functions: Sequence[int]) -> list[bytes]:
    """Make the same of places that may not be bytes."""
    of_frame = [END, *functions]
    numbers = array(NUMBERS, [of_frame[place] for place in stacks])
    paths = []
    start = 0
    while start < len(stacks):
        end = stacks.index(END, start)
        paths.append(numbers[start:end].tobytes())
        start = end + 1
    return paths


class StoredStacks:
    """The frames and stacks of an upload that is stored.

    Args:
        frames: the frames as the store keeps them.
        stacks: likewise.

    Attributes:
        functions: the number of each frame's function, by the frame's place less one.
        lines: the line of each frame, likewise.
    """

    def __init__(self, frames: bytes, stacks: bytes) -> None:
        count = len(frames) // (array(NUMBERS).itemsize + array(LINES).itemsize)
        bound = count * array(NUMBERS).itemsize
        self.functions = array(NUMBERS, frames[:bound])
        self.lines = array(LINES, frames[bound:])
        self._places = array(_type_of_places(count), stacks)

    def stacks(self) -> Iterator[array[int]]:
        """Give the places of each stack's frames, root first."""
        start = 0
        while start < len(self._places):
            end = self._places.index(END, start)
            yield self._places[start:end]
            start = end + 1


def _type_of_places(frames: int) -> str:
    return next(kind for kind, bound in PLACES if frames < bound)


def stored_stacks(connection: StoreConnection, upload: int) -> StoredStacks:
    """Read the stacks of an upload."""
    frames, stacks = connection.execute("SELECT frames, stacks FROM stacks WHERE id = ?", (upload,)).fetchone()
    return StoredStacks(frames, stacks)
