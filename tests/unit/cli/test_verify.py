from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.cli import verify
from spanprofiles.model import Endpoints, TraceContext
from tests.unit.cli.conftest import Run, instrumented, leave_telemetry
from tests.unit.conftest import Answer, Seen, Serve, dripping_server

_FAST = ("--wait", "0.1", "--upload-interval", "0.1")


def _hops(output: str) -> list[str]:
    """The hops that were reached, in order: state and name."""
    lines = [line for line in output.splitlines() if line.startswith(("ok ", "BROKEN "))]
    return [" ".join(line[:18].split()) for line in lines]


def test_a_linked_request_is_followed_hop_by_hop_to_its_flame_graph(
    run: Run, embedded_pair: Endpoints, serve: Serve
) -> None:
    app = serve(instrumented(embedded_pair))
    result = run("verify", f"{app.url}/bike?lat=1", "--function", "search")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert _hops(result.stdout) == ["ok request", "ok trace", "ok profile ID", "ok samples", "ok function"]
    assert f"201 CREATED, {app.seen[0].headers['Traceparent']}" in result.stdout
    assert "on GET /bike, its own span ID" in result.stdout
    assert "80 ms of CPU (8 samples, 40 to 160 ms) in 5 functions" in result.stdout
    assert "search has 75 % (41 to 93 %) of the span's CPU" in result.stdout
    assert "▌Thread.run > Flask.wsgi_app > bike" in result.stdout
    assert (app.seen[0].path, dict(app.seen[0].query)) == ("/bike", {"lat": "1"})


def test_the_request_is_sent_as_told(run: Run, embedded_pair: Endpoints, serve: Serve) -> None:
    app = serve(instrumented(embedded_pair))
    headers = ("--header", "X-One: 1", "--header", "X-Two:a:b")
    result = run("verify", app.url, "--method", "PUT", *headers, "--data", "é=1")
    assert result.exit_code == 0
    (seen,) = app.seen
    assert (seen.method, seen.body) == ("PUT", "é=1".encode())
    assert (seen.headers["X-One"], seen.headers["X-Two"]) == ("1", "a:b")


def test_a_function_without_cpu_in_the_span_is_a_broken_hop(run: Run, embedded_pair: Endpoints, serve: Serve) -> None:
    result = run("verify", serve(instrumented(embedded_pair)).url, "--function", "gc")
    assert result.exit_code == 1
    assert _hops(result.stdout)[-1] == "BROKEN function"
    assert "gc has no CPU in the span profile: <FlameGraph of 80 ms" in result.stdout
    assert result.stderr == "spanprofiles: the link is broken at: function\n"


def test_a_misspelt_function_is_told_with_the_name_it_may_have_meant(
    run: Run, embedded_pair: Endpoints, serve: Serve
) -> None:
    result = run("verify", serve(instrumented(embedded_pair)).url, "--function", "serach")

    assert _hops(result.stdout)[-1] == "BROKEN function"
    assert "serach has no CPU in the span profile (nearest name: search): <FlameGraph" in " ".join(
        result.stdout.split()
    )


def test_an_app_without_instrumentation_breaks_at_the_trace(run: Run, serve: Serve) -> None:
    result = run("verify", serve(lambda _: Answer("a ride")).url, *_FAST)
    assert result.exit_code == 1
    assert _hops(result.stdout) == ["ok request", "BROKEN trace"]
    assert "the app is not instrumented" in result.stdout
    assert result.stderr == "spanprofiles: the link is broken at: trace\n"


def test_an_app_without_the_span_processor_breaks_at_the_profile_id(
    run: Run, embedded_pair: Endpoints, serve: Serve
) -> None:
    result = run("verify", serve(instrumented(embedded_pair, profile_id=None)).url, *_FAST)
    assert result.exit_code == 1
    assert _hops(result.stdout) == ["ok request", "ok trace", "BROKEN profile ID"]
    assert "pyroscope.otel.PyroscopeSpanProcessor" in result.stdout


def test_an_app_without_the_agent_breaks_at_the_samples(run: Run, embedded_pair: Endpoints, serve: Serve) -> None:
    nobody_else = {"service": "without-an-agent"}  # the samples of others would show an agent
    result = run("verify", serve(instrumented(embedded_pair, samples=False, **nobody_else)).url, *_FAST)
    assert result.exit_code == 1
    assert _hops(result.stdout) == ["ok request", "ok trace", "ok profile ID", "BROKEN samples"]
    assert result.stderr == "spanprofiles: the link is broken at: samples\n"


@pytest.mark.parametrize(("unlabelled_ms", "exit_code"), [(0, 0), (350, 1)], ids=["waited", "computed elsewhere"])
def test_a_span_without_samples_is_excused_only_where_its_process_waited_too(
    run: Run, embedded_pair: Endpoints, serve: Serve, unlabelled_ms: int, exit_code: int
) -> None:
    service = f"waits-{unlabelled_ms}"
    leave_telemetry(embedded_pair, service=service, name="GET /car")  # its agent runs and labels
    respond = instrumented(
        embedded_pair, samples=False, lasted_ms=400, service=service, ended_s_ago=20, unlabelled_ms=unlabelled_ms
    )

    result = run("verify", serve(respond).url, *_FAST)

    assert result.exit_code == exit_code, result.output
    told = " ".join(result.stdout.split())
    if exit_code:
        assert "BROKEN samples" in told
        assert "the doctor says: broken hop: sample labels" in told
        assert "gc 350 ms" in told
        assert "carry(function)" in told
    else:
        assert "none, for it waited instead of computing. Nothing is broken" in told


