"""The command that runs a region of the rideshare app."""

from __future__ import annotations

import sys

RIDESHARE = [sys.executable, "-m", "gunicorn", "-c", "python:rideshare.gunicorn_config", "rideshare.app:create_app()"]
