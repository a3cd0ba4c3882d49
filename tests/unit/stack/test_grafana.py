"""Grafana's provisioning and dashboards refer to what is there, and a broken one is found out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from rideshare.telemetry import TAGS_FROM_RESOURCE
from spanprofiles.linking.grafana import PYROSCOPE_TYPE, DataSource, read_data_sources
from tests.support.repository import (
    DATA_SOURCES,
    ROOT,
    Json,
    compose,
    dashboards,
    raw_compose,
    read_yaml,
    services,
    settings,
)
from tests.support.stack.grafana_rules import CPU, PYROSCOPE, RULES, TEMPO, Rule, faults_of, links_of, links_of_column

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


def _override(dashboard: Json, panel: int, rule: int) -> Json:
    found: Json = dashboard["panels"][panel]["fieldConfig"]["overrides"][rule]
    return found


@pytest.mark.parametrize(
    ("name", "damage", "fault"),
    [
        ("ride", lambda it: it.update(schemaVersion=41), "the schema is 41, not 42"),
        (
            "ride",
            lambda it: it["panels"][0].update(type="grafana-piechart-panel"),
            "panel 1 is a grafana-piechart-panel, which may be a plugin to download",
        ),
        ("ride", lambda it: it["panels"][1].update(id=1), "two panels have the same id"),
        (
            "ride",
            lambda it: it["panels"][1].update(datasource={"type": "tempo", "uid": "P214B5B846CF3925F"}),
            "panel 2 asks {'type': 'tempo', 'uid': 'P214B5B846CF3925F'}, which nobody provisions",
        ),
        ("ride", lambda it: it["panels"][1].pop("datasource"), "panel 2 asks None, which nobody provisions"),
        (
            "fleet",
            lambda it: _target(it, "flamegraph").update(profileTypeId="memory:alloc_space:bytes:space:bytes"),
            "memory:alloc_space:bytes:space:bytes is not a type of profile that the app sends",
        ),
        (
            "fleet",
            lambda it: _target(it, "flamegraph").update(labelSelector='{service.name="x", host_name="y"}'),
            "host_name is not a label of the app's profiles",
        ),
        (
            "fleet",
            lambda it: _target(it, "flamegraph").update(spanSelector=[]),
            "an empty span selector shows the whole service",
        ),
        (
            "fleet",
            lambda it: _target(it, "flamegraph").update(spanSelector=["${span}"]),
            "the span selector ${span} is sent as it stands: Grafana puts no variables into it",
        ),
        (
            "fleet",
            lambda it: _target(it, "flamegraph").update(spanSelector=["$route"]),
            "the span selector $route is sent as it stands: Grafana puts no variables into it",
        ),
        (
            "ride",
            lambda it: _target(it, "traces").update(query="{ resource.service.namespace != nil }"),
            "resource.service.namespace is not an attribute of the app's spans",
        ),
        ("ride", lambda it: it["templating"].update(list=[]), "the variable trace is not defined"),
        (
            "ride",
            lambda it: it["templating"]["list"][0]["current"].update(value=""),
            "panel 2 asks for the trace '' where none is chosen, and shows an error",
        ),
        (
            "ride",
            lambda it: it["templating"]["list"][0]["current"].update(value=" 0af7651916cd43dd8448eb211c80319c"),
            "panel 2 asks for the trace ' 0af7651916cd43dd8448eb211c80319c' where none is chosen, and shows an error",
        ),
        (
            "ride",
            lambda it: _override(it, 2, 0)["matcher"].update(options="Trace ID"),
            "panel 3 has no column Trace ID",
        ),
        (
            "rides",
            lambda it: it["panels"][3]["transformations"][0]["options"]["indexByName"].update(spanID=0),
            "panel 4 orders spanID, which goes by another name where columns are ordered",
        ),
        (
            "rides",
            lambda it: it["panels"][2]["fieldConfig"].update(overrides=[]),
            'panel 3 shows all labels as its legend: no override names ${__field.labels["span.http.route"]}',
        ),
        (
            "regions",
            lambda it: it["panels"][1]["fieldConfig"].update(
                overrides=[], defaults={"displayName": "${__field.labels}"}
            ),
            'panel 2 shows all labels as its legend: no override names ${__field.labels["resource.region"]}',
        ),
    ],
)
def test_a_broken_dashboard_is_found_out(name: str, damage: Callable[[Json], None], fault: str) -> None:
    dashboard = dashboards()[name]
    damage(dashboard)
    assert fault in faults_of(dashboard)


def test_links_lead_to_dashboards_that_exist_or_to_explore() -> None:
    links = [link for dashboard in dashboards().values() for link in links_of(dashboard)]
    assert links
    for link in links:
        assert link.startswith(("/d/ride?var-trace=", "/explore?schemaVersion=1&orgId=1&panes={")), link


@pytest.mark.parametrize("name", ["ride", "rides"])
def test_a_profile_id_has_one_link_and_so_needs_one_click(name: str) -> None:
    (link,) = links_of_column(dashboards()[name], "pyroscope.profile.id")
    assert link == links_of_column(dashboards()["rides"], "spanID")[0]


@pytest.mark.parametrize("column", ["spanID", "traceIdHidden"])
def test_a_ride_leads_to_its_trace_beside_the_flame_graph_of_its_own_span(column: str) -> None:
    address, _, state = links_of_column(dashboards()["rides"], column)[0].partition("panes=")
    panes = json.loads(state)

    assert address == "/explore?schemaVersion=1&orgId=1&"
    assert list(panes) == ["trace", "profile"]
    assert panes["trace"]["queries"][0]["query"] == "${__data.fields.traceIdHidden}"
    assert panes["trace"]["panelsState"] == {"trace": {"spanId": "${__data.fields.spanID}"}}
    profile = panes["profile"]["queries"][0]
    assert profile["spanSelector"] == ["${__data.fields.spanID}"]
    assert (profile["queryType"], profile["profileTypeId"]) == ("profile", CPU)


@pytest.mark.parametrize("name", NAMES)
def test_what_explore_is_asked_goes_to_data_sources_that_are_provisioned(name: str) -> None:
    for link in links_of(dashboards()[name]):
        panes = json.loads(link.partition("panes=")[2]) if link.startswith("/explore") else {}
        for pane in panes.values():
            (query,) = pane["queries"]
            assert query["datasource"] in (TEMPO, PYROSCOPE)
            assert pane["datasource"] == query["datasource"]["uid"]
            assert pane["range"] == {"from": "${__from}", "to": "${__to}"}


def test_one_ride_shows_its_trace_alone_whose_spans_have_their_own_flame_graphs() -> None:
    ride = dashboards()["ride"]
    assert [variable["name"] for variable in ride["templating"]["list"]] == ["trace"]
    assert [panel["type"] for panel in ride["panels"]] == ["text", "traces", "table"]
    assert _target(ride, "traces")["query"] == "${trace}"


def test_the_frames_of_the_node_graph_stay_out_of_the_traces_panel() -> None:
    (panel,) = (panel for panel in dashboards()["ride"]["panels"] if panel["type"] == "traces")
    assert panel["transformations"] == [{"id": "filterByRefId", "options": {"include": panel["targets"][0]["refId"]}}]


def test_without_a_trace_a_hint_says_what_to_do() -> None:
    ride = dashboards()["ride"]
    assert ride["panels"][0]["options"]["content"].startswith("**No ride is chosen?** Paste a trace ID above")
    assert "paste a trace ID here" in ride["templating"]["list"][0]["current"]["value"]


def test_a_variable_starts_with_the_same_value_wherever_it_is_written() -> None:
    for dashboard in dashboards().values():
        for variable in dashboard["templating"]["list"]:
            chosen = [option["value"] for option in variable["options"] if option["selected"]]
            assert chosen == [variable["current"]["value"]]
            assert variable["type"] != "textbox" or variable["query"] == variable["current"]["value"]


def test_no_dashboard_asks_for_a_region_by_name_so_that_all_are_treated_alike() -> None:
    for name, dashboard in dashboards().items():
        asked = [dashboard["templating"], *(panel for panel in dashboard["panels"] if panel["type"] != "text")]
        for region in ("eu-north", "us-east", "ap-south", "us-west", "sa-east"):
            assert region not in json.dumps(asked), f"{name}: {region}"


def test_a_flame_graph_is_drawn_of_each_region_that_pyroscope_knows() -> None:
    regions = dashboards()["regions"]
    (variable,) = regions["templating"]["list"]
    (panel,) = (panel for panel in regions["panels"] if panel["type"] == "flamegraph")

    assert (variable["type"], variable["datasource"]) == ("query", PYROSCOPE)
    assert variable["query"] == {
        "refId": "region",
        "type": "labelValue",
        "profileTypeId": CPU,
        "labelName": TAGS_FROM_RESOURCE["region"],
    }
    assert (variable["multi"], variable["includeAll"], variable["current"]["value"]) == (True, True, "$__all")
    assert panel["repeat"] == variable["name"]
    assert panel["targets"][0]["labelSelector"] == '{service_name="ride-sharing-app", region="${region}"}'


def test_panels_lie_beside_and_below_one_another_and_not_over() -> None:
    for name, dashboard in dashboards().items():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + column, place["y"] + row) for column in range(place["w"]) for row in range(place["h"])
            }
            assert max(column for column, _ in cells) < 24, f"{name}: panel {panel['id']}"
            assert not cells & taken, f"{name}: panel {panel['id']}"
            taken |= cells


def test_the_home_page_says_which_of_two_buttons_is_dead() -> None:
    content = dashboards()["rides"]["panels"][0]["options"]["content"]
    assert "Click a **profile ID**: Explore opens" in content
    assert "**Open in Profiles Drilldown**, does nothing unless that app is installed" in content
    (switch,) = re.findall(r"`([A-Z_]+)=false` in `.env`", content)
    assert settings()[switch] == "true"
    assert services(raw_compose())["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_DISABLED"] == f"${{{switch}:?}}"


def test_the_home_page_is_the_dashboard_of_the_rides() -> None:
    grafana = services(compose())["grafana"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == "/etc/grafana/dashboards/rides.json"
    assert "./grafana/dashboards:/etc/grafana/dashboards:ro,z" in grafana["volumes"]


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


@pytest.mark.parametrize("uid", ["tempo", "tempo-custom-query"])
def test_a_trace_is_shown_as_a_graph_of_nodes_too(uid: str) -> None:
    sources = {source["uid"]: source for source in read_yaml(DATA_SOURCES)["datasources"]}
    assert sources[uid]["jsonData"]["nodeGraph"] == {"enabled": True}


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
