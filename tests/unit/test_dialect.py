"""One dialect in all packages: how docstrings, modules, durations and tests are written. ruff holds the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

SOURCES = ("packages", "rideshare", "loadgen", "bench")
LONGEST_TEST_NAME = 80
# Nouns of the field that end like a verb.
NOUNS = {
    "finding",
    "forwarding",
    "housekeeping",
    "linking",
    "pricing",
    "provisioning",
    "sampling",
    "string",
    "waiting",
    "wiring",
}
_SINGLE_BACKTICKS = re.compile(r"(?<![`:\\])`(?![`_])[^`\n]+`(?!`)")
_ROLE = re.compile(r":[\w:]+:`[^`]*`")
# A duration's unit is the one of its quantity: s, ms, ns.
_LONG_UNIT = re.compile(r"^([A-Z0-9_]+_(?:SECONDS|SECS|MILLISECONDS|MILLIS|NANOSECONDS|NANOS))\b[^=\n]*=", re.MULTILINE)


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not path.stem.endswith("_pb2")]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give the line and the text of each docstring, of attributes too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, text


def single_backticks(source: str) -> list[int]:
    """Return the lines of the docstrings in which code stands between single backticks."""
    return [line for line, text in docstrings(ast.parse(source)) if _SINGLE_BACKTICKS.search(_ROLE.sub("", text))]


def gerunds(names: list[str]) -> list[str]:
    """Return the names of modules that are verbs in disguise."""
    return [name for name in names if name.endswith("ing") and name.rpartition("_")[2] not in NOUNS]


def long_units(source: str) -> list[str]:
    """Return the constants that spell their unit out."""
    return sorted(set(_LONG_UNIT.findall(source)))


@pytest.mark.parametrize("folder", SOURCES)
def test_code_in_docstrings_stands_between_double_backticks(folder: str) -> None:
    found = {str(path.relative_to(ROOT)): single_backticks(path.read_text("utf-8")) for path in python_files(folder)}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_modules_have_the_names_of_things() -> None:
    assert gerunds(sorted({path.stem for path in python_files("packages", "rideshare", "loadgen")})) == []


@pytest.mark.parametrize("folder", [*SOURCES, "tests"])
def test_durations_end_in_their_units_symbol(folder: str) -> None:
    found = {str(path.relative_to(ROOT)): long_units(path.read_text("utf-8")) for path in python_files(folder)}
    assert {path: names for path, names in found.items() if names} == {}


def test_names_of_tests_are_short_enough_to_be_read() -> None:
    named = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
    names = [name for path in python_files("tests", "examples") for name in named.findall(path.read_text("utf-8"))]
    assert len(names) > 100
    assert [name for name in names if len(name) > LONGEST_TEST_NAME] == []


def test_what_is_not_of_the_dialect_is_found() -> None:
    source = 'LIMIT_SECONDS = 3\n"""How long `it` may take, as ``that`` or :class:`Other` say."""\n'
    assert single_backticks(source) == [2]
    assert long_units(source) == ["LIMIT_SECONDS"]
    assert gerunds(["sampling", "explaining", "ring_of_string", "spring_cleaning"]) == ["explaining", "spring_cleaning"]
