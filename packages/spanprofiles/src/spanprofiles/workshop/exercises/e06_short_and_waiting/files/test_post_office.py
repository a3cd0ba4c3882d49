"""Where the post office spends its time. Neither of these claims can hold, whatever the post office does."""


def test_a_letter_waits_for_the_courier(post_office, span_profiles):
    span = span_profiles.linked_span(post_office.get("/letter"))

    assert span.flamegraph.share("wait_for_courier") > 0.5


def test_a_stamp_is_printed(post_office, span_profiles):
    span = span_profiles.linked_span(post_office.get("/stamp"))

    assert span.flamegraph.share("print_stamp") > 0.5
