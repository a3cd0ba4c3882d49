"""Why a request leads to no flame graph: one class for each hop that can be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanprofiles.model.printable import LONGEST_LINE, printable

if TYPE_CHECKING:
    from spanprofiles.linking.evidence import Evidence


class LinkError(AssertionError):
    """A request leads to no flame graph. It is an assertion error, because in a test it is a failed claim.

    The message is one printable line, since the names of services, spans and functions in it reach terminals and logs.

    Attributes:
        evidence: what was there instead; None if nothing was looked for.
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
    """A dead link: the span carries a profile ID, and no sample does."""


class NotWaitingError(LinkError):
    """A span that should have waited computed, or nothing shows that it did not."""
