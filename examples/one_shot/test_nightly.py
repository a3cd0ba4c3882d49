import sys

import pytest

COMMAND = [sys.executable, "nightly.py"]


def test_the_nightly_report_spends_its_cpu_adding_up_sales(span_profiles_job, span_profiles):
    span_profiles_job(COMMAND, environment={"OTEL_SERVICE_NAME": "nightly"})

    span = span_profiles.find('{ name = "nightly report" && resource.service.name = "nightly" }')

    assert span_profiles.linked_span(span).flamegraph.share("add_up_sales") > 0.8


def test_of_a_job_that_ends_in_a_hurry_the_profile_is_lost_and_the_doctor_says_so(
    span_profiles_job, span_profiles, span_profiles_doctor
):
    hurried = {"OTEL_SERVICE_NAME": "hurried", "NIGHTLY_ENDS": "in a hurry", "PYROSCOPE_UPLOAD_INTERVAL": "60"}
    span_profiles_job(COMMAND, environment=hurried)

    span = span_profiles.find('{ resource.service.name = "hurried" }')
    with pytest.raises(AssertionError, match="Pyroscope has no profile of 'hurried'"):
        span_profiles.linked_span(span)

    assert span_profiles_doctor("hurried").broken.hop == "profiles"
