from __future__ import annotations

import json
import time

import pytest

from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.unit.cli.conftest import PRICE, SEARCH, SERVICE, Run, leave_telemetry
from tests.unit.conftest import Answer, Serve, otlp_span, push_spans, resource_spans


@pytest.fixture
def nobody(dead_url: str) -> Endpoints:
    """Addresses where nothing listens."""
    return Endpoints(dead_url, dead_url)


def test_a_linked_trace_is_shown_with_its_spans_its_flame_graph_and_its_top_table(
    run: Run, embedded_pair: Endpoints
) -> None:
    ride = leave_telemetry(embedded_pair)
    result = run("show", ride.trace_id)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert f"trace {ride.trace_id}" in result.stdout
    assert f"└ span profile {ride.span_id}: 80 ms of CPU" in result.stdout
    amount = "80 ms of CPU (8 samples, 40 to 160 ms)"
    assert f"GET /bike in {SERVICE}, 100.0 ms long\nspan profile {ride.span_id}: {amount}\n" in result.stdout
    assert "▌Thread.run > Flask.wsgi_app > bike" in result.stdout
    assert "60 ms 30 to 130 ms 75 % 60 ms search" in [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "gc" not in result.stdout  # a sample of no span


def test_the_top_table_has_as_many_rows_as_asked_for(run: Run, embedded_pair: Endpoints) -> None:
    result = run("show", leave_telemetry(embedded_pair).trace_id, "--top", "1")
    rows = [line for line in result.stdout.splitlines() if "%" in line and "self" not in line]
    assert [row.split()[-1] for row in rows] == ["search"]


def test_as_json_it_carries_the_spans_and_the_stacks(run: Run, embedded_pair: Endpoints) -> None:
    ride = leave_telemetry(embedded_pair)
    result = run("show", ride.trace_id, "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["trace_id"] == ride.trace_id
    root, child = answer["spans"]
    assert (root["span_id"], root["parent_id"], root["profile_id"]) == (ride.span_id, None, ride.span_id)
    assert (root["name"], root["service"], root["duration_ns"]) == ("GET /bike", SERVICE, 100_000_000)
    assert (child["span_id"], child["parent_id"], child["profile_id"]) == (ride.child_id, ride.span_id, None)
    (profile,) = answer["span_profiles"]
    assert (profile["span_id"], profile["profile_id"]) == (ride.span_id, ride.span_id)
    assert (profile["service"], profile["cpu_ns"]) == (SERVICE, 80_000_000)
    stacks = {tuple(stack["functions"]): stack["value_ns"] for stack in profile["stacks"]}
    assert stacks == {SEARCH: 60_000_000, PRICE: 20_000_000}


def test_an_id_without_its_leading_zeros_in_upper_case_is_the_same_trace(run: Run, embedded_pair: Endpoints) -> None:
    ride = leave_telemetry(embedded_pair)
    result = run("show", ride.trace_id.lstrip("0").upper(), "--json")
    assert json.loads(result.stdout)["trace_id"] == ride.trace_id


def test_a_dead_link_is_shown_as_one_and_ends_with_1(run: Run, embedded_pair: Endpoints) -> None:
    ride = leave_telemetry(embedded_pair, samples=False)
    result = run("show", ride.trace_id, "--wait", "0")
    assert result.exit_code == 1
    assert f"└ span profile {ride.span_id}: no samples, a DEAD LINK" in result.stdout
    assert result.stderr == "spanprofiles: no samples for the profile ID of GET /bike: a dead link\n"


def test_a_span_that_merely_fell_between_two_samples_is_nothing_to_fail_for(run: Run, embedded_pair: Endpoints) -> None:
    others = leave_telemetry(embedded_pair)  # the service has profiles, so the agent runs
    ride = leave_telemetry(embedded_pair, samples=False, lasted_ms=5)
    result = run("show", ride.trace_id, "--wait", "0")
    assert result.exit_code == 0, result.stderr
    assert f"└ span profile {ride.span_id}: no samples, as is usual of a span so short" in result.stdout
    assert others.span_id not in result.stdout


@pytest.mark.parametrize(("unlabelled_ms", "exit_code"), [(0, 0), (350, 1)], ids=["waited", "computed elsewhere"])
def test_a_span_that_waited_is_told_from_one_whose_cpu_has_no_span_id(
    run: Run, embedded_pair: Endpoints, unlabelled_ms: int, exit_code: int
) -> None:
    service = f"shown-{unlabelled_ms}"
    leave_telemetry(embedded_pair, service=service, name="GET /car")  # its agent runs and labels
    ride = leave_telemetry(
        embedded_pair, samples=False, lasted_ms=400, service=service, ended_s_ago=20, unlabelled_ms=unlabelled_ms
    )

    result = run("show", ride.trace_id, "--wait", "0")
    document = json.loads(run("show", ride.trace_id, "--wait", "0", "--json").stdout)

    assert result.exit_code == exit_code, result.output
    (profile,) = document["span_profiles"]
    if exit_code:
        assert f"└ span profile {ride.span_id}: no samples, a DEAD LINK" in result.stdout
        assert profile["diagnosis"]["cause"] == "broken hop: sample labels"
        assert "gc 350 ms" in " ".join(result.stdout.split())
    else:
        assert f"└ span profile {ride.span_id}: no samples, for it waited instead of computing" in result.stdout
        assert profile["diagnosis"]["harmless"]


def test_a_short_span_of_a_service_without_any_profile_is_a_dead_link_all_the_same(
    run: Run, embedded_pair: Endpoints
) -> None:
    ride = leave_telemetry(embedded_pair, samples=False, lasted_ms=5, service="without-agent")
    result = run("show", ride.trace_id, "--wait", "0")
    assert result.exit_code == 1
    assert f"└ span profile {ride.span_id}: no samples, a DEAD LINK" in result.stdout


def test_a_dead_link_as_json_has_no_stacks_and_ends_with_1(run: Run, embedded_pair: Endpoints) -> None:
    result = run("show", leave_telemetry(embedded_pair, samples=False).trace_id, "--wait", "0", "--json")
    assert result.exit_code == 1
    (profile,) = json.loads(result.stdout)["span_profiles"]
    assert (profile["cpu_ns"], profile["stacks"]) == (0, [])


def test_a_profile_id_that_is_none_is_a_dead_link(run: Run, embedded_pair: Endpoints) -> None:
    result = run("show", leave_telemetry(embedded_pair, profile_id="xyz").trace_id, "--wait", "0")
    assert result.exit_code == 1
    assert "└ span profile xyz: no samples, a DEAD LINK" in result.stdout


def test_a_trace_without_profile_id_is_shown_all_the_same_and_ends_with_1(run: Run, embedded_pair: Endpoints) -> None:
    result = run("show", leave_telemetry(embedded_pair, profile_id=None).trace_id, "--wait", "0")
    assert result.exit_code == 1
    assert "GET /bike" in result.stdout
    assert "no local root span of this trace carries pyroscope.profile.id" in result.stderr


def test_a_trace_that_is_not_there_ends_with_1_and_one_line(run: Run) -> None:
    result = run("show", "f" * 32, "--wait", "0")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"spanprofiles: Tempo has no span of the trace {'f' * 32} after 0 s")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("trace_id", ["xyz", "0" * 32, "f" * 33])
def test_what_is_no_trace_id_ends_with_2(run: Run, trace_id: str) -> None:
    result = run("show", trace_id)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"spanprofiles: {trace_id!r} is not a trace ID")


