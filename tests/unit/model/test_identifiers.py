from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.model import (
    IdentifierError,
    TraceContext,
    new_span_id,
    new_trace_id,
    parse_span_id,
    parse_trace_id,
)

_trace_ids = st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}")
_span_ids = st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}")
_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


@given(_trace_ids, _span_ids, st.booleans())
def test_a_traceparent_reads_back_as_it_was_written(trace_id: str, span_id: str, sampled: bool) -> None:
    context = TraceContext(trace_id, span_id, sampled)
    assert TraceContext.parse(context.traceparent) == context


@given(_trace_ids, _span_ids)
def test_leading_zeros_that_a_server_left_out_are_put_back(trace_id: str, span_id: str) -> None:
    assert parse_trace_id(trace_id.lstrip("0")) == trace_id
    assert parse_span_id(span_id.lstrip("0")) == span_id


def test_upper_case_and_blanks_around_an_id_are_no_mistake() -> None:
    assert parse_trace_id(f"  {_TRACE.upper()}\n") == _TRACE
    assert parse_span_id(_SPAN.upper()) == _SPAN


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "16 hexadecimal digits"),
        ("   ", "16 hexadecimal digits"),
        ("xyz", "16 hexadecimal digits"),
        ("0x1f", "16 hexadecimal digits"),
        ("1f 2e", "16 hexadecimal digits"),
        ("-1", "16 hexadecimal digits"),
        ("١٢", "16 hexadecimal digits"),  # digits to Python's int(), not to a server
        ("0" * 16, "all zeros"),
        ("0", "all zeros"),
        (_TRACE, "32 digits, 16 are the most"),
    ],
)
def test_what_is_no_span_id_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        parse_span_id(text)
    assert reason in str(refused.value)
    assert repr(text) in str(refused.value)


def test_a_trace_id_of_33_digits_is_refused() -> None:
    with pytest.raises(IdentifierError, match="33 digits, 32 are the most"):
        parse_trace_id("1" * 33)


def test_random_ids_are_well_formed_and_differ() -> None:
    traces, spans = {new_trace_id() for _ in range(50)}, {new_span_id() for _ in range(50)}
    assert len(traces) == len(spans) == 50
    assert all(parse_trace_id(identifier) == identifier for identifier in traces)
    assert all(parse_span_id(identifier) == identifier for identifier in spans)


def test_a_context_asks_for_recording_unless_told_otherwise() -> None:
    assert TraceContext.new().traceparent.endswith("-01")
    assert TraceContext.new(sampled=False).traceparent.endswith("-00")


def test_only_the_lowest_flag_says_sampled() -> None:
    assert TraceContext.parse(f"00-{_TRACE}-{_SPAN}-03").sampled
    assert not TraceContext.parse(f"00-{_TRACE}-{_SPAN}-02").sampled


@pytest.mark.parametrize(("flags", "sampled"), [("10", False), ("1b", True), ("fe", False), ("ff", True)])
def test_flags_are_hexadecimal(flags: str, sampled: bool) -> None:
    assert TraceContext.parse(f"00-{_TRACE}-{_SPAN}-{flags}").sampled is sampled


def test_a_later_version_may_have_more_fields_and_the_first_may_not() -> None:
    assert TraceContext.parse(f"cc-{_TRACE}-{_SPAN}-01-what-comes-then") == TraceContext(_TRACE, _SPAN)
    with pytest.raises(IdentifierError, match="is not a traceparent"):
        TraceContext.parse(f"00-{_TRACE}-{_SPAN}-01-what-comes-then")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        f"ff-{_TRACE}-{_SPAN}-01",
        f"00-{_TRACE[1:]}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}",
        f"00-{_TRACE}-{_SPAN}-1",
        f"00-{_TRACE.upper()}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}-01.",
        f"00-{'0' * 32}-{_SPAN}-01",
        f"00-{_TRACE}-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError):
        TraceContext.parse(text)


@pytest.mark.parametrize(("new", "digits"), [(new_trace_id, 32), (new_span_id, 16)])
def test_a_new_id_is_never_all_zeros(monkeypatch: pytest.MonkeyPatch, new: Callable[[], str], digits: int) -> None:
    drawn = iter(["0" * digits, "0" * (digits - 1) + "1", "f" * digits])
    monkeypatch.setattr("spanprofiles.model.identifiers.secrets.token_hex", lambda _: next(drawn))
    assert new() == "0" * (digits - 1) + "1"
    assert new() == "f" * digits
