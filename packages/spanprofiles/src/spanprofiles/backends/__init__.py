"""Backends: each starts or finds Tempo and Pyroscope, gives their endpoints, and stops what it started."""

from __future__ import annotations

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.backends.embedded import EmbeddedBackend
from spanprofiles.backends.external import ExternalBackend
from spanprofiles.backends.native import NativeBackend
from spanprofiles.backends.processes import ManagedProcess, ProcessFailedError
from spanprofiles.backends.settings import BACKEND_NAMES, BackendSettings

__all__ = [
    "BACKEND_NAMES",
    "Backend",
    "BackendError",
    "BackendSettings",
    "EmbeddedBackend",
    "ExternalBackend",
    "ManagedProcess",
    "NativeBackend",
    "ProcessFailedError",
]
