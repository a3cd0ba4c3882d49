def test_a_search_spends_its_cpu_comparing_titles(shop, span_profiles):
    response = shop.get("/search?title=wite+wale")

    span = span_profiles.linked_span(response)

    assert span.profile_id == span.span_id
    assert span.flamegraph.share("edit_distance") > 0.5
