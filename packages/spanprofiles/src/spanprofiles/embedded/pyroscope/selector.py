"""Label selectors, ``{service_name="x", region=~"eu.*"}``: parsed by a grammar, then asked of a series' labels.

Source: https://prometheus.io/docs/prometheus/latest/querying/basics/ (instant vector selectors, quoted names included).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.patterns import PROGRAM_BYTES, Pattern, PatternError, compile_pattern
from spanprofiles.embedded.pyroscope.limits import MATCHERS_LIMIT, SELECTOR_LENGTH_LIMIT
from spanprofiles.embedded.string_literals import StringLiteralError, unquote

CACHE_BYTES, BYTES_A_CHARACTER = 4 * 1024 * 1024, 64
"""How much memory parsed selectors may take, and about how much each character of one takes, at most."""


class SelectorError(Exception):
    """A selector cannot be parsed; the message says where and why."""


@dataclass(frozen=True)
class Matcher:
    """One comparison of a label with a value; a label that is absent equals the empty string."""

    name: str
    operator: str
    value: str
    pattern: Pattern | None = field(default=None, compare=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels of a series match."""
        actual = labels.get(self.name, "")
        if self.operator == "=":
            return actual == self.value
        if self.operator == "!=":
            return actual != self.value
        assert self.pattern is not None  # noqa: S101  # the other two operators have one
        found = self.pattern.matches(actual)
        return found if self.operator == "=~" else not found


@dataclass(frozen=True)
class Selector:
    """A conjunction of matchers; without any it matches every series."""

    matchers: tuple[Matcher, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels of a series match all of it."""
        return all(matcher.matches(labels) for matcher in self.matchers)


@functools.lru_cache(maxsize=1)
def _parser() -> Any:  # lark is imported when a selector is first parsed: start-up time
    from lark import Lark

    grammar = Path(__file__).with_name("selector.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True)


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"{line}:{position - text.rfind(chr(10), 0, position)}"


def _matcher(text: str, tree: Any) -> Matcher:  # a lark tree
    place = _place(text, tree.meta.start_pos)
    try:
        if tree.data == "bare":
            return Matcher("__name__", "=", unquote(tree.children[0]))
        label, operator, value = tree.children
        token = label.children[0]
        name = unquote(token) if label.data == "quoted" else str(token)
        plain = unquote(value)
        pattern = compile_pattern(plain) if operator in {"=~", "!~"} else None
    except StringLiteralError as error:
        raise SelectorError(f"{place}: parse error: {error}") from error
    except PatternError as error:
        raise SelectorError(f"{place}: parse error: error parsing regexp: {error}") from error
    return Matcher(name, str(operator), plain, pattern)


_parsed: ByteCache[str, Selector] = ByteCache(CACHE_BYTES)


def parse_selector(text: str) -> Selector:
    """Parse a selector.

    Raises:
        SelectorError: it is not one, which the message says with line and column, or is too large.
    """
    selector = _parsed.get(text)
    if selector is None:
        selector = _parse(text)
        patterns = sum(matcher.pattern is not None for matcher in selector.matchers)
        _parsed.put(text, selector, len(text) * BYTES_A_CHARACTER + patterns * PROGRAM_BYTES)
    return selector


def _parse(text: str) -> Selector:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken  # an LALR parser has no others

    if len(text) > SELECTOR_LENGTH_LIMIT:
        raise SelectorError(f"the selector is longer than {SELECTOR_LENGTH_LIMIT} characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedToken as error:
        if error.token.type == "$END":  # lark's name for the end of input
            raise SelectorError("unknown position: parse error: unexpected end of input") from error
        raise SelectorError(f'{error.line}:{error.column}: parse error: unexpected "{error.token}"') from error
    except UnexpectedCharacters as error:
        raise SelectorError(
            f"{error.line}:{error.column}: parse error: unexpected character: '{error.char}'"
        ) from error
    if len(tree.children) > MATCHERS_LIMIT:
        raise SelectorError(f"the selector has more than {MATCHERS_LIMIT} comparisons")
    matchers = []
    for child in tree.children:
        if hasattr(child, "data"):
            matchers.append(_matcher(text, child))
        else:
            matchers.append(Matcher("__name__", "=", str(child)))
    return Selector(tuple(matchers))
