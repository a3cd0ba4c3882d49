"""What can be wrong with a query."""

from __future__ import annotations


class TraceQLError(Exception):
    """A query that cannot be answered; the message says why, with line and column where it does not parse."""


class EvaluationError(Exception):
    """A query that parses, and yet fails on a span, such as a division by zero."""


def parse_error(message: str, line: int, column: int) -> TraceQLError:
    """Make the error of a query that does not parse at a line and column, both counted from 1."""
    return TraceQLError(f"parse error at line {line}, col {column}: {message}")
