"""``spanprofiles flame``: one flame graph of all spans that a query finds."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from uuid import uuid4

import pytest

from spanprofiles.cli import options
from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.model import Endpoints
from tests.unit.cli.conftest import Run, leave_telemetry
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

NOWHERE = Endpoints("http://127.0.0.1:9", "http://127.0.0.1:9")
MS = 1_000_000


def a_service() -> str:
    return f"group-{uuid4().hex[:8]}"


def of(service: str, more: str = "") -> str:
    return f'{{ resource.service.name = "{service}"{more} }}'


def test_all_spans_of_a_query_have_one_flame_graph(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    rides = [leave_telemetry(embedded_pair, service=service) for _ in range(3)]
    leave_telemetry(embedded_pair, service=a_service())

    result = run("flame", of(service, " && kind = server"), "--since", "10m")

    assert result.exit_code == 0, result.output
    assert f"3 spans of {service} by {{ resource.service.name" in result.stdout
    assert "240 ms of CPU (24 samples, 160 to 360 ms), 80 ms a span" in result.stdout
    assert "180 ms 110 to 280 ms 75 % 180 ms search" in " ".join(result.stdout.split())
    assert len(rides) == 3


def test_json_has_each_span_and_the_samples_of_all(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    rides = [leave_telemetry(embedded_pair, service=service) for _ in range(2)]

    found = json.loads(run("flame", of(service, " && kind = server"), "--json").stdout)

    assert {span["trace_id"] for span in found["spans"]} == {ride.trace_id for ride in rides}
    assert {span["service"] for span in found["spans"]} == {service}
    assert (found["cpu_ns"], found["samples"], found["unit"]) == (160 * MS, 16, "nanoseconds")
    assert found["interval"][0] < 160 * MS < found["interval"][1]
    assert sum(stack["value"] for stack in found["stacks"]) == 160 * MS
    assert (found["unlinked"], found["is_cut"]) == (0, False)


def test_it_is_written_as_a_picture_and_for_pprof_viewers(run: Run, embedded_pair: Endpoints, tmp_path: Path) -> None:
    service = a_service()
    leave_telemetry(embedded_pair, service=service)
    picture, profile = tmp_path / "it.svg", tmp_path / "it.pprof"

    result = run("flame", of(service, " && kind = server"), "--svg", str(picture), "--pprof", str(profile))

    assert result.exit_code == 0, result.output
    assert "80 ms of CPU (8 samples, 40 to 160 ms)" in picture.read_text()
    read = Profile.FromString(gzip.decompress(profile.read_bytes()))
    assert sum(sample.value[0] for sample in read.sample) == 80 * MS
    assert read.duration_nanos == 100 * MS


def test_spans_without_a_profile_id_are_counted_apart(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    leave_telemetry(embedded_pair, service=service)

    result = run("flame", of(service))  # the child span matches, too

    assert result.exit_code == 0, result.output
    assert f"1 span of {service}" in result.stdout
    assert "1 more spans match, and carry no pyroscope.profile.id." in result.stdout


def test_spans_that_carry_ids_below_a_root_are_counted_once(run: Run, embedded_pair: Endpoints) -> None:
    service, trace_id, root_id, child_id = a_service(), uuid4().hex, uuid4().hex[:16], uuid4().hex[:16]
    end_ns = time.time_ns() - 5 * 10**9  # so long ago that all samples are there
    root = otlp_span(trace_id, root_id, "GET /", profile_id=root_id, start_ns=end_ns - 100 * MS, end_ns=end_ns)
    child = otlp_span(
        trace_id, child_id, "work", parent_id=root_id, kind=1, profile_id=child_id,
        start_ns=end_ns - 90 * MS, end_ns=end_ns,
    )  # fmt: skip
    push_spans(embedded_pair, resource_spans(service, root, child))
    taken = [((name,), 30 * MS, {"span_id": span_id}) for name, span_id in (("own", root_id), ("work", child_id))]
    push_samples(embedded_pair, service, taken, end_ns)

    both = json.loads(run("flame", of(service), "--json").stdout)
    root_alone = json.loads(run("flame", of(service, ' && name = "GET /"'), "--json").stdout)

    assert both["cpu_ns"] == root_alone["cpu_ns"] == 60 * MS


def test_more_traces_than_asked_for_are_told(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    for _ in range(3):
        leave_telemetry(embedded_pair, service=service)

    result = run("flame", of(service, " && kind = server"), "--limit", "2")

    assert f"2 spans of {service}" in result.stdout
    assert "There may be more: these are the newest; --limit takes more of them." in result.stdout


def test_where_nothing_matches_the_exit_code_says_so(run: Run) -> None:
    result = run("flame", of(a_service()), "--since", "90")

    assert result.exit_code == 1
    assert "no span that started in the last 90 s matches { resource.service.name" in result.stderr


def test_spans_none_of_which_carries_a_profile_id_lead_nowhere(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    leave_telemetry(embedded_pair, service=service, profile_id=None)

    result = run("flame", of(service))

    assert result.exit_code == 1
    assert "none of the 2 spans that match" in result.stderr
    assert "carries pyroscope.profile.id: local root spans do" in result.stderr


def test_spans_without_samples_are_a_dead_link(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    leave_telemetry(embedded_pair, service=service, samples=False, ended_s_ago=60)

    result = run("flame", of(service, " && kind = server"), "--wait", "0")

    assert result.exit_code == 1
    assert "none of 1 spans has samples" in result.stderr


@pytest.mark.parametrize("query", ["{ span.x = }", "hello"])
def test_what_is_no_search_is_refused_in_tempos_words(run: Run, query: str) -> None:
    result = run("flame", query)

    assert result.exit_code == 2, result.output
    assert "Tempo" in result.stderr


def test_an_empty_query_is_told_how_to_find_all(run: Run) -> None:
    result = run("flame", " ")

    assert result.exit_code == 2
    assert "it is empty: { } finds all spans" in result.stderr


def test_a_query_with_a_hint_of_its_own_is_taken(run: Run, embedded_pair: Endpoints) -> None:
    service = a_service()
    leave_telemetry(embedded_pair, service=service)

    result = run("flame", f"{of(service, ' && kind = server')} with (most_recent=true)")

    assert result.exit_code == 0, result.output
    assert f"1 span of {service}" in result.stdout


@pytest.mark.parametrize("since", ["", "0", "-5m", "1w", "25h", "nan", "ten", "1e9", "5 min"])
def test_what_is_no_time_is_refused(run: Run, since: str) -> None:
    result = run("flame", "{ }", f"--since={since}")

    assert result.exit_code == 2
    assert "is not a time from 1s to 23h, such as 90s, 10m or 2h" in result.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("10 m", 600)])
def test_times_are_read_with_their_units(text: str, seconds: float) -> None:
    assert options.Period(86_400).convert(text, None, None) == seconds


def test_servers_that_do_not_answer_and_files_that_cannot_be_written_are_named(
    run: Run, embedded_pair: Endpoints, tmp_path: Path
) -> None:
    assert run("flame", "{ }", servers=NOWHERE).exit_code == 2
    service = a_service()
    leave_telemetry(embedded_pair, service=service)

    result = run("flame", of(service, " && kind = server"), "--svg", str(tmp_path / "none" / "it.svg"))

    assert result.exit_code == 2
    assert "cannot be written to" in result.stderr


def test_a_trace_through_two_services_has_one_flame_graph_of_both(run: Run, embedded_pair: Endpoints) -> None:
    trace_id, end_ns = uuid4().hex, time.time_ns() - 5 * 10**9
    services = [a_service(), a_service()]
    for service, ms in zip(services, (50, 30), strict=True):
        span_id = uuid4().hex[:16]
        span = otlp_span(trace_id, span_id, "GET /", profile_id=span_id, start_ns=end_ns - 100 * MS, end_ns=end_ns)
        push_spans(embedded_pair, resource_spans(service, span))
        push_samples(embedded_pair, service, [(("work",), ms * MS, {"span_id": span_id})], end_ns)

    shown = run("show", trace_id, "--whole-trace", "--top", "3")
    found = json.loads(run("show", trace_id, "--whole-trace", "--json").stdout)

    assert shown.exit_code == 0, shown.output
    assert "all 2 linked spans: 80 ms of CPU (8 samples, 40 to 160 ms)" in shown.stdout
    assert (found["whole_trace"]["cpu_ns"], found["whole_trace"]["samples"]) == (80 * MS, 8)
    assert [profile["samples"] for profile in found["span_profiles"]] in ([5, 3], [3, 5])


def test_a_whole_trace_has_one_flame_graph_of_its_linked_spans(run: Run, embedded_pair: Endpoints) -> None:
    ride = leave_telemetry(embedded_pair, service=a_service())

    shown = run("show", ride.trace_id, "--whole-trace")
    found = json.loads(run("show", ride.trace_id, "--whole-trace", "--json").stdout)

    assert shown.exit_code == 0, shown.output
    assert "the only linked span: 80 ms of CPU (8 samples, 40 to 160 ms)" in shown.stdout
    assert found["whole_trace"]["cpu_ns"] == 80 * MS
    assert "whole_trace" not in json.loads(run("show", ride.trace_id, "--json").stdout)
