"""A pprof profile in JSON, as Pyroscope writes it, to stacks with files and lines.

Source: ``proto/profile.proto`` of github.com/google/pprof. In protobuf's JSON numbers of 64 bits are text, and what has
its default is left out. A sample names the innermost location first, and so does a location its inlined functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spanprofiles.clients.json_values import FrameBudget, at, count, fields, items, text, whole
from spanprofiles.model.source_lines import SourceFrame


def stacks(profile: Mapping[str, Any]) -> Iterator[tuple[tuple[SourceFrame, ...], int]]:
    """Yield call path, outermost function first, and value of each sample.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, IndexError: it is not such a profile.
    """
    functions = dict(functions_of(profile))
    locations = {count(location["id"]): _frames(location, functions) for location in items(profile.get("location"))}
    budget = FrameBudget()
    for sample in items(profile.get("sample")):
        numbers = [count(number) for number in items(fields(sample).get("locationId"))]
        budget.spend(sum(len(locations[number]) for number in numbers))
        inner_first = [frame for number in numbers for frame in locations[number]]
        yield tuple(reversed(inner_first)), count(items(sample["value"])[0])


def functions_of(profile: Mapping[str, Any]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield ID, name and file of each function.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not such a profile.
    """
    strings = [text(string) for string in items(profile.get("stringTable"))]
    for function in items(profile.get("function")):
        yield (
            count(function["id"]),
            (at(strings, fields(function).get("name", 0)), at(strings, function.get("filename", 0))),
        )


def function_files(profile: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the files in which each function was seen, by the function's name; functions without a file are left out.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not such a profile.
    """
    strings = items(profile.get("stringTable"))
    found: dict[str, frozenset[str]] = {}
    for function in map(fields, items(profile.get("function"))):
        name, file = at(strings, function.get("name", 0)), at(strings, function.get("filename", 0))
        if file:
            found[name] = found.get(name, frozenset()) | {file}
    return found


def _frames(location: Mapping[str, Any], functions: Mapping[int, tuple[str, str]]) -> list[SourceFrame]:
    return [
        SourceFrame(*functions[count(line["functionId"])], line=whole(line.get("line", 0)))
        for line in items(fields(location).get("line"))
    ]
