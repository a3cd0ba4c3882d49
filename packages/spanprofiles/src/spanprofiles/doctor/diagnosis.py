"""Why a span has no samples: one verdict for the commands, for failed claims and for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spanprofiles.clients import ClientError
from spanprofiles.doctor.causes import HARMLESS, Cause, Explanation
from spanprofiles.doctor.examination import Examination
from spanprofiles.doctor.finding import Verdict
from spanprofiles.doctor.runner import examine_failure
from spanprofiles.linking import Evidence, Linker
from spanprofiles.model import Span
from spanprofiles.model.printable import LONGEST_LINE, printable

_BUDGET_S = 2.0

#: Causes for which a span without samples is in order and nothing is left to wait for, each with its words.
EXCUSES = {
    Cause.TOO_SHORT: "as is usual of a span so short",
    Cause.WAITING: "for it waited instead of computing",
}


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a span without samples.

    Attributes:
        cause: in a few words.
        sentence: the cause with this span's figures.
        harmless: whether it comes with sampling, so that nothing is wrong.
        advice: what to do, or empty.
        excuse: why the absence is in order, in words that continue "no samples"; empty where it is not.
    """

    cause: str
    sentence: str
    harmless: bool = False
    advice: str = ""
    excuse: str = ""

    @property
    def line(self) -> str:
        """The whole diagnosis as one printable line."""
        parts = (f"the doctor says: {self.cause}.", self.sentence, f"Do: {self.advice}." if self.advice else "")
        return printable(" ".join(part for part in parts if part), LONGEST_LINE)

    def as_json(self) -> dict[str, Any]:
        """Return the diagnosis as a JSON object."""
        return {"cause": self.cause, "sentence": self.sentence, "harmless": self.harmless, "advice": self.advice}


def diagnose(span: Span, linker: Linker) -> Diagnosis | None:
    """Ask the doctor about one span that carries a profile ID; return None where it has nothing to say."""
    try:
        examination = examine_failure(linker, Evidence(span.trace_id), _BUDGET_S, service=span.service)
    except ClientError:
        return None
    return diagnosis_of(span, examination)


def diagnosis_of(span: Span, examination: Examination) -> Diagnosis | None:
    """Return what an examination says about one span; None where it says nothing."""
    explanation = examination.explanation_of(span.span_id)
    broken = examination.broken
    if explanation is not None and (explanation.cause in HARMLESS or broken is None):
        return _explained(explanation)
    if broken is None:
        doubtful = next((finding for finding in examination.findings if finding.verdict is Verdict.DOUBTFUL), None)
        if doubtful is None:
            return None
        return Diagnosis(doubtful.hop, _sentence("; ".join(doubtful.evidence)), advice=doubtful.advice)
    words = [*broken.evidence, *([explanation.sentence] if explanation else [])]
    return Diagnosis(f"broken hop: {broken.hop}", _sentence("; ".join(words)), advice=broken.advice)


def examine_request(linker: Linker, evidence: Evidence, budget_s: float = 1.5) -> Examination:
    """Examine a request that could not be linked, and note in its evidence which empty profiles are in order.

    Args:
        linker: what followed the request.
        evidence: what it saw; :attr:`~spanprofiles.linking.Evidence.excused` is brought up to date.
        budget_s: when to stop asking, s from the start.

    Raises:
        ClientError: a server failed.
    """
    examination = examine_failure(linker, evidence, budget_s)
    for explanation in examination.unlinked:
        evidence.excused.pop(explanation.span.profile_id or "", None)
        if explanation.cause in EXCUSES:
            evidence.excused[explanation.span.profile_id or ""] = EXCUSES[explanation.cause]
    return examination


def _explained(explanation: Explanation) -> Diagnosis:
    cause = explanation.cause
    sentence = _sentence(explanation.sentence)
    return Diagnosis(cause.value, sentence, cause in HARMLESS, excuse=EXCUSES.get(cause, ""))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
