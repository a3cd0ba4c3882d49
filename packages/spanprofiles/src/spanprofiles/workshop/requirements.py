"""The packages that the exercises need, and the package itself does not."""

from __future__ import annotations

from importlib.util import find_spec

from spanprofiles.workshop.errors import WorkshopError

_NEEDED = (
    "flask",
    "fastapi",
    "gunicorn",
    "pyroscope",
    "pyroscope.otel",
    "spanprofiles_processor",
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.instrumentation.flask",
    "uvicorn",
)


def check_installed() -> None:
    """Check that the packages of the exercises are installed.

    Raises:
        WorkshopError: one is not.
    """
    for module in _NEEDED:
        try:
            found = find_spec(module)
        except ImportError:  # of a package that it would be in
            found = None
        if found is None:
            raise WorkshopError(f"the exercises need the package {module}: pip install 'spanprofiles[workshop]'")
