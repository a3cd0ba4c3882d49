"""The settings "Trace to profiles" of a Tempo data source, read as Grafana reads them, whatever they are.

Grafana checks no types there: what comes of a wrong one is decided by the JavaScript that uses it. Source: the code of
the Tempo data source's data link, of the trace view's tags and variables, and of its embedded flame graph (13.1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spanprofiles.linking.grafana import javascript

KeyPath = tuple[str | int, ...]
"""Where a value stands in a JSON or YAML document: keys and list indexes from the top."""

#: The data source Grafana takes where what names one is no text.
DEFAULT_DATASOURCE = "default"

_NAME = "tracesToProfiles"
_READ = ("datasourceUid", "profileTypeId", "customQuery", "query", "tags")


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


#: What Grafana takes where no tags are configured.
DEFAULT_TAGS = (Tag("service.name", "service_name"), Tag("service.namespace", "service_namespace"))


@dataclass(frozen=True)
class TraceToProfiles:
    """The settings "Trace to profiles" of a Tempo data source (``jsonData.tracesToProfiles``).

    Attributes:
        datasource_uid: the data source that is asked for profiles.
        profile_type: ``name:type:unit:period type:period unit``, or empty.
        custom_query: whether ``query`` replaces the label selector made of tags.
        query: the custom label selector, with variables.
        tags: the configured tags that can match an attribute.
        keyless: the configured tags that cannot, as they are written: they have no key that is a text.
        tags_end_early: whether Grafana fails as soon as it looks for an attribute beyond ``tags``: ``null`` follows
            there, or the setting is a text.
    """

    datasource_uid: str = ""
    profile_type: str = ""
    custom_query: bool = False
    query: str = ""
    tags: tuple[Tag, ...] = ()
    keyless: tuple[str, ...] = ()
    tags_end_early: bool = False

    @property
    def has_tags(self) -> bool:
        """Whether tags are configured, if only such as match nothing. Where none are, Grafana takes its default."""
        return bool(self.tags or self.keyless or self.tags_end_early)

    @property
    def compared_tags(self) -> tuple[Tag, ...]:
        """The tags in force."""
        return self.tags if self.has_tags else DEFAULT_TAGS


def read(data: Mapping[str, Any]) -> tuple[TraceToProfiles | None, tuple[str, ...]]:
    """Read the settings in a data source's ``jsonData``.

    Returns:
        The settings, or None where Grafana finds none; and what does not act as it is written, one sentence each.
    """
    notes = [
        f"jsonData.{name} is not read by Grafana: the name is {_NAME}"
        for name in data
        if isinstance(name, str) and name != _NAME and _resembles(name)
    ]
    raw = data.get(_NAME)
    if not javascript.is_true(raw):
        return None, tuple(notes)
    if not isinstance(raw, Mapping):
        notes.append(f"{_NAME} is {raw!r} and has no settings in it: keys and values are expected")
        return TraceToProfiles(), tuple(notes)
    notes += _unread(raw)
    notes += _mistyped(raw)
    tags, keyless, end_early = _tags(raw.get("tags"))
    settings = TraceToProfiles(
        datasource_uid=_reference(raw.get("datasourceUid")),
        profile_type=_text(raw.get("profileTypeId")),
        custom_query=javascript.is_true(raw.get("customQuery")),
        query=_text(raw["query"]) if javascript.is_true(raw.get("query")) else "",
        tags=tags,
        keyless=keyless,
        tags_end_early=end_early,
    )
    return settings, tuple(notes)


def _resembles(name: str) -> bool:
    folded = name.casefold()
    return folded.startswith("trace") and "profil" in folded


def _reference(value: object) -> str:
    """Return what names the data source: a text, or the ``uid`` of a mapping; of all else that counts, the default."""
    if not javascript.is_true(value):
        return ""
    named = value.get("uid") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else DEFAULT_DATASOURCE


def _text(value: object) -> str:
    return "" if value is None else javascript.text(value)


def _tags(value: object) -> tuple[tuple[Tag, ...], tuple[str, ...], bool]:
    """Return the tags that can match, those that cannot, and whether the search for one fails behind them."""
    if isinstance(value, str):
        return (), (), value != ""
    if not isinstance(value, list):
        return (), (), False  # it has no length, so Grafana takes its default
    tags: list[Tag] = []
    keyless: list[str] = []
    for tag in value:
        if tag is None:
            return tuple(tags), tuple(keyless), True
        key = tag.get("key") if isinstance(tag, Mapping) else None
        if not isinstance(key, str) or not key:
            keyless.append(repr(tag))
            continue
        label = tag.get("value")
        tags.append(Tag(key, javascript.text(label) if javascript.is_true(label) else key))
    return tuple(tags), tuple(keyless), False


def _unread(raw: Mapping[str, Any]) -> Iterator[str]:
    for name in raw:
        if name in _READ:
            continue
        by_folded = {name.casefold(): name for name in _READ}
        meant = difflib.get_close_matches(str(name).casefold(), by_folded, n=1, cutoff=0.75)
        hint = f"{by_folded[meant[0]]} is meant?" if meant else "leave it out"
        if str(name) in {"mappedTags", "mapTagNamesEnabled"}:
            hint = "give tags as {key, value}"
        yield f"{_NAME}.{name} is not read by Grafana: {hint}"


def _mistyped(raw: Mapping[str, Any]) -> Iterator[str]:
    """Say of each value of a wrong type what comes of it."""
    custom = raw.get("customQuery")
    if custom is not None and not isinstance(custom, bool):
        counts = "true" if javascript.is_true(custom) else "false"
        yield f"customQuery is {custom!r}, which counts as {counts}: write true or false, without quotes"
    uid = raw.get("datasourceUid")
    if javascript.is_true(uid) and not isinstance(uid, str):
        taken = "takes its uid" if _reference(uid) != DEFAULT_DATASOURCE else "takes the default data source"
        yield f"datasourceUid is {uid!r} and no text, so Grafana {taken}: write the uid, in quotes"
    for name in ("profileTypeId", "query"):
        value = raw.get(name)
        counts_at_all = javascript.is_true(value) if name == "query" else value is not None
        if counts_at_all and not isinstance(value, str):
            yield f"{name} is {value!r} and no text, which Grafana cannot send: write it in quotes"
    tags = raw.get("tags")
    if tags is not None and not isinstance(tags, (list, str)):
        yield f"tags is {tags!r} and no list, so Grafana takes its default tags: write a list of {{key, value}}"
    for tag in tags if isinstance(tags, list) else []:
        label = tag.get("value") if isinstance(tag, Mapping) else None
        if label is not None and not isinstance(label, str):
            yield f"the value of the tag {tag.get('key')!r} is {label!r} and no text: write it in quotes"
