"""Grafana's provisioning files of data sources, read as Grafana reads them: YAML with environment variables.

Source: Grafana's documentation of provisioning, and the code that reads the files (13.1). ``$NAME`` and ``${NAME}``
stand for environment variables, ``$$`` for one dollar; so the variables of a custom query must be written with two,
``'{$${__tags}}'``. A file without ``apiVersion: 1`` is read in its oldest form, ``json_data`` and ``is_default``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from spanprofiles.linking.grafana.datasource import DataSource, DataSources, generated_uid
from spanprofiles.linking.grafana.document import Document, DoubleKeyError
from spanprofiles.linking.grafana.settings import KeyPath, SettingsError

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

# what Grafana reads as a text, however it is written: ``uid: 7`` is the text 7
_TEXTS = ("uid", "name", "type", "orgId", "orgName")
# what Grafana takes for the UID of a new data source
_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
# the texts that Go takes for true and false
_TRUE, _FALSE = {"1", "t", "T", "TRUE", "true", "True"}, {"0", "f", "F", "FALSE", "false", "False"}
# the names of a file without apiVersion, and what they became
_OLD = {"json_data": "jsonData", "is_default": "isDefault", "org_id": "orgId", "org_name": "orgName"}


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
    found = [source for path in _files(paths) for source in _File(path, known).data_sources()]
    if not found:
        raise SettingsError(f"there is no data source in {', '.join(map(str, paths))}")
    return DataSources(_updated(found))


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


def _updated(sources: Iterable[DataSource]) -> list[DataSource]:
    """Let an entry with a name that was there change that data source: Grafana goes by the name.

    Raises:
        SettingsError: two are the default of one organization.
    """
    by_name: dict[tuple[str, str], DataSource] = {}
    for source in sources:
        key = (source.organization, source.name)
        if key in by_name:
            note = f"the data source {source.name!r} is given more than once, and the last entry counts"
            uid = by_name[key].uid if source.uid == generated_uid(source.name) else source.uid
            by_name[key] = replace(source, uid=uid, notes=(*source.notes, note))
        else:
            by_name[key] = source
    for organization in {source.organization for source in by_name.values()}:
        defaults = [
            source.uid for source in by_name.values() if source.is_default and source.organization == organization
        ]
        if len(defaults) > 1:
            raise SettingsError(f"{', '.join(defaults)} are all the default data source: Grafana refuses more than one")
    return list(by_name.values())


def _files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
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
        try:
            self._document = Document(_content(path))
        except DoubleKeyError as error:
            raise SettingsError(f"{path}:{error.line}: {error}") from error
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error
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
        data = self._document.value
        if data is None:
            return []
        if isinstance(data, list):
            return [self._answered(item, (index,)) for index, item in enumerate(data)]
        if isinstance(data, dict) and "type" in data:
            return [self._answered(data, ())]
        if (
            isinstance(data, dict)
            and data.get("datasources") is None
            and {"datasources", "deleteDatasources"} & set(data)
        ):
            return []
        if not isinstance(data, dict) or not isinstance(data.get("datasources"), list):
            here: KeyPath = ("datasources",) if isinstance(data, dict) and "datasources" in data else ()
            raise self._wrong(here, "a list of data sources under the key 'datasources' is expected")
        has_version = self._version() > 0
        return [
            self._provisioned(item, ("datasources", index), has_version=has_version)
            for index, item in enumerate(data["datasources"])
        ]

    def _version(self) -> float:
        """Return ``apiVersion``, 0 where there is none."""
        version = self._document.value.get("apiVersion")
        if version is None:
            return 0
        if isinstance(version, bool) or not isinstance(version, (int, float)):
            raise self._wrong(("apiVersion",), f"a number is expected, not {version!r}: write apiVersion: 1")
        return version

    def _answered(self, entry: object, path: KeyPath) -> DataSource:
        """Read a data source as Grafana's API gives it."""
        return self._data_source(self._entry(entry, path), path)

    def _provisioned(self, entry: object, path: KeyPath, *, has_version: bool) -> DataSource:
        """Read an entry of a provisioning file."""
        raw = self._entry(entry, path)
        self._notes = []
        if self._document.is_first_of_many:
            self._notes.append(f"{self.path}: what follows the first --- is not read by Grafana")
        if self.path.suffix == ".json":
            self._notes.append(f"{self.path}: Grafana reads files whose names end with .yaml or .yml only")
        is_old = (
            not has_version and not {"jsonData", "uid", "isDefault"} & raw.keys() and bool(_OLD.keys() & raw.keys())
        )
        written = {name: name for name in _TEXTS} | ({new: old for old, new in _OLD.items()} if is_old else {})
        if is_old:
            raw = {_OLD.get(name, name): value for name, value in raw.items()}
        elif not has_version:
            self._notes.append(
                f"{self.path}: without apiVersion: 1 Grafana reads the file in its oldest form, and neither uid nor"
                " jsonData: add it"
            )
        for name in _TEXTS:
            raw[name] = self._written((*path, written[name]))
        expanded = raw if is_old else self._expanded(raw, path)
        expanded["isDefault"] = self._is_default((*path, written.get("isDefault", "isDefault")))
        uid = expanded["uid"]
        if uid and not _UID.fullmatch(str(uid)):
            self._notes.append(
                f"{self._place((*path, 'uid'))}: Grafana refuses a new data source with the uid {uid!r}: it takes up to"
                " 40 letters, digits, - and _"
            )
        return self._data_source(expanded, path)

    def _written(self, path: KeyPath) -> str | None:
        try:
            return self._document.written(path)
        except SettingsError as error:
            raise self._wrong(path, str(error)) from error

    def _is_default(self, path: KeyPath) -> bool:
        """Read what Grafana reads with Go's ParseBool, which does not know ``yes``."""
        written = self._written(path)
        if written is None:
            return False
        text = str(self._expanded(written, path))
        if text not in _TRUE | _FALSE:
            raise self._wrong(path, f"true or false is expected, not {text!r}")
        return text in _TRUE

    def _entry(self, entry: object, path: KeyPath) -> dict[str, Any]:
        if not isinstance(entry, dict):
            raise self._wrong(path, f"keys and values are expected, not {entry!r}")
        self._notes = []
        return {key: value for key, value in entry.items() if key not in _LEFT_OUT}

    def _data_source(self, settings: Mapping[str, Any], path: KeyPath) -> DataSource:
        try:
            source = DataSource.of(settings)
        except SettingsError as error:
            raise self._wrong((*path, *error.path), str(error)) from error
        return replace(source, notes=(*self._notes, *source.notes))

    def _expanded(self, value: Any, path: KeyPath) -> Any:
        if len(path) > _DEEPEST:
            raise self._wrong(path[:3], f"it is nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            return {key: self._expanded(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._expanded(item, (*path, index)) for index, item in enumerate(value)]
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
        return f"{self.path}:{self._document.line(path)}" + (f": {key}" if key else "")


def _matters(path: KeyPath) -> bool:
    """Whether the link depends on the value at that path."""
    return path[-1] in {"uid", "name", "type"} or "tracesToProfiles" in path


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT:
            raise SettingsError(f"it has more than {_LIMIT} bytes, which is no provisioning file")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"it is not UTF-8 text (byte {error.start})") from error
