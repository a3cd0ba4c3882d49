"""The variables of Grafana's data links, ``${__span.tags["service.name"]}``, and how they are filled in.

Source: Grafana's documentation of trace-to-profiles variables, and the code of its template service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spanprofiles.model import AttributeValue, Span, Trace

Scope = Mapping[str, Any]
"""What variables stand for, by their names: a text, or a mapping of texts for those that are reached by a path."""

_VARIABLE = re.compile(
    r"\$(?P<bare>\w+)"
    r"|\[\[(?P<square>.+?)(?::(?P<square_format>\w+))?\]\]"
    r"|\$\{(?P<braced>\w+)(?:\.(?P<path>[^:^}]+))?(?::(?P<format>[^}]+))?\}",
    re.ASCII | re.DOTALL,
)
_STEP = re.compile(r"""\[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]|(?P<plain>[^.\[\]]+)""")
_ATTRIBUTE = re.compile(r"""tags(?:\.(?P<plain>[^.\[\]]+)|\[(?P<quote>["'])(?P<quoted>.+?)(?P=quote)\])""")
_OBJECT = "[object Object]"  # what a browser makes of a mapping where a text is wanted
_FORMATS_THAT_CHANGE_NOTHING = {"", "raw", "glob"}

#: Variables that Grafana fills in when the query runs: they never hide the link.
BUILT_IN = frozenset(
    {
        "__from",
        "__to",
        "__interval",
        "__interval_ms",
        "__org",
        "__user",
        "__range",
        "__rate_interval",
        "__timeFilter",
        "timeFilter",
    }
)


@dataclass(frozen=True)
class Use:
    """One use of a variable in a text.

    Attributes:
        text: as it is written.
        name: the variable, such as ``__span``.
        path: what follows the name, such as ``tags["service.name"]``; empty where nothing does.
        value: what it stands for, or None where that is not known.
        format: the format asked for (``${name:format}``), or empty.
    """

    text: str
    name: str
    path: str
    value: str | None
    format: str = ""

    @property
    def is_object(self) -> bool:
        """Whether the path stops at something that is no text."""
        return self.value == _OBJECT

    @property
    def is_formatted(self) -> bool:
        """Whether a format is asked for that may change the value."""
        return self.format not in _FORMATS_THAT_CHANGE_NOTHING

    @property
    def attribute(self) -> str | None:
        """The span's attribute it names, or None where it names something else."""
        match = _ATTRIBUTE.fullmatch(self.path) if self.name == "__span" else None
        return (match["plain"] or match["quoted"]) if match else None


def uses(text: str, scope: Scope) -> list[Use]:
    """Return the uses of variables in a text, in their order."""
    return [_use(match, scope) for match in _VARIABLE.finditer(text)]


def replace(text: str, scope: Scope) -> str:
    """Fill in the variables; those that are not known stay in the text as they are written."""

    def fill(match: re.Match[str]) -> str:
        value = _use(match, scope).value
        return match[0] if value is None else value

    return _VARIABLE.sub(fill, text)


def scope_of(span: Span, trace: Trace, tags: str) -> Scope:
    """Return what the variables of a custom query stand for.

    Args:
        span: the span whose button it is; its own attributes override those of its resource.
        trace: the span's trace.
        tags: the value of ``__tags``, the labels made of the configured tags.
    """
    attributes = {name: attribute_text(value) for name, value in {**span.resource, **span.attributes}.items()}
    top = min(trace.tops, key=lambda span: span.start_ns, default=None)
    return {
        "__tags": tags,
        "__span": {
            "spanId": span.span_id,
            "traceId": span.trace_id,
            "name": span.name,
            "duration": microseconds(span.duration_ns),
            "tags": attributes,
        },
        "__trace": {
            "traceId": trace.trace_id,
            "name": f"{top.service}: {top.name}" if top else "",
            "duration": microseconds(trace.duration_ns),
        },
    }


def attribute_text(value: AttributeValue) -> str:
    """Return an attribute's value as Grafana puts it into a query."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=lambda _: "")
    return ""  # no value, or bytes: Grafana's Tempo data source reads both as an empty text


def microseconds(duration_ns: int) -> str:
    """Return a duration as Grafana's trace view counts it, in microseconds."""
    return _number(duration_ns / 1000)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _use(match: re.Match[str], scope: Scope) -> Use:
    name = match["bare"] or match["square"] or match["braced"]
    path = match["path"] or ""
    return Use(match[0], name, path, _value(scope, name, path), match["square_format"] or match["format"] or "")


def _value(scope: Scope, name: str, path: str) -> str | None:
    found: Any = scope.get(name)
    for step in _steps(path):
        found = found.get(step) if isinstance(found, Mapping) else None
    return _OBJECT if isinstance(found, Mapping) else found


def _steps(path: str) -> Iterator[str]:
    for step in _STEP.finditer(path):
        yield step["plain"] if step["plain"] is not None else step["quoted"]
