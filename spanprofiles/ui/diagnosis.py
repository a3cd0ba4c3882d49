"""Why a span is a dead link, in the doctor's words."""

from __future__ import annotations

from dataclasses import dataclass

from spanprofiles.clients import ClientError
from spanprofiles.doctor import Verdict, examine_failure
from spanprofiles.doctor.explaining import HARMLESS
from spanprofiles.linking import Evidence, Linker
from spanprofiles.model import Span

_BUDGET_S = 1.0


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a dead link.

    Attributes:
        cause: in a few words.
        sentence: the same with this span's figures.
        harmless: whether it is in the nature of sampling, so that nothing is wrong.
        advice: what to do, or empty.
    """

    cause: str
    sentence: str
    harmless: bool = False
    advice: str = ""


def diagnose(span: Span, linker: Linker) -> Diagnosis | None:
    """Ask the doctor about one span; None where it has nothing to say of it."""
    try:
        examination = examine_failure(linker, Evidence(span.trace_id), _BUDGET_S)
    except ClientError:
        return None
    explanation = next((one for one in examination.unlinked if one.span.span_id == span.span_id), None)
    broken = examination.broken
    if explanation is not None and (explanation.cause in HARMLESS or broken is None):
        harmless = explanation.cause in HARMLESS
        return Diagnosis(explanation.cause.value, _sentence(explanation.sentence), harmless)
    if broken is None:
        doubtful = next((one for one in examination.findings if one.verdict is Verdict.DOUBTFUL), None)
        if doubtful is None:
            return None
        return Diagnosis(doubtful.hop, "; ".join(doubtful.evidence), advice=doubtful.advice)
    words = [*broken.evidence, *([explanation.sentence] if explanation else [])]
    return Diagnosis(f"broken hop: {broken.hop}", _sentence("; ".join(words)), advice=broken.advice)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
