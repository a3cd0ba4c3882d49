"""A pprof profile in JSON, as Pyroscope writes it, to stacks with files and lines.

Source: ``proto/profile.proto`` of github.com/google/pprof. In protobuf's JSON numbers of 64 bits are text, and what has
its default is left out. A sample names the innermost location first, and so does a location its inlined functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spanprofiles.model.source_lines import SourceFrame


def stacks(profile: Mapping[str, Any]) -> Iterator[tuple[tuple[SourceFrame, ...], int]]:
    """Yield call path, outermost function first, and value of each sample.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, IndexError: it is no such profile.
    """
    strings: list[str] = profile.get("stringTable", [])
    functions = {
        int(one["id"]): (strings[int(one.get("name", 0))], strings[int(one.get("filename", 0))])
        for one in profile.get("function", [])
    }
    locations = {int(one["id"]): _frames(one, functions) for one in profile.get("location", [])}
    for sample in profile.get("sample", []):
        inner_first = [frame for number in sample.get("locationId", []) for frame in locations[int(number)]]
        yield tuple(reversed(inner_first)), int(sample["value"][0])


def _frames(location: Mapping[str, Any], functions: Mapping[int, tuple[str, str]]) -> list[SourceFrame]:
    return [
        SourceFrame(*functions[int(line["functionId"])], line=int(line.get("line", 0)))
        for line in location.get("line", [])
    ]
