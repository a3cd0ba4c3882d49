"""Answers about profiles, each in full: a client may read any of their members."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from spanprofiles.embedded.pyroscope import render, timeseries
from spanprofiles.embedded.pyroscope.render import _metadata, _number, parse_query, step_seconds, time_of
from spanprofiles.embedded.pyroscope.timeseries import timeline
from tests.unit.embedded.conftest import Applications
from tests.unit.embedded.test_profiles import CPU, NOW_S, SPAN, TRACE, profile, pushed, sample

START_S = NOW_S // 60 * 60 - 240
AT_S = START_S + 35
DAY_MS = 24 * 3_600_000
OWN = {
    "__name__": "process_cpu",
    "__period_type__": "cpu",
    "__period_unit__": "nanoseconds",
    "__profile_type__": CPU,
    "__service_name__": "shop",
    "__type__": "cpu",
    "__unit__": "nanoseconds",
    "service_name": "shop",
}


def pairs(labels: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(labels.items())]


def ms(seconds: int) -> str:
    return str(seconds * 1_000)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


@pytest.fixture
def shop(applications: Applications) -> Applications:
    """Three uploads: two of one region, the first of which was split by the name of its span, and one of another."""
    spans = {"span_id": SPAN, "trace_id": TRACE, "span_name": "GET"}
    first = profile(
        sample("pick", "order", value=30, **spans), sample("pack", "order", value=5, **spans), sample("idle", value=7)
    )
    later = profile(sample("idle", value=100))
    assert pushed(applications, first | {"t": AT_S - NOW_S}, later | {"t": AT_S + 40 - NOW_S}, region="eu") == 200
    assert pushed(applications, profile(sample("idle", value=1)) | {"t": AT_S - NOW_S}, region="us") == 200
    return applications


QUESTION = {"profileTypeID": CPU, "labelSelector": "{}", "start": ms(START_S), "end": ms(START_S + 120), "step": 30}


def test_a_series_has_a_point_at_the_end_of_each_step_with_the_largest_profile_of_it(shop: Applications) -> None:
    asked = QUESTION | {"groupBy": ["region"], "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL"}

    def point(value: int, step_s: int, number: int, at_s: int) -> dict[str, Any]:
        exemplar = {"timestamp": ms(at_s), "profileId": uuid(number), "value": str(value), "labels": pairs(OWN)}
        return {"value": float(value), "timestamp": ms(START_S + step_s), "exemplars": [exemplar]}

    series = [
        {"labels": pairs({"region": "eu"}), "points": [point(42, 60, 1, AT_S), point(100, 90, 3, AT_S + 40)]},
        {"labels": pairs({"region": "us"}), "points": [point(1, 60, 4, AT_S)]},
    ]
    assert shop.call("SelectSeries", asked) == {"series": series}
    assert shop.call("SelectSeries", asked | {"limit": "1"}) == {"series": series[:1]}
    assert shop.call("SelectSeries", QUESTION) == {
        "series": [
            {
                "points": [
                    {"value": 43.0, "timestamp": ms(START_S + 60)},
                    {"value": 100.0, "timestamp": ms(START_S + 90)},
                ]
            }
        ]
    }


def test_a_heatmap_of_spans_counts_them_by_what_they_have(shop: Applications) -> None:
    more = {"groupBy": ["region"], "queryType": "HEATMAP_QUERY_TYPE_SPAN", "exemplarType": "EXEMPLAR_TYPE_SPAN"}
    exemplar = {
        "timestamp": ms(AT_S), "spanId": SPAN, "traceId": TRACE, "value": "35",
        "labels": pairs(OWN | {"span_name": "GET"}),
    }  # fmt: skip
    slot = {"timestamp": ms(START_S + 60), "yMin": [35.0] * 20, "counts": [0] * 19 + [1]}
    eu = {"labels": pairs({"region": "eu"})}
    assert shop.call("SelectHeatmap", QUESTION | more) == {
        "series": [eu | {"slots": [slot | {"exemplars": [exemplar]}]}]
    }
    without = more | {"exemplarType": "EXEMPLAR_TYPE_NONE"}
    assert shop.call("SelectHeatmap", QUESTION | without) == {"series": [eu | {"slots": [slot]}]}


def test_a_heatmap_of_profiles_has_a_slot_for_each_step_and_twenty_sizes(shop: Applications) -> None:
    kind = "HEATMAP_QUERY_TYPE_INDIVIDUAL"
    more = {"groupBy": ["region"], "queryType": kind, "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL"}
    # 20 sizes of 4.95 each, from the smallest total to the largest
    bounds = [float(1 + int(number * 4.95)) for number in range(20)]

    def slot(step_s: int, at_s: int, value: int, place: int, number: int) -> dict[str, Any]:
        exemplar = {"timestamp": ms(at_s), "profileId": uuid(number), "value": str(value), "labels": pairs(OWN)}
        counts = [int(each == place) for each in range(20)]
        return {"timestamp": ms(START_S + step_s), "yMin": bounds, "counts": counts, "exemplars": [exemplar]}

    eu, us = pairs({"region": "eu"}), pairs({"region": "us"})
    series = [
        {"labels": eu, "slots": [slot(60, AT_S, 42, 8, 1), slot(90, AT_S + 40, 100, 19, 3)]},
        {"labels": us, "slots": [slot(60, AT_S, 1, 0, 4)]},
    ]
    assert shop.call("SelectHeatmap", QUESTION | more) == {"series": series}
    assert shop.call("SelectHeatmap", QUESTION | more | {"limit": "1"}) == {"series": series[:1]}
    nobody = QUESTION | more | {"labelSelector": '{service_name="nobody"}'}
    assert shop.call("SelectHeatmap", nobody) == {}


def test_the_limit_of_a_heatmap_keeps_the_series_with_most_in_it(applications: Applications) -> None:
    for region, count in (("a", 1), ("b", 3), ("c", 2)):
        profiles = [profile(sample("f")) | {"t": AT_S + 40 * place - NOW_S} for place in range(count)]
        assert pushed(applications, *profiles, region=region) == 200
    more = {"groupBy": ["region"], "queryType": "HEATMAP_QUERY_TYPE_INDIVIDUAL", "limit": "2"}
    series = applications.call("SelectHeatmap", QUESTION | more)["series"]
    assert [found["labels"][0]["value"] for found in series] == ["b", "c"]


@pytest.mark.parametrize(
    ("values", "lows", "buckets"),
    [
        ([0, 40], [2 * number for number in range(20)], [0, 19]),
        ([7], [7] * 20, [19]),
        ([0, 1, 19, 20], list(range(20)), [0, 1, 19, 19]),
    ],
)
def test_the_sizes_of_a_heatmap_part_the_values_evenly(values: list[int], lows: list[int], buckets: list[int]) -> None:
    found, bucket = timeseries._bounds(values)
    assert (found, [bucket(value) for value in values]) == (lows, buckets)


def test_a_merged_profile_has_every_member_of_pprof(shop: Applications) -> None:
    """Locations and functions are numbered; a function is one, on however many lines it is."""
    answer = shop.call("SelectMergeProfile", QUESTION)
    texts = ["", "cpu", "nanoseconds", "pick", "app.py", "order", "pack", "idle"]
    assert answer == {
        "sampleType": [{"type": "1", "unit": "2"}],
        "sample": [
            {"locationId": ["1"], "value": ["101"]},
            {"locationId": ["2", "3"], "value": ["30"]},
            {"locationId": ["5"], "value": ["7"]},
            {"locationId": ["4", "3"], "value": ["5"]},
        ],
        "mapping": [{"id": "1"}],
        "location": [
            {"id": str(number), "mappingId": "1", "line": [{"functionId": function, "line": line}]}
            for number, function, line in (
                (1, "4", "11"), (2, "1", "11"), (3, "2", "12"), (4, "3", "13"), (5, "4", "14"),
            )
        ],
        "function": [
            {"id": str(number), "name": str(texts.index(name)), "filename": "4"}
            for number, name in enumerate(("pick", "order", "pack", "idle"), 1)
        ],
        "stringTable": texts,
        "timeNanos": f"{START_S + 120}000000000",
        "periodType": {"type": "1", "unit": "2"},
        "period": "1000000000",
        "defaultSampleType": "1",
    }  # fmt: skip


def test_labels_are_listed_in_order_each_once(shop: Applications) -> None:
    window = {"start": ms(START_S), "end": ms(START_S + 120)}
    assert shop.call("LabelNames", window) == {"names": sorted((*OWN, "region", "span_name"))}
    assert shop.call("LabelValues", window | {"name": "region"}) == {"names": ["eu", "us"]}
    assert shop.call("LabelValues", window | {"name": "region", "matchers": ['{region="us"}']}) == {"names": ["us"]}
    assert shop.call("LabelValues", window, 400) == {"code": "invalid_argument", "message": "name is required"}
    sets = [OWN | {"region": "eu"}, OWN | {"region": "eu", "span_name": "GET"}, OWN | {"region": "us"}]
    assert shop.call("Series", window) == {"labelsSet": [{"labels": pairs(labels)} for labels in sets]}
    some = window | {"labelNames": ["region", "span_name"]}
    assert shop.call("Series", some) == {
        "labelsSet": [
            {"labels": pairs(labels)}
            for labels in ({"region": "eu"}, {"region": "eu", "span_name": "GET"}, {"region": "us"})
        ]
    }
    assert shop.call("ProfileTypes", window) == {
        "profileTypes": [
            {
                "ID": CPU, "name": "process_cpu", "sampleType": "cpu", "sampleUnit": "nanoseconds",
                "periodType": "cpu", "periodUnit": "nanoseconds",
            }
        ]
    }  # fmt: skip


def test_the_older_api_answers_with_a_flame_graph_and_timelines(shop: Applications) -> None:
    asked = {"query": f'{CPU}{{region="eu"}}', "from": str(START_S), "until": str(START_S + 120)}
    line = {"startTime": START_S, "samples": [0, 0, 0, 42, 0, 100, 0, 0], "durationDelta": 15, "watermarks": None}
    whole = {
        "version": 1,
        "flamebearer": {
            "names": ["total", "order", "pick", "pack", "idle"],
            "levels": [[0, 142, 0, 0], [0, 107, 107, 4, 0, 35, 0, 1], [107, 5, 5, 3, 0, 30, 30, 2]],
            "numTicks": 142,
            "maxSelf": 107,
        },
        "metadata": {"format": "single", "spyName": "", "sampleRate": 10**9, "units": "samples", "name": "cpu"},
        "timeline": line,
        "groups": None,
        "heatmap": None,
    }

    def rendered(**more: Any) -> Any:
        response = shop.pyroscope.get("/pyroscope/render", query_string=asked | more)
        assert response.status_code == 200, response.text
        return response.get_json()

    assert rendered() == whole
    assert rendered(groupBy="region") == whole | {"groups": {"eu": line}}
    empty = {"startTime": START_S, "samples": [0] * 8, "durationDelta": 15, "watermarks": None}
    both = rendered(query=CPU, groupBy=["region", "__name__"])
    assert both["groups"] == {"eu": line, "us": line | {"samples": [0, 0, 0, 1, 0, 0, 0, 0]}}
    assert both["timeline"] == empty
    assert rendered(query=CPU, groupBy="nothing")["groups"].keys() == {"*"}
    for name in ("max-nodes", "maxNodes"):
        assert set(rendered(**{name: "2"})["flamebearer"]["names"]) == {"total", "idle", "other"}
    assert rendered(**{"max-nodes": "nonsense"}) == whole
    refused = shop.pyroscope.get("/pyroscope/render", query_string=asked | {"max-nodes": "-1"})
    assert refused.status_code == 400


def test_the_older_api_lists_profile_types_as_values_of_the_name(shop: Applications) -> None:
    def values(**query: str) -> Any:
        return shop.pyroscope.get("/pyroscope/label-values", query_string=query).get_json()

    assert values(label="__name__") == [CPU]
    assert values()["message"] == "label parameter is required"
    assert values(label="region") == {"code": "invalid_argument", "message": "missing time range in the query"}


NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        (None, NOW_MS),
        ("", NOW_MS),
        ("now", NOW_MS),
        ("now-1s", NOW_MS - 1_000),
        ("now-2m", NOW_MS - 120_000),
        ("now-3h", NOW_MS - 3 * 3_600_000),
        ("now-1d", NOW_MS - DAY_MS),
        ("now-1w", NOW_MS - 7 * DAY_MS),
        ("now-1M", NOW_MS - 30 * DAY_MS),
        ("now-1y", NOW_MS - 365 * DAY_MS),
        ("now-999999999y", -(2**63)),
        ("now+1h", NOW_MS),
        ("yesterday", NOW_MS),
        ("1700000001", 1_700_000_001_000),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
        ("1700000001500", 1_700_000_001_500),
        ("99999999999999", 99_999_999_999_999),
        ("100000000000000", 100_000_000_000),
        ("1700000001500000", 1_700_000_001_500),
        ("1700000001500000000", 1_700_000_001_500),
    ],
)
def test_times_of_the_older_api_are_read_in_whatever_unit_they_have(text: str | None, expected_ms: int) -> None:
    assert time_of(text, NOW_MS) == expected_ms


@pytest.mark.parametrize(
    ("interval", "step"),
    [
        (0, 15), (17.5, 15), (17.6, 20), (25, 20), (25.1, 30), (45, 30), (45.1, 60), (90, 60), (90.1, 120), (210, 120),
        (210.1, 300), (450, 300), (450.1, 600), (10_000, 600),
    ],
)  # fmt: skip
def test_the_step_of_a_timeline_is_a_round_one_for_some_1500_points(interval: float, step: int) -> None:
    assert step_seconds(5_000, 5_000 + round(interval * 1_500 * 1_000)) == step


@pytest.mark.parametrize(
    ("profile_type", "rate", "units", "name"),
    [
        (CPU, 10**9, "samples", "cpu"),
        ("memory:inuse_objects:count::", 100, "objects", "inuse_objects"),
        ("memory:alloc_objects:count::", 100, "objects", "alloc_objects"),
        ("goroutine:goroutine:count::", 100, "objects", "goroutine"),
        ("process_cpu:samples:count::", 100, "objects", "samples"),
        ("memory:inuse_space:bytes::", 100, "bytes", "inuse_space"),
    ],
)
def test_the_older_api_says_what_the_values_are(profile_type: str, rate: int, units: str, name: str) -> None:
    assert _metadata(profile_type) == {
        "format": "single", "spyName": "", "sampleRate": rate, "units": units, "name": name,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5", -5), ("", 0), ("x", 0), (str(2**63 - 1), 2**63 - 1), (str(2**63), 0), ("9" * 21, 0)],
)
def test_a_number_of_nodes_is_one_of_64_bits_or_none(text: str, number: int) -> None:
    assert _number(text) == number


def test_a_question_of_the_older_api_is_a_type_with_or_without_labels() -> None:
    for text in (CPU, f"  {CPU} ", f"{CPU}{{}}", f" {CPU} {{ }} "):
        profile_type, selector = parse_query(text)
        assert (profile_type, selector.matchers) == (CPU, ())
    (matcher,) = parse_query(f'{CPU}{{a="}}\n"}}'.replace("\n", r"\n"))[1].matchers
    assert (matcher.name, matcher.value) == ("a", "}\n")


@pytest.mark.parametrize(
    ("points", "samples"),
    [
        ({}, [0, 0, 0]),
        ({60_000: 5}, [5, 0, 0]),
        ({59_999: 5, 74_999: 1, 75_000: 2, 90_000: 3, 104_999: 4, 105_000: 9}, [1, 2, 7]),
        ({60_000: 2**63 - 1, 60_001: 5}, [2**63 - 1, 0, 0]),
    ],
)
def test_a_timeline_adds_up_what_lies_in_each_step(points: dict[int, int], samples: list[int]) -> None:
    assert timeline(points, 61_000, 106_999, 15) == {
        "startTime": 60, "samples": samples, "durationDelta": 15, "watermarks": None,
    }  # fmt: skip


def test_too_many_points_or_steps_are_refused_with_what_to_ask_for(
    shop: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeseries, "POINTS_LIMIT", 3)
    grouped = QUESTION | {"groupBy": ["region"]}
    assert len(shop.call("SelectSeries", grouped)["series"]) == 2
    monkeypatch.setattr(timeseries, "POINTS_LIMIT", 2)
    assert shop.call("SelectSeries", grouped, 400)["message"] == (
        "the answer would have more than 2 points: ask for a longer step, for less time, or group by labels of fewer"
        " values"
    )
    monkeypatch.setattr(timeseries, "CELLS_LIMIT", 3)
    heatmap = QUESTION | {"queryType": "HEATMAP_QUERY_TYPE_INDIVIDUAL"}
    assert shop.call("SelectHeatmap", heatmap)
    monkeypatch.setattr(timeseries, "CELLS_LIMIT", 2)
    words = "there are more than 2 of them in this time: ask for less time"
    assert shop.call("SelectHeatmap", heatmap, 400)["message"] == words
    asked = {"query": CPU, "from": str(START_S), "until": str(START_S + 120), "groupBy": "region"}
    for limit, status in ((18, 200), (17, 400)):
        monkeypatch.setattr(render, "TIMELINES_LIMIT", limit)
        response = shop.pyroscope.get("/pyroscope/render", query_string=asked)
        assert response.status_code == status
    assert response.get_json()["message"] == (
        "the timelines would have more than 17 steps: group by a label of fewer values"
    )


def test_a_store_that_cannot_be_read_is_an_internal_error(
    shop: Applications, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no such table: series")

    monkeypatch.setattr("spanprofiles.embedded.pyroscope.samples.SeriesLabels.matching", fail)
    assert shop.call("Series", {"start": ms(START_S), "end": ms(START_S + 120)}, 500) == {
        "code": "internal", "message": "the stored data could not be read: no such table: series",
    }  # fmt: skip
    assert "no such table" in caplog.text
