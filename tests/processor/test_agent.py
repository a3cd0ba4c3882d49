"""The profiling agent as the environment describes it, and the moments at which its process may fork."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource

from spanprofiles_processor import agent
from spanprofiles_processor.agent import SETTLED_AFTER_S, START_S, AgentStarter
from spanprofiles_processor.settings import AgentSettings, start_agent

RESOURCE = Resource({"service.name": "shop"})


def test_without_any_variable_profiles_go_where_the_other_agents_send_them(caplog: pytest.LogCaptureFixture) -> None:
    assert AgentSettings.from_environment({}).for_agent(RESOURCE) == {
        "application_name": "shop",
        "server_address": "http://localhost:4040",
        "upload_interval": 10,
        "basic_auth_username": "",
        "basic_auth_password": "",
        "tenant_id": "",
        "tags": {},
    }
    assert caplog.records == []


def test_every_variable_has_its_argument() -> None:
    environment = {
        "PYROSCOPE_SERVER_ADDRESS": " https://profiles.example.com/push ",
        "PYROSCOPE_APPLICATION_NAME": "bakery",
        "PYROSCOPE_UPLOAD_INTERVAL": "15",
        "PYROSCOPE_BASIC_AUTH_USER": "bob",
        "PYROSCOPE_BASIC_AUTH_PASSWORD": "secret",
        "PYROSCOPE_TENANT_ID": "team",
    }
    settings = AgentSettings.from_environment(environment)
    assert settings.for_agent(RESOURCE) == {
        "application_name": "bakery",
        "server_address": "https://profiles.example.com/push",
        "upload_interval": 15,
        "basic_auth_username": "bob",
        "basic_auth_password": "secret",
        "tenant_id": "team",
        "tags": {},
    }
    assert "secret" not in repr(settings)


def test_tags_come_from_the_resource() -> None:
    named = Resource({"host.name": "h1", "k8s.pod.name": "shop-0", "service.version": "1.2"})
    resource = named.merge(Resource({"process.pid": 7, "region": ""}))
    found = AgentSettings().for_agent(resource)
    assert found["tags"] == {"hostname": "h1", "pod": "shop-0", "service_version": "1.2"}
    assert found["application_name"] == "unknown_service"


@pytest.mark.parametrize(("value", "seconds"), [("1", 1), ("2s", 2), (" 30 ", 30), ("3600", 3600), ("", 10)])
def test_an_upload_interval_is_whole_seconds_with_or_without_javas_unit(
    caplog: pytest.LogCaptureFixture, value: str, seconds: int
) -> None:
    assert AgentSettings.from_environment({"PYROSCOPE_UPLOAD_INTERVAL": value}).upload_interval_s == seconds
    assert caplog.records == []


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "10ms", "soon", "3601", "99999", "\u0661", "s", "nan"])
def test_an_upload_interval_that_cannot_be_used_is_a_warning_and_the_default(
    caplog: pytest.LogCaptureFixture, value: str
) -> None:
    assert AgentSettings.from_environment({"PYROSCOPE_UPLOAD_INTERVAL": value}).upload_interval_s == 10
    assert caplog.messages == [
        f"PYROSCOPE_UPLOAD_INTERVAL is '{value}'; it must be a whole number of seconds from 1 to 3600."
        " The default, 10, is taken."
    ]


ADDRESSES = ["localhost:4040", "ftp://bob:secret@h", "http://", "http://bob:secret@ h", "http://h:secret", "http://h:0"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_be_used_starts_no_agent_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    monkeypatch.setenv("PYROSCOPE_SERVER_ADDRESS", address)
    assert start_agent(RESOURCE) is False
    assert caplog.messages == ["PYROSCOPE_SERVER_ADDRESS must be a URL, such as http://localhost:4040"]
    assert "secret" not in caplog.text


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def waited_s(self) -> float:
        """How long a fork waits at this moment, s."""
        before = self.now_s
        agent._fork.wait()
        return self.now_s - before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(agent, "time", clock)
    agent._fork.forget()  # what other tests have started
    yield clock
    agent._fork.forget()


def test_a_process_forks_at_once_where_no_agent_was_started(clock: Clock) -> None:
    assert clock.waited_s() == 0


def test_a_process_forks_when_its_new_agent_has_settled(clock: Clock) -> None:
    AgentStarter(lambda _: True).start_here(RESOURCE)
    assert clock.waited_s() == pytest.approx(SETTLED_AFTER_S, abs=0.02)
    assert clock.waited_s() == 0


def test_a_fork_waits_a_bounded_time_for_an_agent_that_another_thread_starts(clock: Clock) -> None:
    waited: list[float] = []
    AgentStarter(lambda _: waited.append(clock.waited_s())).start_here(RESOURCE)
    assert waited == [pytest.approx(START_S, abs=0.02)]


def test_a_child_that_was_forked_meanwhile_may_fork_at_once(clock: Clock) -> None:
    AgentStarter(lambda _: True).start_here(RESOURCE)
    agent._fork.forget()  # what Python calls in the child
    assert clock.waited_s() == 0
