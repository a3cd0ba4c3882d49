import re
import sys

import grpc
import pytest

from spanprofiles import TraceContext

COMMAND = [sys.executable, "greeter.py", "{address}"]
SERVING = re.compile("serving")


def greet(app):
    """Call the server in a trace of the test's own, and return the trace's context."""
    context = TraceContext.new()
    with grpc.insecure_channel(app.address) as channel:
        call = channel.unary_unary("/Greeter/Greet")
        assert call(b"world", metadata=[("traceparent", context.traceparent)], timeout=30) == b"hello world"
    return context


@pytest.fixture(scope="session")
def greeter(span_profiles_app):
    return span_profiles_app(COMMAND, ready=SERVING, environment={"OTEL_SERVICE_NAME": "greeter"})


@pytest.fixture(scope="session")
def careless_greeter(span_profiles_app):
    environment = {"OTEL_SERVICE_NAME": "careless-greeter", "GREETER_CARRIES": "nothing"}
    return span_profiles_app(COMMAND, ready=SERVING, environment=environment)


def test_a_call_spends_its_cpu_composing_the_greeting(greeter, span_profiles):
    assert span_profiles.linked_span(greet(greeter)).flamegraph.share("compose_greeting") > 0.5


def test_work_that_is_not_carried_to_its_thread_is_named_by_the_doctor(
    careless_greeter, span_profiles, span_profiles_doctor
):
    calls = [greet(careless_greeter) for _ in range(5)]
    with pytest.raises(AssertionError, match="compose_greeting"):
        span_profiles.linked_span(calls[-1])

    broken = span_profiles_doctor("careless-greeter").broken

    assert broken.hop == "sample labels"
    assert any("compose_greeting" in sentence for sentence in broken.evidence)
    assert "carry(function)" in broken.advice
