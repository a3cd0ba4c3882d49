"""Starts the cinema for the tests. The judge puts a file of its own in this one's place: leave it as it is."""

import os
import sys

import pytest


@pytest.fixture(scope="session")
def cinema(span_profiles_app):
    program = os.environ.get("CINEMA", "broken") + "/cinema.py"
    environment = {"OTEL_SERVICE_NAME": "cinema", "PORT": "{port}"}
    return span_profiles_app([sys.executable, program], ready="/health", environment=environment)
