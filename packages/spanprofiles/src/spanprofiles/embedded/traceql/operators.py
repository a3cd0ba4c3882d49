"""TraceQL's operators: how they are written, how tightly they bind, and which types they take."""

from __future__ import annotations

from spanprofiles.embedded.traceql import values

NONE = ""
ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, POWER = "+", "-", "*", "/", "%", "^"
EQUAL, NOT_EQUAL, MATCHES, MATCHES_NOT = "=", "!=", "=~", "!~"
GREATER, GREATER_EQUAL, LESS, LESS_EQUAL = ">", ">=", "<", "<="
AND, OR, NOT = "&&", "||", "!"
# These four are made by rewriting alone; the grammar does not know them, nor the two after them.
IN, NOT_IN, MATCHES_ANY, MATCHES_NONE = "IN", "NOT IN", "MATCH ANY", "MATCH NONE"
EXISTS, EXISTS_NOT = "EXISTS", "EXISTS NOT"

ARITHMETIC = frozenset({ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, POWER})
EQUALITY = frozenset({EQUAL, NOT_EQUAL, IN, NOT_IN})
ORDERING = frozenset({GREATER, GREATER_EQUAL, LESS, LESS_EQUAL})
REGULAR = frozenset({MATCHES, MATCHES_NOT, MATCHES_ANY, MATCHES_NONE})
SCALAR_COMPARISON = frozenset({EQUAL, NOT_EQUAL}) | ORDERING
BOOLEAN_RESULT = EQUALITY | ORDERING | REGULAR | {AND, OR, NOT, EXISTS, EXISTS_NOT}
ARRAY_OPERATION = {IN: EQUAL, NOT_IN: NOT_EQUAL, MATCHES_ANY: MATCHES, MATCHES_NONE: MATCHES_NOT}
FLIPPED = {GREATER: LESS, GREATER_EQUAL: LESS_EQUAL, LESS: GREATER, LESS_EQUAL: GREATER_EQUAL}

DESCENDANT, ANCESTOR, CHILD, PARENT, SIBLING = ">>", "<<", ">", "<", "~"
STRUCTURAL = frozenset({
    DESCENDANT, ANCESTOR, CHILD, PARENT, SIBLING,
    "!>>", "!<<", "!>", "!<", "!~",
    "&>>", "&<<", "&>", "&<", "&~",
})  # fmt: skip
SPANSET = STRUCTURAL | {AND, OR}
FIELD = ARITHMETIC | EQUALITY - {IN, NOT_IN} | ORDERING | {MATCHES, MATCHES_NOT, AND, OR}

# How tightly an operator binds. `&&` and `||` bind alike, from the left, and comparisons bind like the relations
# between spansets: so the grammar of the real server has it.
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({AND, OR}),
    frozenset({EQUAL, NOT_EQUAL, MATCHES, MATCHES_NOT}) | ORDERING | STRUCTURAL,
    frozenset({ADD, SUBTRACT}),
    frozenset({NOT}),
    frozenset({MULTIPLY, DIVIDE, MODULO}),
    frozenset({POWER}),
)
PRECEDENCE = {operator: level for level, operators in enumerate(_LEVELS, 1) for operator in operators}
RIGHT_ASSOCIATIVE = frozenset({POWER})

_FOR_BOOLEANS = EQUALITY | {AND, OR}
_FOR_NUMBERS = ARITHMETIC | EQUALITY | ORDERING
_FOR_STRINGS = EQUALITY | ORDERING | REGULAR
_FOR_NAMES = frozenset({EQUAL, NOT_EQUAL})
_VALID = {
    values.BOOLEAN: _FOR_BOOLEANS,
    values.BOOLEAN_ARRAY: _FOR_BOOLEANS,
    values.FLOAT: _FOR_NUMBERS,
    values.FLOAT_ARRAY: _FOR_NUMBERS,
    values.INTEGER: _FOR_NUMBERS,
    values.INTEGER_ARRAY: _FOR_NUMBERS,
    values.DURATION: _FOR_NUMBERS,
    values.STRING: _FOR_STRINGS,
    values.STRING_ARRAY: _FOR_STRINGS,
    values.NIL: _FOR_NAMES,
    values.STATUS: _FOR_NAMES,
    values.KIND: _FOR_NAMES,
}


def valid_for(operator: str, kind: int) -> bool:
    """Whether a binary operator takes values of a type; whether an attribute will do is known only on a span."""
    return kind == values.ATTRIBUTE or operator in _VALID.get(kind, ())
