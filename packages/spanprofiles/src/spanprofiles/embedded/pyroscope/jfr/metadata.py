"""What a chunk says of its types: their numbers, their names, and their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanprofiles.embedded.pyroscope.jfr.primitives import (
    ARRAY,
    BOOLEAN,
    FIELDS,
    INT,
    INT_SHIFTS,
    LONG,
    NO_PLACE,
    SHORT,
    TEXT,
    UNKNOWN,
    JfrError,
    Step,
    ended,
    read_number,
    read_text,
)

PRIMITIVES = {
    "java.lang.String": TEXT,
    "int": INT,
    "long": LONG,
    "short": SHORT,
    "boolean": BOOLEAN,
    "float": INT,
}
FRAME = "jdk.types.StackFrame"
REQUIRED = (
    *PRIMITIVES,
    "jdk.types.FrameType",
    "jdk.types.ThreadState",
    "java.lang.Thread",
    "java.lang.Class",
    "jdk.types.Method",
    "jdk.types.Package",
    "jdk.types.Symbol",
    "jdk.types.StackTrace",
    "jdk.types.ClassLoader",
    FRAME,
)
ARRAY_DIMENSIONS = {"": False, "1": True}


class Asked(NamedTuple):
    """A field that is asked for; one of the same name and another form is skipped.

    Attributes:
        name: its name.
        type_name: the name of its type.
        is_reference: whether it is the number of a constant.
    """

    name: str
    type_name: str
    is_reference: bool = False


@dataclass(frozen=True)
class Field:
    """A field of a type.

    Attributes:
        name: its name.
        type_number: the number of its type.
        is_reference: whether it is the number of a constant.
        is_array: whether there are several, with their number before them.
    """

    name: str
    type_number: int
    is_reference: bool
    is_array: bool


@dataclass
class TypeDescription:
    """A type.

    Attributes:
        number: its number in this chunk.
        name: its name.
        fields: its fields, in their order.
    """

    number: int
    name: str
    fields: list[Field] = field(default_factory=list)


@dataclass(frozen=True)
class Element:
    """An element of the metadata.

    Attributes:
        name: its name.
        attributes: its attributes.
        children: how many elements follow that are inside it.
    """

    name: str
    attributes: Mapping[str, str]
    children: int


class Types:
    """The types of one chunk.

    Attributes:
        by_number: by their numbers.
        by_name: by their names.
    """

    def __init__(self, found: Sequence[TypeDescription]) -> None:
        self.by_number = {described.number: described for described in found}
        self.by_name = {described.name: described for described in found}
        for name in REQUIRED:
            if name not in self.by_name:
                raise JfrError(f'error reading metadata: missing "{name}"')
        self._primitives = {self.by_name[name].number: operation for name, operation in PRIMITIVES.items()}

    def steps(self, described: TypeDescription, asked: Sequence[Asked] = ()) -> tuple[Step, ...]:
        """Plan how the fields of a type are read.

        Args:
            described: the type.
            asked: the fields whose values are wanted, in the order of their places.
        """
        return tuple([self._step(member, self._place(member, asked)) for member in described.fields])

    def _place(self, member: Field, asked: Sequence[Asked]) -> int:
        for place, wanted in enumerate(asked):
            known = self.by_name.get(wanted.type_name)
            form = (wanted.name, known and known.number, wanted.is_reference, False)
            if form == (member.name, member.type_number, member.is_reference, member.is_array):
                return place
        return NO_PLACE

    def _step(self, member: Field, place: int, *, is_inner: bool = False) -> Step:
        if member.is_array and not is_inner:
            one = Field(member.name, member.type_number, member.is_reference, is_array=False)
            return Step(ARRAY, place, (self._step(one, NO_PLACE),))
        if member.is_reference:
            return Step(LONG, place)
        operation = self._primitives.get(member.type_number)
        if operation is not None:
            return Step(operation, place)
        described = self.by_number.get(member.type_number)
        if is_inner or described is None or not described.fields:
            return Step(UNKNOWN, place, described.name if described else member.type_number)
        return Step(FIELDS, place, [self._step(part, NO_PLACE, is_inner=True) for part in described.fields])


class MetadataReader:
    """Reads the metadata of one chunk.

    Args:
        data: the file.
        position: where they begin.

    Attributes:
        position: behind what was read.
    """

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position
        self._texts: list[str] = []

    def _int(self) -> int:
        number, self.position = read_number(self._data, self.position, INT_SHIFTS)
        return number

    def read(self) -> Types:
        """Read the types.

        Raises:
            JfrError: they are damaged, or not those that a profiler writes.
            IndexError: the file ends in them.
        """
        self._int()  # size
        self._int()  # type
        for _ in ("start", "duration", "number"):
            _, self.position = read_number(self._data, self.position)
        count = self._int()
        if count > len(self._data) - self.position:
            raise ended()
        for _ in range(count):
            text, self.position = read_text(self._data, self.position, is_latin_known=False)
            self._texts.append(text)
        root = self._element()
        if root.name != "root":
            raise JfrError(f"error reading metadata: expected root element, got {root.name[:64]}")
        found: list[TypeDescription] = []
        for _ in range(root.children):
            element = self._element()
            if element.name == "metadata":
                found += [self._described() for _ in range(element.children)]
            elif element.name != "region":
                raise JfrError(f"error reading metadata: unexpected element {element.name[:64]}")
        return Types(found)

    def _text(self) -> str:
        number = self._int()
        if number >= len(self._texts):
            raise JfrError("error reading metadata: int overflow")
        return self._texts[number]

    def _element(self) -> Element:
        name = self._text()
        attributes = {}
        for _ in range(self._int()):
            key = self._text()
            attributes[key] = self._text()
        return Element(name, attributes, self._int())

    def _described(self) -> TypeDescription:
        element = self._element()
        described = TypeDescription(_number(element, "id"), _name(element))
        for _ in range(element.children):
            child = self._element()
            if child.name == "field":
                described.fields.append(_field(child))
            for _ in range(child.children):
                self._element()
        return described


def _number(element: Element, attribute: str) -> int:
    text = element.attributes.get(attribute, "")
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise JfrError(f"error reading metadata: {attribute} {text[:64]!r} is not a number")
    return int(text)


def _name(element: Element) -> str:
    name = element.attributes.get("name", "")
    if not name:
        raise JfrError("error reading metadata: class/field name is empty")
    return name


def _field(element: Element) -> Field:
    dimension = element.attributes.get("dimension", "")
    if dimension not in ARRAY_DIMENSIONS:
        raise JfrError(f"error reading metadata: unsupported dimension {dimension[:64]}")
    return Field(
        name=_name(element),
        type_number=_number(element, "class"),
        is_reference=element.attributes.get("constantPool") == "true",
        is_array=ARRAY_DIMENSIONS[dimension],
    )
