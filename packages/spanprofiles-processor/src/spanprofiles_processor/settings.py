"""The settings of the environment: the processor's three options, and what starts the profiling agent.

The options have the names, the values and the defaults of Grafana's extension of OpenTelemetry's Java agent, so a fleet
of both languages needs one set of variables.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pyroscope
from opentelemetry.sdk.resources import Resource

START_PROFILING = "OTEL_PYROSCOPE_START_PROFILING"
ROOT_SPAN_ONLY = "OTEL_PYROSCOPE_ROOT_SPAN_ONLY"
ADD_SPAN_NAME = "OTEL_PYROSCOPE_ADD_SPAN_NAME"

SERVER_ADDRESS = "PYROSCOPE_SERVER_ADDRESS"
UPLOAD_INTERVAL = "PYROSCOPE_UPLOAD_INTERVAL"

DEFAULT_SERVER_ADDRESS = "http://localhost:4040"
"""Pyroscope's own port, and the default of its agents in Java and Python."""

DEFAULT_UPLOAD_INTERVAL_S = 10
LONGEST_UPLOAD_INTERVAL_S = 3600

UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry calls a service that nobody named."""

TAGS_FROM_RESOURCE = {
    "service.namespace": "service_namespace",
    "service.version": "service_version",
    "deployment.environment": "deployment_environment",
    "deployment.environment.name": "deployment_environment",
    "region": "region",
    "cloud.region": "cloud_region",
    "host.name": "hostname",
    "k8s.cluster.name": "cluster",
    "k8s.namespace.name": "namespace",
    "k8s.pod.name": "pod",
    "k8s.container.name": "container",
    "vcs.repository.url.full": "service_repository",
    "vcs.ref.head.revision": "service_git_ref",
}
"""Which resource attribute becomes which tag of the profiles. Each tag has few values in one process's life: every
combination of values is a series of its own in Pyroscope."""

_SHOWN_CHARACTERS = 40
"""How much of a value that cannot be used is repeated in the log."""

_logger = logging.getLogger(__name__)


def option(variable: str, argument: bool | None) -> bool:
    """Return an option: the argument if there is one, else the environment's, else true, the default of all three.

    As OpenTelemetry has it, the words are ``true`` and ``false`` in any case, and an empty value is none. Any other
    value is logged as a warning, and the default stands: telemetry must not keep an app from starting.

    Args:
        variable: The name of the environment variable.
        argument: What the app's own code says, or None.
    """
    if argument is not None:
        return bool(argument)
    value = os.environ.get(variable, "").strip()
    if value.lower() in {"", "true"}:
        return True
    if value.lower() == "false":
        return False
    _logger.warning("%s is %s; it must be true or false. The default, true, is taken.", variable, _shown(value))
    return True


@dataclass(frozen=True)
class AgentSettings:
    """What the profiling agent is started with.

    Attributes:
        server_address: Where profiles go, a URL.
        application_name: The profiles' ``service_name``; None for the resource's ``service.name``.
        upload_interval_s: Seconds between uploads.
        basic_auth_user: For servers that ask for it, as are the next two.
        basic_auth_password: Never shown.
        tenant_id: The value of ``X-Scope-OrgID``.
    """

    server_address: str = DEFAULT_SERVER_ADDRESS
    application_name: str | None = None
    upload_interval_s: int = DEFAULT_UPLOAD_INTERVAL_S
    basic_auth_user: str = ""
    basic_auth_password: str = field(default="", repr=False)
    tenant_id: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> AgentSettings:
        """Read the settings from ``environment``, the process's own by default.

        Raises:
            ValueError: The server's address cannot be used. The message names the variable and no part of the value,
                which may hold a password.
        """
        source = os.environ if environment is None else environment
        return cls(
            server_address=_server_address(source.get(SERVER_ADDRESS, "").strip() or DEFAULT_SERVER_ADDRESS),
            application_name=source.get("PYROSCOPE_APPLICATION_NAME", "").strip() or None,
            upload_interval_s=_upload_interval_s(source.get(UPLOAD_INTERVAL, "").strip()),
            basic_auth_user=source.get("PYROSCOPE_BASIC_AUTH_USER", ""),
            basic_auth_password=source.get("PYROSCOPE_BASIC_AUTH_PASSWORD", ""),
            tenant_id=source.get("PYROSCOPE_TENANT_ID", ""),
        )

    def for_agent(self, resource: Resource) -> dict[str, object]:
        """Return the arguments of ``pyroscope.configure``.

        Args:
            resource: Who is speaking. Its ``service.name`` and the attributes of ``TAGS_FROM_RESOURCE`` go into the
                profiles.
        """
        attributes = resource.attributes
        return {
            "application_name": self.application_name or str(attributes.get("service.name") or UNKNOWN_SERVICE),
            "server_address": self.server_address,
            "upload_interval": self.upload_interval_s,
            "basic_auth_username": self.basic_auth_user,
            "basic_auth_password": self.basic_auth_password,
            "tenant_id": self.tenant_id,
            "tags": {tag: str(attributes[name]) for name, tag in TAGS_FROM_RESOURCE.items() if attributes.get(name)},
        }


def start_agent(resource: Resource) -> bool:
    """Start the profiling agent in this process by the environment, and tell whether it runs."""
    try:
        settings = AgentSettings.from_environment()
    except ValueError as error:
        _logger.error("%s", error)  # noqa: TRY400 - the user's mistake, and no place in any code
        return False
    arguments: dict[str, object] = settings.for_agent(resource)
    return bool(pyroscope.configure(**arguments))  # type: ignore[arg-type] # one type for all the values


def _server_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and not re.search(r"[^!-~]", value)
        usable = parts.scheme in {"http", "https"} and has_host and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{SERVER_ADDRESS} must be a URL, such as {DEFAULT_SERVER_ADDRESS}")
    return value


def _upload_interval_s(value: str) -> int:
    # Java's agent takes a unit, and shares its environment.
    found = re.fullmatch(r"([0-9]{1,4})s?", value)
    if found and 1 <= int(found[1]) <= LONGEST_UPLOAD_INTERVAL_S:
        return int(found[1])
    if value:
        _logger.warning(
            "%s is %s; it must be a whole number of seconds from 1 to %d. The default, %d, is taken.",
            UPLOAD_INTERVAL,
            _shown(value),
            LONGEST_UPLOAD_INTERVAL_S,
            DEFAULT_UPLOAD_INTERVAL_S,
        )
    return DEFAULT_UPLOAD_INTERVAL_S


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}...")
