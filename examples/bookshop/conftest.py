import sys

import pytest


@pytest.fixture(scope="session")
def shop(span_profiles_app):
    command = [sys.executable, "bookshop.py", "{port}"]
    return span_profiles_app(command, ready="/health", environment={"OTEL_SERVICE_NAME": "bookshop"})
