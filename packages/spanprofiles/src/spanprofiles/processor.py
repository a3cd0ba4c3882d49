"""The span processor under its old name. It is a distribution of its own: see :mod:`spanprofiles_processor`."""

from __future__ import annotations

try:
    from spanprofiles_processor import (
        PROFILE_ID_ATTRIBUTE,
        PROFILE_MISSING_ATTRIBUTE,
        LabelledBodies,
        SpanProfileProcessor,
        carry,
        follow_event_loop,
    )
except ModuleNotFoundError as _error:
    if _error.name != "spanprofiles_processor":
        raise
    raise ImportError(
        "the span processor is a package of its own: install it with `pip install spanprofiles-processor`"
    ) from _error

__all__ = [
    "PROFILE_ID_ATTRIBUTE",
    "PROFILE_MISSING_ATTRIBUTE",
    "LabelledBodies",
    "SpanProfileProcessor",
    "carry",
    "follow_event_loop",
]
