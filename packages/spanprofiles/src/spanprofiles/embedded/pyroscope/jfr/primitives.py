"""Numbers and texts as JFR writes them, and the fields of a type, read one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

LAST_SHIFT = 56
BYTE, CONTINUES = 0xFF, 0x80
SHORT_SHIFTS, INT_SHIFTS, LONG_SHIFTS = 16, 32, 64


class JfrError(Exception):
    """A file is no JFR, is damaged, or has in it what is not taken."""


def ended() -> JfrError:
    """Make the error for a file that ends in the middle."""
    return JfrError("unexpected EOF")


# How a field is read; the first three are numbers.
LONG, INT, SHORT, BOOLEAN, TEXT, FIELDS, ARRAY, UNKNOWN = range(8)


class Step(NamedTuple):
    """How one field of a type is read, and where its value goes.

    Attributes:
        operation: how, as the constants of this module number it.
        place: where in the list of values; -1 for a field that nobody asks for.
        inner: the steps of its own type, or of each member of an array; of an unknown type its name.
    """

    operation: int
    place: int
    inner: Any = ()


NO_PLACE = -1
_SHIFTS = {LONG: LONG_SHIFTS, INT: INT_SHIFTS, SHORT: SHORT_SHIFTS}


def read_number(data: bytes, position: int, shifts: int = LONG_SHIFTS) -> tuple[int, int]:
    """Read a number of groups of seven bits, the lowest first; the ninth group has eight.

    Args:
        data: the file.
        position: where it begins.
        shifts: how many bits it has at most.

    Returns:
        The number, and the position behind it.

    Raises:
        JfrError: it is longer.
        IndexError: the file ends in it.
    """
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        if shift == LAST_SHIFT:
            return number | byte << shift, position
        number |= (byte & 0x7F) << shift
        if byte < CONTINUES:
            return number & ((1 << shifts) - 1), position
        shift += 7
        if shift >= shifts:
            raise JfrError("int overflow")


def read_text(data: bytes, position: int, *, is_latin_known: bool = True) -> tuple[str, int]:
    """Read a text: its form, and then bytes or characters.

    Args:
        data: the file.
        position: where it begins.
        is_latin_known: whether it may be in Latin-1.

    Returns:
        The text, and the position behind it.

    Raises:
        JfrError: its form is not known, or it is no text.
        IndexError: the file ends in it.
    """
    form = data[position]
    position += 1
    if form in {0, 1}:
        return "", position
    if form == 3 or (form == 5 and is_latin_known):
        length, position = read_number(data, position, INT_SHIFTS)
        end = position + length
        if end > len(data):
            raise ended()
        try:
            return data[position:end].decode("utf-8" if form == 3 else "latin-1"), end
        except UnicodeDecodeError as error:
            raise JfrError("a text is not UTF-8") from error
    if form == 4:
        return _read_characters(data, position)
    raise JfrError(f"unknown string type {form} at {position}")


def _read_characters(data: bytes, position: int) -> tuple[str, int]:
    length, position = read_number(data, position, INT_SHIFTS)
    if length > len(data) - position:
        raise ended()
    characters = []
    for _ in range(length):
        number, position = read_number(data, position, INT_SHIFTS)
        is_character = number < 0x110000 and not 0xD800 <= number < 0xE000
        characters.append(chr(number) if is_character else "\ufffd")
    return "".join(characters), position


def read_fields(data: bytes, position: int, steps: Sequence[Step], values: list[Any]) -> int:
    """Read the fields of a type.

    Args:
        data: the file.
        position: where they begin.
        steps: how each is read.
        values: where their values go.

    Returns:
        The position behind them.

    Raises:
        JfrError: they are damaged.
        IndexError: the file ends in them.
    """
    for operation, place, inner in steps:
        value: Any
        if operation <= SHORT:
            value = data[position]
            if value < CONTINUES:
                position += 1
            else:
                value, position = read_number(data, position, _SHIFTS[operation])
        elif operation == BOOLEAN:
            value = data[position]
            position += 1
        elif operation == TEXT:
            value, position = read_text(data, position)
        elif operation == FIELDS:
            value, position = None, read_fields(data, position, inner, values)
        elif operation == ARRAY:
            value, position = None, _skip_array(data, position, inner)
        else:
            raise JfrError(f"unknown type {inner}")
        if place >= 0:
            values[place] = value
    return position


def _skip_array(data: bytes, position: int, steps: Sequence[Step]) -> int:
    count, position = read_number(data, position, INT_SHIFTS)
    if count > len(data) - position:
        raise ended()
    for _ in range(count):
        position = read_fields(data, position, steps, [])
    return position
