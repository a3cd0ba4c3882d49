"""TraceQL parses as its documentation has it, and says where it does not."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
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
        ("{ .a + .b * .c - .d / .e % .f ^ .g = 1 }", "{ ((.a + (.b * .c)) - ((.d / .e) % (.f ^ .g))) = 1 }"),
        ("{ .a - .b - .c = 1 }", "{ ((.a - .b) - .c) = 1 }"),
        ("{ .a > 1 = true }", "{ (.a > 1) = true }"),
        ("{ -.a = -1 }", "{ (-.a) = -1 }"),
        ("{ !(.a = 1) }", "{ !(.a = 1) }"),
        ("{ .a = nil && nil = .b && nil != nil }", "{ ((.a = nil) && (.b = nil)) && false }"),
        ("{ 1 + 2 = 3 && .a = 2 ^ 3 }", "{ true && (.a = 9) }"),
        ("{ .a = 1 / 0 }", "{ .a = (1 / 0) }"),
        ("{} &>> {} !~ {}", "(({ true }) &>> ({ true })) !~ ({ true })"),
        ("{} | {} >> {} | {}", "{ true }|({ true }) >> ({ true })|{ true }"),
        ("(({}))", "{ true }"),
        ("{} | (by(name))", "{ true }|by(name)"),
        ("{ 1 != nil }", "{ true }"),
        ("{ nil != 1 }", "{ true }"),
        ("{ 1 = nil }", "{ false }"),
    ],
)
def test_a_query_is_understood_as_it_binds(query: str, shown: str) -> None:
    assert str(parse(query)) == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("{} | select(span.a, name, event:name)", "{ true }|select(span.a, name, event:name)"),
        ("{} | by(.a) | coalesce()", "{ true }|by(.a)|coalesce()"),
        ("{} | avg(duration) > 1.5s", "{ true }|(avg(duration)) > 1.5s"),
        ("{} | max(span.a) != -2", "{ true }|(max(span.a)) != -2"),
        ("{} | min(.a + 1) < 2.5", "{ true }|(min(.a + 1)) < 2.5"),
        ("{} | rate() by (.a, name) | topk(3) > 5", "{ true }|rate()by(.a,name) | topk(3) > 5"),
        (
            "{} | quantile_over_time(duration, .5, 0.99) by (resource.x)",
            "{ true }|quantile_over_time(duration,0.50000,0.99000)by(resource.x)",
        ),
        ("{} | min_over_time(span.a) > 1.5s", "{ true }|min_over_time(span.a) > 1.5"),
        ("{} | histogram_over_time(duration) <= -1ms", "{ true }|histogram_over_time(duration) <= -0.001"),
        ("{} | compare({ status = error }, 5, 1, 2)", "{ true }|compare({ status = error })"),
        ("{} | rate() with (sample=0.5, exemplars=true)", "{ true }|rate()"),
    ],
)
def test_every_stage_is_understood_and_printed(query: str, shown: str) -> None:
    assert str(parse(query)) == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (".a = 1 || .a = 2 || .a = 3", ".a IN [1, 2, 3]"),
        (".a = 1 || (.a = 2 || .a = 3)", ".a IN [1, 2, 3]"),
        (".a != 1 && .a != 2", ".a NOT IN [1, 2]"),
        (".a =~ `x` || .a =~ `y`", ".a MATCH ANY [`x`, `y`]"),
        (".a !~ `x` && .a !~ `y`", ".a MATCH NONE [`x`, `y`]"),
        ("`x` = .a || .a = `y`", ".a IN [`x`, `y`]"),
        (".a = true || .a = false", ".a IN [true, false]"),
        (".a = 1.5 || .a = 2.0", ".a IN [1.5, 2.0]"),
        ("!(.a = 1 || .a = 2)", "!(.a IN [1, 2])"),
        (".a = 1 || .a = 1.5", "(.a = 1) || (.a = 1.5)"),
        (".a = 1s || .a = 2s", "(.a = 1s) || (.a = 2s)"),
        (".a = 1 || .b = 1", "(.a = 1) || (.b = 1)"),
        (".a = 1 && .a = 2", "(.a = 1) && (.a = 2)"),
        (".a = 1 || .a != 2", "(.a = 1) || (.a != 2)"),
        (".a != 1 || .a != 2", "(.a != 1) || (.a != 2)"),
        (".a = 1 || .a = .b", "(.a = 1) || (.a = .b)"),
        (".a =~ `x` && .a =~ `y`", "(.a =~ `x`) && (.a =~ `y`)"),
    ],
)
def test_comparisons_of_one_attribute_become_one_with_a_list(query: str, shown: str) -> None:
    assert str(parse(f"{{ {query} }}")) == f"{{ {shown} }}"
    # wherever the expression stands
    assert str(parse(f"{{}} | by({query})")) == f"{{ true }}|by({shown})"
    assert str(parse(f"{{ {query} }} >> {{}}")) == f"({{ {shown} }}) >> ({{ true }})"
    assert str(parse(f"({{ {query} }} | {{}}) && {{}}")) == f"({{ {shown} }}|{{ true }}) && ({{ true }})"


def test_the_expression_of_an_aggregate_is_rewritten_as_well() -> None:
    with pytest.raises(TraceQLError, match=r"number type: max\(\.a IN \[1, 2\]\)"):
        parse("{} | max(.a = 1 || .a = 2) > 1")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1d2h3m4s5ms6us7ns", "26h3m4.005006007s"),
        ("1.5h", "1h30m0s"),
        ("1y", "8760h0m0s"),
        ("1w", "168h0m0s"),
        ("1µs", "1µs"),
        ("9223372036854775807", "9223372036854775807"),
        ("5.", "5.0"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("1e400", "+Inf.0"),
        (r'"\n\t\\\"\x41\u00e9\U0001F6B2\101"', '`\n\t\\"Aé🚲A`'),
        (r'"\377"', "`ÿ`"),
        ("`\\n`", "`\\n`"),
        ("minInt", "-9223372036854775808"),
        ("maxInt", "9223372036854775807"),
        ("ok", "ok"),
        ("unset", "unset"),
        ("unspecified", "unspecified"),
        ("internal", "internal"),
        ("client", "client"),
        ("producer", "producer"),
        ("consumer", "consumer"),
    ],
)
def test_a_value_is_read_as_it_is_written(written: str, shown: str) -> None:
    assert str(parse(f"{{ .a = {written} }}")) == f"{{ .a = {shown} }}"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("{ span:name = `x` && trace:rootService = `y` }", "{ (name = `x`) && (rootServiceName = `y`) }"),
        ("{ span: name = `x` }", "{ name = `x` }"),
        ('{ resource."a b" = 1 }', '{ resource."a b" = 1 }'),
        ('{ span."a"."b" = 1 }', "{ span.a.b = 1 }"),
        (r'{ span."a\"b" = 1 }', '{ span.a"b = 1 }'),
        ("{ trace:id = `00a` && span:id = `00a` }", "{ (trace:id = `a`) && (span:id = `00a`) }"),
    ],
)
def test_attributes_are_named_with_a_scope_and_quotes(query: str, shown: str) -> None:
    assert str(parse(query)) == shown


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ .a = 9223372036854775808 }", "line 1, col 8: the number 9223372036854775808 is out of range"),
        ("{ .a = 300y }", "line 1, col 8: 300y is not a duration"),
        ("{ .a = 1.2.3s }", "line 1, col 8: 1.2.3s is not a duration"),
        (r'{ .a = "\ud800" }', r"line 1, col 8: escape sequence \ud800 is no character"),
        (r'{ .a = "\U00110000" }', r"line 1, col 8: escape sequence \U00110000 is no character"),
        (r'{ .a = "\400" }', r"line 1, col 8: escape sequence \400 is no character"),
        ("{} | count(duration) > 1", "line 1, col 6: syntax error: unexpected count"),
        ("{} | max() > 1", "line 1, col 6: syntax error: unexpected )"),
        ("{} | 1", "line 1, col 7: syntax error: unexpected |"),
        ("{} | count() | {}", "line 1, col 16: syntax error: unexpected |"),
        ("{} && 1", "line 1, col 4: syntax error: unexpected &&"),
        ("1 && {}", "line 1, col 3: syntax error: unexpected &&"),
        ("{} | count() && {}", "line 1, col 14: syntax error: unexpected &&"),
        ("{ .a = 1 } {", "line 1, col 12: syntax error: unexpected {"),
        ("{ span:nope = 1 }", "line 1, col 3: syntax error: unexpected IDENTIFIER"),
        ("{ resource = 1 }", "line 1, col 3: unknown identifier: resource"),
        ("{ .a >> 1 }", "line 1, col 6: syntax error: unexpected >>"),
        ("{ nil }", "line 1, col 3: syntax error: unexpected nil"),
        ("{ -nil = 1 }", "line 1, col 3: syntax error: unexpected nil"),
        ("{ .a > nil }", "line 1, col 6: syntax error: unexpected nil"),
        ("{} | rate() = name", "line 1, col 15: syntax error: unexpected name"),
        ("{} | rate() && 5", "line 1, col 13: syntax error: unexpected &&"),
        ("{} | count() =~ 1", "line 1, col 14: syntax error: unexpected =~"),
        ("{} | count() && 1", "line 1, col 14: syntax error: unexpected &&"),
        ('{ .a =\n  "x\n', "line 2, col 3: literal not terminated"),
        ("{ .a = `x", "line 1, col 8: literal not terminated"),
        ("{ .a = 'x' }", "line 1, col 8: unknown identifier: 'x'"),
        ("{ .a\n=\n\n", "line 4, col 1: syntax error: unexpected $end"),
    ],
)
def test_what_stands_where_it_may_not_is_named_with_its_place(query: str, message: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        parse(query)
    assert str(caught.value) == f"parse error at {message}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ kind > server }", "illegal operation for the given types: kind > server"),
        ("{ .a > server }", "illegal operation for the given types: .a > server"),
        ("{ .a =~ 1 }", "illegal operation for the given types: .a =~ 1"),
        ("{ .a =~ .b }", "invalid type for =~ or !~: .b"),
        ("{ .a =~ `(` }", "invalid regex: `(`: missing ): ("),
        ("{ duration + `x` = 1 }", "binary operations must operate on the same type: duration + `x`"),
        ("{ name && true }", "binary operations must operate on the same type: name && true"),
        ("{ duration }", "span filter field expressions must resolve to a boolean: { duration }"),
        ("{ `x` }", "span filter field expressions must resolve to a boolean: { `x` }"),
        ("{} && ({} | { 1 })", "span filter field expressions must resolve to a boolean: { 1 }"),
        ("{ 1 } && {}", "span filter field expressions must resolve to a boolean: { 1 }"),
        ("{ !duration }", "illegal operation for the given type: !duration"),
        ("{ -kind = 1 }", "illegal operation for the given type: -kind"),
        ("{ -(.a = 1) }", "illegal operation for the given type: -(.a = 1)"),
        ("{ duration = nil }", "duration=nil is not valid because intrinsics cannot be nil"),
        (
            "{ resource.service.name = nil }",
            "resource.service.name=nil is not valid because resource.service.name cannot be nil",
        ),
        ("{} | sum(name) > 1", "aggregate field expressions must resolve to a number type: sum(name)"),
        ("{} | max(1) > 1", "aggregate field expressions must reference the span: max(1)"),
        ("{} | max(-kind) > 1", "illegal operation for the given type: -kind"),
        ("{} | by(1 + 1)", "grouping field expressions must reference the span: by(2)"),
        ("{} | by(name = 5)", "binary operations must operate on the same type: name = 5"),
        ("{} | select(parent.a)", "parent not yet supported"),
        ("{ name = parent }", "intrinsic (parent) not yet supported"),
        ("{} | count() + 1 > 2", "scalar filter lhs of type (%v) not yet supported"),
        ("{} | 1 > count()", "scalar filter lhs of type (%v) not yet supported"),
        ("({} | count()) > 1", "scalar filter lhs of type (%v) not yet supported"),
        ("({ 1 } | count()) > 1", "span filter field expressions must resolve to a boolean: { 1 }"),
        ("{ .a =~ 1 || .a =~ 2 }", "illegal operation for the given types: .a =~ 1"),
        ("{} | count() > max(duration)", "scalar filter rhs of type (%v) not yet supported"),
        ("{} | count() > max(name)", "aggregate field expressions must resolve to a number type: max(name)"),
        ("{} | count() + max(name) > 1", "aggregate field expressions must resolve to a number type: max(name)"),
        ("{} | max(name) + 1 > 1", "aggregate field expressions must resolve to a number type: max(name)"),
        ("{} | rate() | topk(0)", "limit must be greater than 0"),
        ("{} | rate() > 1 | bottomk(0)", "limit must be greater than 0"),
        ("{} | quantile_over_time(duration, .5, 1.5)", "quantile must be between 0 and 1: 1.5"),
        ("{} | rate() by (.a,.b,.c,.d,.e,.f)", "metrics group by 6 values not yet supported"),
        ("{} | histogram_over_time(duration) by (.a,.b,.c,.d,.e)", "metrics group by 5 values not yet supported"),
        ("{} | compare({ name = 5 })", "binary operations must operate on the same type: name = 5"),
        ("{} | compare({}, 0)", "compare() top number of values must be integer greater than 0"),
        ("{} | compare({}, 1, 0, 5)", "compare() timestamps must be positive integer unix nanoseconds"),
        ("{} | compare({}, 1, 5, 0)", "compare() timestamps must be positive integer unix nanoseconds"),
        ("{} | compare({}, 1, 5, 5)", "compare() end timestamp must be greater than start timestamp"),
        ("{} | compare({}) > 1", "`compare()` cannot be used with second stage functions"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_words_of_tempo(query: str, message: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        parse(query)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "query",
    [
        "{} | rate() by (.a,.b,.c,.d,.e)",
        "{} | avg_over_time(duration) by (.a,.b,.c,.d)",
        "{} | quantile_over_time(duration, 0, 1)",
        "{} | rate() | topk(1)",
        "{} | compare({}, 1, 0, 0)",
        "{} | compare({}, 1, 1, 2)",
        "{ .a }",
        "{ -.a = 1 && !.b }",
        "{ .a = nil && span.service.name = nil }",
        "{ .a = 9223372036854775807 && .b = 292y }",
    ],
)
def test_the_last_that_makes_sense_is_taken(query: str) -> None:
    parse(query)


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


def test_a_query_that_takes_too_long_to_read_is_given_up_and_may_come_again() -> None:
    query = f"{{ {' && '.join(f'.a{number} = 1' for number in range(100))} }}"
    with pytest.raises(QueryTooLongError):
        parse(query, Deadline(-1.0))
    assert parse(query) is parse(query, Deadline(-1.0))  # it is remembered


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
        (1_000_000_000, "1s"),
        (999_999_999, "999.999999ms"),
        (60_000_000_000, "1m0s"),
        (59_000_000_000, "59s"),
        (1_000, "1µs"),
        (1_000_000, "1ms"),
        (-1, "-1ns"),
        (3_605_000_000_000, "1h0m5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-2_000_000_000, "-2s"),
    ],
)
def test_durations_print_as_go_prints_them(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e6, "1e+06"),
        (999999.0, "999999.0"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (1e100, "1e+100"),
        (-1e6, "-1e+06"),
        (math.nan, "NaN.0"),
        (math.inf, "+Inf.0"),
        (-math.inf, "-Inf.0"),
        (1.5, "1.5"),
        (2.0, "2.0"),
        (1e9, "1e+09"),
        (1234567.5, "1.2345675e+06"),
        (1e-7, "1e-07"),
        (-0.25, "-0.25"),
    ],
)
def test_floats_print_as_go_prints_them(number: float, text: str) -> None:
    assert float_text(number) == text
