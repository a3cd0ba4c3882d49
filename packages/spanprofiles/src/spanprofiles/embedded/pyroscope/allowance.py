"""What one upload of profiles may still bring, counted before anything of it is kept.

Every way in (pprof, folded stacks, and each that is to come) makes its stacks by ``Stacks`` and takes from the same
``Allowance``, so that a limit holds wherever the frames come from.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, NAMES_EXPANSION, NAMES_FREE_BYTES, Quantity
from spanprofiles.embedded.store.profiles import FRAME_NUMBERS, Frame, StackTable

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
        if quantity is Quantity.BYTES:
            self._room_for_names += NAMES_EXPANSION * count
        elif quantity is Quantity.NAMES:
            self._take_room_for_names(count)
        self._left[quantity] -= count
        if self._left[quantity] < 0:
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
        self.table = StackTable()

    def frame(self, frame: Frame) -> int:
        """Return the place of a frame.

        Raises:
            ConnectError: the upload's frames have too long names.
        """
        known = self.table.frames.get(frame)
        if known is None:
            self._allowance.take(Quantity.NAMES, sum(map(_written, frame[:3])))
            known = self.table.frame(frame)
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
        kept = places[:DEPTH_LIMIT]
        self._allowance.take(Quantity.FRAMES, len(kept))
        self.table.stacks.append(array(FRAME_NUMBERS, kept))
        return len(self.table.stacks) - 1


def _written(text: str) -> int:
    """How many bytes a text takes in JSON at most."""
    return len(text) if text.isascii() and text.isprintable() else ESCAPED * len(text)
