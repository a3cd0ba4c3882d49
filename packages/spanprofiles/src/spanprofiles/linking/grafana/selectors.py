"""The label selector that Grafana makes of a span's attributes and the configured tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.linking.grafana.settings import Tag, TraceToProfiles
from spanprofiles.linking.grafana.variables import attribute_text, microseconds
from spanprofiles.model import Span

_LABEL = re.compile(r'[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]|\\.)*"')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMPARED = re.compile(r"([^\s,{}=!~]+)\s*(?:=~|!~|!=|=)")
_NEEDS_ESCAPE = re.compile(r'["\\\n]')


@dataclass(frozen=True)
class Label:
    """One comparison of the selector.

    Attributes:
        key: the attribute it comes from.
        name: the label.
        value: the attribute's value as text.
    """

    key: str
    name: str
    value: str

    def __str__(self) -> str:
        return f'{self.name}="{self.value}"'  # Grafana quotes no name and escapes no value


def labels(span: Span, tags: Sequence[Tag]) -> list[Label]:
    """Return the comparisons, in the order of the span's attributes.

    Resource attributes come first, then the span's own, then ``spanId``, ``traceId``, ``name`` and ``duration`` (us).
    An attribute that is on both gives two.
    """
    by_key = {tag.key: tag.label for tag in reversed(tags)}  # the first of two tags with one key counts
    return [Label(key, by_key[key], value) for key, value in _attributes(span) if key in by_key]


def fails_at(span: Span, settings: TraceToProfiles) -> str | None:
    """Return the first attribute at which the search for its tag fails, or None where it never does."""
    known = {tag.key for tag in settings.tags}
    if not settings.tags_end_early:
        return None
    return next((key for key, _ in _attributes(span) if key not in known), None)


def _attributes(span: Span) -> list[tuple[str, str]]:
    attributes = [(key, attribute_text(value)) for key, value in (*span.resource.items(), *span.attributes.items())]
    return [
        *attributes,
        ("spanId", span.span_id),
        ("traceId", span.trace_id),
        ("name", span.name),
        ("duration", microseconds(span.duration_ns)),
    ]


def joined(compared: Sequence[Label]) -> str:
    """Return the comparisons as the variable ``__tags`` holds them, without braces."""
    return ", ".join(str(label) for label in compared)


def needs_escape(value: str) -> bool:
    """Tell whether a value breaks a selector if it is put into it unescaped."""
    return _NEEDS_ESCAPE.search(value) is not None


def unusable_names(selector: str) -> list[str]:
    """Return the label names of a selector that Pyroscope refuses: those with dots and the like, unquoted."""
    without_values = _QUOTED.sub('""', selector)
    return [name for name in _COMPARED.findall(without_values) if not _LABEL.fullmatch(name)]
