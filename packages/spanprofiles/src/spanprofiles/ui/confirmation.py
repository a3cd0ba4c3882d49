"""The doctor's confirmation that requests without samples are dead links, before the page says so.

A request that only waited has no samples and is in order. So the doctor looks at a few requests one by one. Where that
proves nothing, it looks at their whole service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spanprofiles.clients import ClientError
from spanprofiles.doctor import HARMLESS, Cause, Examination, examine_failure
from spanprofiles.linking import Evidence, Linker

_BUDGET_S = 2.0
_SOON_S, _LATER_S = 1.5, 10.0
_UNPROVEN = HARMLESS | {Cause.UNCLEAR}


@dataclass(frozen=True)
class Confirmation:
    """What the doctor says about some requests without samples.

    Attributes:
        is_dead: whether something is broken.
        cause: in a few words; empty where nothing is.
        is_open: whether to ask again soon: samples may still be on their way, or a server does not answer.
    """

    is_dead: bool
    cause: str = ""
    is_open: bool = False

    @property
    def lasts_s(self) -> float:
        """How long it stays valid, s."""
        return _SOON_S if self.is_open else _LATER_S


def confirm(
    linker: Linker, examine_service: Callable[[], Examination], service: str, requests: Iterable[tuple[str, str]]
) -> Confirmation:
    """Ask the doctor whether requests without samples are dead links.

    Args:
        linker: of the backend.
        examine_service: examines the whole service.
        service: its name.
        requests: a few requests of it, of different kinds: trace ID and span ID of each.
    """
    awaited = False
    for trace_id, span_id in requests:
        try:
            examination = examine_failure(linker, Evidence(trace_id), _BUDGET_S, service=service)
        except ClientError:
            continue
        if examination.broken is not None:
            return _broken(examination)
        explanation = examination.explanation_of(span_id)
        if explanation is None:
            continue
        if explanation.cause not in _UNPROVEN:
            return Confirmation(is_dead=True, cause=explanation.cause.value)
        awaited = awaited or explanation.cause is Cause.NOT_ARRIVED
    if awaited:
        return Confirmation(is_dead=False, is_open=True)
    try:
        return _broken(examine_service())
    except ClientError:
        return Confirmation(is_dead=False, is_open=True)


def _broken(examination: Examination) -> Confirmation:
    if examination.broken is None:
        return Confirmation(is_dead=False)
    return Confirmation(is_dead=True, cause=f"broken hop: {examination.broken.hop}")
