"""What an export's profiles refer to by number: texts, attributes, links, and stacks of locations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from spanprofiles.embedded.proto.otlp_profiles_pb2 import AnyValue, Link, Location, ProfilesDictionary
from spanprofiles.embedded.pyroscope.allowance import Allowance, Stacks
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.languages import without_shapes
from spanprofiles.embedded.pyroscope.limits import DEPTH_LIMIT, LINES_LIMIT, SYMBOL_LENGTH_LIMIT
from spanprofiles.embedded.refusals import Reason

Row = TypeVar("Row")


class ConversionError(ConnectError):
    """An export refers to what it does not have, or leaves out what a profile needs; nothing of it is kept."""

    def __init__(self, message: str) -> None:
        super().__init__(f"failed to convert otel profile: {message}", reason=Reason.MALFORMED_PROFILE)


def text_of(value: AnyValue) -> str:
    """Write a text, a whole number, or a list with one of them, as a label's value; anything else is an empty text."""
    kind = value.WhichOneof("value")
    if kind == "array_value" and len(value.array_value.values) == 1:
        value = value.array_value.values[0]
        kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    return str(value.int_value) if kind == "int_value" else ""


class Dictionary:
    """Looks up what is referred to.

    Args:
        tables: the export's.
        allowance: what the export may still bring.
    """

    def __init__(self, tables: ProfilesDictionary, allowance: Allowance) -> None:
        self._tables = tables
        self._texts: Sequence[str] = without_shapes("", tables.string_table)
        self._made = Stacks(allowance)
        self._stacks: dict[int, int | None] = {}
        self._frames: dict[int, tuple[int, ...] | None] = {}
        self.table = self._made.table

    @staticmethod
    def _at(rows: Sequence[Row], index: int, what: str) -> Row:
        if not 0 <= index < len(rows):
            raise ConversionError(f"could not access {what}: index {index} out of bounds")
        return rows[index]

    def text(self, index: int, what: str) -> str:
        """Look up a text.

        Raises:
            ConversionError: there is none with that number.
        """
        return self._at(self._texts, index, what)

    def link(self, index: int) -> Link:
        """Look up a link.

        Raises:
            ConversionError: there is none with that number.
        """
        return self._at(self._tables.link_table, index, f"link at index {index}")

    def attribute_key(self, index: int) -> str:
        """Look up the key of an attribute.

        Raises:
            ConversionError: there is no attribute with that number, or it has no key.
        """
        attribute = self._at(self._tables.attribute_table, index, f"attribute at index {index}")
        return self._at(self._texts, attribute.key_strindex, "attribute key")

    def attribute_value(self, index: int) -> str:
        """Look up the value of an attribute, as a text.

        Raises:
            ConversionError: there is no attribute with that number.
        """
        return text_of(self._at(self._tables.attribute_table, index, f"attribute at index {index}").value)

    def stack(self, index: int) -> int | None:
        """Look up a stack.

        Returns:
            Its place in the table; None where a location says nothing at all.

        Raises:
            ConversionError: there is none with that number, or it refers to what is not there.
            ConnectError: the export has too many frames.
        """
        if index not in self._stacks:
            stack = self._at(self._tables.stack_table, index, "stack").location_indices
            self._stacks[index] = self._made_stack(stack)
        return self._stacks[index]

    def _made_stack(self, locations: Sequence[int]) -> int | None:
        self._check_locations(locations)
        frames: list[int] = []
        for index in reversed(locations[-DEPTH_LIMIT:]):
            more = self._frames[index]
            if more is None:
                return None
            if len(frames) < DEPTH_LIMIT:
                frames += more
        return self._made.add(frames)

    def _check_locations(self, indices: Iterable[int]) -> None:
        for index in set(indices).difference(self._frames):
            location = self._at(self._tables.location_table, index, f"location at index {index}")
            self._frames[index] = self._read_location(index, location)

    def _read_location(self, index: int, location: Location) -> tuple[int, ...] | None:
        """Return the frames of a location, root first; None where it says nothing at all."""
        number = location.mapping_index
        mapping = self._at(self._tables.mapping_table, number, f"mapping at index {number}")
        self.text(mapping.filename_strindex, "mapping file name string")
        if not location.lines:
            return () if location.address else None
        if len(location.lines) > LINES_LIMIT:
            raise ConnectError(
                f"location {index} has {len(location.lines)} lines, one for each function inlined in it;"
                f" the limit is {LINES_LIMIT}",
                reason=Reason.FRAMES,
            )
        return tuple([self._frame(line.function_index, line.line) for line in reversed(location.lines)])

    def _frame(self, index: int, line: int) -> int:
        function = self._at(self._tables.function_table, index, "function")
        name = self.text(function.name_strindex, "function name string")
        system_name = self.text(function.system_name_strindex, "function system name string")
        file_name = self.text(function.filename_strindex, "function file name string")
        kept = (text[-SYMBOL_LENGTH_LIMIT:] for text in (name, system_name, file_name))
        return self._made.frame((*kept, line))  # type: ignore[arg-type]  # three texts
