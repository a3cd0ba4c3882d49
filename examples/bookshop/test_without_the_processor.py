import sys

import pytest


@pytest.fixture(scope="session")
def bare_shop(span_profiles_app):
    command = [sys.executable, "bookshop.py", "{port}"]
    environment = {"OTEL_SERVICE_NAME": "bare-bookshop", "BOOKSHOP_WITHOUT_PROCESSOR": "1"}
    return span_profiles_app(command, ready="/health", environment=environment)


def test_without_the_span_processor_the_doctor_says_which_line_is_missing(
    bare_shop, span_profiles, span_profiles_doctor
):
    response = bare_shop.get("/search?title=wite+wale")
    with pytest.raises(AssertionError, match="no local root span"):
        span_profiles.linked_span(response)

    span_profiles.find('{ resource.service.name = "bare-bookshop" }')  # the doctor searches, which Tempo answers later

    broken = span_profiles_doctor("bare-bookshop").broken

    assert broken.hop == "profile ID"
    assert "PyroscopeSpanProcessor()" in broken.advice
