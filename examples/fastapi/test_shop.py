import pytest

KINDS = ["/on-the-loop", "/on-a-worker-thread", "/in-an-executor"]


@pytest.mark.parametrize("path", KINDS)
def test_the_cpu_of_a_request_is_in_its_span_wherever_it_runs(shop, span_profiles, path):
    span = span_profiles.linked_span(shop.get(path))

    assert span.flamegraph.share("rank") > 0.5


def test_work_after_the_answer_is_in_a_span_of_its_own(shop, span_profiles):
    response = shop.get("/afterwards")

    span = span_profiles.find('{ name = "BackgroundTask write_report" && resource.service.name = "shop" }')
    linked = span_profiles.linked_span(span)

    assert linked.trace_id == response.request.headers["traceparent"].split("-")[1]
    assert linked.flamegraph.share("add_up") > 0.5


def test_a_request_that_waits_has_no_cpu_and_is_no_fault(shop, span_profiles):
    span_profiles.waiting_span(shop.get("/waits"))


def test_the_doctor_finds_nothing_broken(shop, span_profiles, span_profiles_doctor):
    span_profiles.linked_span(shop.get("/on-a-worker-thread"))

    assert span_profiles_doctor("shop").broken is None


def test_with_the_official_processor_the_doctor_names_where_the_cpu_went(
    official_shop, span_profiles, span_profiles_doctor
):
    for _ in range(4):
        for path in ("/on-a-worker-thread", "/in-an-executor"):
            last = official_shop.get(path)
    with pytest.raises(AssertionError, match=r"without a span|rank"):  # the event loop's own samples may be linked
        assert span_profiles.linked_span(last).flamegraph.share("rank") > 0.5

    broken = span_profiles_doctor("official-shop").broken

    assert broken.hop == "sample labels"
    assert any("rank" in sentence for sentence in broken.evidence)
    assert "SpanProfileProcessor" in broken.advice
