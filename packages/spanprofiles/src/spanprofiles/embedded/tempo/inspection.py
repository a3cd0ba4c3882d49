"""What a query has read, as the ``metrics`` of its answer."""

from __future__ import annotations

from typing import Any

from spanprofiles.embedded.store.connection import Inspected


def search_json(inspected: Inspected) -> dict[str, Any]:
    """Write it for a search or a metrics query."""
    counts = {"inspectedTraces": inspected.traces, "inspectedBytes": str(inspected.size_bytes)}
    return (counts if inspected.traces else {}) | {"completedJobs": 1, "totalJobs": 1}


def metadata_json(inspected: Inspected) -> dict[str, Any]:
    """Write it for a question about names or values; what the index says is not counted."""
    return {"inspectedBytes": str(inspected.size_bytes)} if inspected.traces else {}
