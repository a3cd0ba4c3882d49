from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from spanprofiles.model import FlameGraph, Span, SpanKind, SpanStatus, Trace
from spanprofiles.report.svg import (
    FlameBox,
    Origin,
    Series,
    SpanMark,
    difference_document,
    difference_layout,
    difference_svg,
    flame_document,
    flame_layout,
    flame_svg,
    plot_svg,
    waterfall_document,
    waterfall_svg,
)
from spanprofiles.report.svg.layout import MOST_BOXES
from tests.unit.conftest import graph_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>&\x00\x1b'
MS = 1_000_000


def origin_of(name: str) -> Origin:
    return Origin.LIBRARY if name.startswith("lib") else Origin.OWN


def span(
    name: str = "GET /bike", span_id: str = "a" * 16, parent: str | None = None, start: int = 0, end: int = 100
) -> Span:
    kind = SpanKind.INTERNAL if parent else SpanKind.SERVER
    resource = {"service.name": "shop", "region": "north"}
    return Span("1" * 32, span_id, parent, name, kind, start * MS, end * MS, {}, resource)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  # our own


def texts(svg: str) -> str:
    return " ".join(parsed(svg).itertext())


@pytest.mark.parametrize(
    "document",
    [
        flame_document(graph_of({(HOSTILE, "b"): 5}), title=HOSTILE),
        difference_document(graph_of({(HOSTILE,): 5}), graph_of({(HOSTILE,): 9}), title=HOSTILE),
        waterfall_document(Trace.of("1" * 32, [span(HOSTILE)])),
    ],
    ids=["flame graph", "difference", "waterfall"],
)
def test_markup_in_a_name_stays_text(document: str) -> None:
    tree = parsed(document)

    assert not tree.findall(f".//{SVG}script")
    assert "<script>alert(1)</script>" in " ".join(tree.itertext())


@given(some.text(some.characters(exclude_categories=()), max_size=20))
@example("shop\u202eeman\u2066\u200b\u200f\ufeff\U000e0041\ud800")
def test_nothing_in_a_picture_turns_the_direction_of_writing_or_cannot_be_seen(name: str) -> None:
    pictures = [
        flame_document(graph_of({(name, "b"): 5}), title=name),
        difference_document(graph_of({(name,): 5}), graph_of({(name,): 9}), title=name),
        waterfall_document(Trace.of("1" * 32, [span(name)])),
    ]
    for picture in pictures:
        assert all(character.isprintable() or character.isspace() for character in picture)
        picture.encode()
        parsed(picture)


@given(some.dictionaries(some.lists(some.text(max_size=6), min_size=1, max_size=4).map(tuple), some.integers(1, 1000)))
def test_any_flame_graph_is_a_well_formed_file(stacks: dict[tuple[str, ...], int]) -> None:
    tree = parsed(flame_document(FlameGraph(stacks), title="any"))

    assert tree.tag == f"{SVG}svg"


@given(some.dictionaries(some.lists(some.sampled_from("abc"), min_size=1, max_size=5).map(tuple), some.integers(1, 99)))
def test_boxes_lie_within_the_box_above_and_siblings_do_not_overlap(stacks: dict[tuple[str, ...], int]) -> None:
    boxes = flame_layout(FlameGraph(stacks)).boxes

    for box in boxes[1:]:
        above = boxes[box.parent]
        assert above.start <= box.start
        assert box.start + box.total <= above.start + above.total
        assert box.depth == above.depth + 1
    rows: dict[int, list[tuple[int, int]]] = {}
    for box in boxes:
        rows.setdefault(box.depth, []).append((box.start, box.start + box.total))
    for row in rows.values():
        row.sort()
        assert all(box[1] <= other[0] for box, other in pairwise(row))


def test_a_box_narrower_than_half_a_pixel_is_folded_away_and_counted() -> None:
    layout = flame_layout(graph_of({("wide",): 100_000, ("narrow",): 10}))

    picture = flame_svg(layout, width_px=1000)

    assert picture.folded == 1
    assert "narrow" not in picture.svg


def test_zooming_in_brings_a_narrow_box_back() -> None:
    layout = flame_layout(graph_of({("wide",): 100_000, ("thin", "narrow"): 10}))
    thin = next(index for index, box in enumerate(layout.boxes) if box.names == ("thin",))

    picture = flame_svg(layout, focus=thin, width_px=1000)

    assert "narrow" in picture.svg
    assert "wide" not in picture.svg
    assert picture.folded == 0


def test_a_chain_of_library_frames_becomes_one_box_that_says_how_many() -> None:
    graph = graph_of({("lib1", "lib2", "lib3", "own", "lib4"): 10})

    labels = [box.label for box in flame_layout(graph, origin_of=origin_of).boxes]

    assert labels == ["total", "3 library frames: lib1 … lib3", "own", "lib4"]


