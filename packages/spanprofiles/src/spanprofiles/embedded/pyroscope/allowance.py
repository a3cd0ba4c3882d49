"""What one upload of profiles may still bring, counted before anything of it is kept.

Every way in (pprof, folded stacks, and each that is to come) makes its stacks by ``Stacks`` and takes from the same
``Allowance``, so that a limit holds wherever the frames come from.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, NAMES_EXPANSION, NAMES_FREE_BYTES, Quantity
from spanprofiles.embedded.store.stacks import NUMBERS, Frame, Function, StackTable

_BYTES, _FRAMES, _NAMES = Quantity.BYTES, Quantity.FRAMES, Quantity.NAMES  # to look one up each time takes long
ESCAPED = 6
"""Bytes that a character may take where it is written as ``\\u0000``."""


class Allowance:
    """What one upload may still bring."""

    def __init__(self) -> None:
        self._left = {quantity: quantity.limit for quantity in Quantity}
        self._room_for_names = NAMES_FREE_BYTES

    def left(self, quantity: Quantity) -> int:
        """How much there may still be."""
        return self._left[quantity]

    def take(self, quantity: Quantity, count: int) -> None:
        """Count what is about to be kept.

        Raises:
            ConnectError: there is more of it than an upload may have.
        """
        if quantity is _BYTES:
            self._room_for_names += NAMES_EXPANSION * count
        elif quantity is _NAMES:
            self._take_room_for_names(count)
        left = self._left[quantity] = self._left[quantity] - count
        if left < 0:
            raise ConnectError(
                f"the upload has more than {quantity.limit} {quantity.words}: send less at once, or fewer frames",
                reason=quantity.reason,
            )

    def _take_room_for_names(self, count: int) -> None:
        self._room_for_names -= count
        if self._room_for_names < 0:
            raise ConnectError(
                f"the names of the upload's frames take more than {NAMES_EXPANSION} times the room of the upload, as a"
                " long name does that is on many lines: send shorter names, or fewer lines",
                reason=Quantity.NAMES.reason,
            )


class Stacks:
    """The stacks of one profile, put into a table within the limits.

    Args:
        allowance: what the upload may still bring.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._names_bytes: list[int] = []  # of each function
        self.table = StackTable()

    def function(self, function: Function) -> int:
        """Return the place of a function."""
        known = self.table.functions.get(function)
        if known is None:
            known = self.table.functions[function] = len(self._names_bytes)
            self._names_bytes.append(_written("".join(function)))
        return known

    def frame(self, frame: Frame) -> int:
        """Return the place of a frame.

        Raises:
            ConnectError: the upload's frames have too long names.
        """
        return self.frame_of(self.function(frame[:3]), frame[3])

    def frame_of(self, function: int, line: int) -> int:
        """Return the place of a frame, which is a line of a function.

        Args:
            function: the place of the function.
            line: the line.

        Raises:
            ConnectError: the upload's frames have too long names.
        """
        frames = self.table.frames
        known = frames.get((function, line))
        if known is None:
            self._allowance.take(_NAMES, self._names_bytes[function])
            known = frames[function, line] = len(frames) + 1
        return known

    def add(self, places: Sequence[int]) -> int:
        """Add a stack that differs from those before.

        Args:
            places: of its frames, root first; those beyond the depth limit are left out.

        Returns:
            Its place in the table.

        Raises:
            ConnectError: the upload has too many frames.
        """
        kept = places if len(places) <= DEPTH_LIMIT else places[:DEPTH_LIMIT]
        self._allowance.take(_FRAMES, len(kept))
        stacks = self.table.stacks
        stacks.append(kept if isinstance(kept, bytes) else array(NUMBERS, kept))
        return len(stacks) - 1

    def add_all(self, stacks: Sequence[bytes]) -> range:
        """Add stacks that differ from each other and from those before, none of them beyond the depth limit.

        Args:
            stacks: the places of their frames, root first.

        Returns:
            Their places in the table.

        Raises:
            ConnectError: the upload has too many frames.
        """
        self._allowance.take(_FRAMES, sum(map(len, stacks)))
        first = len(self.table.stacks)
        self.table.stacks += stacks
        return range(first, first + len(stacks))


def _written(text: str) -> int:
    """How many bytes a text takes at most, wherever it is written."""
    return len(text) if text.isascii() and text.isprintable() else ESCAPED * len(text)
