"""Which backend to use, from options and ``SPAN_PROFILES_*`` environment variables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import unquote, urlsplit

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.embedded import EmbeddedBackend
from spanprofiles.backends.external import ExternalBackend
from spanprofiles.backends.native import NativeBackend
from spanprofiles.model import Credentials, Endpoints
from spanprofiles.model.addresses import shown_address, unreadable_address
from spanprofiles.model.endpoints import QUERYABLE_AFTER_S

_SEARCHABLE_AFTER_S = 35.0  # of a Tempo with its default settings: 30 s were measured
_PREFIX = "SPAN_PROFILES_"


@dataclass(frozen=True)
class BackendSettings:
    """The settings of a backend. Each field is also the environment variable ``SPAN_PROFILES_<FIELD>``.

    Attributes:
        backend: ``auto`` is ``external`` if an address of Tempo or Pyroscope is given, else ``embedded``.
        tempo_url: Tempo's query address, for ``external``.
        pyroscope_url: Pyroscope's address, for ``external``.
        otlp_url: where the app under test sends OTLP/HTTP traces, for ``external``.
        grafana_url: Grafana's address, if there is one.
        username: for basic auth.
        password: for basic auth.
        token: bearer token.
        tenant: ``X-Scope-OrgID``.
        headers: further headers for both servers, as ``name=value`` with commas between them, percent-encoded.
        ca_file: file of certificates to trust instead of the system's.
        queryable_after: how long samples may stay hidden after their push was answered, s. A distant server may need
            more than the half second that was measured with Pyroscope.
        searchable_after: how long a new trace may stay hidden from Tempo's search, s. By default Tempo leaves the last
            half minute out.
    """

    backend: str = "auto"
    tempo_url: str = field(default="", repr=False)  # may have a password in it, as the others may
    pyroscope_url: str = field(default="", repr=False)
    otlp_url: str = field(default="", repr=False)
    grafana_url: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tenant: str = ""
    headers: str = field(default="", repr=False)
    ca_file: str = ""
    queryable_after: str = f"{QUERYABLE_AFTER_S:g}"
    searchable_after: str = f"{_SEARCHABLE_AFTER_S:g}"

    @classmethod
    def read(cls, environment: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> BackendSettings:
        """Read the settings from the environment, and override them with the given options.

        Raises:
            BackendError: the backend is unknown, an address is not an http address, or the credentials cannot be sent.
        """
        # an empty variable is one that is not set, as for OpenTelemetry's own
        values = {
            setting.name: environment.get(_PREFIX + setting.name.upper()) or setting.default for setting in fields(cls)
        }
        values |= {name: value for name, value in (options or {}).items() if value}
        settings = cls(**{name: str(value) for name, value in values.items()})
        settings._check()
        return settings

    def _check(self) -> None:
        if self.backend not in BACKEND_NAMES:
            raise BackendError(f"there is no backend {self.backend!r}: choose one of {', '.join(BACKEND_NAMES)}")
        for name in ("tempo_url", "pyroscope_url", "otlp_url", "grafana_url"):
            url = getattr(self, name)
            if url and not is_address(url):
                raise BackendError(
                    f"{_PREFIX}{name.upper()}, or its option, is {unreadable_address(url)!r}, which is not an address:"
                    " http://host:port is expected"
                )
            if url and (urlsplit(url).query or urlsplit(url).fragment):
                raise BackendError(
                    f"{_PREFIX}{name.upper()}, or its option, is {shown_address(url)!r}: an address without ? and # is"
                    " expected, since paths are added to it; secrets go into headers"
                )
        if self.ca_file and not Path(self.ca_file).exists():
            raise BackendError(f"{_PREFIX}CA_FILE names {self.ca_file!r}, which is not there")
        for name in ("queryable_after", "searchable_after"):
            text = getattr(self, name)
            if not _is_number_of_seconds(text):
                raise BackendError(f"{_PREFIX}{name.upper()} is {text!r}: a number of seconds from 0 is expected")
        try:
            _ = self.endpoints
        except ValueError as error:
            raise BackendError(str(error)) from error

    @property
    def chosen(self) -> str:
        """The backend's name; never ``auto``."""
        if self.backend != "auto":
            return self.backend
        return "external" if self.tempo_url or self.pyroscope_url else "embedded"

    @property
    def endpoints(self) -> Endpoints:
        """The given addresses, for a backend that runs already."""
        return Endpoints(
            tempo=self.tempo_url.rstrip("/"),
            pyroscope=self.pyroscope_url.rstrip("/"),
            otlp_http=self.otlp_url.rstrip("/"),
            grafana=self.grafana_url.rstrip("/"),
            credentials=Credentials(
                username=self.username,
                password=self.password,
                bearer_token=self.token,
                tenant=self.tenant,
                headers=_pairs(self.headers),
                verify_tls=self.ca_file or True,
            ),
            queryable_after_s=float(self.queryable_after),
            searchable_after_s=float(self.searchable_after),
        )

    def create(self) -> Backend:
        """Return the chosen backend; it is not started yet."""
        return _BACKENDS[self.chosen](self)


def _of_the_engine(name: str) -> Backend:
    try:
        from spanprofiles.backends.compose import ComposeBackend
        from spanprofiles.backends.containers import ContainersBackend
    except ImportError as error:
        raise BackendError(f"the {name} backend needs {error.name}: install spanprofiles[containers]") from error
    return ComposeBackend() if name == "compose" else ContainersBackend()


# How each backend is made of the settings, by its name.
_BACKENDS: dict[str, Callable[[BackendSettings], Backend]] = {
    "embedded": lambda _: EmbeddedBackend(),
    "compose": lambda _: _of_the_engine("compose"),
    "containers": lambda _: _of_the_engine("containers"),
    "native": lambda _: NativeBackend(),
    "external": lambda settings: ExternalBackend(settings.endpoints),
}

BACKEND_NAMES = ("auto", *_BACKENDS)
"""The names by which backends are chosen."""


def _pairs(text: str) -> dict[str, str]:
    """Read ``name=value,name=value``, percent-encoded, the format of OpenTelemetry's variables for headers."""
    pairs = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{_PREFIX}HEADERS has a part that is not name=value")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs


def _is_number_of_seconds(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def is_address(url: str) -> bool:
    """Tell whether a text is an HTTP address."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is none
        return False
