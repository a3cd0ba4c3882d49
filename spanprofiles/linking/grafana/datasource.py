"""Grafana's data sources, as far as the link from a span to its profiles depends on them.

Source: the entries of a provisioning file, and the answers of ``GET /api/datasources`` and
``GET /api/datasources/uid/{uid}``, which spell these keys alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

#: The type of a data source that asks Tempo.
TEMPO_TYPE = "tempo"

#: The only type of data source that the button "Profiles for this span" accepts.
PYROSCOPE_TYPE = "grafana-pyroscope-datasource"

KeyPath = tuple[str | int, ...]
"""Where a value stands in a JSON or YAML document: keys and list indexes from the top."""

_SETTINGS: KeyPath = ("jsonData", "tracesToProfiles")


class SettingsError(ValueError):
    """A data source's settings are not of the form Grafana expects.

    Attributes:
        path: where the wrong value stands, or empty where the whole document is wrong.
    """

    def __init__(self, message: str, path: KeyPath = ()) -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True)
class Tag:
    """Which attribute becomes which label.

    Attributes:
        key: the attribute's name, matched exactly.
        label: the label's name: the setting's ``value``, or ``key`` as it is where that is absent or empty.
    """

    key: str
    label: str


@dataclass(frozen=True)
class TraceToProfiles:
    """The settings "Trace to profiles" of a Tempo data source (``jsonData.tracesToProfiles``).

    Attributes:
        datasource_uid: the data source that is asked for profiles.
        profile_type: ``name:type:unit:period type:period unit``, or empty.
        custom_query: whether ``query`` replaces the label selector made of tags.
        query: the custom label selector, with variables.
        tags: the configured tags; empty means Grafana's default.
    """

    datasource_uid: str = ""
    profile_type: str = ""
    custom_query: bool = False
    query: str = ""
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class DataSource:
    """One data source.

    Attributes:
        uid: by which others refer to it.
        name: what people see.
        type: the plugin, such as ``tempo``.
        is_default: whether Grafana takes it where none is named.
        traces_to_profiles: the settings of the link to profiles, or None where there are none.
        notes: what was noticed while the settings were read, one sentence each.
    """

    uid: str
    name: str
    type: str
    is_default: bool = False
    traces_to_profiles: TraceToProfiles | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DataSource:
        """Read a data source's JSON.

        Raises:
            SettingsError: a value has the wrong type, or name or type is missing; ``path`` says which.
        """
        name = _text(settings, ("name",), required=True)
        data = _mapping(settings.get("jsonData"), ("jsonData",))
        traces = data.get("tracesToProfiles")
        return cls(
            uid=_text(settings, ("uid",)) or generated_uid(name),
            name=name,
            type=_text(settings, ("type",), required=True),
            is_default=bool(settings.get("isDefault")),
            traces_to_profiles=None if traces is None else _traces_to_profiles(_mapping(traces, _SETTINGS)),
        )

    def with_notes(self, notes: Sequence[str]) -> DataSource:
        """Return the same data source with notes added."""
        return replace(self, notes=(*self.notes, *notes))


class DataSources:
    """All data sources of one Grafana. Iterable, in the order they were given."""

    def __init__(self, sources: Sequence[DataSource]) -> None:
        """Take the data sources.

        Raises:
            SettingsError: two have the same UID.
        """
        self._by_uid: dict[str, DataSource] = {}
        for source in sources:
            if source.uid in self._by_uid:
                other = self._by_uid[source.uid]
                raise SettingsError(
                    f"the data sources {other.name!r} and {source.name!r} have the same uid {source.uid!r}"
                )
            self._by_uid[source.uid] = source

    def __iter__(self) -> Iterator[DataSource]:
        return iter(self._by_uid.values())

    def find(self, reference: str) -> DataSource | None:
        """Return the data source with that UID or else with that name, as Grafana looks it up, or None."""
        by_name = (source for source in self if source.name == reference)
        return self._by_uid.get(reference) or next(by_name, None)

    def tempo(self, uid: str | None = None) -> DataSource:
        """Return the Tempo data source with that UID; without one, the only or the default one.

        Raises:
            SettingsError: there is none, or several and none is the default.
        """
        tempos = [source for source in self if source.type == TEMPO_TYPE]
        named = ", ".join(f"{source.uid} ({source.type})" for source in self) or "none"
        if uid is not None:
            found = self._by_uid.get(uid)
            if found is None:
                raise SettingsError(f"there is no data source with the uid {uid!r}; there are: {named}")
            if found.type != TEMPO_TYPE:
                raise SettingsError(f"the data source {uid!r} is of type {found.type!r}, {TEMPO_TYPE!r} is needed")
            return found
        if not tempos:
            raise SettingsError(f"there is no data source of type {TEMPO_TYPE!r}; there are: {named}")
        chosen = tempos if len(tempos) == 1 else [source for source in tempos if source.is_default]
        if not chosen:
            uids = ", ".join(source.uid for source in tempos)
            raise SettingsError(f"there are several Tempo data sources, choose one by its uid: {uids}")
        return chosen[0]


def generated_uid(name: str) -> str:
    """Return the UID that Grafana makes of the name where a provisioning file gives none."""
    return "P" + hashlib.sha256(name.encode()).hexdigest()[:16].upper()


def _traces_to_profiles(settings: Mapping[str, Any]) -> TraceToProfiles:
    path = (*_SETTINGS, "tags")
    tags = settings.get("tags")
    if tags is not None and not isinstance(tags, list):
        raise SettingsError("a list of {key, value} is expected", path)
    return TraceToProfiles(
        datasource_uid=_text(settings, (*_SETTINGS, "datasourceUid")),
        profile_type=_text(settings, (*_SETTINGS, "profileTypeId")),
        custom_query=bool(settings.get("customQuery")),  # any text counts, "false" too: JavaScript decides
        query=_text(settings, (*_SETTINGS, "query")),
        tags=tuple(_tag(one, (*path, index)) for index, one in enumerate(tags or [])),
    )


def _tag(tag: object, path: KeyPath) -> Tag:
    settings = _mapping(tag, path)
    key = _text(settings, (*path, "key"), required=True)
    return Tag(key, _text(settings, (*path, "value")) or key)


def _mapping(value: object, path: KeyPath) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SettingsError(f"keys and values are expected, not {value!r}", path)
    return value


def _text(settings: Mapping[str, Any], path: KeyPath, *, required: bool = False) -> str:
    value = settings.get(str(path[-1]))
    if value is None or value == "":
        if required:
            raise SettingsError("it is missing or empty", path)
        return ""
    if not isinstance(value, str):
        raise SettingsError(f"a text is expected, not {value!r}", path)
    return value