def test_a_library_frame_with_time_of_its_own_is_never_folded_away() -> None:
    leaf = graph_of({("lib1", "lib2", "lib3", "compute"): 10})
    caller = graph_of({("lib1", "lib2", "lib3", "lib4"): 10, ("lib1", "lib2", "lib3", "lib4", "lib5"): 5})

    def labels(graph: FlameGraph) -> list[str]:
        return [box.label for box in flame_layout(graph, origin_of=lambda _: Origin.LIBRARY).boxes]

    assert labels(leaf) == ["total", "3 library frames: lib1 … lib3", "compute"]
    assert labels(caller) == ["total", "3 library frames: lib1 … lib3", "lib4", "lib5"]


def test_library_frames_that_branch_or_are_few_are_not_folded() -> None:
    graph = graph_of({("lib1", "lib2", "own"): 10, ("lib1", "lib9"): 5})

    labels = [box.label for box in flame_layout(graph, origin_of=origin_of).boxes]

    assert labels == ["total", "lib1", "lib2", "own", "lib9"]


def test_every_frame_is_shown_where_folding_is_turned_off() -> None:
    graph = graph_of({("lib1", "lib2", "lib3"): 10})

    assert len(flame_layout(graph, origin_of=origin_of, fold_libraries=False).boxes) == 4


def test_a_function_of_unknown_origin_is_taken_for_its_callers() -> None:
    def known(name: str) -> Origin:
        return Origin.UNKNOWN if name == "<lambda>" else origin_of(name)

    boxes = flame_layout(graph_of({("own", "<lambda>"): 1, ("lib", "<lambda>"): 1}), origin_of=known).boxes

    assert {(boxes[box.parent].label, box.origin) for box in boxes if box.label == "<lambda>"} == {
        ("own", Origin.OWN),
        ("lib", Origin.LIBRARY),
    }


def test_a_call_path_has_the_same_key_in_every_flame_graph_and_another_path_another() -> None:
    layout = flame_layout(graph_of({("a", "b"): 1, ("a", "c"): 5}))
    other = flame_layout(graph_of({("a", "b"): 7, ("d",): 5}))

    def key(boxes: tuple[FlameBox, ...], name: str) -> str:
        return next(box.key for box in boxes if box.label == name)

    assert key(layout.boxes, "b") == key(other.boxes, "b")
    assert key(layout.boxes, "b") != key(layout.boxes, "c")
    assert layout.find(key(layout.boxes, "c")) > 0
    assert layout.find("not a key") == 0


def test_an_empty_flame_graph_says_that_there_are_no_samples() -> None:
    assert "no samples" in texts(flame_document(FlameGraph(), title="none"))
    assert "no samples" in texts(difference_document(FlameGraph(), FlameGraph(), title="none"))


def test_what_grew_is_red_with_a_plus_and_what_shrank_blue_with_a_minus() -> None:
    before, after = (
        graph_of({("slow",): 100 * MS, ("fast",): 900 * MS}),
        graph_of({("slow",): 900 * MS, ("fast",): 100 * MS}),
    )
    difference = difference_layout(before, after)

    steps = {box.label: difference.step(index) for index, box in enumerate(difference.layout.boxes)}
    svg = difference_svg(difference).svg

    assert steps["slow"] > 0 > steps["fast"]
    assert steps["total"] == 0
    assert 'class="box more4"' in svg
    assert 'class="box less4"' in svg
    assert "+0.80 s  slow" in svg
    assert "-0.80 s  fast" in svg


def test_a_change_that_may_be_chance_is_drawn_as_none_and_the_picture_says_so() -> None:
    before, after = graph_of({("slow",): 100 * MS, ("f",): 90 * MS}), graph_of({("slow",): 140 * MS, ("f",): 80 * MS})

    difference = difference_layout(before, after)
    document = difference_document(before, after, title="two searches")

    assert difference.is_noise
    assert {difference.step(index) for index in range(len(difference.layout.boxes))} == {0}
    assert "slow, 100 ms before, 140 ms after, change +40 ms (-60 to +150 ms); no more than chance" in texts(document)
    assert "Nothing has changed by more than chance: 19 samples before and 22 samples after" in texts(document)
    assert 'class="box more' not in document


def test_a_change_that_is_more_than_chance_is_coloured_among_others_that_are_not() -> None:
    before = graph_of({("slow",): 100 * MS, ("f",): 900 * MS})
    after = graph_of({("slow",): 900 * MS, ("f",): 950 * MS})

    difference = difference_layout(before, after)
    steps = {box.label: difference.step(index) for index, box in enumerate(difference.layout.boxes)}

    assert steps["slow"] > 0
    assert steps["f"] == 0
    assert difference.noise_note == (
        "Only what changed by more than chance is coloured (100 samples before and 185 samples after)."
    )


def test_values_that_are_not_counted_in_samples_are_coloured_by_their_size() -> None:
    memory = "memory:alloc_space:bytes:space:bytes"
    difference = difference_layout(FlameGraph([(("f",), 10)], memory), FlameGraph([(("f",), 90)], memory))

    assert difference.step(0) > 0
    assert difference.noise_note == ""


