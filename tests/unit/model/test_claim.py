"""Figures of a flame graph note what they are compared with, and say how many requests would decide it."""

from __future__ import annotations

import copy
import json
import re

import pytest

from spanprofiles.model import FlameGraph

MS = 1_000_000


def graph(search_ms: int = 90, rest_ms: int = 110) -> FlameGraph:
    return FlameGraph([(("serve", "search"), search_ms * MS), (("serve",), rest_ms * MS)])


def sentences(flamegraph: FlameGraph, requests: int = 1) -> list[str]:
    return [claim.sentence(requests) for claim in flamegraph.claims]


def test_a_share_that_fails_within_its_uncertainty_says_what_would_decide_it() -> None:
    searched = graph()
    assert not searched.share("search") > 0.5
    assert sentences(searched) == [
        "the share of search is 45 % (26 to 66 %), and was compared with 50 %: 20 samples cannot decide that;"
        " about 40 requests like this one would"
    ]


def test_of_many_requests_it_counts_from_all_of_them() -> None:
    searched = graph()
    assert not searched.share("search") > 0.5
    assert sentences(searched, 10)[0].endswith("about 392 requests like these would")


def test_a_share_that_is_far_from_the_bound_needs_no_more_requests() -> None:
    searched = graph()
    assert not searched.share("search") > 0.9
    assert sentences(searched) == ["the share of search is 45 % (26 to 66 %), and was compared with 90 %"]


@pytest.mark.parametrize("holds", [graph().share("search") > 0.2, graph().share("search") <= 0.9])
def test_a_claim_that_holds_holds_as_before(holds: bool) -> None:
    assert holds


@pytest.mark.parametrize("compare", ["__lt__", "__le__", "__gt__", "__ge__"])
def test_every_way_to_compare_is_noted_from_either_side(compare: str) -> None:
    for figure, bound in (("share", 0.4), ("total_of", 80 * MS), ("self_of", 80 * MS)):
        searched, plain = graph(), {"share": 0.45, "total_of": 90 * MS, "self_of": 90 * MS}[figure]
        claimed = getattr(searched, figure)("search")
        assert getattr(claimed, compare)(bound) == getattr(plain, compare)(bound)
        assert [claim.bound for claim in searched.claims] == [bound]
    searched = graph()
    assert 0.6 > searched.share("search") > 0.1
    assert [claim.bound for claim in searched.claims] == [0.6, 0.1]


def test_an_amount_is_compared_in_its_own_unit() -> None:
    searched = graph()
    assert searched.total_of("search") > 80 * MS
    assert sentences(searched)[0].startswith(
        "the total of search is 90 ms (9 samples, 50 to 170 ms), and was compared with 80 ms: 20 samples cannot"
    )
    assert sentences(searched, 2)[0].endswith("requests like these would")


def test_a_bound_that_is_just_the_figure_is_never_decided() -> None:
    searched = graph(100, 100)
    assert not searched.share("search") > 0.5
    assert sentences(searched)[0].endswith("20 samples cannot decide that, nor would a sensible number of requests")


def test_a_part_of_a_flame_graph_notes_its_claims_with_the_whole() -> None:
    searched = graph()
    assert searched.below("search").share("search") > 0.9
    assert [claim.value for claim in searched.claims] == [90 * MS]


def test_each_figure_is_named_with_its_function() -> None:
    searched = graph()
    assert searched.share("search") < 0.9
    assert searched.total_of("search") < 190 * MS
    assert searched.self_of("serve") < 190 * MS
    assert [claim.subject for claim in searched.claims] == [
        "the share of search",
        "the total of search",
        "the own value of serve",
    ]


def test_a_pattern_is_named_by_its_text() -> None:
    searched = graph()
    assert searched.share(re.compile("sea.*")) < 0.9
    assert searched.claims[0].subject == "the share of sea.*"


def test_figures_that_are_compared_with_each_other_have_no_bound() -> None:
    searched = graph()
    assert searched.share("search") < searched.share("serve")
    assert searched.claims == []


def test_what_is_asked_and_not_compared_is_no_claim() -> None:
    searched = graph()
    assert searched.share("search") == pytest.approx(0.45)
    assert f"{searched.share('search'):.0%} {searched.total_of('search')}" == "45% 90000000"
    assert searched.claims == []


def test_a_figure_is_written_copied_and_added_up_like_any_number() -> None:
    share, total = graph().share("search"), graph().total_of("search")
    assert (repr(share), repr(total)) == ("0.45", "90000000")
    assert json.dumps([share, total]) == "[0.45, 90000000]"
    assert type(copy.deepcopy(share)) is float
    assert type(copy.copy(total)) is int
    assert sum([total, total]) == 180 * MS
    assert {share: 1}[0.45] == 1


def test_what_is_not_counted_in_samples_is_compared_without_an_interval() -> None:
    memory = FlameGraph([(("grow",), 100), (("keep",), 100)], "memory:alloc_space:bytes:space:bytes")
    assert not memory.share("grow") > 0.6
    assert sentences(memory) == ["the share of grow is 50 %, and was compared with 60 %"]


def test_a_loop_of_comparisons_is_not_all_remembered() -> None:
    searched = graph()
    for bound in range(100):
        assert searched.total_of("search") > bound
    assert len(searched.claims) == 20


def test_an_empty_flame_graph_cannot_say() -> None:
    empty = FlameGraph()
    assert not empty.share("search") > 0.5
    assert "cannot decide that, nor would" in sentences(empty)[0]


def test_the_requests_that_decide_an_amount_are_counted_in_its_samples() -> None:
    of_one, of_four = graph(90, 110), graph(360, 440)
    assert of_one.total_of("search") > 80 * MS
    assert of_four.total_of("search") > 320 * MS
    assert of_one.claims[0].requests_to_decide() == of_one.claims[0].requests_to_decide(1) == 66
    assert of_four.claims[0].requests_to_decide(4) == 66  # they are the same requests, four times
    assert sentences(of_four, 4)[0].endswith("80 samples cannot decide that; about 66 requests like these would")


def test_an_amount_that_is_not_counted_in_usual_samples_is_decided_by_its_own() -> None:
    coarse = FlameGraph([(("search",), 90 * MS), (("serve",), 110 * MS)], sample_value=1 * MS)
    assert coarse.total_of("search") > 85 * MS
    assert coarse.claims[0].requests_to_decide() == 28  # of samples of 10 ms, it would be 274


def test_where_the_requests_at_hand_seem_enough_it_says_one_more() -> None:
    searched = graph()
    assert not searched.share("search") > 0.6
    claim = searched.claims[0]
    assert claim.requests_to_decide() == 5
    assert claim.sentence().endswith("about 5 requests like this one would")
    for needed, said in ((4, 5), (5, 5), (6, 6)):
        object.__setattr__(claim, "requests_to_decide", lambda _, needed=needed: needed)
        assert claim.sentence(4).endswith(f"about {said} requests like these would")


def test_a_hundred_thousand_requests_are_still_sensible() -> None:
    searched = graph()
    assert not searched.share("search") > 0.501
    claim = searched.claims[0]
    for needed, ending in (
        (100_000, "about 100,000 requests like this one would"),
        (100_001, "a sensible number of requests"),
    ):
        object.__setattr__(claim, "requests_to_decide", lambda _, needed=needed: needed)
        assert claim.sentence().endswith(ending)


def test_a_flame_graph_without_samples_says_that_it_has_none() -> None:
    empty = FlameGraph(sample_value=10 * MS)
    assert not empty.total_of("search") > 20 * MS
    assert sentences(empty)[0].endswith("0 samples cannot decide that, nor would a sensible number of requests")
