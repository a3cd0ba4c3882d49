"""Attributes as they are indexed: a key, a scope, a type and a value. The store keeps them, TraceQL asks for them."""

from __future__ import annotations

from typing import Any

# Scopes. INTRINSIC holds what a span has besides attributes, under TraceQL's names for it.
RESOURCE, SPAN, EVENT, LINK, INSTRUMENTATION, INTRINSIC = range(6)
# Types. OTHER marks a value that is not a scalar (a map, bytes): its presence is known, its content is not searched.
STRING, INTEGER, FLOAT, BOOLEAN, OTHER = range(5)

IndexedAttribute = tuple[str, int, int, Any]
"""(key, scope, type, value), as the table ``attributes`` has it."""
