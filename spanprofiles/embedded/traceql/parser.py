"""From the text of a query to its tree."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanprofiles.embedded.traceql.building import Builder
from spanprofiles.embedded.traceql.errors import TraceQLError, parse_error
from spanprofiles.embedded.traceql.rewriting import rewrite_stage
from spanprofiles.embedded.traceql.syntax import Attribute, Filter, Pipeline
from spanprofiles.embedded.traceql.validation import check_stage

if TYPE_CHECKING:
    from lark import Lark

LENGTH_LIMIT = 128 * 1024
TOO_DEEP = "the query is nested too deeply or too long"
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


def _tree(text: str) -> Any:  # a lark tree
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

    if len(text) > LENGTH_LIMIT:
        raise TraceQLError(f"the query is longer than {LENGTH_LIMIT} characters")
    try:
        return _grammar().parse(text)
    except UnexpectedToken as error:
        if error.token.type == "$END":  # lark's name for the end of input
            raise parse_error("syntax error: unexpected $end", *_end(text)) from error
        token = error.token
        name = token.type if token.type in CLASSES else str(token)
        shown = name if len(name) < 64 else token.type
        raise parse_error(f"syntax error: unexpected {shown}", error.line, error.column) from error
    except UnexpectedCharacters as error:
        raise _unexpected_character(text, error) from error
    except UnexpectedEOF as error:
        raise parse_error("syntax error: unexpected $end", *_end(text)) from error
    except UnexpectedInput as error:
        raise TraceQLError(f"parse error : {error}") from error


def _unexpected_character(text: str, error: Any) -> TraceQLError:  # a lark exception
    rest = text[error.pos_in_stream :]
    if rest[0] in '"`':
        return parse_error("literal not terminated", error.line, error.column)
    word = re.match(r"\w+", rest)
    unknown = word is not None and not word[0][0].isdigit()
    name = "IDENTIFIER" if unknown else rest[0]
    return parse_error(f"syntax error: unexpected {name}", error.line, error.column)


def _build(text: str) -> Pipeline:
    try:
        return Builder().root(_tree(text))
    except RecursionError as error:
        raise TraceQLError(TOO_DEEP) from error


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Pipeline:
    """Parse and check a query.

    Raises:
        TraceQLError: it does not parse, or makes no sense.
    """
    pipeline = _build(text)
    try:
        rewritten = rewrite_stage(pipeline)
        assert isinstance(rewritten, Pipeline)  # noqa: S101  # rewriting keeps the kind of a stage
        check_stage(rewritten)
    except RecursionError as error:
        raise TraceQLError(TOO_DEEP) from error
    return rewritten


def parse_attribute(text: str) -> Attribute:
    """Parse the name of an attribute or intrinsic as TraceQL writes it.

    Raises:
        TraceQLError: it is none.
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
