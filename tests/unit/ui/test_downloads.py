from __future__ import annotations

import base64
import gzip
import time
import uuid

import requests
from flask.testing import FlaskClient

from spanprofiles.clients import ProfileQuery, PyroscopeClient
from spanprofiles.model import Endpoints, label_selector
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.source_lines import SourceFrame, SourceLines
from spanprofiles.report.folded import folded_text
from tests.unit.conftest import graph_of
from tests.unit.ui.conftest import MS, StoreRide

STACKS = {("main", "work"): 30 * MS, ("main",): 10 * MS, ("main", "work", "naïve <lambda>"): 20 * MS}


def push_profile(endpoints: Endpoints, service: str, profile: bytes) -> None:
    labels = [{"name": "__name__", "value": "process_cpu"}, {"name": "service_name", "value": service}]
    sample = {"ID": str(uuid.uuid4()), "rawProfile": base64.b64encode(profile).decode()}
    url = f"{endpoints.pyroscope}/push.v1.PusherService/Push"
    requests.post(url, json={"series": [{"labels": labels, "samples": [sample]}]}, timeout=10).raise_for_status()


def test_a_server_reads_the_same_flame_graph_from_the_pprof_that_was_written(embedded_pair: Endpoints) -> None:
    service, now_ns = f"pprof-{uuid.uuid4().hex}", time.time_ns()
    profile = pprof_profile(graph_of(STACKS), time_ns=now_ns, duration_ns=10**9)
    push_profile(embedded_pair, service, profile)

    query = ProfileQuery(label_selector({"service_name": service}), now_ns // MS - 1000, now_ns // MS + 1000)
    read = PyroscopeClient(embedded_pair.pyroscope).merged_profile(query)

    assert read == graph_of(STACKS)


def test_a_server_reads_the_files_and_lines_that_were_written(embedded_pair: Endpoints) -> None:
    service, span_id, now_ns = f"pprof-{uuid.uuid4().hex}", "ab" * 8, time.time_ns()
    lines = SourceLines(
        [
            ((SourceFrame("main", "app.py", 7), SourceFrame("work", "work.py", 41)), 30 * MS),
            ((SourceFrame("main", "app.py", 7), SourceFrame("work", "work.py", 43)), 20 * MS),
        ]
    )
    profile = pprof_profile(lines.flamegraph, time_ns=now_ns, labels={"span_id": span_id}, lines=lines)
    push_profile(embedded_pair, service, profile)

    query = ProfileQuery(label_selector({"service_name": service}), now_ns // MS - 1000, now_ns // MS + 1000)
    read = PyroscopeClient(embedded_pair.pyroscope).span_lines(query, [span_id])

    assert read.flamegraph == lines.flamegraph
    assert read.own_places("work") == lines.own_places("work") != []


def test_a_download_for_pprof_has_the_lines_that_the_server_tells(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(stacks={("main|/srv/shop/app.py|7",): 30 * MS})

    assert b"/srv/shop/app.py" in gzip.decompress(page.get(f"{ride.address}/profile.pb.gz").data)


def test_folded_text_has_a_line_for_each_call_path() -> None:
    assert folded_text(graph_of({("a", "b"): 2, ("a",): 1})) == "a 1\na;b 2\n"


def test_a_separator_in_a_name_does_not_make_another_frame_of_folded_text() -> None:
    assert folded_text(graph_of({("a;b\nc", "d"): 2})) == "a:b c;d 2\n"


def test_a_span_can_be_downloaded_in_three_forms(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(stacks=STACKS)

    pprof = page.get(f"{ride.address}/profile.pb.gz")
    folded = page.get(f"{ride.address}/profile.folded")
    svg = page.get(f"{ride.address}/flamegraph.svg")

    assert "naïve <lambda>".encode() in gzip.decompress(pprof.data)
    assert folded.text.splitlines() == [
        f"main {10 * MS}",
        f"main;work {30 * MS}",
        f"main;work;naïve <lambda> {20 * MS}",
    ]
    assert svg.mimetype == "image/svg+xml"
    for response in (pprof, folded, svg):
        assert response.headers["Content-Disposition"].startswith(f'attachment; filename="{ride.span_id}.')


def test_a_span_without_samples_has_nothing_to_download(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride("shop-without-agent")

    response = page.get(f"{ride.address}/profile.pb.gz")

    assert response.status_code == 404
    assert "no samples" in response.text
