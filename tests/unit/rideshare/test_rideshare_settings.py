from __future__ import annotations

import subprocess

import pytest

from rideshare.faults import FAULTS
from rideshare.settings import Settings, SettingsError
from rideshare.telemetry import AgentSettings, TelemetryError
from tests.support.gunicorn import RIDESHARE
from tests.support.stub_servers import REPOSITORY, clean_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"RIDESHARE_REGION": " ", "RIDESHARE_SEED": ""}) == Settings()


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
        {
            "RIDESHARE_REGION": "us-east",
            "RIDESHARE_SEED": "42",
            "RIDESHARE_BIND": "[::1]:8000",
            "RIDESHARE_NEIGHBOUR_URL": "http://127.0.0.1:5001/",
            "RIDESHARE_PREFERRED_NEIGHBOUR_URL": "http://us-west:5000/",
            "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS": "0.5",
            "RIDESHARE_GATEWAY_SECONDS": "0",
            "RIDESHARE_FAULTS": " no-agent,slow-search, ",
            "RIDESHARE_ADMIN_TOKEN": "0123456789abcdef",
        }
    )
    assert (settings.region.name, settings.seed, settings.bind) == ("us-east", 42, "[::1]:8000")
    assert (settings.neighbour_url, settings.neighbour_timeout_seconds) == ("http://127.0.0.1:5001", 0.5)
    assert settings.preferred_neighbour_url == "http://us-west:5000"
    assert (settings.gateway_seconds, settings.faults) == (0.0, frozenset({"no-agent", "slow-search"}))
    assert settings.admin_token == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize("token", ["short", "with a space in it", "0123456789abcdé-", "x" * 201])
def test_a_bad_admin_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(SettingsError, match="RIDESHARE_ADMIN_TOKEN must be 16 to 200 visible") as caught:
        Settings.from_environment({"RIDESHARE_ADMIN_TOKEN": token})
    assert token not in str(caught.value)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_set(name: str) -> None:
    assert Settings.from_environment({"RIDESHARE_FAULTS": name}).faults == {name}


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="'no-agents' is none of no-processor, no-agent, ") as caught:
        Settings.from_environment({"RIDESHARE_FAULTS": "slow-search,no-agents"})
    assert [name for name in FAULTS if name not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RIDESHARE_REGION", "mars"),
        ("RIDESHARE_SEED", "-1"),
        ("RIDESHARE_SEED", "one"),
        ("RIDESHARE_BIND", "5000"),
        ("RIDESHARE_BIND", "127.0.0.1:70000"),
        ("RIDESHARE_NEIGHBOUR_URL", "127.0.0.1:5001"),
        ("RIDESHARE_NEIGHBOUR_URL", "http://127.0.0.1:port"),
        ("RIDESHARE_NEIGHBOUR_URL", "http://127.0.0.1:5001/?a=b"),
        ("RIDESHARE_PREFERRED_NEIGHBOUR_URL", "us-west:5000"),
        ("RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS", "0"),
        ("RIDESHARE_GATEWAY_SECONDS", "-0.1"),
        ("RIDESHARE_GATEWAY_SECONDS", "nan"),
        ("RIDESHARE_GATEWAY_SECONDS", "inf"),
        ("RIDESHARE_FAULTS", "no-processor,agents"),
        ("RIDESHARE_FAULTS", "No-Agent"),
    ],
)
def test_a_bad_value_is_refused_with_the_variable_and_the_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_environment({name: value})
    assert repr(value) in str(caught.value)


def test_the_agents_variables_are_read() -> None:
    settings = AgentSettings.from_environment(
        {
            "PYROSCOPE_SERVER_ADDRESS": "http://127.0.0.1:4040",
            "PYROSCOPE_APPLICATION_NAME": "other",
            "PYROSCOPE_UPLOAD_INTERVAL": "1",
            "PYROSCOPE_BASIC_AUTH_USER": "reader",
            "PYROSCOPE_BASIC_AUTH_PASSWORD": "hunter2",
            "PYROSCOPE_TENANT_ID": "team",
        }
    )
    assert settings == AgentSettings("http://127.0.0.1:4040", "other", 1, "reader", "hunter2", "team")
    assert "hunter2" not in repr(settings)


def test_without_variables_there_is_no_server_for_profiles() -> None:
    assert AgentSettings.from_environment({}) == AgentSettings()
    assert AgentSettings().server_address is None


@pytest.mark.parametrize("value", ["0", "0.5", "-1", "soon"])
def test_an_upload_interval_that_is_no_whole_number_of_seconds_is_refused(value: str) -> None:
    with pytest.raises(TelemetryError, match="PYROSCOPE_UPLOAD_INTERVAL"):
        AgentSettings.from_environment({"PYROSCOPE_UPLOAD_INTERVAL": value})


def test_a_bad_server_address_is_refused_and_not_repeated_for_its_password() -> None:
    with pytest.raises(TelemetryError, match="PYROSCOPE_SERVER_ADDRESS") as caught:
        AgentSettings.from_environment({"PYROSCOPE_SERVER_ADDRESS": "me:hunter2@host"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"RIDESHARE_REGION": "mars"}, "rideshare: RIDESHARE_REGION is 'mars'; known regions are"),
        (
            {"RIDESHARE_FAULTS": "gremlins"},
            "rideshare: RIDESHARE_FAULTS is 'gremlins'; 'gremlins' is none of no-processor",
        ),
        ({"PYROSCOPE_UPLOAD_INTERVAL": "0.5"}, "rideshare: PYROSCOPE_UPLOAD_INTERVAL is '0.5'; it must be"),
    ],
)
def test_gunicorn_does_not_start_on_a_bad_value_and_one_line_says_why(variables: dict[str, str], line: str) -> None:
    ended = subprocess.run(
        RIDESHARE,
        cwd=REPOSITORY,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
