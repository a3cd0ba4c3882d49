"""From the text of a query to its tree."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.deadline import NO_DEADLINE, PIECE, Deadline
from spanprofiles.embedded.traceql.errors import TraceQLError, parse_error
from spanprofiles.embedded.traceql.limits import LENGTH_LIMIT, NESTING_LIMIT, TOKENS_LIMIT, TOO_DEEP, check_size
from spanprofiles.embedded.traceql.metrics_builder import query_of
from spanprofiles.embedded.traceql.rewrites import rewrite_stage
from spanprofiles.embedded.traceql.syntax import Attribute, Filter, Pipeline
from spanprofiles.embedded.traceql.validation import check_stage

if TYPE_CHECKING:
    from lark import Lark

CACHE_BYTES = 8 * 1024 * 1024
BYTES_A_CHARACTER = 128
"""About how much memory a character of a query takes in its tree, at most."""
OPENING, CLOSING = frozenset("({"), frozenset(")}")
CLASSES = frozenset({"IDENTIFIER", "STRING", "INTEGER", "FLOAT", "DURATION"})


@functools.lru_cache(maxsize=1)
def _grammar() -> Lark:
    # lark is imported, and the grammar compiled, when the first query comes: start-up time.
    from lark import Lark

    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _end(text: str) -> tuple[int, int]:
    line = text.count("\n") + 1
    return line, len(text) - (text.rfind("\n") + 1) + 1


def _parsed_tree(text: str, deadline: Deadline) -> Any:  # a lark tree
    """Parse a text token by token, within the limits."""
    parser: Any = _grammar().parse_interactive(text)
    token, nesting = None, 0
    for count, token in enumerate(deadline.watch(parser.iter_parse(), PIECE), 1):
        nesting += (token in OPENING) - (token in CLOSING)
        if count > TOKENS_LIMIT:
            raise TraceQLError(f"the query has more than {TOKENS_LIMIT} names, values and operators")
        if nesting > NESTING_LIMIT:
            raise TraceQLError(f"{TOO_DEEP}: at most {NESTING_LIMIT} brackets may be open at once")
    return parser.feed_eof(token)


def _tree(text: str, deadline: Deadline = NO_DEADLINE) -> Any:  # a lark tree
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken  # an LALR parser has no others

    if len(text) > LENGTH_LIMIT:
        raise TraceQLError(f"the query is longer than {LENGTH_LIMIT} characters")
    try:
        return _parsed_tree(text, deadline)
    except UnexpectedToken as error:
        if error.token.type == "$END":  # lark's name for the end of input
            raise parse_error("syntax error: unexpected $end", *_end(text)) from error
        token = error.token
        name = token.type if token.type in CLASSES else str(token)
        shown = name if len(name) < 64 else token.type
        raise parse_error(f"syntax error: unexpected {shown}", error.line, error.column) from error
    except UnexpectedCharacters as error:
        raise _unexpected_character(text, error) from error


def _unexpected_character(text: str, error: Any) -> TraceQLError:  # a lark exception
    rest = text[error.pos_in_stream :]
    if rest[0] in '"`':
        return parse_error("literal not terminated", error.line, error.column)
    word = re.match(r"\w+", rest)
    unknown = word is not None and not word[0][0].isdigit()
    name = "IDENTIFIER" if unknown else rest[0]
    return parse_error(f"syntax error: unexpected {name}", error.line, error.column)


def _build(text: str, deadline: Deadline = NO_DEADLINE) -> Pipeline:
    try:
        return query_of(_tree(text, deadline))
    except RecursionError as error:
        raise TraceQLError(TOO_DEEP) from error


_parsed: ByteCache[str, Pipeline] = ByteCache(CACHE_BYTES)


def parse(text: str, deadline: Deadline = NO_DEADLINE) -> Pipeline:
    """Parse and check a query.

    Raises:
        TraceQLError: it does not parse, makes no sense, or is too large.
        QueryTooLongError: the deadline passed.
    """
    pipeline = _parsed.get(text)
    if pipeline is None:
        pipeline = _parse(text, deadline)
        _parsed.put(text, pipeline, len(text) * BYTES_A_CHARACTER)
    return pipeline


def _parse(text: str, deadline: Deadline) -> Pipeline:
    pipeline = _build(text, deadline)
    try:
        rewritten = rewrite_stage(pipeline)
        assert isinstance(rewritten, Pipeline)  # noqa: S101  # rewriting keeps the kind of a stage
        check_size(rewritten)
        check_stage(rewritten)
    except RecursionError as error:
        raise TraceQLError(TOO_DEEP) from error
    return rewritten


def parse_attribute(text: str) -> Attribute:
    """Parse the name of an attribute or intrinsic as TraceQL writes it.

    Raises:
        TraceQLError: it is not an attribute.
    """
    failure = f"failed to parse identifier {text[:512]}: "
    try:
        stages = _build(f"{{{text}}}").stages
    except TraceQLError as error:
        raise TraceQLError(f"{failure}{error}") from error
    first = stages[0]
    if len(stages) == 1 and isinstance(first, Filter) and isinstance(first.expression, Attribute):
        return first.expression
    raise TraceQLError(f"{failure}expected an attribute")
