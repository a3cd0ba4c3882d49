"""Why spans carry no profile ID: their span processor says so, or nobody gives them one."""

from __future__ import annotations

from spanprofiles.model import Span, SpanKind
from spanprofiles.model.languages import LANGUAGES
from spanprofiles.model.span import PROFILE_MISSING_ATTRIBUTE, AttributeValue
from spanprofiles.model.withheld import NO_AGENT, why_no_profile_id, withheld_advice, withheld_reasons

PYTHON = LANGUAGES["python"]
MISSING = "is not added to the tracer provider"
WITHHELD = "the span processor is there and withholds the profile ID"
LOOK_AT_THE_LOG = "look at the log of the app, where the span processor has written what went wrong"


def span(reason: str = "", profile_id: str | None = None, language: str = "python") -> Span:
    attributes: dict[str, AttributeValue] = {PROFILE_MISSING_ATTRIBUTE: reason} if reason else {}
    if profile_id:
        attributes["pyroscope.profile.id"] = profile_id
    resource = {"telemetry.sdk.language": language}
    return Span("a" * 32, "b" * 16, None, "GET /car", SpanKind.SERVER, 0, 1, resource=resource, attributes=attributes)


def test_where_every_span_tells_its_reason_nobody_is_told_to_add_a_processor() -> None:
    told = why_no_profile_id([span(NO_AGENT), span(NO_AGENT), span(profile_id="b" * 16)])

    assert told.startswith(
        "the span processor is there and withholds the profile ID: no agent in this process (2 span(s))"
    )
    assert told.endswith(f"; {PYTHON.withheld_advice}")
    assert MISSING not in told


def test_where_none_tells_a_reason_the_processor_is_missing() -> None:
    told = why_no_profile_id([span(), span()])

    assert MISSING in told
    assert "of others" not in told
    assert "withholds" not in told


def test_where_some_tell_a_reason_and_some_do_not_both_are_said() -> None:
    told = why_no_profile_id([span(), span(NO_AGENT)])

    assert MISSING in told
    assert f"; of others: {WITHHELD}: no agent in this process" in told
    assert told.endswith(PYTHON.withheld_advice)


def test_the_most_frequent_reasons_are_named_and_no_more_than_three() -> None:
    reasons = ["first"] * 4 + ["second"] * 3 + ["third"] * 2 + ["fourth"]
    told = withheld_reasons(span(reason) for reason in reasons)

    assert ": first (4 span(s)), second (3 span(s)), third (2 span(s)) (" in told
    assert "fourth" not in told
    assert withheld_reasons([span()]) == ""


def test_the_advice_fits_each_reason_and_the_language() -> None:
    assert withheld_advice([span(NO_AGENT)]) == PYTHON.withheld_advice
    assert withheld_advice([span(NO_AGENT, language="")], known=[PYTHON]) == PYTHON.withheld_advice
    assert withheld_advice([span("the agent did not start")]) == LOOK_AT_THE_LOG
    assert withheld_advice([span(NO_AGENT), span("odd")]) == f"{PYTHON.withheld_advice}; {LOOK_AT_THE_LOG}"
    assert withheld_advice([span()]) == ""
