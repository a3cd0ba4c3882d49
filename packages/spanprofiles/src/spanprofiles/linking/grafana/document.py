"""One YAML or JSON document as Grafana reads it: YAML 1.2's scalars, no key twice, and where each value stands.

Source: Grafana reads its provisioning files with the Go library yaml.v3. To that ``no`` and ``off`` are texts, and so
are dates and ``1:30``; it refuses a key that is given twice, and looks at a file's first document only.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from spanprofiles.linking.grafana.settings import KeyPath, SettingsError

_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
# of a mapping at the top nothing else is read, unless it is what Grafana's API answers
_READ = "datasources"
# each anchor may be used again and again: no more values than this come of a file
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """Reads scalars by YAML 1.2's core schema, and ``<<``."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # of the class, as the library has it


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("merge", "<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), [*_first, *([""] if _tag == "null" else [])]
    )


class Document:
    """One document: its value, and where the parts of it stand.

    Attributes:
        value: lists, mappings and scalars, or None where the file is empty.
        is_first_of_many: whether others follow, which are not read.
    """

    def __init__(self, text: str) -> None:
        """Read a text.

        Raises:
            yaml.YAMLError: it is no YAML.
            ValueError: a scalar is none of its type.
            SettingsError: a key is given twice, or a few lines stand for very many values.
        """
        loader = _Loader(text)
        try:
            self._root = loader.get_node() if loader.check_node() else None
            self.is_first_of_many = _goes_on(loader)
            self._check()
            self.value: Any = None if self._root is None else loader.construct_document(self._root)
        finally:
            loader.dispose()

    def written(self, path: KeyPath) -> str | None:
        """Return a scalar as it is written, ``no`` for instance; None where it is null or absent.

        Raises:
            SettingsError: a list or a mapping stands there.
        """
        node, _ = self._find(path)
        if node is None or node.tag == _NULL:
            return None
        if not isinstance(node, yaml.ScalarNode):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else "keys and values"
            raise SettingsError(f"a text is expected, not {kind}", path)
        return str(node.value)

    def line(self, path: KeyPath) -> int:
        """Return the line of the value at that path, or of the innermost part of the path that is there."""
        return self._find(path)[1]

    def _find(self, path: KeyPath) -> tuple[yaml.Node | None, int]:
        node, line = self._root, self._root.start_mark.line if self._root is not None else 0
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pairs = [(key, value) for key, value in node.value if getattr(key, "value", None) == str(step)]
                if not pairs:
                    return None, line + 1
                line, node = pairs[-1][0].start_mark.line, pairs[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line
            else:
                return None, line + 1
        return node, line + 1

    def _check(self) -> None:
        """Look at each key that Grafana reads, and at how many values there are; before they are made."""
        pending = [self._root] if self._root is not None else []
        if isinstance(self._root, yaml.MappingNode):
            _refuse_doubles(self._root)
            read = [value for key, value in self._root.value if getattr(key, "value", None) == _READ]
            pending = read or pending
        values = 0
        while pending:
            node = pending.pop()
            values += 1
            if values > _MOST_VALUES:
                raise SettingsError(f"it stands for more than {_MOST_VALUES} values, which is no provisioning file")
            if isinstance(node, yaml.SequenceNode):
                pending += node.value
            elif isinstance(node, yaml.MappingNode):
                _refuse_doubles(node)
                pending += [value for _, value in node.value]


def _goes_on(loader: yaml.SafeLoader) -> bool:
    """Whether something follows a document, be it no YAML."""
    try:
        return bool(loader.check_node())
    except yaml.YAMLError:
        return True


def _refuse_doubles(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise DoubleKeyError(key.value, lines[key.value], line)
            lines[key.value] = line


class DoubleKeyError(SettingsError):
    """A key is given twice in one mapping.

    Attributes:
        line: that of the second.
    """

    def __init__(self, name: str, first: int, second: int) -> None:
        self.line = second
        super().__init__(f"the key {name!r} is given twice, first in line {first}: Grafana refuses the file")
