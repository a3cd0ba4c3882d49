"""All that the doctor says about one service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spanprofiles.doctor.causes import HARMLESS, Explanation
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.model.printable import LONGEST_LINE, printable

_SHOWN = 5
_EXPLAINED_HOP = "sample labels"
_EXPLAINED_ADVICE = "nothing, if it should wait or be short; `spanprofiles doctor` says how to make sure"


@dataclass(frozen=True)
class Examination:
    """The findings, in the order of the hops.

    Attributes:
        service: the service that was examined; empty where there was none.
        findings: one for each hop; those after the first broken one were not checked.
        unlinked: the local root spans without samples, or without any where Grafana looks, each with the cause.
        could_look: False where a server did not answer, so that the hops after it are unknown.
    """

    service: str
    findings: tuple[Finding, ...]
    unlinked: tuple[Explanation, ...] = ()
    could_look: bool = True

    @property
    def broken(self) -> Finding | None:
        """The first broken hop, or None."""
        return next((finding for finding in self.findings if finding.verdict is Verdict.BROKEN), None)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all hops, in the order broken, not checked (a server did not answer), doubtful, ok."""
        if self.broken is not None:
            return Verdict.BROKEN
        if not self.could_look:
            return Verdict.NOT_CHECKED
        found = {finding.verdict for finding in self.findings}
        return Verdict.DOUBTFUL if Verdict.DOUBTFUL in found else Verdict.OK

    def finding(self, hop: str) -> Finding:
        """Return the finding of that hop.

        Raises:
            KeyError: there is no such hop.
        """
        for finding in self.findings:
            if finding.hop == hop:
                return finding
        raise KeyError(hop)

    def explanation_of(self, span_id: str) -> Explanation | None:
        """Return why a span leads to no samples; None where it leads to some, or was not examined."""
        return next((explanation for explanation in self.unlinked if explanation.span.span_id == span_id), None)

    def with_finding(self, finding: Finding) -> Examination:
        """Return the same examination with another finding of its hop."""
        findings = (finding if known.hop == finding.hop else known for known in self.findings)
        return replace(self, findings=tuple(findings))

    @property
    def is_explained(self) -> bool:
        """Whether nothing is broken, and each span without samples has a reason that comes with sampling."""
        causes = {explanation.cause for explanation in self.unlinked}
        return self.could_look and self.broken is None and bool(causes) and causes <= HARMLESS

    def brief_lines(self) -> list[str]:
        """Return :meth:`lines` for whoever reads them beside something else, such as a test's failure.

        Where all spans without samples are explained, the doubt about the labels needs no long advice: a span that
        waits is reason enough for it, and no fault.
        """
        if not self.is_explained:
            return self.lines()
        brief = self
        for finding in self.findings:
            if finding.hop == _EXPLAINED_HOP and finding.verdict is Verdict.DOUBTFUL:
                brief = self.with_finding(replace(finding, advice=_EXPLAINED_ADVICE))
        return brief.lines()

    def lines(self) -> list[str]:
        """Return what matters as printable lines: the broken and doubtful hops, and the names of those in order."""
        lines = [f"doctor: {self.service or 'no service'}: {self.verdict.value}"]
        for finding in self.findings:
            if finding.verdict in {Verdict.BROKEN, Verdict.DOUBTFUL}:
                lines.append(f"  {finding.verdict.value}: {finding.hop}: {'; '.join(finding.evidence)}")
                if finding.advice:
                    lines.append(f"    do: {finding.advice}")
            elif finding.verdict is Verdict.OK and finding.advice:
                lines.append(f"  note: {finding.hop}: {'; '.join(finding.evidence)}: {finding.advice}")
        lines += [
            f"  span {explanation.span.span_id}: {explanation.cause.value}: {explanation.sentence}"
            for explanation in self.unlinked[:_SHOWN]
        ]
        good = [finding.hop for finding in self.findings if finding.verdict is Verdict.OK]
        lines.append(f"  in order: {', '.join(good) or 'nothing'}")
        unseen = [finding for finding in self.findings if finding.verdict is Verdict.NOT_CHECKED and finding.evidence]
        if not self.could_look:
            lines += [f"  not checked: {finding.hop}: {'; '.join(finding.evidence)}" for finding in unseen]
        return [printable(line, LONGEST_LINE) for line in lines]

    def as_json(self) -> dict[str, Any]:
        """Return the examination as a JSON object."""
        return {
            "service": self.service or None,
            "verdict": self.verdict.value,
            "broken": self.broken.hop if self.broken else None,
            "could_look": self.could_look,
            "findings": [finding.as_json() for finding in self.findings],
            "unlinked": [explanation.as_json() for explanation in self.unlinked],
        }
