"""docker-compose.yml and .env obey the rules, and a broken one is found out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from spanprofiles.stack.settings import PROFILES
from tests.support.repository import COMPOSE_FILE, Json, compose, raw_compose, services, settings
from tests.support.stack.compose_rules import RULES, Rule, faults_of


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_compose_file_obeys(rule: Rule) -> None:
    assert list(rule(compose())) == []


def _set(service: str, key: str, value: Any) -> Callable[[Json], None]:
    return lambda stack: services(stack)[service].update({key: value})


def _drop(service: str, key: str) -> Callable[[Json], None]:
    def drop(stack: Json) -> None:
        del services(stack)[service][key]

    return drop


def _environment(variable: str, value: str) -> Callable[[Json], None]:
    return lambda stack: services(stack)["grafana"]["environment"].update({variable: value})


def _condition(service: str, other: str, condition: str) -> Callable[[Json], None]:
    return lambda stack: services(stack)[service]["depends_on"].update({other: {"condition": condition}})


BROKEN: list[tuple[Callable[[Json], None], str]] = [
    (_set("tempo", "image", "grafana/tempo:latest"), "tempo: the image 'grafana/tempo:latest' has no exact version"),
    (_set("tempo", "image", "grafana/tempo"), "tempo: the image 'grafana/tempo' has no exact version"),
    (
        _set("tempo", "image", f"grafana/tempo@sha256:{'a' * 64}"),
        f"tempo: the image 'grafana/tempo@sha256:{'a' * 64}' has no exact version",
    ),
    (
        _set("tempo", "image", "grafana/tempo:3.0.3@sha256:abc"),
        "tempo: the image 'grafana/tempo:3.0.3@sha256:abc' has no exact version",
    ),
    (_set("tempo", "image", "grafana/tempo:3.0"), "tempo: the image 'grafana/tempo:3.0' has no exact version"),
    (_set("tempo", "ports", ["3200:3200"]), "tempo: the port '3200:3200' is not on 127.0.0.1"),
    (_set("tempo", "ports", ["0.0.0.0:3200:3200"]), "tempo: the port '0.0.0.0:3200:3200' is not on 127.0.0.1"),
    (_set("us-east", "ports", ["127.0.0.1:5001:5000"]), "us-east: the port 5001 is eu-north's already"),
    (_drop("eu-north", "healthcheck"), "eu-north: the health check None is not a command that runs without a shell"),
    (
        _set("tempo", "healthcheck", {"test": ["CMD-SHELL", "/tempo -health"]}),
        "tempo: the health check ['CMD-SHELL', '/tempo -health'] is not a command that runs without a shell",
    ),
    (
        _set("tempo", "healthcheck", {"test": ["CMD", "sh", "-c", "/tempo -health"]}),
        "tempo: the health check ['CMD', 'sh', '-c', '/tempo -health'] is not a command that runs without a shell",
    ),
    (
        _set("tempo", "healthcheck", {"test": ["CMD", "/tempo", "-health"]}),
        "tempo: the health check has no interval, timeout, retries or start period",
    ),
    (
        _set("pyroscope", "healthcheck", {"test": ["CMD", "/usr/bin/profilecli", "ready"]}),
        "pyroscope: the health check does without upload",
    ),
    (
        _condition("pyroscope-gives-back", "pyroscope", "service_started"),
        "pyroscope: nothing proves that it gives back what it took",
    ),
    (_drop("tempo-gives-back", "depends_on"), "tempo: nothing proves that it gives back what it took"),
    (_drop("grafana", "depends_on"), "grafana: starts without tempo"),
    (
        _condition("grafana", "tempo", "service_started"),
        "grafana: waits for tempo with service_started, not service_healthy",
    ),
    (
        _condition("eu-north", "pyroscope-gives-back", "service_healthy"),
        "eu-north: waits for pyroscope-gives-back with service_healthy, not service_completed_successfully",
    ),
    (_drop("grafana", "mem_limit"), "grafana: it has no mem_limit"),
    (_drop("us-east", "cpus"), "us-east: it has no cpus"),
    (_set("tempo", "cpus", 4), "tempo: 4 CPUs are more than a small machine has"),
    (_drop("tempo", "pids_limit"), "tempo: it has no pids_limit"),
    (_set("pyroscope", "mem_limit", "4G"), "pyroscope: GOMEMLIMIT, 400 MiB, is no fit for a limit of 4096 MiB"),
    (_set("grafana", "environment", {}), "grafana: GOMEMLIMIT, 0 MiB, is no fit for a limit of 1024 MiB"),
    (_set("us-west", "mem_limit", "1G"), "us-west: GOMEMLIMIT, 80 MiB, is no fit for a limit of 1024 MiB"),
    (_set("sa-east", "mem_limit", "256M"), "sa-east: a heap of 96 MiB is no fit for a limit of 256 MiB"),
    (_set("sa-east", "environment", {}), "sa-east: a heap of None MiB is no fit for a limit of 512 MiB"),
    (
        lambda stack: services(stack)["grafana"]["healthcheck"].update(start_period="30s"),
        "grafana: 30s are too short for a first start on a slow machine",
    ),
    (
        lambda stack: services(stack)["pyroscope"]["healthcheck"].update(retries=20),
        "pyroscope: 20 failures in a row are too many to notice a full disk soon",
    ),
    (lambda stack: stack.update(name="span-profiles"), "docker-compose 1.29 refuses the top-level name"),
    (
        _set("tempo", "deploy", {"resources": {"limits": {"cpus": "1.0", "memory": "1G", "pids": 64}}}),
        "tempo: limits under deploy are refused by 1.29 with pids, and by Compose 2 beside pids_limit",
    ),
    (
        lambda stack: services(stack)["tempo"]["healthcheck"].update(start_interval="1s"),
        "tempo: docker-compose 1.29 refuses start_interval in a health check",
    ),
    (_set("tempo", "develop", {}), "tempo: docker-compose 1.29 refuses develop"),
    (
        _set("eu-north", "build", {"context": "."}),
        "span-profiles/rideshare:0.1.0 is built by tempo-gives-back, eu-north",
    ),
    (
        _drop("us-east", "depends_on"),
        "us-east: its image may not be built when it starts, for it does not wait for tempo-gives-back",
    ),
    (_drop("loadgen", "build"), "loadgen: nothing builds span-profiles/loadgen:0.1.0"),
    (_drop("us-west", "build"), "us-west: nothing builds span-profiles/rideshare-go:0.1.0"),
    (_drop("us-west", "healthcheck"), "us-west: the health check does without -health"),
    (
        lambda stack: services(stack)["sa-east"]["healthcheck"].update(test=["CMD", "curl", "localhost:5000/health"]),
        "sa-east: the health check does without traceparent: 00-",
    ),
    (
        lambda stack: services(stack)["us-west"]["depends_on"].pop("sa-east"),
        "us-west: starts without sa-east",
    ),
    (
        _condition("loadgen", "us-west", "service_healthy"),
        "loadgen: waits for us-west, which is not there without its profile",
    ),
    (_drop("ap-south", "dns_opt"), "ap-south: asks for us-west outside as well, which may not be there"),
    (
        _drop("loadgen-worker", "dns_search"),
        "loadgen-worker: asks for us-west, sa-east outside as well, which may not be there",
    ),
    (_set("eu-north", "tmpfs", ["/run:exec,size=16m"]), "eu-north: what is written to /run can be run"),
    (_set("sa-east", "read_only", False), "sa-east: its root file system can be written"),
    (_set("us-west", "user", "0:0"), "us-west: the user '0:0' is not one by number, and not root"),
    (_drop("loadgen", "logging"), "loadgen: its log grows without end"),
    (_drop("tempo", "restart"), "tempo: restart is None, not 'unless-stopped'"),
    (_set("pyroscope-gives-back", "restart", "always"), "pyroscope-gives-back: restart is 'always', not 'no'"),
    (_set("tempo-gives-back", "restart", "no"), "tempo-gives-back: restart is 'no', not 'unless-stopped'"),
    (_drop("loadgen", "user"), "loadgen: the user None is not one by number, and not root"),
    (_set("loadgen", "user", "0:0"), "loadgen: the user '0:0' is not one by number, and not root"),
    (_set("tempo", "cap_add", ["NET_ADMIN"]), "tempo: it keeps capabilities"),
    (_drop("tempo", "cap_drop"), "tempo: it keeps capabilities"),
    (_set("grafana", "security_opt", []), "grafana: it may gain privileges"),
    (_set("grafana", "read_only", False), "grafana: its root file system can be written"),
    (_set("loadgen", "network_mode", "host"), "loadgen: network_mode opens the container"),
    (_set("eu-north", "privileged", True), "eu-north: privileged opens the container"),
    (
        _set("tempo", "volumes", ["./tempo:/etc/tempo", "tempo-data:/var/tempo"]),
        "tempo: ./tempo is not mounted at /etc/tempo for reading, under SELinux as well",
    ),
    (
        _set("tempo", "volumes", ["./tempo:/etc/tempo:ro", "tempo-data:/var/tempo"]),
        "tempo: ./tempo is not mounted at /etc/tempo for reading, under SELinux as well",
    ),
    (_set("tempo", "volumes", ["other:/var/tempo"]), "tempo: the volume other is not declared"),
    (_set("pyroscope", "volumes", []), "pyroscope: its data, /data, is in no volume"),
    (
        _drop("tempo", "stop_grace_period"),
        "tempo: it is killed after 10s, and may not have written all it holds",
    ),
    (_environment("GF_SECURITY_ADMIN_PASSWORD", "x"), "grafana: GF_SECURITY_ADMIN_PASSWORD looks like a secret"),
    (_environment("GF_AUTH_ANONYMOUS_ORG_ROLE", "Admin"), "grafana: GF_AUTH_ANONYMOUS_ORG_ROLE is not Viewer"),
    (_environment("GF_USERS_ALLOW_SIGN_UP", "true"), "grafana: GF_USERS_ALLOW_SIGN_UP is not false"),
    (
        _set("grafana", "image", "grafana/grafana:13.2.0"),
        "grafana: grafana/grafana:13.2.0 has its data sources as plugins; 13.1 does not",
    ),
]


@pytest.mark.parametrize(("damage", "fault"), BROKEN, ids=[fault for _, fault in BROKEN])
def test_a_broken_compose_file_is_found_out(damage: Callable[[Json], None], fault: str) -> None:
    stack = compose()
    damage(stack)
    assert fault in faults_of(stack)


def test_locusts_page_answers_to_the_name_that_its_workers_call_it_by() -> None:
    found = services(compose())
    (called,) = re.findall(r'HTTPConnection\("([^"]+)", 8089', str(found["loadgen-worker"]["healthcheck"]["test"]))
    assert called in found["loadgen"]["environment"]["LOADGEN_PAGE_HOSTS"].split(",")


def test_a_digest_may_stand_behind_a_tag() -> None:
    digest = f"@sha256:{'0123456789abcdef' * 4}"
    images = {name: value + digest for name, value in settings().items() if name.endswith("_IMAGE")}
    stack = compose(settings() | {name: value for name, value in images.items() if "span-profiles/" not in value})
    assert all(list(rule(stack)) == [] for rule in RULES)


def test_each_version_and_host_port_has_its_home_in_the_settings() -> None:
    for name, service in services(raw_compose()).items():
        assert re.fullmatch(r"\$\{[A-Z_]+_IMAGE:\?\}", service["image"]), name
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+_PORT:\?\}:\d+", port), name


def test_the_settings_and_the_compose_file_name_the_same_variables() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE_FILE.read_text()))
    assert used | {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"} == set(settings())


def test_a_variable_that_only_a_profile_needs_is_known_to_make_up() -> None:
    """It looks for no port and pulls no image of a profile that is not asked for."""

    def variables(profile: str) -> set[str]:
        texts = [str(it) for it in services(raw_compose()).values() if profile in it.get("profiles", [""])]
        return {name for text in texts for name in re.findall(r"\$\{([A-Z_]+)", text)}

    profiles = {name for service in services(compose()).values() for name in service.get("profiles", [])}
    assert {name: variables(name) - variables("") for name in profiles} == dict(PROFILES)
    assert settings()["COMPOSE_PROFILES"] == ""


def test_a_stack_has_a_name_that_the_shell_can_change() -> None:
    """In the compose file it would be fixed for docker-compose 1.29, which refuses the file for it."""
    assert settings()["COMPOSE_PROJECT_NAME"] == "span-profiles"
    assert "COMPOSE_PROJECT_NAME" not in COMPOSE_FILE.read_text()


def test_one_switch_lets_grafana_download_its_apps() -> None:
    def preinstall(value: str) -> str:
        filled = compose({**settings(), "GRAFANA_OFFLINE": value})
        return str(services(filled)["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_DISABLED"])

    assert settings()["GRAFANA_OFFLINE"] == "true"
    assert [preinstall("true"), preinstall("false")] == ["true", "false"]


def test_a_setting_that_is_missing_is_an_error_and_not_an_empty_text() -> None:
    incomplete = {name: value for name, value in settings().items() if name != "TEMPO_PORT"}
    with pytest.raises(KeyError, match="TEMPO_PORT"):
        compose(incomplete)
    without_a_check = re.findall(r"\$\{[A-Z_]+(?!:\?\})[^A-Z_]", COMPOSE_FILE.read_text())
    assert without_a_check == []


def test_other_ports_make_a_second_stack_that_shares_none_with_the_first() -> None:
    moved = {name: str(int(value) + 10000) if name.endswith("_PORT") else value for name, value in settings().items()}

    def host_ports(stack: Json) -> set[str]:
        return {port.split(":")[1] for service in services(stack).values() for port in service.get("ports", [])}

    first, second = host_ports(compose()), host_ports(compose(moved))
    assert len(first) == len(second) == 10
    assert not first & second


def test_nothing_is_named_so_that_two_stacks_would_share_it() -> None:
    stack = compose()
    for name, service in services(stack).items():
        assert not {"container_name", "hostname"} & service.keys(), name
    assert all(volume is None for volume in stack["volumes"].values())
    assert "networks" not in stack


def test_the_regions_hand_their_orders_round() -> None:
    found = services(compose())
    regions = ("eu-north", "us-east", "ap-south")
    for region, neighbour in zip(regions, (*regions[1:], regions[0]), strict=True):
        environment = found[region]["environment"]
        assert environment["RIDESHARE_REGION"] == region
        assert environment["RIDESHARE_NEIGHBOUR_URL"] == f"http://{neighbour}:5000"
        assert environment["OTEL_RESOURCE_ATTRIBUTES"] == f"region={region},host.name=rideshare-{region}"
        assert environment["OTEL_SERVICE_NAME"] == "ride-sharing-app"


def test_the_fleet_takes_over_orders_for_cars_and_its_share_of_the_load() -> None:
    found = services(compose())
    fleet = {name: service for name, service in found.items() if "fleet" in service.get("profiles", [])}

    assert list(fleet) == ["us-west", "sa-east"]
    assert found["ap-south"]["environment"]["RIDESHARE_PREFERRED_NEIGHBOUR_URL"] == "http://us-west:5000"
    neighbours = {name: service["environment"]["RIDESHARE_NEIGHBOUR_URL"] for name, service in fleet.items()}
    assert neighbours == {"us-west": "http://sa-east:5000", "sa-east": "http://eu-north:5000"}
    for name in ("loadgen", "loadgen-worker"):
        assert found[name]["environment"]["LOADGEN_MORE_URLS"] == "http://us-west:5000,http://sa-east:5000"


def test_the_region_in_java_may_have_all_the_threads_that_its_server_starts() -> None:
    """Idle it has 33 threads, with 60 orders at once 105; Javalin lets Jetty's pool grow to 250."""
    assert services(compose())["sa-east"]["pids_limit"] >= 250 + 50


def test_regions_of_the_fleet_tell_the_same_of_themselves_as_the_others() -> None:
    for name in ("us-west", "sa-east"):
        environment = services(compose())[name]["environment"]
        assert environment["RIDESHARE_REGION"] == name
        assert environment["OTEL_SERVICE_NAME"] == "ride-sharing-app"
        assert environment["OTEL_RESOURCE_ATTRIBUTES"] == f"region={name},host.name=rideshare-{name}"
    assert environment["PYROSCOPE_APPLICATION_NAME"] == "ride-sharing-app"
    assert environment["PYROSCOPE_LABELS"] == "region=sa-east,hostname=rideshare-sa-east"


def test_pyroscope_traces_itself_under_the_name_of_its_own_profiles() -> None:
    environment = services(compose())["pyroscope"]["environment"]
    assert environment["OTEL_SERVICE_NAME"] == "pyroscope"
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://tempo:4318"


def test_the_load_is_bounded_in_riders_and_time() -> None:
    command = services(compose())["loadgen"]["command"]
    assert any(re.fullmatch(r"--users=[1-9]\d?", argument) for argument in command)
    assert any(re.fullmatch(r"--run-time=[1-9]\d*[smh]", argument) for argument in command)