def test_a_difference_shows_what_is_in_one_of_the_two_only() -> None:
    difference = difference_layout(graph_of({("gone",): 5}), graph_of({("came",): 5}))

    assert {box.label: difference.change(index) for index, box in enumerate(difference.layout.boxes)} == {
        "total": 0,
        "came": 5,
        "gone": -5,
    }


def test_a_waterfall_shows_the_cpu_of_a_linked_span_and_marks_a_dead_link() -> None:
    trace = Trace.of("1" * 32, [span(), span("GET /car", "b" * 16, "a" * 16, 10, 40)])
    marks = {"a" * 16: SpanMark(80 * MS), "b" * 16: SpanMark(dead=True)}

    svg, _ = waterfall_svg(trace, marks)

    assert "80 ms CPU" in texts(svg)
    assert "no samples" in texts(svg)
    assert 'class="cpu"' in svg
    assert 'class="dead"' in svg


def test_a_waterfall_of_spans_without_marks_has_neither_cpu_nor_dead_links() -> None:
    svg, _ = waterfall_svg(Trace.of("1" * 32, [span()]))

    assert "CPU" not in texts(svg)
    assert "dead" not in svg


def test_a_failed_span_is_marked_by_a_sign_as_well_as_by_colour() -> None:
    failed = Span(**{**span().__dict__, "status": SpanStatus.ERROR})

    svg, _ = waterfall_svg(Trace.of("1" * 32, [failed]))

    assert "! " in texts(svg)


def test_spans_of_no_duration_and_clocks_that_disagree_do_not_leave_the_picture() -> None:
    trace = Trace.of(
        "1" * 32, [span(end=0), span("late", "b" * 16, "a" * 16, 5, 5), span("early", "c" * 16, "a" * 16, -5, 2)]
    )

    tree = parsed(waterfall_svg(trace)[0])

    for box in tree.iter("rect"):
        left, width = (float(box.get(name, "0").rstrip("%")) for name in ("x", "width"))
        if box.get("width", "").endswith("%"):
            assert left >= 0
            assert left + width <= 100.001


def test_a_plot_leaves_a_gap_where_there_is_no_value() -> None:
    svg = plot_svg([Series([1.0, 2.0, None, 3.0])], label="a <plot>")

    path = parsed(svg).find("path")
    assert path is not None
    assert path.get("d", "").count("M") == 2
    assert "a <plot>" in texts(svg)


def test_a_waterfall_of_very_many_spans_draws_the_first_thousand() -> None:
    spans = [span(), *(span("step", f"{number:016x}", "a" * 16, 1, 2) for number in range(1, 1500))]

    svg, height = waterfall_svg(Trace.of("1" * 32, spans))

    assert svg.count('class="row"') == 1000
    assert height < 40_000


def test_cpu_beyond_a_spans_duration_goes_on_past_its_bar_as_far_as_there_is_room() -> None:
    whole = Span("1" * 32, "1" * 16, None, "whole", SpanKind.SERVER, 0, 100)
    early = Span("1" * 32, "2" * 16, "1" * 16, "early", SpanKind.SERVER, 0, 20)

    fitting, _ = waterfall_svg(Trace.of("1" * 32, [whole, early]), {early.span_id: SpanMark(cpu_ns=60)})
    cut, _ = waterfall_svg(Trace.of("1" * 32, [whole, early]), {early.span_id: SpanMark(cpu_ns=160)})

    assert '<rect class="cpu" x="0%" y="23" height="5" rx="2" width="60%"/>' in fitting
    assert '<rect class="excess" x="20%" y="23" width="40%" height="5" rx="2"/>' in fitting
    assert "excess-arrow" not in fitting
    assert 'width="100%"' in cut
    assert "excess-arrow" in cut


def test_of_very_many_boxes_the_widest_are_kept_each_under_those_above_it() -> None:
    stacks = {(f"a{number % 90}", f"b{number}", f"c{number}"): 1 + number % 7 for number in range(MOST_BOXES)}
    whole = graph_of(stacks)

    layout = flame_layout(whole)
    picture = flame_svg(layout)

    assert len(layout.boxes) == MOST_BOXES
    assert layout.left_out == 1 + 90 + 2 * MOST_BOXES - MOST_BOXES
    assert all(box.parent < index for index, box in enumerate(layout.boxes))
    assert all(box.depth == layout.boxes[box.parent].depth + 1 for box in layout.boxes[1:])
    assert min(box.total for box in layout.boxes) >= 4
    assert layout.whole.total == whole.total
    assert picture.drawn <= 3000
    assert picture.drawn + picture.folded == 1 + 90 + 2 * MOST_BOXES


def test_of_a_usual_number_of_boxes_none_is_left_out() -> None:
    layout = flame_layout(graph_of({("a", f"b{number}"): 10 for number in range(100)}))

    assert len(layout.boxes) == 102
    assert layout.left_out == 0
