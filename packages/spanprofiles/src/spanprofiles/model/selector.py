"""Profile types and label selectors, as Pyroscope's query API takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

#: The profile type of CPU time (``name:type:unit:period type:period unit``).
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

_CPU_TIME = re.compile(r"[^:]+:cpu:nanoseconds:[^:]*:[^:]*")
_BARE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def measures_cpu(profile_type: str) -> bool:
    """Tell whether the values of a profile type are CPU time, ns, and not counts or wall time."""
    return _CPU_TIME.fullmatch(profile_type) is not None


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def traceql_text(text: str) -> str:
    """Return a text as a literal of TraceQL, whatever is in it: JSON's escapes are among Go's."""
    return json.dumps(text, ensure_ascii=False)


def label_selector(labels: Mapping[str, str]) -> str:
    """Return a selector of series that have exactly these values.

    Values are escaped. A name with dots is quoted, because Pyroscope refuses it unquoted with 400.

    >>> label_selector({"service_name": "ride-sharing-app", "host.name": "h1"})
    '{service_name="ride-sharing-app", "host.name"="h1"}'
    """
    pairs = (
        f"{name if _BARE_NAME.fullmatch(name) else _quoted(name)}={_quoted(value)}" for name, value in labels.items()
    )
    return "{" + ", ".join(pairs) + "}"


def service_selector(service: str) -> str:
    """Return the selector of a service's profiles; of all profiles if the service has no name."""
    return label_selector({"service_name": service} if service else {})


def narrowed(selector: str, *matchers: str) -> str:
    """Return a selector with more matchers.

    >>> narrowed('{service_name="rides"}', 'span_name!=""')
    '{service_name="rides", span_name!=""}'
    """
    inner = selector.strip().removeprefix("{").removesuffix("}").strip()
    return "{" + ", ".join([*([inner] if inner else []), *matchers]) + "}"


def without_span(selector: str) -> str:
    """Return the selector narrowed to series whose samples carry no span.

    Agents label samples with the span's name beside its ID. The name splits series, and an absent label equals "".
    """
    return narrowed(selector, 'span_name=""')
