"""What the Pyroscope data source of Grafana asks for, beyond what the recordings hold."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.embedded.pyroscope.limits import Quantity
from tests.support.conformance.meaning import stack_values
from tests.unit.embedded.conftest import Applications
from tests.unit.embedded.test_profiles import CPU, NOW_S, SPAN, TRACE, WINDOW, profile, pushed, sample, tree

INDIVIDUAL = {"queryType": "HEATMAP_QUERY_TYPE_INDIVIDUAL", "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL", "step": 60}
DAY_MS = 24 * 3_600 * 1_000
NOW_MS = NOW_S * 1_000


@pytest.fixture
def shop(applications: Applications) -> Applications:
    """Two uploads: the first is split into three series by the names of its spans."""
    samples = (
        sample("pick", "order", "main", value=30, span_id=SPAN, span_name="GET"),
        sample("pack", "order", "main", value=5, span_name="POST"),
        sample("idle", "main", value=7),
    )
    later = profile(sample("idle", "main", value=100)) | {"t": -30}
    assert pushed(applications, profile(*samples), later, **{"host.name": "h1"}) == 200
    return applications


def _site(*names: str) -> dict[str, Any]:
    return {"stackTraceSelector": {"callSite": [{"name": name} for name in names]}}


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        ((), {"", "main", "main>order", "main>order>pick", "main>order>pack", "main>idle"}),
        (("main",), {"", "main", "main>order", "main>order>pick", "main>order>pack", "main>idle"}),
        (("main", "order"), {"", "main", "main>order", "main>order>pick", "main>order>pack"}),
        (("main", "order", "pack"), {"", "main", "main>order", "main>order>pack"}),
        (("order",), set()),
        (("main", "order", "pack", "more"), set()),
        (("",), set()),
    ],
)
def test_a_call_site_keeps_the_stacks_that_begin_with_it(
    shop: Applications, names: tuple[str, ...], paths: set[str]
) -> None:
    assert set(tree(shop, "SelectMergeStacktraces", **_site(*names))) - {""} == paths - {""}


def test_a_call_site_goes_with_spans_and_with_differences(shop: Applications) -> None:
    assert tree(shop, "SelectMergeStacktraces", spanSelector=[SPAN], **_site("main", "order"))[""] == (30, 0)
    assert tree(shop, "SelectMergeStacktraces", spanSelector=[SPAN], **_site("main", "idle"))[""] == (0, 0)
    side = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
    answer = shop.call("Diff", {"left": side | _site("main", "idle"), "right": side})["flamegraph"]
    assert (answer["leftTicks"], answer["rightTicks"]) == ("107", "142")


def test_a_call_site_counts_for_profiles_with_their_lines(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
    found = stack_values(shop.call("SelectMergeProfile", body | _site("main", "order")))
    assert found["stacks"] == {("main", "order", "pick"): [30], ("main", "order", "pack"): [5]}
    assert shop.call("SelectMergeProfile", body | _site("order")) == {}


ACCEPTED = ("*/*;allow-utf8-labelnames=true", "text/html, application/json; q=1; allow-utf8-labelnames=true")
NOT_ACCEPTED = ("*/*", "application/json;allow-utf8-labelnames=false", "allow-utf8-labelnames=true")


@pytest.mark.parametrize(
    ("accept", "is_listed"), [(text, True) for text in ACCEPTED] + [(text, False) for text in NOT_ACCEPTED]
)
def test_names_with_dots_are_listed_for_who_says_that_it_can_write_them(
    shop: Applications, accept: str, is_listed: bool
) -> None:
    for method in ("LabelNames", "Series"):
        response = shop.pyroscope.post(f"/querier.v1.QuerierService/{method}", json=WINDOW, headers={"Accept": accept})
        assert response.status_code == 200
        assert ("host.name" in response.text) == is_listed


def _exemplars(applications: Applications) -> list[tuple[str, int]]:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW | INDIVIDUAL
    (series,) = applications.call("SelectHeatmap", body)["series"]
    return sorted(
        ((found["profileId"], int(found["value"])) for slot in series["slots"] for found in slot["exemplars"]),
        key=lambda pair: pair[1],
    )


def test_an_upload_is_one_profile_however_many_series_it_was_split_into(shop: Applications) -> None:
    (first, total), (second, later) = _exemplars(shop)
    assert (total, later) == (42, 100)
    assert first != second


def test_an_uploads_profile_id_selects_all_of_it(shop: Applications) -> None:
    (first, _), (second, _) = _exemplars(shop)
    for profile_id, total in ((first, 42), (second, 100)):
        assert tree(shop, "SelectMergeStacktraces", profileIdSelector=[profile_id])[""] == (total, 0)
    chosen = {"profileIdSelector": [second], "spanSelector": [SPAN]}
    assert tree(shop, "SelectMergeStacktraces", **chosen)[""] == (0, 0)
    chosen = {"profileIdSelector": [first], "spanSelector": [SPAN]}
    assert tree(shop, "SelectMergeStacktraces", **chosen)[""] == (30, 0)


def test_the_exemplar_of_a_point_is_an_upload_with_what_it_has_in_its_group(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "step": 600, "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL"}
    window = {"start": (NOW_S - 65) * 1_000, "end": (NOW_S + 600) * 1_000}
    everything = shop.call("SelectSeries", body | window)["series"]
    assert [found["value"] for found in everything[0]["points"][0]["exemplars"]] == ["100"]
    by_name = shop.call("SelectSeries", body | window | {"groupBy": ["span_name"]})["series"]
    values = {
        tuple(pair["value"] for pair in series.get("labels", [])): series["points"][0]["exemplars"][0]["value"]
        for series in by_name
    }
    assert values == {(): "100", ("GET",): "30", ("POST",): "5"}


@pytest.mark.parametrize(
    "window",
    [
        {"start": NOW_MS - DAY_MS - 1, "end": NOW_MS},
        {"start": NOW_MS, "end": NOW_MS - 1},
        {"start": NOW_MS},
        {"end": NOW_MS},
    ],
)
def test_profile_types_are_asked_for_in_a_window_of_a_day_or_ever(shop: Applications, window: dict[str, int]) -> None:
    assert shop.call("ProfileTypes", window, expected=400)["code"] == "invalid_argument"
    for taken in ({}, {"start": NOW_MS - DAY_MS, "end": NOW_MS}):
        assert [found["ID"] for found in shop.call("ProfileTypes", taken)["profileTypes"]] == [CPU]


def test_the_larger_number_of_nodes_decides_for_both_sides_of_a_difference(shop: Applications) -> None:
    side = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
    for left, right, expected in ((-1, 5, 200), (5, -1, 200), (-1, -1, 400), (5, 10**7, 400)):
        shop.call("Diff", {"left": side | {"maxNodes": left}, "right": side | {"maxNodes": right}}, expected)


def test_the_build_names_the_version_of_pyroscope_that_is_stood_in_for(applications: Applications) -> None:
    build = applications.pyroscope.get("/api/v1/status/buildinfo").get_json()
    assert build["status"] == "success"
    assert build["data"]["version"] == "2.2.1"


def test_samples_of_a_trace_without_a_span_are_no_spans_of_a_heatmap(applications: Applications) -> None:
    samples = (sample("leaf", value=3, trace_id=TRACE), sample("leaf", value=4, span_id=SPAN))
    assert pushed(applications, profile(*samples)) == 200
    body = {"profileTypeID": CPU, "labelSelector": "{}", "queryType": "HEATMAP_QUERY_TYPE_SPAN"} | WINDOW
    (series,) = applications.call("SelectHeatmap", body | {"exemplarType": "EXEMPLAR_TYPE_SPAN", "step": 600})["series"]
    found = [exemplar for slot in series["slots"] for exemplar in slot["exemplars"]]
    assert [(exemplar["spanId"], exemplar["value"]) for exemplar in found] == [(SPAN, "4")]


def test_an_upload_of_more_values_than_it_may_have_is_refused(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = profile(sample("f", value=1), sample("g", value=2))
    for limit, status in ((2, 200), (1, 400)):
        monkeypatch.setattr(Quantity.VALUES, "limit", limit)
        assert pushed(applications, two) == status


def test_what_is_in_a_step_that_ends_after_the_window_is_not_counted(shop: Applications) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "step": 600}
    start = (NOW_S - 65) * 1_000
    assert shop.call("SelectSeries", body | {"start": start, "end": start + 600_000})["series"]
    assert shop.call("SelectSeries", body | {"start": start, "end": start + 599_000}) == {}
