"""What a judge says about an attempt: plain data, kept in the learner's folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

ORDINALS = ("first", "second", "third")
"""What the hints are called: a number would be taken for the exercise's."""

_Sentences = str | Iterable[str]


@dataclass(frozen=True)
class Judgement:
    """What a judge says about an attempt.

    Attributes:
        passed: whether the exercise is solved.
        seen: what the judge saw, in short sentences.
        missing: what is missing for it to pass; empty where it passed.
        hint: the hint that fits, 1 to 3; 0 where none does.
        trace_id: the trace to show, 32 hex digits; empty for none.
        span_id: the span in it whose flame graph to show, 16 hex digits; empty for none.
        program: which program the trace is of, where the judge has several; empty where there is one.
        others: further traces to show: of each the program, and the trace ID.
        is_look: whether there is nothing to judge yet, because the learner has changed and answered nothing.
    """

    passed: bool
    seen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    hint: int = 0
    trace_id: str = ""
    span_id: str = ""
    program: str = ""
    others: tuple[tuple[str, str], ...] = ()
    is_look: bool = False

    @classmethod
    def passes(cls, seen: _Sentences) -> Judgement:
        """Return the judgement of an attempt that solves the exercise."""
        return cls(True, _sentences(seen))

    @classmethod
    def fails(cls, seen: _Sentences, missing: _Sentences, hint: int = 0) -> Judgement:
        """Return the judgement of an attempt that does not.

        Raises:
            ValueError: it does not say what is missing.
        """
        if not _sentences(missing):
            raise ValueError("a judgement that fails says what is missing")
        return cls(False, _sentences(seen), _sentences(missing), hint)

    def showing(self, trace_id: str, span_id: str = "") -> Judgement:
        """Return the same judgement with what to show beside it, unless it names something itself."""
        return self if self.trace_id else replace(self, trace_id=trace_id, span_id=span_id)

    def showing_all(self, traces: Iterable[tuple[str, str]]) -> Judgement:
        """Return the same judgement with several traces to show: of each the program, and its ID or nothing."""
        known = [(program, trace_id) for program, trace_id in traces if trace_id]
        if not known:
            return self
        program, trace_id = known[0]
        return replace(self, trace_id=trace_id, program=program, others=tuple(known[1:]))

    @property
    def text(self) -> str:
        """All that it says, one sentence a line."""
        return "\n".join([*self.seen, *self.missing])

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as a JSON object."""
        return {
            "passed": self.passed,
            "seen": list(self.seen),
            "missing": list(self.missing),
            "hint": self.hint,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "program": self.program,
            "others": [list(other) for other in self.others],
            "look": self.is_look,
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Judgement:
        """Return the judgement that was written as a JSON object; what is not there is empty."""
        return cls(
            passed=document.get("passed") is True,
            seen=tuple(map(str, document.get("seen") or ())),
            missing=tuple(map(str, document.get("missing") or ())),
            hint=int(document.get("hint") or 0),
            trace_id=str(document.get("trace_id") or ""),
            span_id=str(document.get("span_id") or ""),
            program=str(document.get("program") or ""),
            others=tuple((str(program), str(trace_id)) for program, trace_id in document.get("others") or ()),
            is_look=document.get("look") is True,
        )


def _sentences(given: _Sentences) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