@pytest.mark.parametrize(("lasted_ms", "exit_code"), [(5, 0), (100, 1)])
def test_further_down_a_span_that_is_too_short_for_samples_is_excused(
    run: Run, embedded_pair: Endpoints, serve: Serve, lasted_ms: int, exit_code: int
) -> None:
    def forwards(seen: Seen) -> Answer:
        context = TraceContext.parse(seen.headers["Traceparent"])
        ride = leave_telemetry(embedded_pair, context)
        call = replace(context, span_id=ride.child_id)
        leave_telemetry(embedded_pair, call, samples=False, lasted_ms=lasted_ms, service="further down")
        return Answer("a ride", 201)

    leave_telemetry(embedded_pair, service="further down")  # its agent runs
    result = run("verify", serve(forwards).url, *_FAST)
    assert result.exit_code == exit_code, result.output
    excused = "none of GET /bike further down, as is usual of a span so short" in result.stdout
    assert excused == (exit_code == 0)
    assert ("the link is broken at: samples" in result.stderr) == (exit_code == 1)


def test_an_app_that_does_not_answer_ends_with_2_and_one_line(run: Run, dead_url: str) -> None:
    url = f"{dead_url}/bike"
    result = run("verify", url)
    assert result.exit_code == 2
    assert result.stderr == f"spanprofiles: the app does not answer at {url}: Connection refused\n"


@pytest.mark.parametrize("missing", ["Tempo", "Pyroscope"])
def test_a_server_that_does_not_answer_ends_with_2_before_the_app_is_asked(
    run: Run, embedded_pair: Endpoints, serve: Serve, dead_url: str, missing: str
) -> None:
    there = replace(embedded_pair, tempo=dead_url) if missing == "Tempo" else replace(embedded_pair, pyroscope=dead_url)
    app = serve(instrumented(embedded_pair))
    result = run("verify", app.url, servers=there)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"spanprofiles: {missing} does not answer at {dead_url}/ready: Connection refused")
    assert len(result.stderr.splitlines()) == 1
    assert app.seen == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("verify",), "Missing argument 'URL'"),
        (("verify", "localhost:5000"), "'localhost:5000' is not an address: http://host:port/path is expected"),
        (("verify", "http://127.0.0.1:1", "--wait", "0"), "0.0 is not in the range"),
        (("verify", "http://127.0.0.1:1", "--header", "nothing"), "'nothing' is no header: NAME:VALUE is expected"),
        (("verify", "http://127.0.0.1:1", "--header", ": x"), "': x' is no header"),
        (("verify", "http://127.0.0.1:1", "--header", "X: 漢"), "has '漢', which HTTP cannot carry"),
        (("verify", "ftp://127.0.0.1/x"), "'ftp://127.0.0.1/x' is not an address: http://host:port/path is expected"),
        (("verify", "http://[::1"), "'http://[::1' is not an address: http://host:port/path is expected"),
        (("show",), "Missing argument 'TRACE_ID'"),
        (("show", "f" * 32, "--top", "0"), "0 is not in the range"),
        (("show", "f" * 32, "--ca-file", "/nowhere"), "'/nowhere' does not exist"),
        (("show", "f" * 32, "--username", "joe", "--token", "x"), "or a bearer token, not both"),
        (("show", "f" * 32, "--token", "x\ny"), "the bearer token has a line break"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_an_address_that_is_none_is_told_by_the_name_of_its_variable(run: Run) -> None:
    result = run("show", "f" * 32, servers=Endpoints("localhost:3200", "http://p"))
    assert result.exit_code == 2
    assert "SPAN_PROFILES_TEMPO_URL, or its option, is 'localhost:3200', which is not an address" in " ".join(
        result.stderr.split()
    )


def test_a_request_linked_by_wall_time_is_followed_to_the_end(run: Run, embedded_pair: Endpoints, serve: Serve) -> None:
    wall = "wall:wall:nanoseconds:wall:nanoseconds"
    app = serve(instrumented(embedded_pair, service="waits", profile_type=wall))

    result = run("verify", app.url, "--function", "search")

    assert result.exit_code == 0, result.stdout
    assert "80 ms of wall time (8 samples, 40 to 160 ms) in 5 functions" in result.stdout
    assert "search has 75 % (41 to 93 %) of the span's wall time" in result.stdout
    assert f"set profileTypeId to {wall}" in result.stdout


def test_an_app_whose_answer_never_ends_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ANSWER_S", 0.4)
    with dripping_server(b"HTTP/1.1 200 OK\r\n\r\n", b" ") as url:
        result = run("verify", f"{url}/?key=s3cret")
    assert result.exit_code == 2
    assert f"the app does not answer at {url}/?key=***: its answer was not complete after 0.4 s" in result.stderr


def test_of_an_enormous_answer_no_more_is_read_than_anybody_reads(
    run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LARGEST_ANSWER_BYTES", 1000)
    stub = serve(lambda _: Answer("no! " * 100_000, 500, "text/plain"))
    result = run("verify", stub.url, "--wait", "0.1")
    assert result.exit_code == 1
    assert "look at what follows with care: no! no! " in result.stdout
