"""What `profilecli` and `tempo-cli` ask: requests as they send them, and the programs themselves where they are."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    EXEMPLAR_TYPE_INDIVIDUAL,
    HEATMAP_QUERY_TYPE_INDIVIDUAL,
    PROFILE_FORMAT_TREE,
    SelectHeatmapRequest,
    SelectHeatmapResponse,
    SelectMergeProfileRequest,
    SelectMergeStacktracesRequest,
    SelectMergeStacktracesResponse,
    SelectSeriesRequest,
    SelectSeriesResponse,
    SeriesRequest,
    SeriesResponse,
)
from tests.support.conformance.pair import Pair, running_pair
from tests.support.pprof_writer import pprof, push
from tests.unit.embedded.conftest import Applications
from tests.unit.embedded.test_process import export_of
from tests.unit.embedded.test_profiles import CPU, NOW_S, SPAN, TRACE, WINDOW, profile, pushed, sample, tree

PROTOBUF = "application/proto"
QUERIER, PUSH = "/querier.v1.QuerierService/", "/push.v1.PusherService/Push"
Answer = TypeVar("Answer", bound=Message)
TIMES = {"start": int(WINDOW["start"]), "end": int(WINDOW["end"])}
SELECTION: dict[str, Any] = {"profile_typeID": CPU, "label_selector": "{}", **TIMES}


def call(applications: Applications, request: Message, answer: type[Answer]) -> Answer:
    """A call in protobuf, as Go's Connect client makes it."""
    method, body = request.DESCRIPTOR.name.removesuffix("Request"), request.SerializeToString()
    headers = {"Connect-Protocol-Version": "1", "Accept-Encoding": "gzip", "User-Agent": "connect-go/1.19.1"}
    response = applications.pyroscope.post(QUERIER + method, data=body, content_type=PROTOBUF, headers=headers)
    assert (response.status_code, response.mimetype) == (200, PROTOBUF), response.text
    return answer.FromString(response.data)


@pytest.fixture
def shop(applications: Applications) -> Applications:
    leaf = sample("pick", "order", value=30, span_id=SPAN, trace_id=TRACE)
    assert pushed(applications, profile(leaf), region="eu") == 200
    assert pushed(applications, profile(sample("pack", "order", value=5)), region="us") == 200
    return applications


def test_a_profile_is_merged_as_pprof_for_query_profile(shop: Applications) -> None:
    merged = call(shop, SelectMergeProfileRequest(**SELECTION), Profile)
    assert [list(sample.value) for sample in merged.sample] == [[30], [5]]


def test_a_profile_comes_as_a_tree_for_query_profile_with_names_only(shop: Applications) -> None:
    request = SelectMergeStacktracesRequest(**SELECTION, format=PROFILE_FORMAT_TREE)
    assert b"pick" in call(shop, request, SelectMergeStacktracesResponse).tree


def test_each_series_is_given_for_query_series(shop: Applications) -> None:
    found = call(shop, SeriesRequest(matchers=["{}"], label_names=["region"], **TIMES), SeriesResponse)
    regions = [[label.value for label in labels.labels] for labels in found.labels_set]
    assert regions == [["eu"], ["us"]]


def test_a_series_without_a_label_that_its_service_has_is_an_empty_set(shop: Applications) -> None:
    assert pushed(shop, profile(sample("leaf")), zone="a") == 200
    body = {"matchers": ["{}"], "labelNames": ["zone"], **TIMES}
    zone = {"labels": [{"name": "zone", "value": "a"}]}
    assert shop.call("Series", body)["labelsSet"] == [{}, zone]
    assert shop.call("Series", body | {"labelNames": ["nowhere"]}) == {}
    assert shop.call("Series", body | {"matchers": ['{region="none"}']}) == {}


def test_labels_that_need_quotes_are_only_for_who_asks(applications: Applications) -> None:
    assert pushed(applications, profile(sample("leaf")), **{"host.name": "h1"}) == 200
    everything = applications.call("Series", {"matchers": ["{}"], **TIMES})["labelsSet"][0]["labels"]
    assert "host.name" not in {label["name"] for label in everything}
    asked = applications.call("Series", {"matchers": ["{}"], "labelNames": ["host.name"], **TIMES})
    assert asked == {"labelsSet": [{"labels": [{"name": "host.name", "value": "h1"}]}]}


def test_the_greatest_are_first_for_query_top(shop: Applications) -> None:
    request = SelectSeriesRequest(**SELECTION, group_by=["region"], step=3_600.0, limit=1)
    (only,) = call(shop, request, SelectSeriesResponse).series
    assert ([label.value for label in only.labels], [point.value for point in only.points]) == (["eu"], [30.0])


