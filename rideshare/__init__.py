"""Rideshare: a small ride ordering service whose CPU time is worth looking at.

One process serves one region. Start one under gunicorn with

    RIDESHARE_REGION=eu-north RIDESHARE_BIND=127.0.0.1:5001 \
    gunicorn -c python:rideshare.gunicorn_config "rideshare.app:create_app()"

and order with ``curl http://127.0.0.1:5001/bike``. ``rideshare.settings`` lists the variables of the app,
``rideshare.telemetry`` those of traces and profiles, ``rideshare.routes`` what can be asked, and ``rideshare.faults``
what can be broken on purpose.
"""

from __future__ import annotations

__version__ = "0.1.0"
