"""Finds the demo's app and its load: in the wheel, or at the root of the repository."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from spanprofiles.demo.errors import DemoError

_PACKAGES = ("rideshare", "loadgen")
_NEEDED = ("gunicorn", "flask", "pyroscope", "locust")


def city_folder() -> Path:
    """Return the folder in which ``rideshare`` and ``loadgen`` can be imported.

    Raises:
        DemoError: they are not there, or a package that they need is not installed.
    """
    here = Path(__file__)
    in_the_wheel, repository = here.with_suffix(""), here.parents[5]
    for folder in (in_the_wheel, repository):
        if all((folder / name / "__init__.py").is_file() for name in _PACKAGES):
            break
    else:
        raise DemoError("the demo's app is not part of this installation: install the package from its wheel")
    for module in _NEEDED:
        if find_spec(module) is None:
            raise DemoError(f"the demo needs the package {module}: pip install 'spanprofiles[demo]'")
    return folder