def test_servers_that_do_not_answer_end_with_2_and_one_line(run: Run, nobody: Endpoints) -> None:
    result = run("show", "f" * 32, servers=nobody)
    assert result.exit_code == 2
    assert result.stdout == ""
    url = f"{nobody.tempo}/api/v2/traces/{'f' * 32}"
    assert result.stderr.startswith(f"spanprofiles: Tempo does not answer at {url}: Connection refused")
    assert len(result.stderr.splitlines()) == 1


def test_a_pyroscope_that_does_not_answer_ends_with_2_and_one_line(
    run: Run, embedded_pair: Endpoints, nobody: Endpoints
) -> None:
    ride = leave_telemetry(embedded_pair)
    result = run("show", ride.trace_id, servers=Endpoints(embedded_pair.tempo, nobody.pyroscope))
    assert result.exit_code == 2
    assert result.stderr.startswith("spanprofiles: Pyroscope does not answer at ")
    assert len(result.stderr.splitlines()) == 1


def test_a_page_of_html_instead_of_an_error_is_told_in_one_line(run: Run, serve: Serve) -> None:
    gateway = serve(lambda _: Answer("<html>\n<body>\nBad Gateway\n</body>\n</html>\n", 502, "text/html"))
    result = run("show", "f" * 32, servers=Endpoints(gateway.url, gateway.url))
    assert result.exit_code == 2
    assert "with 502: <html> <body> Bad Gateway </body> </html>" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_titled_page_of_html_is_told_by_its_title(run: Run, serve: Serve) -> None:
    page = "<!DOCTYPE html>\n<html><head><style>body {}</style><title>\n Log in </title></head></html>"
    login = serve(lambda _: Answer(page, 404, "text/html"))
    result = run("show", "f" * 32, servers=Endpoints(login.url, login.url))
    assert result.exit_code == 2
    assert "with 404: a page in HTML, titled 'Log in'" in result.stderr
    assert "style" not in result.stderr


