"""Why local root spans carry no profile ID: nothing adds one, or their span processor withholds it and says why.

A span processor that sees that no sample will ever carry the span's ID can leave the ID off, so that there is no dead
link, and leave the reason on the span instead: the attribute ``pyroscope.profile.missing``. ``spanprofiles_processor``
does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from spanprofiles.model import languages
from spanprofiles.model.languages import Language
from spanprofiles.model.span import PROFILE_MISSING_ATTRIBUTE, Span

NO_AGENT = "no agent in this process"
"""The reason of a process in which no profiling agent runs: not started, stopped, or left behind by a fork."""

_NAMES = 3


def why_no_profile_id(spans: Iterable[Span]) -> str:
    """Say why local root spans carry no profile ID, and what to do where they tell it themselves.

    Args:
        spans: local root spans; those with a profile ID are left out.

    Returns:
        A clause or two without a full stop. Whatever withholds the ID is a span processor, so that of spans that tell
        a reason, no advice is given to add one.
    """
    without = [span for span in spans if not span.profile_id]
    silent = [span for span in without if not span.profile_missing]
    told = withheld_reasons(without)
    if told and not silent:
        return f"{told}; {withheld_advice(without)}"
    missing = languages.advice(languages.of_spans(silent), lambda language: language.missing_processor)
    return f"{missing}; of others: {told}; {withheld_advice(without)}" if told else missing


def withheld_reasons(spans: Iterable[Span]) -> str:
    """Say which reasons spans tell for having no profile ID, and how often; empty where none tells one."""
    reasons = Counter(span.profile_missing for span in spans if span.profile_missing)
    if not reasons:
        return ""
    named = ", ".join(f"{reason} ({count} span(s))" for reason, count in reasons.most_common(_NAMES))
    return f"the span processor is there and withholds the profile ID: {named} ({PROFILE_MISSING_ATTRIBUTE})"


def withheld_advice(spans: Iterable[Span], known: Iterable[Language] = ()) -> str:
    """Return what to do about spans that tell why they have no profile ID; empty where none does.

    Args:
        spans: local root spans.
        known: the languages of the service, where the spans tell none.
    """
    telling = [span for span in spans if span.profile_missing]
    reasons = {span.profile_missing for span in telling}
    told = []
    if NO_AGENT in reasons:
        found = languages.of_spans(telling) or tuple(known)
        told.append(languages.advice(found, lambda language: language.withheld_advice))
    if reasons - {NO_AGENT}:
        told.append("look at the log of the app, where the span processor has written what went wrong")
    return "; ".join(told)
