"""Grafana's provisioning files of data sources, read as Grafana reads them: YAML with environment variables.

Source: Grafana's documentation of provisioning. ``$NAME`` and ``${NAME}`` stand for environment variables, ``$$`` for
one dollar; so the variables of a custom query must be written with two, ``'{$${__tags}}'``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spanprofiles.linking.grafana.datasource import DataSource, DataSources, KeyPath, SettingsError

_SUFFIXES = {".yaml", ".yml", ".json"}
_EXPANDED = re.compile(
    r"\$(?P<escaped>\$)"
    r"|\$__(?P<provider>env|file|vault)\{(?P<argument>[^}]+)\}"
    r"|\$\{(?P<braced>[^}]*)\}"
    r"|\$(?P<bare>[A-Za-z_][A-Za-z0-9_]*|[0-9*#@!?\-])"
    r"|\$\{",
)
_LIMIT = 1024 * 1024
# what the link does not depend on; secrets among it
_LEFT_OUT = {"secureJsonData", "password", "basicAuthPassword"}
_DEEPEST = 30


def read_data_sources(
    paths: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None
) -> DataSources:
    """Read the data sources of provisioning files.

    Args:
        paths: files, and folders whose ``*.yaml``, ``*.yml`` and ``*.json`` files are read. A file may also hold what
            Grafana's API answers: one data source, or a list of them.
        environment: the environment Grafana runs in; by default this process's own.

    Raises:
        SettingsError: a file cannot be read or is not of that form; the message names file, line and key.
    """
    known = os.environ if environment is None else environment
    found: list[DataSource] = []
    for path in _files(paths):
        found += _File(path, known).data_sources()
    if not found:
        raise SettingsError(f"there is no data source in {', '.join(map(str, paths))}")
    return DataSources(found)


def expand(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """Fill environment variables in.

    Returns:
        The text, and those references (as written) to variables that are not set: they became empty.

    Raises:
        ValueError: it asks for a file or a vault, which are where Grafana runs and not here.
    """
    unset: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["provider"] in {"file", "vault"}:
            raise ValueError(f"{match[0]} can be read by Grafana only: replace it by its value in a copy of the file")
        name = match["argument"] or match["braced"] or match["bare"] or ""
        if name not in environment:
            unset.append(match[0])
        return environment.get(name, "")

    return _EXPANDED.sub(fill, text), unset


def _files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES and one.is_file())
            if not inside:
                raise SettingsError(f"{path}: there is no .yaml, .yml or .json file in this folder")
            files += inside
        else:
            files.append(path)
    return files


class _File:
    """One file: its values, and the lines they stand on."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        self._environment = environment
        self._notes: list[str] = []
        text = _content(path)
        try:
            loader = yaml.SafeLoader(text)
            try:
                self._root = loader.get_single_node()
                self._data = loader.construct_document(self._root) if self._root is not None else None
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f"{mark.line + 1}: " if mark else " "
            raise SettingsError(f"{path}:{line}not YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, ValueError) as error:
            raise SettingsError(f"{path}: not YAML: {error}") from error

    def data_sources(self) -> list[DataSource]:
        """Return the data sources in it; none for a file that provisions nothing.

        What Grafana's API answers (a list, or a mapping with a type) has been expanded by Grafana already.
        """
        data = self._data
        if data is None:
            return []
        if isinstance(data, list):
            return [self._data_source(one, (index,), expand_it=False) for index, one in enumerate(data)]
        if isinstance(data, dict) and "type" in data:
            return [self._data_source(data, (), expand_it=False)]
        if not isinstance(data, dict) or not isinstance(data.get("datasources"), list):
            here: KeyPath = ("datasources",) if isinstance(data, dict) and "datasources" in data else ()
            raise self._wrong(here, "a list of data sources under the key 'datasources' is expected")
        return [self._data_source(one, ("datasources", index)) for index, one in enumerate(data["datasources"])]

    def _data_source(self, entry: object, path: KeyPath, *, expand_it: bool = True) -> DataSource:
        if not isinstance(entry, dict):
            raise self._wrong(path, f"keys and values are expected, not {entry!r}")
        self._notes = []
        kept = {key: value for key, value in entry.items() if key not in _LEFT_OUT}
        expanded = self._expanded(kept, path) if expand_it else kept
        try:
            return DataSource.of(expanded).with_notes(self._notes)
        except SettingsError as error:
            raise self._wrong((*path, *error.path), str(error)) from error

    def _expanded(self, value: Any, path: KeyPath) -> Any:
        if len(path) > _DEEPEST:
            raise self._wrong(path[:3], f"it is nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            return {key: self._expanded(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [self._expanded(one, (*path, index)) for index, one in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            text, unset = expand(value, self._environment)
        except ValueError as error:
            raise self._wrong(path, str(error)) from error
        for reference in unset if _matters(path) else ():
            self._notes.append(
                f"{self._place(path)}: {reference} is taken for an environment variable, which is not set, and becomes"
                f" empty: set it, or write ${reference} where Grafana's own variable is meant"
            )
        return text

    def _wrong(self, path: KeyPath, message: str) -> SettingsError:
        return SettingsError(f"{self._place(path)}: {message}", path)

    def _place(self, path: KeyPath) -> str:
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        return f"{self.path}:{self._line(path)}" + (f": {key}" if key else "")

    def _line(self, path: KeyPath) -> int:
        """Return the line of the value at that path, or of the innermost part of the path that is there."""
        node, line = self._root, self._root.start_mark.line if self._root is not None else 0
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pairs = [(key, value) for key, value in node.value if getattr(key, "value", None) == str(step)]
                if not pairs:
                    break
                line, node = pairs[-1][0].start_mark.line, pairs[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return line + 1


def _matters(path: KeyPath) -> bool:
    """Whether the link depends on the value at that path."""
    return path[-1] in {"uid", "name", "type"} or "tracesToProfiles" in path


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT:
            raise SettingsError(f"{path}: it has more than {_LIMIT} bytes, which is no provisioning file")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: it is not UTF-8 text (byte {error.start})") from error