def test_single_profiles_are_named_for_query_exemplars_and_can_be_asked_for(shop: Applications) -> None:
    request = SelectHeatmapRequest(
        **SELECTION,
        step=3_600.0,
        query_type=HEATMAP_QUERY_TYPE_INDIVIDUAL,
        exemplar_type=EXEMPLAR_TYPE_INDIVIDUAL,
    )
    found = call(shop, request, SelectHeatmapResponse)
    exemplars = [exemplar for series in found.series for slot in series.slots for exemplar in slot.exemplars]
    by_value = {exemplar.value: exemplar for exemplar in exemplars}
    assert set(by_value) == {30, 5}
    assert {exemplar.span_id for exemplar in exemplars} == {""}
    named = by_value[5].profile_id
    for written in (named, named.upper(), named.replace("-", "")):
        picked = tree(shop, "SelectMergeStacktraces", profileIdSelector=[written])
        assert picked == {"": (5, 0), "order": (5, 0), "order>pack": (5, 5)}
    both = tree(shop, "SelectMergeStacktraces", profileIdSelector=[named], spanSelector=[SPAN])
    assert both[""] == (0, 0)


def test_a_series_of_values_has_its_largest_profile_as_an_example(shop: Applications) -> None:
    request = SelectSeriesRequest(**SELECTION, step=3_600.0, exemplar_type=EXEMPLAR_TYPE_INDIVIDUAL)
    (series,) = call(shop, request, SelectSeriesResponse).series
    ((example,),) = [point.exemplars for point in series.points]
    assert (example.value, bool(example.profile_id)) == (30, True)
    without = call(shop, SelectSeriesRequest(**SELECTION, step=3_600.0), SelectSeriesResponse)
    assert not without.series[0].points[0].exemplars


@pytest.mark.parametrize("unknown", ["00000000-0000-4000-8000-0000000fffff", "ffffffff-ffff-4fff-8fff-ffffffffffff"])
def test_an_unknown_profile_is_empty(shop: Applications, unknown: str) -> None:
    assert tree(shop, "SelectMergeStacktraces", profileIdSelector=[unknown])[""] == (0, 0)


@pytest.mark.parametrize("wrong", ["", "x", "00000000-0000-4000-8000"])
def test_what_is_no_profiles_id_is_refused_as_by_the_real_server(shop: Applications, wrong: str) -> None:
    body = {"profileTypeID": CPU, "labelSelector": "{}", "profileIdSelector": [wrong], **TIMES}
    assert shop.call("SelectMergeStacktraces", body, expected=500)["code"] == "unknown"


def test_an_upload_is_taken(applications: Applications) -> None:
    raw = push(
        [{"labels": {"__name__": "process_cpu", "service_name": "shop"}, "profiles": [profile(sample("leaf"))]}], NOW_S
    )
    response = applications.pyroscope.post(PUSH, data=raw, content_type=PROTOBUF)
    assert (response.status_code, response.mimetype, response.data) == (200, PROTOBUF, b"")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no program {name} on PATH; the tests above send the requests it sends")
    return found


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        now_s = int(time.time())
        labels = {"__name__": "process_cpu", "service_name": "shop"}
        body = push([{"labels": labels, "profiles": [profile(sample("leaf", span_id=SPAN))]}], now_s)
        assert running.send("pyroscope", "POST", PUSH, body, {"Content-Type": PROTOBUF})[0] == 200
        json_type = {"Content-Type": "application/json"}
        assert running.send("otlp-http", "POST", "/v1/traces", export_of(0, 2), json_type)[0] == 200
        yield running


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ready"], "ready"),
        (["query", "profile"], "leaf"),
        (["query", "profile", "--function-names-only"], "leaf"),
        (["query", "go-pgo", "--output=console"], "leaf"),
        (["query", "series"], "shop"),
        (["query", "series", "--label-names=service_name"], "shop"),
        (["query", "label-values-cardinality"], "service_name"),
        (["query", "top"], "shop"),
        (["query", "exemplars", "profile"], "-4000-8000-"),
        (["query", "exemplars", "span"], SPAN),
    ],
    ids=" ".join,
)
def test_profilecli_is_answered(pair: Pair, arguments: list[str], expected: str) -> None:
    command = [_program("profilecli"), *arguments, f"--url={pair.urls['pyroscope']}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout + done.stderr


def test_profilecli_uploads(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "cpu.pprof"
    file.write_bytes(pprof(profile(sample("uploaded leaf")), int(time.time())))
    url = f"--url={pair.urls['pyroscope']}"
    upload = [_program("profilecli"), "upload", url, "--extra-labels=service_name=uploaded", str(file)]
    subprocess.run(upload, capture_output=True, timeout=30, check=True)
    query = [_program("profilecli"), "query", "profile", url, '--query={service_name="uploaded"}']
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    assert "uploaded leaf" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trace-id", "{tempo}", "01" * 16], "span 1"),
        (["trace-id", "--v1", "{tempo}", "01" * 16], "span 1"),
        (["search-tags", "{address}"], "scopes"),
        (["search-tags", "{address}", "now-1h", "now"], "scopes"),
        (["search-tag-values", "{address}", "name"], "span 1"),
        (["search", "{address}", "{{ name = `span 1` }}", "now-1h", "now"], "spanID"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_tempo_cli_is_answered(pair: Pair, arguments: list[str], expected: str) -> None:
    tempo = pair.urls["tempo"]
    places = {"tempo": tempo, "address": tempo.removeprefix("http://")}
    command = [_program("tempo-cli"), "query", "api", *(argument.format(**places) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
