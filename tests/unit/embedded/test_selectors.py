"""Label selectors as Prometheus has them, quoted names included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.pyroscope.selector import SelectorError, parse_selector
from spanprofiles.embedded.string_literals import StringLiteralError, quote, unquote

LABELS = {"__name__": "process_cpu", "service_name": "shop", "region": "eu", "host.name": "h1"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("{}", True),
        ('{service_name="shop"}', True),
        ('{service_name="sho"}', False),
        ('{service_name="shop", region!="us"}', True),
        ('{service_name="shop", region!="eu"}', False),
        ('{region=~"e."}', True),
        ('{region=~"e"}', False),
        ('{region!~"u."}', True),
        ('{region=~"eu|us",}', True),
        ('{absent=""}', True),
        ('{absent!=""}', False),
        ('{absent=~".*"}', True),
        ('{"host.name"="h1"}', True),
        ("{'host.name'='h1'}", True),
        ('{"host.name"=`h2`}', False),
        ('process_cpu{region="eu"}', True),
        ("memory", False),
        ('{"process_cpu"}', True),
        ('{ region = "e\\u0075" } # the region', True),
    ],
)
def test_a_selector_matches_these_labels_or_not(selector: str, matches: bool) -> None:
    assert parse_selector(selector).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("", "unknown position: parse error: unexpected end of input"),
        ("{", "unexpected end of input"),
        ('{service_name="x", host.name="h1"}', "1:24: parse error: unexpected character: '.'"),
        ("{region=eu}", '1:9: parse error: unexpected "eu"'),
        ('{region=~"("}', "1:2: parse error: error parsing regexp"),
        (r'{region="\q"}', r"unknown escape sequence \q"),
        ('{region=="x"}', "1:9: parse error"),
        ('{a="b"} {c="d"}', "1:9: parse error"),
        ("{" + "a" * 100_000, "longer than"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place(selector: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_selector(selector)
    assert message in str(caught.value)


def test_a_regular_expression_that_blows_up_elsewhere_takes_no_time() -> None:
    selector = parse_selector('{region=~"(a*)*(a|aa)+b"}')
    assert not selector.matches({"region": "a" * 20_000})


@given(st.text())
def test_any_text_can_be_quoted_and_comes_back(text: str) -> None:
    assert unquote(quote(text)) == text


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_any_labels_match_the_selector_that_names_them(labels: dict[str, str]) -> None:
    selector = parse_selector("{" + ",".join(f"{quote(name)}={quote(value)}" for name, value in labels.items()) + "}")
    assert selector.matches(labels)
    for name, value in labels.items():
        assert not selector.matches({**labels, name: value + "x"})


@given(st.text(alphabet="{}=~!\"'`,ab.#\\(", max_size=30))
def test_whatever_is_typed_is_a_selector_or_refused_with_a_message(text: str) -> None:
    try:
        parse_selector(text)
    except SelectorError as error:
        assert str(error)  # noqa: PT017  # either outcome is right, a crash is not


@pytest.mark.parametrize("quoted", [r'"\x"', r'"\ud800"', r'"\U00110000"', r'"\z"'])
def test_an_escape_that_means_nothing_is_refused(quoted: str) -> None:
    with pytest.raises(StringLiteralError):
        unquote(quoted)
