"""Why an export is refused."""

from __future__ import annotations

from spanprofiles.embedded.refusals import Reason


class ExportError(Exception):
    """An export of spans is refused whole; nothing of it is kept.

    Attributes:
        reason: what is wrong with it.
        service: the service of the span that is wrong; empty where that is not known.
        spans: how many spans are in it; 0 where it could not be read.
    """

    def __init__(
        self, message: str, reason: Reason = Reason.MALFORMED_REQUEST, service: str = "", spans: int = 0
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.service = service
        self.spans = spans


def check_count(count: int, limit: int, what: str) -> None:
    """See that an export does not have too much of something.

    Raises:
        ExportError: it has.
    """
    if count > limit:
        raise ExportError(
            f"the export is too large: there are more than {limit:,} {what} in it: send less at once", Reason.MESSAGES
        )
