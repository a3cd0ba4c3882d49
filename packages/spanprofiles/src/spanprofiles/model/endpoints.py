"""Where a backend answers, and the environment variables that tell an app so."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from spanprofiles.model.addresses import without_login

#: Upload interval an app under test is given, s. The agent's default of 10 is what a reader would wait for.
UPLOAD_INTERVAL_S = 1

#: How long Pyroscope may take to find samples that it has accepted, s: 0.5 at most was measured of 2.2.1.
QUERYABLE_AFTER_S = 0.5

#: How long Tempo's search may take to find a span that it has accepted, s: 1 was measured of a Tempo tuned as here.
SEARCHABLE_AFTER_S = 5.0


# what an HTTP field value may hold: visible ASCII and Latin-1, spaces and tabs inside
_HEADER_TEXT = re.compile(r"([!-~\xa1-\xff]([\t -~\xa0-\xff]*[!-~\xa1-\xff])?)?")


@dataclass(frozen=True)
class Credentials:
    """How to authenticate with a backend. All are optional, and can be combined.

    Attributes:
        username: for HTTP basic auth, with ``password``.
        password: for HTTP basic auth.
        bearer_token: for ``Authorization: Bearer``; excludes ``username``.
        tenant: for ``X-Scope-OrgID``, by which Tempo and Pyroscope tell tenants apart.
        headers: further headers, sent as they are.
        verify_tls: False accepts any certificate; a path names a file of trusted certificates.

    Raises:
        ValueError: there are two ways to authenticate, or a text that no header can carry.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    tenant: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify_tls: bool | str = True

    def __post_init__(self) -> None:
        if self.username and self.bearer_token:
            raise ValueError("give a user name and password, or a bearer token, not both")
        for what, text in (("bearer token", self.bearer_token), ("tenant", self.tenant), *self.headers.items()):
            if not _HEADER_TEXT.fullmatch(text):  # the message must not repeat it: it may be a secret
                raise ValueError(f"the {what} has a line break or a character that no HTTP header can carry")

    @property
    def identifies(self) -> bool:
        """Whether they authenticate: by a user name, a bearer token, or a header."""
        return bool(self.username or self.bearer_token) or any(name.lower() == "authorization" for name in self.headers)

    def as_headers(self) -> dict[str, str]:
        """Return the headers that carry the credentials."""
        headers = dict(self.headers)
        if self.tenant:
            headers["X-Scope-OrgID"] = self.tenant
        if self.bearer_token:
            headers["Authorization"] = f"Bearer {self.bearer_token}"
        elif self.username or self.password:  # some services take a token alone, in the place of either
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers


@dataclass(frozen=True)
class Endpoints:
    """The addresses of one backend, without slashes at the end.

    A user name and password in a given address are taken out, since people see addresses, and are kept for
    :meth:`credentials_for`.

    Attributes:
        tempo: Tempo's query API, such as ``http://127.0.0.1:3200``.
        pyroscope: Pyroscope's API, for queries and pushes, such as ``http://127.0.0.1:4040``.
        otlp_http: the address for OTLP/HTTP traces, without ``/v1/traces``; empty if nothing is sent from here.
        grafana: Grafana's address, or empty.
        credentials: for all of them.
        queryable_after_s: how long samples may stay hidden after their push was answered, s.
        searchable_after_s: how long a new trace may stay hidden from a search, s.
        logins: the addresses that had a user name and password, each with the two, by the name of the attribute.
    """

    tempo: str
    pyroscope: str
    otlp_http: str = ""
    grafana: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    queryable_after_s: float = QUERYABLE_AFTER_S
    searchable_after_s: float = SEARCHABLE_AFTER_S
    logins: Mapping[str, tuple[str, str, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        logins = dict(self.logins)
        for name in ("tempo", "pyroscope", "otlp_http", "grafana"):
            url, login = without_login(getattr(self, name))
            object.__setattr__(self, name, url)
            if login is not None:
                logins[name] = (url, *login)
        object.__setattr__(self, "logins", logins)

    def credentials_for(self, name: str) -> Credentials:
        """Return the credentials for an address: the given ones, or else those that were in the address.

        Args:
            name: ``tempo``, ``pyroscope``, ``otlp_http`` or ``grafana``.
        """
        address, username, password = self.logins.get(name, ("", "", ""))
        if not address or address != getattr(self, name) or self.credentials.identifies:
            return self.credentials  # another address was put in its place: it is not to get the password
        return replace(self.credentials, username=username, password=password)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make an app send its telemetry here, quickly.

        Every OpenTelemetry SDK reads the ``OTEL_*`` variables. The agents of most languages and the demo app read the
        ``PYROSCOPE_*`` variables. Intervals are short, so that a test waits for one second instead of ten.
        """
        environment = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": "200",  # ms
            "PYROSCOPE_SERVER_ADDRESS": self.pyroscope,
            "PYROSCOPE_UPLOAD_INTERVAL": str(UPLOAD_INTERVAL_S),
        }
        if self.otlp_http:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = self.otlp_http
        headers = self.credentials_for("otlp_http").as_headers()
        if headers:
            pairs = (f"{quote(name)}={quote(value)}" for name, value in headers.items())
            environment["OTEL_EXPORTER_OTLP_HEADERS"] = ",".join(pairs)
        profiles = self.credentials_for("pyroscope")
        if profiles.username:
            environment["PYROSCOPE_BASIC_AUTH_USER"] = profiles.username
            environment["PYROSCOPE_BASIC_AUTH_PASSWORD"] = profiles.password
        if self.credentials.tenant:
            environment["PYROSCOPE_TENANT_ID"] = self.credentials.tenant
        return environment
