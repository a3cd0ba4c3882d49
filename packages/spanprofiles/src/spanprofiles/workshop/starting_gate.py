"""A plugin of pytest that holds the tests until a file is there: all that comes before them is done by then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

GATE_VARIABLE = "SPAN_PROFILES_WORKSHOP_GATE"
"""Names the file."""

_LOOK_EVERY_S = 0.02


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Wait until the gate is open."""
    gate = Path(os.environ[GATE_VARIABLE])
    while not gate.exists():
        time.sleep(_LOOK_EVERY_S)
