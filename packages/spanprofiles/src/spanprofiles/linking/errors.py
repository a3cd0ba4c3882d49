"""The ways in which a request does not lead to a flame graph: one class for each hop that can be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanprofiles.model.printable import LONGEST_LINE, printable

if TYPE_CHECKING:
    from spanprofiles.linking.evidence import Evidence


class LinkError(AssertionError):
    """The link did not come about. An assertion error: in a test it is a failed claim, not a broken test.

    The message is one printable line: it names services, spans and functions, and ends in terminals and logs.

    Attributes:
        evidence: what was there instead, or None where nothing was looked for.
    """

    def __init__(self, message: str, evidence: Evidence | None = None) -> None:
        self.evidence = evidence
        super().__init__(printable(message, LONGEST_LINE))


class NotTracedError(LinkError):
    """The request carried no ``traceparent``."""


class TraceNotFoundError(LinkError):
    """Tempo has no span of the trace: the app is not instrumented, did not sample, or does not export to this Tempo."""


class NoProfileIdError(LinkError):
    """No local root span carries ``pyroscope.profile.id``: the span processor is missing."""


class NoSamplesError(LinkError):
    """A dead link: the span carries a profile ID and no sample has it."""


class NotWaitingError(LinkError):
    """A span of which it is claimed that it waited computed, or nothing shows that it did not."""
