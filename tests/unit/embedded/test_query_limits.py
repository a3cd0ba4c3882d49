"""How large a query may be, and what is remembered of it: a larger one is refused with the limit, never with a 500."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.patterns import LENGTH_LIMIT, TEXT_LIMIT, PatternError, compile_pattern
from spanprofiles.embedded.traceql.errors import TraceQLError
from spanprofiles.embedded.traceql.limits import (
    CONDITIONS_LIMIT,
    DEPTH_LIMIT,
    NESTING_LIMIT,
    PATTERNS_LIMIT,
    STAGES_LIMIT,
    TOKENS_LIMIT,
)
from spanprofiles.embedded.traceql.parser import parse
from tests.unit.embedded.conftest import Applications, SpanFactory


def chain(count: int, operator: str = "&&", comparison: str = "span.a{0} != {0}") -> str:
    """A spanset with so many comparisons in a row, each of another attribute."""
    return f"{{ {f' {operator} '.join(comparison.format(number) for number in range(count))} }}"


def spansets(count: int) -> str:
    return " &>> ".join(["{ }"] * count)


LARGEST = {
    "a chain of comparisons": (chain, DEPTH_LIMIT - 10, DEPTH_LIMIT),
    "a chain of alternatives": (lambda count: chain(count, "||"), DEPTH_LIMIT - 10, DEPTH_LIMIT),
    "one attribute's values": (lambda count: chain(count, "||", "span.a = {0}"), CONDITIONS_LIMIT - 200, TOKENS_LIMIT),
    "arithmetic": (lambda count: f"{{ span.a > {' + '.join(['span.b'] * count)} }}", DEPTH_LIMIT - 10, DEPTH_LIMIT),
    "powers": (lambda count: f"{{ span.a > {' ^ '.join(['span.b'] * count)} }}", DEPTH_LIMIT - 10, DEPTH_LIMIT),
    "negations": (lambda count: f"{{ {'!' * count}span.b }}", DEPTH_LIMIT - 10, DEPTH_LIMIT),
    "brackets": (lambda count: f"{{ {'(' * count}span.a = 1{')' * count} }}", NESTING_LIMIT - 1, NESTING_LIMIT),
    "brackets around all": (lambda count: f"{'(' * count}{{ }}{')' * count}", NESTING_LIMIT - 1, NESTING_LIMIT + 1),
    "relations": (spansets, STAGES_LIMIT, STAGES_LIMIT + 1),
    "groupings": (lambda count: " | ".join(["{ }", *["by(span.a)"] * count]), STAGES_LIMIT - 1, STAGES_LIMIT),
    "selections": (lambda count: " | ".join(["{ }", *["select(span.a)"] * count]), STAGES_LIMIT - 1, STAGES_LIMIT),
    "patterns": (
        lambda count: chain(count, "||", "span.a =~ `x{0}`"),
        PATTERNS_LIMIT,
        PATTERNS_LIMIT + 1,
    ),
    "many short spansets": (
        lambda count: " && ".join([chain(10, "||")] * count),
        CONDITIONS_LIMIT // 19,
        CONDITIONS_LIMIT // 19 + 1,
    ),
}
OF_KIND = pytest.mark.parametrize(("make", "within", "beyond"), LARGEST.values(), ids=LARGEST)


@OF_KIND
def test_a_query_within_the_limits_is_answered_wherever_it_is_asked(
    applications: Applications, make: object, within: int, beyond: int
) -> None:
    del beyond
    applications.export(SpanFactory("aa")("work", values={"a": 1, "b": True}))
    query = {"q": make(within)}  # type: ignore[operator]  # each makes a query of a number
    for path in ("/api/search", "/api/v2/search/tags", "/api/v2/search/tag/span.a/values"):
        answer = applications.tempo.get(path, query_string=query)
        assert answer.status_code == 200, answer.text


@OF_KIND
def test_a_query_beyond_a_limit_is_refused_and_does_not_narrow_names_or_values(
    applications: Applications, make: object, within: int, beyond: int
) -> None:
    del within
    applications.export(SpanFactory("aa")("work", values={"a": 1, "b": True}))
    query = {"q": make(beyond)}  # type: ignore[operator]  # likewise
    refused = applications.tempo.get("/api/search", query_string=query)
    assert refused.status_code == 400
    assert "more than" in refused.text or "at most" in refused.text or "too deeply" in refused.text
    values = applications.tempo.get("/api/v2/search/tag/span.a/values", query_string=query)
    assert values.get_json()["tagValues"] == [{"type": "int", "value": "1"}]


@pytest.mark.parametrize("tags", ["a=x " * 1, " ".join(f"a{number}=x" for number in range(STAGES_LIMIT))])
def test_the_older_form_of_search_has_the_same_limits(applications: Applications, tags: str) -> None:
    assert applications.tempo.get("/api/search", query_string={"tags": tags}).status_code == 200
    more = tags + " " + " ".join(f"b{number}=y" for number in range(STAGES_LIMIT))
    assert applications.tempo.get("/api/search", query_string={"tags": more}).status_code == 400


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a" * (LENGTH_LIMIT + 1), "longer than"),
        ("((a{500}){500}){500}", "repetition"),
        (r"(\pL|\pN){500}", "too large"),
        ("(", "missing"),
    ],
    ids=["long", "repeated", "large", "no pattern"],
)
def test_a_pattern_that_is_too_large_is_refused_everywhere(
    applications: Applications, pattern: str, message: str
) -> None:
    with pytest.raises(PatternError, match=message):
        compile_pattern(pattern)
    assert message in applications.refused(f"{{ name =~ `{pattern}` }}")
    body = {"matchers": [f'{{region=~"{pattern}"}}'.replace("\\", "\\\\")], "start": 1, "end": 2}
    assert message in applications.call("LabelNames", body, expected=400)["message"]


def test_a_pattern_is_asked_of_the_beginning_of_a_long_text() -> None:
    assert compile_pattern("a*").matches("a" * TEXT_LIMIT + "b")
    assert not compile_pattern("a*").matches("a" * (TEXT_LIMIT - 1) + "b")


def test_a_cache_forgets_the_least_used_when_it_is_full() -> None:
    cache: ByteCache[str, int] = ByteCache(100)
    for number, name in enumerate("abcd"):
        cache.put(name, number, 25)
    assert cache.get("a") == 0
    cache.put("e", 4, 25)
    assert [cache.get(name) for name in "abcde"] == [0, None, 2, 3, 4]
    cache.put("large", 5, 26)
    assert cache.get("large") is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), max_size=60))
def test_a_cache_never_holds_more_bytes_than_it_may(puts: list[tuple[int, int]]) -> None:
    cache: ByteCache[int, int] = ByteCache(200)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        sizes[key] = size
        held = [found for key in range(21) if (found := cache.get(key)) is not None]
        assert sum(held) == cache.bytes <= 200
        assert len(held) == len(cache)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (spansets(STAGES_LIMIT + 1), f"the query has more than {STAGES_LIMIT} stages: ask for less at once"),
        (
            " | ".join(["{ }", *[f"max({' + '.join(['span.a'] * 100)}) > 1"] * 6]),
            f"the query has more than {CONDITIONS_LIMIT} operators within spansets: ask for less at once",
        ),
        (
            chain(PATTERNS_LIMIT + 1, "||", "span.a =~ `x{0}`"),
            f"the query has more than {PATTERNS_LIMIT} regular expressions: ask for less at once",
        ),
        (
            f"{{ }} | compare({chain(PATTERNS_LIMIT + 1, '||', 'span.a{0} !~ `x`')})",
            f"the query has more than {PATTERNS_LIMIT} regular expressions: ask for less at once",
        ),
        (f"{{ {'!' * DEPTH_LIMIT}span.b }}", f"at most {DEPTH_LIMIT} operators may be in each other or in a row"),
        ("(" * 51 + "{}" + ")" * 51, f"at most {NESTING_LIMIT} brackets may be open at once"),
        (
            f"{{ }} | select({', '.join(['span.a'] * TOKENS_LIMIT)})",
            f"the query has more than {TOKENS_LIMIT} names, values and operators",
        ),
    ],
    ids=["stages", "operators", "patterns", "compared", "depth", "brackets", "tokens"],
)
def test_a_query_beyond_a_limit_is_told_which_it_is(query: str, message: str) -> None:
    with pytest.raises(TraceQLError) as refused:
        parse(query)
    assert str(refused.value).endswith(message)


def test_what_was_compiled_is_remembered() -> None:
    assert parse("{ name = `remembered` }") is parse("{ name = `remembered` }")
    assert compile_pattern("remembered") is compile_pattern("remembered")
