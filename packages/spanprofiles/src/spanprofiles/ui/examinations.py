"""What the doctor's page shows: examinations, kept for a moment, with the checks that a person asked for."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.doctor import Examination, Finding, SeveralServicesError, Verdict, examine
from spanprofiles.doctor.collectors.grafana import data_sources
from spanprofiles.doctor.hops import probe as probe_hop
from spanprofiles.doctor.observations import GrafanaFacts
from spanprofiles.linking.grafana import DataSources, SettingsError, read_data_sources
from spanprofiles.model import Credentials, Endpoints
from spanprofiles.model.addresses import shown_address, unreadable_address
from spanprofiles.ui.formats import clock

#: How far back a person can look: by the parameter of the address, s and words.
WINDOWS = {
    "5m": (300.0, "5 min"),
    "15m": (900.0, "15 min"),
    "1h": (3600.0, "1 h"),
    "6h": (6 * 3600.0, "6 h"),
    "20h": (20 * 3600.0, "20 h"),
}
DEFAULT_WINDOW = "5m"

_LASTS_S = 4.0
_PROBE_TIMEOUT_S = 8.0
_TIMEOUT_S = (1.0, 5.0)
_USUAL_TEMPO, _USUAL_RECEIVER = "http://127.0.0.1:3200", "http://127.0.0.1:4318"
_PASTED = "the pasted settings"


class CheckError(ValueError):
    """A check cannot be made; the message says why."""


@dataclass(frozen=True)
class GrafanaSettings:
    """Settings of Grafana that a person gave.

    Attributes:
        name: where they are from.
        sources: its data sources.
    """

    name: str
    sources: DataSources


class Examinations:
    """Examines services, and keeps what it found for a moment, so that several open pages do not add up.

    Safe to use from several threads.

    Args:
        endpoints: the backend's addresses.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._known: dict[tuple[str, str], tuple[float, Examination]] = {}
        self._probed: Finding | None = None
        self._grafana: GrafanaSettings | None = None
        self._lock = Lock()

    @property
    def grafana(self) -> str:
        """Where the checked settings of Grafana are from; empty where there are none."""
        return self._grafana.name if self._grafana else self._endpoints.grafana

    @property
    def receiver(self) -> str:
        """Where apps send OTLP/HTTP traces; empty where that is unknown."""
        usual = _USUAL_RECEIVER if self._endpoints.tempo == _USUAL_TEMPO else ""
        return self._endpoints.otlp_http or usual

    def look(self, service: str, window: str) -> Examination:
        """Examine a service, or return what was found a moment ago, with the last probe and the settings given.

        That a server does not answer is kept for as long as it took to find out, so that not each page waits for a
        server that hangs.

        Args:
            service: its name.
            window: a key of :data:`WINDOWS`.
        """
        with self._lock:
            until_s, found = self._known.get((service, window), (0.0, None))
            if found is None or time.monotonic() >= until_s:
                sources = self._grafana.sources if self._grafana else None
                since_s, _ = WINDOWS[window]
                began_s = time.monotonic()
                found = _examine(self._endpoints, service, since_s=since_s, sources=sources)
                now_s = time.monotonic()
                lasts_s = _LASTS_S if found.could_look else max(_LASTS_S, now_s - began_s)
                self._known = {(service, window): (now_s + lasts_s, found)}
        return found if self._probed is None else _with_probe(found, self._probed)

    def probe(self, service: str, receiver: str) -> None:
        """Send a synthetic span and profile, read them back, and remember what came of it.

        Args:
            service: the service that is examined.
            receiver: where apps send OTLP/HTTP traces; empty for the known address.

        Raises:
            CheckError: not an address, or this page's credentials must not go to it, or the servers are not ready.
        """
        endpoints = replace(self._endpoints, otlp_http=self._receiver(receiver), grafana="")
        examination = _examine(endpoints, service, probe=True, probe_timeout_s=_PROBE_TIMEOUT_S)
        finding = examination.finding(probe_hop.HOP.name)
        if finding.verdict is Verdict.NOT_CHECKED:
            raise CheckError("nothing was sent: a server is not ready, as the first row says")
        at = f"asked at {clock(time.time_ns())[:-2]}"
        self._probed = replace(finding, evidence=(*finding.evidence, at))

    def check_grafana(self, address: str, token: str) -> None:
        """Take the data sources of a Grafana, which does not get this page's credentials.

        Raises:
            CheckError: that is not an address, or it does not give its data sources.
        """
        try:
            credentials = Credentials(bearer_token=token)
        except ValueError as error:
            raise CheckError(str(error)) from error
        with GrafanaClient(_address(address), credentials, _TIMEOUT_S) as client:
            found = data_sources(client)
        if isinstance(found, GrafanaFacts):
            raise CheckError(found.error)
        self._take(GrafanaSettings(shown_address(address), found))

    def check_settings(self, text: str) -> None:
        """Take the data sources of a provisioning file, or of what Grafana's API answers.

        Variables of the environment stay empty: they would be Grafana's, and this page's are secret.

        Raises:
            CheckError: they cannot be read; the message says where.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pasted.yaml"
            path.write_text(text, "utf-8")
            try:
                found = read_data_sources([path], {})
            except SettingsError as error:
                raise CheckError(str(error).replace(str(path), _PASTED)) from error
        self._take(GrafanaSettings(_PASTED, found))

    def forget_grafana(self) -> None:
        """Forget the settings that a person gave; those of the Grafana that the page was started with stay."""
        self._take(None)

    def _take(self, settings: GrafanaSettings | None) -> None:
        with self._lock:
            self._grafana = settings
            self._known = {}

    def _receiver(self, asked: str) -> str:
        if not asked.strip():
            return self.receiver
        address = _address(asked)
        own = {urlsplit(url).hostname for url in (self._endpoints.tempo, self._endpoints.pyroscope, self.receiver)}
        if self._endpoints.credentials.as_headers() and urlsplit(address).hostname not in own:
            raise CheckError(
                "this page sends its credentials to the servers that it was started with, and"
                f" {shown_address(address)} is none of them: start it with SPAN_PROFILES_OTLP_URL set to that address"
            )
        return address


def _examine(endpoints: Endpoints, service: str, **options: Any) -> Examination:
    """Examine a service: the first one where there are several and none was chosen."""
    try:
        return examine(endpoints, service=service, **options)
    except SeveralServicesError as error:
        return examine(endpoints, service=error.services[0], **options)


def _address(text: str) -> str:
    """Read an address.

    Raises:
        CheckError: it is none.
    """
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise CheckError(f"{unreadable_address(text)!r} is not an address: http://127.0.0.1:3000 would be one")
    return text.strip().rstrip("/")


def _with_probe(examination: Examination, probed: Finding) -> Examination:
    """Add what the last probe found, unless this examination has sent one."""
    is_open = examination.finding(probed.hop).verdict is Verdict.NOT_CHECKED
    return examination.with_finding(probed) if is_open else examination
