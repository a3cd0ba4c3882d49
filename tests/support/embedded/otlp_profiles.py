"""Exports of profiles as collectors send them, written in JSON."""

from __future__ import annotations

from typing import Any

SPAN, TRACE = "a1a1a1a1a1a1a1a1", "0af7651916cd43dd8448eb211c80319c"
SPAN_BASE64, TRACE_BASE64 = "oaGhoaGhoaE=", "CvdlGRbNQ92ESOshHIAxnA=="
PERIOD_NS = 10_000_000


def attribute(key: str, **value: Any) -> dict[str, Any]:
    """An attribute of a resource or a scope; its value is named as in OTLP, `stringValue=...`."""
    return {"key": key, "value": value or {"stringValue": "x"}}


def cpu_export(now_s: int, service: str = "shop") -> dict[str, Any]:
    """An export of one CPU profile of two stacks, `main;leaf` with a link to a span and `main;side` without."""
    return {
        "dictionary": {
            "stringTable": ["", "main", "leaf", "side", "app.py", "samples", "count", "cpu", "nanoseconds"],
            "mappingTable": [{}, {"memoryStart": "4096", "memoryLimit": "8192", "filenameStrindex": 4}],
            "functionTable": [{}, *({"nameStrindex": name, "filenameStrindex": 4} for name in (1, 2, 3))],
            "locationTable": [
                {},
                *(
                    {"mappingIndex": 1, "address": "4097", "lines": [{"functionIndex": number, "line": "7"}]}
                    for number in (1, 2, 3)
                ),
            ],
            "stackTable": [{}, {"locationIndices": [2, 1]}, {"locationIndices": [3, 1]}],
            "linkTable": [{}, {"traceId": TRACE_BASE64, "spanId": SPAN_BASE64}],
            "attributeTable": [{}],
        },
        "resourceProfiles": [
            {
                "resource": {"attributes": [attribute("service.name", stringValue=service)]},
                "scopeProfiles": [{"scope": {"name": "profiler"}, "profiles": [cpu_profile(now_s)]}],
            }
        ],
    }


def cpu_profile(now_s: int) -> dict[str, Any]:
    """The one profile."""
    return {
        "sampleType": {"typeStrindex": 5, "unitStrindex": 6},
        "periodType": {"typeStrindex": 7, "unitStrindex": 8},
        "period": str(PERIOD_NS),
        "timeUnixNano": str((now_s - 60) * 10**9),
        "durationNano": "10000000000",
        "samples": [{"stackIndex": 1, "values": ["7"], "linkIndex": 1}, {"stackIndex": 2, "values": ["3"]}],
    }


def the_profile(export: dict[str, Any]) -> dict[str, Any]:
    """The first profile of an export."""
    profile: dict[str, Any] = export["resourceProfiles"][0]["scopeProfiles"][0]["profiles"][0]
    return profile
