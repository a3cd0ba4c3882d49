"""TraceQL parses as its documentation has it, and says where it does not."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanprofiles.embedded.traceql.errors import TraceQLError
from spanprofiles.embedded.traceql.parser import parse, parse_attribute
from spanprofiles.embedded.traceql.syntax import Attribute
from spanprofiles.embedded.traceql.values import duration_text, float_text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("{ .a = 1 && .b = 2 || .c = 3 }", "{ ((.a = 1) && (.b = 2)) || (.c = 3) }"),
        ("{ .a = 1 || .b = 2 && .c = 3 }", "{ ((.a = 1) || (.b = 2)) && (.c = 3) }"),
        ("{ .a + 2 * 3 > 1 }", "{ (.a + 6) > 1 }"),
        ("{ .a * .b + .c > 1 }", "{ ((.a * .b) + .c) > 1 }"),
        ("{ .a ^ .b ^ .c = 1 }", "{ (.a ^ (.b ^ .c)) = 1 }"),
        ("{ -.a * .b = 1 }", "{ (-(.a * .b)) = 1 }"),
        ("{ !.a = true }", "{ (!.a) = true }"),
        ("{ nil != span.a }", "{ span.a != nil }"),
        ('{ span."a b".c = `x` }', '{ span."a b.c" = `x` }'.replace('"a b.c"', '"a b.c"')),
        ("{ name =~ `a.*` || name =~ `b` }", "{ name MATCH ANY [`a.*`, `b`] }"),
        ("{} > {} && {}", "(({ true }) > ({ true })) && ({ true })"),
        ("({} | count() > 1) && {}", "({ true }|(count()) > 1) && ({ true })"),
        ("{} | (count()) > 1", "{ true }|(count()) > 1"),
        ("({}) | ((count() > 2)) | rate()", "{ true }|(count()) > 2|rate()"),
        ("{ duration > 1h30m }", "{ duration > 1h30m0s }"),
        ("{ span:status = error } // why", "{ status = error }"),
        ("{ 1 = 1.0 }", "{ true }"),
    ],
)
def test_a_query_is_understood_as_it_binds(query: str, shown: str) -> None:
    assert str(parse(query)) == shown


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{", "parse error at line 1, col 2: syntax error: unexpected $end"),
        ("{ name = }", "parse error at line 1, col 10: syntax error: unexpected }"),
        ("{ .a = 1 }\n| nope()", "parse error at line 2, col 3: syntax error: unexpected IDENTIFIER"),
        ("{} | é()", "parse error at line 1, col 6: syntax error: unexpected IDENTIFIER"),
        ("{ .a = ٣ }", "parse error at line 1, col 8: syntax error: unexpected ٣"),
        ("{ kind = nope }", "parse error at line 1, col 10: unknown identifier: nope"),
        ("{} | count()", "parse error at line 1, col 13: syntax error: unexpected $end"),
        ("(count() > 1) > {}", "parse error at line 1, col 15: syntax error: unexpected >"),
        ("{ nil }", "unexpected nil"),
        ("{ .a > nil }", "unexpected nil"),
        ("{} + {}", "parse error at line 1, col 4: syntax error: unexpected +"),
        ("count() && {}", "unexpected &&"),
        ("{ .a > 99999999999999999999 }", "out of range"),
        ('{ .a = "open }', "parse error at line 1, col 8: literal not terminated"),
        (r'{ .a = "\q" }', "unknown escape"),
        ("", "unexpected $end"),
    ],
)
def test_a_query_that_does_not_parse_is_refused_with_its_place(query: str, message: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        parse(query)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ name = 5 }", "binary operations must operate on the same type: name = 5"),
        ("{ kind > server }", "illegal operation for the given types: kind > server"),
        ("{ name =~ `(` }", "invalid regex: `(`"),
        ("{ name =~ .a }", "invalid type for =~ or !~: .a"),
        ("{ 1 + 1 }", "span filter field expressions must resolve to a boolean: { 2 }"),
        ("{} | avg(name) > 1", "aggregate field expressions must resolve to a number type: avg(name)"),
        ("{} | max(1) > 1", "aggregate field expressions must reference the span: max(1)"),
        ("{} | by(1)", "grouping field expressions must reference the span: by(1)"),
        ("{ name = nil }", "name=nil is not valid because intrinsics cannot be nil"),
        ("{ parent.a = 1 }", "parent not yet supported"),
        ("{} | count() > count()", "not yet supported"),
        ("{ -name = `x` }", "illegal operation for the given type: -name"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_with_the_reason(query: str, message: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        parse(query)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "query",
    ["(" * 2_000 + "{}" + ")" * 2_000, "{ " + "!" * 2_000 + "true }", "{ " + " || ".join([".a = .b"] * 1_200) + " }"],
    ids=["parentheses", "negations", "alternatives"],
)
def test_a_query_nested_or_chained_beyond_reason_is_refused(query: str) -> None:
    with pytest.raises(TraceQLError, match="nested too deeply or too long"):
        parse(query)


def test_a_query_of_a_megabyte_is_refused() -> None:
    with pytest.raises(TraceQLError, match="longer than"):
        parse("{ name = `" + "a" * 1_000_000 + "` }")


def test_a_name_is_an_attribute_of_its_scope() -> None:
    assert parse_attribute("resource.service.name") == Attribute("service.name", "resource")
    assert parse_attribute(".a") == Attribute("a")
    assert parse_attribute("span:name") == Attribute("name", intrinsic=True)


@pytest.mark.parametrize("name", ["service.name", "bad tag", "", "{}", "span.a = 1"])
def test_what_is_no_name_of_an_attribute_is_refused(name: str) -> None:
    with pytest.raises(TraceQLError, match="failed to parse identifier"):
        parse_attribute(name)


@settings(max_examples=150)
@given(st.text(alphabet="{}()|&!=~<>+-*/^.,\"`' \nabnamespn1.5sdurationilkcotu:", max_size=60))
def test_whatever_is_typed_parses_or_is_refused_with_a_message(query: str) -> None:
    try:
        parse(query)
    except TraceQLError as error:
        assert str(error)  # noqa: PT017  # either outcome is right, a crash is not


OPERANDS = st.sampled_from(
    ["span.a", ".b", "resource.c", "name", "duration", "1", "2.5", "`x`", "3s", "true", "status"]
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "^", "=", "!=", "<", ">=", "&&", "||"])
FIELDS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"(!{part})"),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(FIELDS)
@example("(.b = (3s ^ 3s))")
def test_a_query_printed_and_parsed_again_is_the_same(field: str) -> None:
    try:
        parsed = parse(f"{{ {field} }}")
    except TraceQLError:
        return
    # What the real server's printer writes and its parser refuses: lists it made itself, and a power beyond all floats.
    if not re.search(r"IN \[|[+-]Inf|NaN", str(parsed)):
        assert str(parse(str(parsed))) == str(parsed)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (5, "5ns"),
        (1_500, "1.5µs"),
        (5_000_000, "5ms"),
        (1_566_666_666, "1.566666666s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-2_000_000_000, "-2s"),
    ],
)
def test_durations_print_as_go_prints_them(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.5, "1.5"), (2.0, "2.0"), (1e9, "1e+09"), (1234567.5, "1.2345675e+06"), (1e-7, "1e-07"), (-0.25, "-0.25")],
)
def test_floats_print_as_go_prints_them(number: float, text: str) -> None:
    assert float_text(number) == text
