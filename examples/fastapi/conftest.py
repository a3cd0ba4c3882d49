import sys

import pytest

COMMAND = [sys.executable, "shop.py", "{port}"]


@pytest.fixture(scope="session")
def shop(span_profiles_app):
    return span_profiles_app(COMMAND, ready="/health", environment={"OTEL_SERVICE_NAME": "shop"})


@pytest.fixture(scope="session")
def official_shop(span_profiles_app):
    environment = {"OTEL_SERVICE_NAME": "official-shop", "SHOP_PROCESSOR": "official"}
    return span_profiles_app(COMMAND, ready="/health", environment=environment)
