"""``spanprofiles link``, on a real pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.model import CPU, FlameGraph, new_span_id, new_trace_id
from tests.support.grafana_settings import PYROSCOPE, settings, tempo
from tests.support.stub_grafana import grafana, seconds_ago_ns, through
from tests.unit.conftest import Serve, otlp_span, push_samples, push_spans, resource_spans
from tests.unit.grafana.conftest import SERVICE, Stored


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return provision(tmp_path / "datasources.yaml", tempo(settings()))


def provision(path: Path, *sources: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"apiVersion": 1, "datasources": [PYROSCOPE, *sources]}), encoding="utf-8")
    return path


def link(stored: Stored, *arguments: object, trace_id: str = "") -> Result:
    servers = ["--tempo", stored.endpoints.tempo, "--pyroscope", stored.endpoints.pyroscope, "--wait", "0"]
    command = ["link", trace_id or stored.trace.trace_id, *servers, *map(str, arguments)]
    return CliRunner().invoke(main, command, env={"SPAN_PROFILES_GRAFANA_URL": ""})


def pane(url: str) -> dict[str, Any]:
    (panes,) = parse_qs(urlsplit(url).query)["panes"]
    found: dict[str, Any] = json.loads(panes)["a"]
    return found


def test_a_linked_span_is_shown_with_its_button_query_and_samples(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, "--span", stored.linked.span_id)

    assert result.exit_code == 0, result.output
    assert "button    yes" in result.output
    assert f'asks      {{service_name="{SERVICE}"}}, span {stored.linked.span_id!r}' in result.output
    assert "came      2 functions with 140 ms of CPU" in result.output
    assert "flame graph inside the trace view: drawn" in result.output


def test_all_spans_with_a_profile_id_are_shown_and_a_dead_link_is_broken(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file)

    assert result.exit_code == 1
    assert f"span {stored.child.span_id}" not in result.output
    assert "flame graph inside the trace view: nothing is drawn, and nothing said" in result.output
    assert "is broken for GET /quote" in result.output


def test_a_span_without_a_button_says_why(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, "--span", stored.child.span_id)

    assert result.exit_code == 1
    assert "button    no: the span has no attribute pyroscope.profile.id" in result.output


def test_json_has_the_query_and_the_addresses_in_explore(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, "--span", stored.linked.span_id, "--json")

    document = json.loads(result.stdout)
    (span,) = document["spans"]
    assert (span["button"], span["samples"], span["cpu_ns"], span["works"]) == (True, True, 140_000_000, True)
    profile, trace = pane(span["explore_url"]), pane(document["explore_url"])
    assert {**profile["queries"][0], "from": span["query"]["from"], "to": span["query"]["to"]} == span["query"]
    assert profile["range"] == {"from": str(span["query"]["from"]), "to": str(span["query"]["to"])}
    assert profile["datasource"] == "pyroscope"
    assert trace["queries"][0] == {
        "refId": "A",
        "datasource": {"type": "tempo", "uid": "tempo"},
        "queryType": "traceql",
        "query": stored.trace.trace_id,
    }


def test_a_refused_query_is_shown_in_pyroscopes_words(stored: Stored, tmp_path: Path) -> None:
    dotted = provision(tmp_path / "dotted.yaml", tempo(settings(tags=[{"key": "service.name"}])))

    result = link(stored, "--datasource", dotted, "--span", stored.linked.span_id)

    assert result.exit_code == 1
    assert "warning   the label service.name has a form that Pyroscope refuses with 400" in result.output
    assert "value: service_name" in result.output
    assert "came      Pyroscope refuses the query" in result.output
    assert "with 400: parsing label selector" in result.output


def test_through_a_grafana_the_same_samples_come(stored: Stored, serve: Serve) -> None:
    server = serve(grafana([tempo(settings()), PYROSCOPE], through(stored.pyroscope)))

    result = link(stored, "--grafana", server.url, "--span", stored.linked.span_id)

    assert result.exit_code == 0, result.output
    assert "Grafana   the same samples" in result.output
    assert f"Explore   {server.url}/explore?schemaVersion=1&orgId=1&panes=" in result.output


def test_a_grafana_that_shows_a_viewer_no_settings_is_asked_as_its_pages_ask(stored: Stored, serve: Serve) -> None:
    server = serve(grafana([tempo(settings()), PYROSCOPE], through(stored.pyroscope), to_a_viewer=True))

    result = link(stored, "--grafana", server.url, "--span", stored.linked.span_id)

    assert result.exit_code == 0, result.output


def test_a_grafana_that_gives_other_samples_is_broken(stored: Stored, serve: Serve) -> None:
    server = serve(grafana([tempo(settings()), PYROSCOPE], lambda _: FlameGraph([(("other",), 7_000_000)])))

    result = link(stored, "--grafana", server.url, "--span", stored.linked.span_id)

    assert result.exit_code == 1
    assert "Grafana   other samples: 1 functions with 7 ms, not 2 functions with 140 ms" in result.output


@pytest.mark.parametrize("tags", [["job", "instance", "pod", "namespace"], ["service.name"], [{"value": "pod"}]])
def test_tags_in_an_outdated_form_leave_a_button_that_searches_everything(
    stored: Stored, tmp_path: Path, tags: list[object]
) -> None:
    old = provision(tmp_path / "old.yaml", tempo(settings(tags=tags)))

    result = link(stored, "--datasource", old, "--span", stored.linked.span_id)

    assert result.exit_code == 0, result.output
    assert "button    yes" in result.output
    assert f"asks      {{}}, span {stored.linked.span_id!r}" in result.output
    assert "warning   the tag" in result.output
    assert "warning   the selector is {}" in result.output
    assert "came      2 functions with 140 ms of CPU" in result.output


def test_tags_that_stop_the_trace_view_are_a_broken_link_and_no_error_of_ours(stored: Stored, tmp_path: Path) -> None:
    text = provision(tmp_path / "text.yaml", tempo(settings(tags="service.name")))

    result = link(stored, "--datasource", text, "--span", stored.linked.span_id)

    assert result.exit_code == 1
    assert "button    no: the settings stop Grafana's trace view with an error" in result.output


def test_a_leftover_is_named_where_there_is_no_button(stored: Stored, tmp_path: Path) -> None:
    source = {**tempo(), "jsonData": {"tracesToProfilesV2": settings()}}

    result = link(stored, "--datasource", provision(tmp_path / "v2.yaml", source), "--span", stored.linked.span_id)

    assert result.exit_code == 1
    assert "warning   jsonData.tracesToProfilesV2 is not read by Grafana" in result.output


def test_of_several_tempo_sources_one_is_chosen_by_its_uid(stored: Stored, tmp_path: Path) -> None:
    second = tempo(settings(customQuery=True, query='{region="x"}'), uid="second", name="Second")
    both = provision(tmp_path / "both.yaml", tempo(settings()), second)

    assert link(stored, "--datasource", both).exit_code == 2
    assert 'asks      {region="x"}' in link(stored, "--datasource", both, "--uid", "second").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--grafana URL, or --datasource FILE"),
        (["--grafana", "http://127.0.0.1:1"], "Grafana does not answer"),
        (["--grafana", "nonsense"], "which is not an address"),
        (["--datasource", "no-such-file.yaml"], "does not exist"),
    ],
)
def test_without_usable_data_sources_it_cannot_look(stored: Stored, arguments: list[str], message: str) -> None:
    result = link(stored, *arguments)

    assert result.exit_code == 2
    assert message in result.output


def test_a_grafana_and_a_file_are_one_too_many(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, "--grafana", "http://127.0.0.1:1")

    assert result.exit_code == 2
    assert "not both" in result.output


def test_a_wrong_file_is_named_with_its_line(stored: Stored, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("datasources:\n  - uid: a\n")

    result = link(stored, "--datasource", path)

    assert result.exit_code == 2
    assert f"{path}:2: datasources[0].name: it is missing or empty" in result.output


def test_a_span_that_the_trace_does_not_have_is_named_with_those_it_has(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, "--span", "00000000000000ff")

    assert result.exit_code == 1
    assert "has no span 00000000000000ff; its spans:" in result.output


def test_a_trace_that_is_not_there_is_a_broken_link(stored: Stored, file: Path) -> None:
    assert link(stored, "--datasource", file, trace_id=new_trace_id()).exit_code == 1


@pytest.mark.parametrize("arguments", [["--span", "xyz"], []])
def test_an_identifier_that_is_none_cannot_be_looked_up(stored: Stored, file: Path, arguments: list[str]) -> None:
    result = link(stored, "--datasource", file, *arguments, trace_id="" if arguments else "xyz")

    assert result.exit_code == 2
    assert "'xyz' is not a" in result.output


WALL = "wall:wall:nanoseconds:wall:nanoseconds"


def waiting(stored: Stored) -> str:
    """A trace of a span that has wall time and no CPU; its ID."""
    trace_id, span_id = new_trace_id(), new_span_id()
    start_ns, end_ns = seconds_ago_ns(5), seconds_ago_ns(4)
    span = otlp_span(trace_id, span_id, "GET /wait", profile_id=span_id, start_ns=start_ns, end_ns=end_ns)
    push_spans(stored.endpoints, resource_spans("wall-app", span))
    push_samples(stored.endpoints, "wall-app", [(("main", "wait"), 900_000_000, {"span_id": span_id})], start_ns, WALL)
    push_samples(stored.endpoints, "wall-app", [(("main",), 10_000_000, {})], start_ns)
    return trace_id


def test_the_type_that_carries_the_ids_is_no_reason_to_warn(stored: Stored, tmp_path: Path) -> None:
    file = provision(tmp_path / "wall.yaml", tempo(settings(profileTypeId=WALL)))

    result = link(stored, "--datasource", file, trace_id=waiting(stored))

    assert result.exit_code == 0, result.output
    assert "came      2 functions with 900 ms of wall time (90 samples, 730 to 1,110 ms)" in result.output
    assert "warning" not in result.output


def test_a_type_that_does_not_is_told_with_the_one_that_does(stored: Stored, file: Path) -> None:
    result = link(stored, "--datasource", file, trace_id=waiting(stored))

    assert result.exit_code == 1
    assert f"samples of type {WALL} carry its ID: set profileTypeId to {WALL}" in result.output


def test_wall_time_where_samples_of_cpu_carry_the_ids_is_told_likewise(stored: Stored, tmp_path: Path) -> None:
    file = provision(tmp_path / "wall.yaml", tempo(settings(profileTypeId=WALL)))

    result = link(stored, "--datasource", file, "--span", stored.linked.span_id)

    assert result.exit_code == 1
    assert "warning" in result.output
    assert f"set profileTypeId to {CPU}" in result.output
