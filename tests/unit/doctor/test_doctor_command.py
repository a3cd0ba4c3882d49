"""``spanprofiles doctor``: its table, its JSON, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.doctor import HOPS
from spanprofiles.model import Endpoints
from tests.support.doctor import Ride, rides, tell


def doctor(pair: Endpoints, *arguments: str) -> Result:
    servers = ["--tempo", pair.tempo, "--pyroscope", pair.pyroscope]
    return CliRunner().invoke(main, ["doctor", *servers, *arguments])


def test_a_healthy_service_ends_with_0_and_a_row_for_each_hop(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "command-healthy", [*rides(), Ride("GET /quote", ms=3, cpu_ms=0)])

    result = doctor(embedded_pair, "--service", "command-healthy", "--probe", "--otlp", embedded_pair.otlp_http)

    assert result.exit_code == 0, result.output
    assert all(hop in result.stdout for hop in HOPS)
    assert "broken" not in result.stdout
    assert "GET /quote  shorter than a few sample periods: it lasted 3 ms" in result.stdout


def test_a_broken_hop_ends_with_1_and_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "command-broken", rides(profile_id=None))

    result = doctor(embedded_pair, "--service", "command-broken")

    assert result.exit_code == 1
    assert "the link is broken at: profile ID" in result.stderr
    assert "0 of 12 local root span(s) carry a profile ID" in result.stdout


def test_the_same_as_json(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "command-json", [*rides(6, host="h1"), *rides(1, host="h2", ms=4, cpu_ms=0)])

    result = doctor(embedded_pair, "--service", "command-json", "--since", "2m", "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["service"], document["verdict"], document["broken"]) == ("command-json", "ok", None)
    assert [finding["hop"] for finding in document["findings"]] == list(HOPS)
    link = next(finding for finding in document["findings"] if finding["hop"] == "link")
    assert (link["seen"]["linked"], link["seen"]["spans"]) == (6, 7)
    assert [explanation["cause"] for explanation in document["unlinked"]] == ["too_short"]


def test_one_trace_is_enough_to_know_the_service(embedded_pair: Endpoints) -> None:
    ride = Ride()
    tell(embedded_pair, "command-trace", [ride])

    result = doctor(embedded_pair, "--trace", ride.trace_id)

    assert result.exit_code == 0, result.output
    assert "service command-trace" in result.stdout


def test_of_several_services_one_must_be_chosen(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "command-one", rides(1))
    tell(embedded_pair, "command-two", rides(1))

    result = doctor(embedded_pair)

    assert result.exit_code == 2
    assert "choose one" in result.stderr
    assert "--service command-one" in result.stderr


def test_an_empty_backend_ends_with_1_and_says_that_nothing_arrived(empty_pair: Endpoints) -> None:
    result = doctor(empty_pair)

    assert result.exit_code == 1
    assert "Tempo has no span of any service" in " ".join(result.stdout.split())


def test_a_server_that_does_not_answer_ends_with_2(embedded_pair: Endpoints, dead_url: str) -> None:
    result = doctor(embedded_pair, "--service", "x", "--pyroscope", dead_url)

    assert result.exit_code == 2
    assert "Connection refused" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "yesterday"), "is not a time span"),
        (("--since", "3d"), "is not a time span"),
        (("--since", "25h"), "out of range: up to 20h"),
        (("--trace", "xyz"), "not a trace ID"),
        (("--upload-interval", "0"), "upload-interval"),
    ],
)
def test_bad_options_are_explained(embedded_pair: Endpoints, arguments: tuple[str, ...], says: str) -> None:
    result = doctor(embedded_pair, *arguments)

    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_grafana_and_a_file_together_are_too_much(embedded_pair: Endpoints, tmp_path: Path) -> None:
    file = tmp_path / "datasources.yaml"
    file.write_text("datasources: 7")

    assert doctor(embedded_pair, "--grafana", "http://g", "--datasource", str(file)).exit_code == 2
    wrong = doctor(embedded_pair, "--service", "x", "--datasource", str(file))
    assert wrong.exit_code == 2
    assert "datasources.yaml:1" in wrong.stderr