def test_credentials_of_options_and_of_the_environment_reach_the_servers(
    run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = serve(lambda _: Answer.of({"trace": {}, "metrics": {}}))
    monkeypatch.setenv("SPAN_PROFILES_TENANT", "team")
    monkeypatch.setenv("SPAN_PROFILES_TOKEN", "t0ken")
    run("show", "f" * 32, "--wait", "0", servers=Endpoints(stub.url, stub.url))
    assert stub.seen[0].headers["Authorization"] == "Bearer t0ken"
    assert stub.seen[0].headers["X-Scope-Orgid"] == "team"
    monkeypatch.delenv("SPAN_PROFILES_TOKEN")
    run("show", "f" * 32, "--wait", "0", "--username", "joe", servers=Endpoints(stub.url, stub.url))
    assert stub.seen[-1].headers["Authorization"] == "Basic am9lOg=="


def test_addresses_come_from_the_environment_too(
    run: Run, embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAN_PROFILES_TEMPO_URL", embedded_pair.tempo + "/")
    monkeypatch.setenv("SPAN_PROFILES_PYROSCOPE_URL", embedded_pair.pyroscope)
    assert run("show", leave_telemetry(embedded_pair).trace_id, servers=None).exit_code == 0


WALL = "wall:wall:nanoseconds:wall:nanoseconds"


def test_a_span_linked_by_wall_time_is_shown_as_that_with_what_grafana_needs(
    run: Run, embedded_pair: Endpoints
) -> None:
    ride = leave_telemetry(embedded_pair, service="waits", profile_type=WALL)

    result = run("show", ride.trace_id)

    assert result.exit_code == 0, result.stdout
    assert f"└ span profile {ride.span_id}: 80 ms of wall time" in result.stdout
    amount = "80 ms of wall time (8 samples, 40 to 160 ms)"
    assert f"100.0 ms long\nspan profile {ride.span_id}: {amount}\n" in result.stdout
    assert f"set profileTypeId to {WALL}" in result.stdout
    assert "of CPU" not in result.stdout
    (profile,) = json.loads(run("show", ride.trace_id, "--json").stdout)["span_profiles"]
    assert (profile["profile_type"], profile["value"], profile["unit"]) == (WALL, 80_000_000, "nanoseconds")
    assert profile["cpu_ns"] == 0


def test_a_span_linked_by_cpu_time_needs_no_other_setting(run: Run, embedded_pair: Endpoints) -> None:
    result = run("show", leave_telemetry(embedded_pair).trace_id)

    assert "profileTypeId" not in result.stdout


def test_counts_are_written_as_counts(run: Run, embedded_pair: Endpoints) -> None:
    counts = "process_cpu:samples:count:cpu:nanoseconds"
    ride = leave_telemetry(embedded_pair, service="counts", profile_type=counts)

    assert ": 80,000,000 samples of CPU (79,982,000 to 80,018,000)" in run("show", ride.trace_id).stdout
    (profile,) = json.loads(run("show", ride.trace_id, "--json").stdout)["span_profiles"]
    assert all("value_ns" not in stack for stack in profile["stacks"])


def test_a_type_may_be_asked_for_by_name(run: Run, embedded_pair: Endpoints) -> None:
    ride = leave_telemetry(embedded_pair)

    result = run("show", ride.trace_id, "--profile-type", WALL, "--wait", "0")

    assert result.exit_code == 1
    assert "a dead link" in result.stderr


def test_a_service_whose_language_has_no_span_processor_is_told_so(run: Run, embedded_pair: Endpoints) -> None:
    trace_id, span_id = new_trace_id(), new_span_id()
    group = resource_spans("node", otlp_span(trace_id, span_id, start_ns=time.time_ns() - 10**9, end_ns=time.time_ns()))
    group["resource"]["attributes"].append({"key": "telemetry.sdk.language", "value": {"stringValue": "nodejs"}})
    push_spans(embedded_pair, group)

    result = run("show", trace_id, "--wait", "0")

    assert result.exit_code == 1
    assert "Pyroscope has no span processor for Node.js" in result.stderr
    assert "pyroscope.otel" not in result.stderr
