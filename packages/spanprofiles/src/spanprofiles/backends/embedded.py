"""The embedded pair as a backend: its own process on free ports, whose data goes when it is stopped."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.processes import ManagedProcess, ProcessFailedError
from spanprofiles.model import Endpoints
from spanprofiles.model.printable import LONGEST_LINE, printable

logger = logging.getLogger("spanprofiles.backends")

_READY = "ready"
_REFUSED = re.compile(r"(?<= )refused (?:an?|[0-9]+) (?:export|profile upload)s? \(.*")
_START_S = 20.0


@dataclass(frozen=True)
class EmbeddedPorts:
    """The ports of the pair on 127.0.0.1; 0 takes a free one."""

    tempo: int = 0
    otlp_http: int = 0
    pyroscope: int = 0


def _pass_on(line: str) -> None:
    """Log what the pair says about uploads that it refused, since nobody else reads its output while it runs."""
    refused = _REFUSED.search(line)
    if refused:
        logger.warning("the embedded pair %s", printable(refused[0], LONGEST_LINE))


class EmbeddedBackend(Backend):
    """Runs ``spanprofiles serve``.

    Args:
        ports: where it listens.
        data_directory: where it keeps its data; None for a temporary folder.
        options: further options of ``spanprofiles serve``.
    """

    name = "embedded"

    def __init__(
        self, ports: EmbeddedPorts | None = None, data_directory: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        ports = ports or EmbeddedPorts()
        command = [sys.executable, "-m", "spanprofiles", "serve"]
        command += ["--tempo-port", str(ports.tempo), "--otlp-http-port", str(ports.otlp_http)]
        command += ["--pyroscope-port", str(ports.pyroscope)]
        if data_directory is not None:
            command += ["--data-dir", str(data_directory)]
        self._command = [*command, *options]
        self.process = self._not_started()

    def _not_started(self) -> ManagedProcess:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        return ManagedProcess("the embedded pair", self._command, environment=environment, heed=_pass_on)

    def launch(self) -> None:
        """Start the process and return at once; :meth:`start` waits for it.

        Raises:
            BackendError: it cannot be started.
        """
        try:
            self.process.start()
        except ProcessFailedError as error:
            raise BackendError(str(error)) from error

    def start(self) -> Endpoints:
        """Start it if it does not run yet, and return when it is ready.

        Raises:
            BackendError: it ended or did not get ready.
        """
        if not self.process.pid:
            self.launch()
        try:
            lines = self.process.wait_for_line(lambda line: line == _READY, _START_S)
        except ProcessFailedError as error:
            self.stop()
            raise BackendError(str(error)) from error
        announced = dict(line.split(maxsplit=1) for line in lines if "://" in line)
        return Endpoints(
            tempo=announced["tempo"],
            pyroscope=announced["pyroscope"],
            otlp_http=announced["otlp-http"],
            queryable_after_s=0.0,  # it answers a push when the samples are stored
            searchable_after_s=0.0,
        )

    def check_running(self) -> None:
        """Return unless the process has ended by itself, as it does when somebody removes its data.

        Raises:
            BackendError: it has.
        """
        if self.process.pid and not self.process.is_running:
            raise BackendError(str(self.process.failure("ended")))

    def stop(self) -> None:
        """Stop the process; :meth:`start` then starts another."""
        self.process.stop()
        self.process = self._not_started()
