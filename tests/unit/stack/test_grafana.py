"""Grafana's provisioning and dashboards refer to what is there, and a broken one is found out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from spanprofiles.linking.grafana import PYROSCOPE_TYPE, DataSource, read_data_sources
from tests.unit.stack.grafana_rules import CPU, RULES, Rule, faults_of, links_of
from tests.unit.stack.reading import DATA_SOURCES, ROOT, Json, compose, dashboards, read_yaml, services

NAMES = ("fleet", "regions", "ride", "rides")


def provisioned(uid: str) -> DataSource:
    """Give a data source as Grafana has it in the container, whose environment has no variable the files name."""
    found = read_data_sources([DATA_SOURCES], {}).find(uid)
    assert found is not None
    return found


def test_there_are_these_dashboards_and_each_is_named_as_its_file() -> None:
    assert tuple(dashboards()) == NAMES
    assert {name: dashboard["uid"] for name, dashboard in dashboards().items()} == {name: name for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_dashboard_obeys(name: str, rule: Rule) -> None:
    assert list(rule(dashboards()[name])) == []


def _target(dashboard: Json, kind: str) -> Json:
    panel: Json = next(panel for panel in dashboard["panels"] if panel["type"] == kind)
    target: Json = panel["targets"][0]
    return target


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            lambda it: it["panels"][0].update(type="grafana-piechart-panel"),
            "panel 1 is a grafana-piechart-panel, which may be a plugin to download",
        ),
        (lambda it: it["panels"][1].update(id=1), "two panels have the same id"),
        (
            lambda it: it["panels"][0].update(datasource={"type": "tempo", "uid": "P214B5B846CF3925F"}),
            "panel 1 asks {'type': 'tempo', 'uid': 'P214B5B846CF3925F'}, which nobody provisions",
        ),
        (lambda it: it["panels"][0].pop("datasource"), "panel 1 asks None, which nobody provisions"),
        (
            lambda it: _target(it, "flamegraph").update(profileTypeId="memory:alloc_space:bytes:space:bytes"),
            "memory:alloc_space:bytes:space:bytes is no type of profile that the app sends",
        ),
        (
            lambda it: _target(it, "flamegraph").update(labelSelector='{service.name="x", host_name="y"}'),
            "host_name is no label of the app's profiles",
        ),
        (
            lambda it: _target(it, "flamegraph").update(spanSelector=[]),
            "an empty span selector shows the whole service",
        ),
        (
            lambda it: _target(it, "traces").update(query="{ resource.service.namespace != nil }"),
            "resource.service.namespace is no attribute of the app's spans",
        ),
        (lambda it: it["templating"].update(list=[]), "the variable span is not defined"),
        (
            lambda it: it["panels"][2]["fieldConfig"]["overrides"][0]["matcher"].update(options="Trace ID"),
            "panel 3 has no column Trace ID",
        ),
    ],
)
def test_a_broken_dashboard_is_found_out(damage: Callable[[Json], None], fault: str) -> None:
    dashboard = dashboards()["ride"]
    damage(dashboard)
    assert fault in faults_of(dashboard)


def test_links_lead_to_dashboards_that_exist_or_to_explore() -> None:
    links = [link for dashboard in dashboards().values() for link in links_of(dashboard)]
    assert links
    for link in links:
        assert link.startswith(("/d/ride?var-trace=", "/explore?schemaVersion=1&orgId=1&panes={")), link


def test_a_ride_links_to_its_trace_beside_the_profile_of_its_own_span() -> None:
    link = next(link for link in links_of(dashboards()["rides"]) if link.startswith("/explore"))
    panes = json.loads(link.partition("panes=")[2])
    assert panes["trace"]["queries"][0]["query"] == "${__data.fields.traceIdHidden}"
    profile = panes["profile"]["queries"][0]
    assert profile["spanSelector"] == ["${__data.fields.spanID}"]
    assert (profile["queryType"], profile["profileTypeId"]) == ("profile", CPU)


def test_one_ride_shows_its_trace_and_the_flame_graph_of_one_span() -> None:
    ride = dashboards()["ride"]
    assert {variable["name"] for variable in ride["templating"]["list"]} == {"trace", "span"}
    assert _target(ride, "traces")["query"] == "${trace}"
    assert _target(ride, "flamegraph")["spanSelector"] == ["${span}"]


def test_the_home_page_is_the_dashboard_of_the_rides() -> None:
    grafana = services(compose())["grafana"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == "/etc/grafana/dashboards/rides.json"
    assert "./grafana/dashboards:/etc/grafana/dashboards:ro" in grafana["volumes"]


def test_dashboards_are_provisioned_from_where_they_are_mounted_and_stay_as_they_are() -> None:
    provider = read_yaml(ROOT / "grafana" / "provisioning" / "dashboards" / "dashboards.yaml")["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert provider["allowUiUpdates"] is False
    assert all(dashboard["editable"] is False for dashboard in dashboards().values())


def test_the_data_sources_reach_the_servers_of_the_stack() -> None:
    sources = {source["uid"]: source for source in read_yaml(DATA_SOURCES)["datasources"]}
    assert {uid: source["url"] for uid, source in sources.items()} == {
        "pyroscope": "http://pyroscope:4040",
        "tempo": "http://tempo:3200",
        "tempo-custom-query": "http://tempo:3200",
    }
    assert all(source["editable"] is False for source in sources.values())
    assert [uid for uid, source in sources.items() if source.get("isDefault")] == ["tempo"]


def test_tempo_links_to_profiles_by_tags_and_without_a_custom_query() -> None:
    link = provisioned("tempo").traces_to_profiles
    assert link is not None
    assert (link.custom_query, link.profile_type) == (False, CPU)
    assert [(tag.key, tag.label) for tag in link.tags] == [("service.name", "service_name"), ("host.name", "hostname")]


def test_the_second_tempo_links_by_a_custom_query_with_one_variable() -> None:
    link = provisioned("tempo-custom-query").traces_to_profiles
    assert link is not None
    assert (link.custom_query, link.profile_type) == (True, CPU)
    assert link.query == '{service_name="${__span.tags["service.name"]}"}'


@pytest.mark.parametrize("uid", ["tempo", "tempo-custom-query"])
def test_a_link_leads_to_a_pyroscope_data_source_that_is_provisioned(uid: str) -> None:
    link = provisioned(uid).traces_to_profiles
    assert link is not None
    assert provisioned(link.datasource_uid).type == PYROSCOPE_TYPE
