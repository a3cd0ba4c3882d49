"""Grafana's data sources, as far as the link from a span to its profiles depends on them.

Source: the entries of a provisioning file, and the answers of ``GET /api/datasources`` and
``GET /api/datasources/uid/{uid}``, which spell these keys alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanprofiles.linking.grafana import javascript
from spanprofiles.linking.grafana.settings import DEFAULT_DATASOURCE, KeyPath, SettingsError, TraceToProfiles, read

#: The type of a data source that asks Tempo.
TEMPO_TYPE = "tempo"

#: The only type of data source that the button "Profiles for this span" accepts.
PYROSCOPE_TYPE = "grafana-pyroscope-datasource"


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
        organization: whose it is, by ID or name: data sources of one cannot be seen by another.
        number: the ID that Grafana's API gives it, as text; empty where it is not known.
    """

    uid: str
    name: str
    type: str
    is_default: bool = False
    traces_to_profiles: TraceToProfiles | None = None
    notes: tuple[str, ...] = ()
    organization: str = "1"
    number: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DataSource:
        """Read a data source's JSON.

        Raises:
            SettingsError: a value has a type that Grafana refuses, or the name is missing; ``path`` says which.
        """
        name = _text(settings, "name", required=True)
        organization = _text(settings, "orgName") or _text(settings, "orgId")
        traces_to_profiles, notes = read(_mapping(settings.get("jsonData"), ("jsonData",)))
        return cls(
            uid=_text(settings, "uid") or generated_uid(name),
            name=name,
            type=_text(settings, "type"),
            is_default=settings.get("isDefault") is True,
            traces_to_profiles=traces_to_profiles,
            notes=(*_misplaced(settings), *notes),
            organization="1" if organization in {"", "0"} else organization,
            number=_text(settings, "id"),
        )


class DataSources:
    """All data sources of one Grafana. Iterable, in the order they were given."""

    def __init__(self, sources: Sequence[DataSource]) -> None:
        """Take the data sources.

        Raises:
            SettingsError: two have the same UID.
        """
        self._by_uid: dict[tuple[str, str], DataSource] = {}
        for source in sources:
            other = self._by_uid.setdefault((source.organization, source.uid), source)
            if other is not source:
                raise SettingsError(
                    f"the data sources {other.name!r} and {source.name!r} have the same uid {source.uid!r}"
                )

    def __iter__(self) -> Iterator[DataSource]:
        return iter(self._by_uid.values())

    def find(self, reference: str, organization: str | None = None) -> DataSource | None:
        """Return what a reference leads to, as Grafana looks it up: by UID, by name, by number; None if to nothing.

        Args:
            reference: what names the data source; ``default`` is the default one, whatever else has that name.
            organization: only its data sources are read; by default all.
        """
        seen = [source for source in self if organization in (None, source.organization)]
        if reference == DEFAULT_DATASOURCE:
            return next((source for source in seen if source.is_default), None)
        for names in ("uid", "name", "number"):
            found = next((source for source in seen if getattr(source, names) == reference), None)
            if found is not None:
                return found
        return None

    def tempo(self, uid: str | None = None) -> DataSource:
        """Return the Tempo data source with that UID; without one, the only or the default one.

        Raises:
            SettingsError: there is none, or several and none is the default.
        """
        tempos = [source for source in self if source.type == TEMPO_TYPE]
        named = ", ".join(f"{source.uid} ({source.type or 'without a type'})" for source in self) or "none"
        if uid is not None:
            found = next((source for source in self if source.uid == uid), None)
            if found is None:
                raise SettingsError(f"there is no data source with the uid {uid!r}; there are: {named}")
            if found.type != TEMPO_TYPE:
                raise SettingsError(f"the data source {uid!r} is of type {found.type!r}, {TEMPO_TYPE!r} is needed")
            return found
        if not tempos:
            raise SettingsError(f"there is no data source of type {TEMPO_TYPE!r}; there are: {named}")
        chosen = tempos if len(tempos) == 1 else [source for source in tempos if source.is_default]
        if len(chosen) != 1:
            uids = ", ".join(source.uid for source in tempos)
            raise SettingsError(f"there are several Tempo data sources, choose one by its uid: {uids}")
        return chosen[0]


def generated_uid(name: str) -> str:
    """Return the UID that Grafana makes of the name where a provisioning file gives none."""
    return "P" + hashlib.sha256(name.encode()).hexdigest()[:16].upper()


def _misplaced(settings: Mapping[str, Any]) -> Iterator[str]:
    """Say of settings that stand where Grafana does not look for them."""
    if "tracesToProfiles" in settings:
        yield "tracesToProfiles stands beside jsonData, where Grafana does not read it: move it into jsonData"
    for name in settings:
        if isinstance(name, str) and name != "jsonData" and name.casefold().replace("_", "") == "jsondata":
            yield f"{name} is not read by Grafana: the name is jsonData"


def _mapping(value: object, path: KeyPath) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SettingsError(f"keys and values are expected, not {value!r}", path)
    return value


def _text(settings: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """Return a text; a number stands for its digits, as it does in a provisioning file."""
    value = settings.get(name)
    if isinstance(value, (Mapping, list)):
        raise SettingsError(f"a text is expected, not {value!r}", (name,))
    written = "" if value is None else javascript.text(value)
    if required and not written:
        raise SettingsError("it is missing or empty", (name,))
    return written
