"""The HTTP server's connections: uploads that it refuses by itself, for their size, are noted as well."""

from __future__ import annotations

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from spanprofiles.embedded.arrivals import signal_of
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Sender

TOO_LARGE = 413


def noting_channel(refusals: Refusals) -> type[HTTPChannel]:
    """A class of connections that notes the uploads which are too large."""

    class NotingTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
        def execute(self) -> None:
            super().execute()
            error, path = self.request.error, str(getattr(self.request, "path", ""))
            found = signal_of(path)
            if found is not None and error.code == TOO_LARGE:
                agent = str(self.request.headers.get("USER_AGENT", ""))
                message = f"the body is too large: {error.body}"
                peer = str(self.channel.addr[0])
                refusals.note(Refusal(*found, Reason.BODY_SIZE, message, Sender(peer, agent)))

    class NotingChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        error_task_class = NotingTask

    return NotingChannel
