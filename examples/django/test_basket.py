import sys

import pytest

COMMAND = [sys.executable, "-m", "gunicorn", "--bind", "{address}", "basket:application"]
UNTRACED = {"OTEL_PYTHON_DJANGO_EXCLUDED_URLS": "health"}


@pytest.fixture(scope="session")
def basket(span_profiles_app):
    return span_profiles_app(COMMAND, ready="/health", environment={"OTEL_SERVICE_NAME": "basket", **UNTRACED})


@pytest.fixture(scope="session")
def basket_without_processor(span_profiles_app):
    environment = {"OTEL_SERVICE_NAME": "bare-basket", "BASKET_PROCESSOR": "none", **UNTRACED}
    return span_profiles_app(COMMAND, ready="/health", environment=environment)


def test_a_basket_spends_its_cpu_on_prices(basket, span_profiles):
    assert span_profiles.linked_span(basket.get("/basket")).flamegraph.share("price_basket") > 0.8


def test_without_the_span_processor_the_doctor_says_which_line_is_missing(
    basket_without_processor, span_profiles, span_profiles_doctor
):
    response = basket_without_processor.get("/basket")
    with pytest.raises(AssertionError, match="no local root span"):
        span_profiles.linked_span(response)

    span_profiles.find('{ resource.service.name = "bare-basket" }')  # the doctor searches, which Tempo answers later

    broken = span_profiles_doctor("bare-basket").broken

    assert broken.hop == "profile ID"
    assert "PyroscopeSpanProcessor()" in broken.advice
