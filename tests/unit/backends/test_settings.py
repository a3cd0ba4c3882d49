from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.backends import (
    BACKEND_NAMES,
    BackendError,
    BackendSettings,
    EmbeddedBackend,
    ExternalBackend,
    NativeBackend,
)

_WORD = "s3cret"


def test_without_any_setting_the_embedded_pair_is_chosen() -> None:
    settings = BackendSettings.read({})
    assert settings == BackendSettings()
    assert settings.chosen == "embedded"
    assert isinstance(settings.create(), EmbeddedBackend)


@pytest.mark.parametrize("name", ["TEMPO", "PYROSCOPE"])
def test_an_address_of_either_server_makes_auto_choose_the_external_backend(name: str) -> None:
    settings = BackendSettings.read({f"SPAN_PROFILES_{name}_URL": "http://h:1"})
    assert settings.chosen == "external"
    assert isinstance(settings.create(), ExternalBackend)


def test_a_backend_that_is_named_is_taken_whatever_addresses_there_are() -> None:
    settings = BackendSettings.read({"SPAN_PROFILES_BACKEND": "embedded", "SPAN_PROFILES_TEMPO_URL": "http://h:1"})
    assert settings.chosen == "embedded"


def test_every_setting_is_read_from_its_variable(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    environment = {
        "SPAN_PROFILES_TEMPO_URL": "https://tempo.example/base/",
        "SPAN_PROFILES_PYROSCOPE_URL": "https://pyroscope.example/",
        "SPAN_PROFILES_OTLP_URL": "https://otlp.example/",
        "SPAN_PROFILES_GRAFANA_URL": "https://grafana.example/",
        "SPAN_PROFILES_USERNAME": "joe",
        "SPAN_PROFILES_PASSWORD": _WORD,
        "SPAN_PROFILES_TENANT": "team",
        "SPAN_PROFILES_CA_FILE": str(ca_file),
        "SPAN_PROFILES_QUERYABLE_AFTER": "2.5",
        "SPAN_PROFILES_SEARCHABLE_AFTER": "40",
        "SPAN_PROFILES_UNKNOWN": "x",
        "TEMPO_URL": "not ours",
    }
    endpoints = BackendSettings.read(environment).endpoints
    assert (endpoints.tempo, endpoints.pyroscope) == ("https://tempo.example/base", "https://pyroscope.example")
    assert (endpoints.otlp_http, endpoints.grafana) == ("https://otlp.example", "https://grafana.example")
    assert (endpoints.queryable_after_s, endpoints.searchable_after_s) == (2.5, 40)
    credentials = endpoints.credentials
    assert (credentials.username, credentials.password, credentials.tenant) == ("joe", _WORD, "team")
    assert credentials.verify_tls == str(ca_file)


def test_a_token_becomes_a_bearer_token_and_certificates_are_checked() -> None:
    credentials = BackendSettings.read({"SPAN_PROFILES_TOKEN": _WORD}).endpoints.credentials
    assert (credentials.bearer_token, credentials.verify_tls) == (_WORD, True)


def test_options_win_over_variables_and_those_not_given_do_not() -> None:
    environment = {"SPAN_PROFILES_TEMPO_URL": "http://env:1", "SPAN_PROFILES_TENANT": "env"}
    settings = BackendSettings.read(environment, {"tempo_url": "http://option:2", "tenant": None, "username": ""})
    assert (settings.tempo_url, settings.tenant, settings.username) == ("http://option:2", "env", "")


def test_a_variable_that_is_empty_is_one_that_is_not_set() -> None:
    assert BackendSettings.read({"SPAN_PROFILES_BACKEND": "", "SPAN_PROFILES_TEMPO_URL": ""}) == BackendSettings()


def test_an_unknown_backend_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(
        BackendError,
        match=f"'cloud': choose one of {', '.join(BACKEND_NAMES)}$",
    ):
        BackendSettings.read({"SPAN_PROFILES_BACKEND": "cloud"})


@pytest.mark.parametrize(
    "url",
    ["localhost:3200", "3200", "ftp://h", "http://", "http:///path", "http://[::1", "http://h:port", "http://h:99999"],
)
@pytest.mark.parametrize("name", ["tempo_url", "pyroscope_url", "otlp_url", "grafana_url"])
def test_what_is_no_address_is_refused_by_the_name_of_its_variable(name: str, url: str) -> None:
    with pytest.raises(BackendError) as refused:
        BackendSettings.read({}, {name: url})
    assert str(refused.value) == (
        f"SPAN_PROFILES_{name.upper()}, or its option, is {url!r}, which is not an address:"
        " http://host:port is expected"
    )


@pytest.mark.parametrize("url", ["http://h", "https://h:443/path", "http://[::1]:3200", "http://user@h:1"])
def test_what_is_an_address_is_taken(url: str) -> None:
    assert BackendSettings.read({}, {"tempo_url": url}).tempo_url == url


@pytest.mark.parametrize("name", ["SPAN_PROFILES_QUERYABLE_AFTER", "SPAN_PROFILES_SEARCHABLE_AFTER"])
@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_what_is_no_number_of_seconds_is_refused_by_the_name_of_its_variable(name: str, text: str) -> None:
    with pytest.raises(BackendError) as refused:
        BackendSettings.read({name: text})
    assert str(refused.value) == (f"{name} is {text!r}: a number of seconds from 0 is expected")


def test_a_user_name_and_a_token_are_refused_together() -> None:
    with pytest.raises(BackendError, match="a user name and password, or a bearer token, not both"):
        BackendSettings.read({"SPAN_PROFILES_USERNAME": "joe", "SPAN_PROFILES_TOKEN": _WORD})


def test_a_token_with_a_line_break_is_refused_without_repeating_it() -> None:
    with pytest.raises(BackendError, match="the bearer token has a line break") as refused:
        BackendSettings.read({"SPAN_PROFILES_TOKEN": f"{_WORD}\n"})
    assert _WORD not in str(refused.value)


def test_a_file_of_certificates_that_is_not_there_is_named() -> None:
    with pytest.raises(BackendError, match=r"SPAN_PROFILES_CA_FILE names '/nowhere/ca\.pem', which is not there"):
        BackendSettings.read({"SPAN_PROFILES_CA_FILE": "/nowhere/ca.pem"})


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = BackendSettings.read({"SPAN_PROFILES_USERNAME": "joe", "SPAN_PROFILES_PASSWORD": _WORD})
    assert "joe" in repr(settings)
    assert _WORD not in repr(settings)


def test_headers_are_read_as_opentelemetry_writes_them() -> None:
    settings = BackendSettings.read({"SPAN_PROFILES_HEADERS": "X-Team=riders, X-Note=a%2Cb%3Dc"})
    assert settings.endpoints.credentials.headers == {"X-Team": "riders", "X-Note": "a,b=c"}


def test_a_header_without_a_value_is_refused_without_repeating_it() -> None:
    with pytest.raises(BackendError, match="SPAN_PROFILES_HEADERS has a part that is not name=value") as failed:
        BackendSettings.read({"SPAN_PROFILES_HEADERS": "secret"})
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    "url", ["http://joe:s3cret@[::1", "joe:s3cret@tempo", "http://joe:s3cret@tempo:99999999", "http://t/?token=s3cret"]
)
def test_an_address_that_is_refused_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(BackendError) as refused:
        BackendSettings.read({"SPAN_PROFILES_TEMPO_URL": url})
    assert "s3cret" not in str(refused.value)
    assert "joe" not in str(refused.value)


def test_a_user_name_and_password_in_an_address_are_for_that_address_and_for_the_app(dead_url: str) -> None:
    settings = BackendSettings.read(
        {
            "SPAN_PROFILES_TEMPO_URL": dead_url.replace("://", "://joe:s3cret@"),
            "SPAN_PROFILES_PYROSCOPE_URL": "http://ann:other@pyroscope/",
            "SPAN_PROFILES_OTLP_URL": "http://otlp",
        }
    )
    endpoints = settings.endpoints
    assert (endpoints.tempo, endpoints.pyroscope) == (dead_url, "http://pyroscope")
    tempo = endpoints.credentials_for("tempo")
    assert (tempo.username, tempo.password) == ("joe", "s3cret")
    assert endpoints.credentials_for("pyroscope").password == "other"
    assert endpoints.credentials_for("otlp_http").as_headers() == {}
    assert endpoints.environment()["PYROSCOPE_BASIC_AUTH_PASSWORD"] == "other"
    assert "OTEL_EXPORTER_OTLP_HEADERS" not in endpoints.environment()
    assert replace(endpoints, searchable_after_s=1.0).credentials_for("tempo").password == "s3cret"
    assert replace(endpoints, tempo="http://elsewhere").credentials_for("tempo").password == ""
    for shown in (repr(settings), repr(endpoints), repr(replace(endpoints, grafana="http://joe:s3cret@grafana"))):
        assert "s3cret" not in shown
    with pytest.raises(BackendError) as failed:
        ExternalBackend(endpoints).start()
    assert "s3cret" not in str(failed.value)


def test_credentials_that_are_given_go_before_those_of_an_address() -> None:
    environment = {"SPAN_PROFILES_TEMPO_URL": "http://joe:other@tempo", "SPAN_PROFILES_TOKEN": "a-token"}
    assert BackendSettings.read(environment).endpoints.credentials_for("tempo").bearer_token == "a-token"


@pytest.mark.parametrize("name", ["compose", "containers"])
def test_a_backend_of_containers_says_which_extra_it_needs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module.startswith("testcontainers")]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("compose", "containers"):
        monkeypatch.delitem(sys.modules, f"spanprofiles.backends.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "testcontainers", None)

    with pytest.raises(BackendError, match=rf"the {name} backend needs testcontainers.*: install spanprofiles\[cont"):
        BackendSettings(backend=name).create()


def test_a_named_backend_is_created_and_not_started() -> None:
    assert isinstance(BackendSettings(backend="native").create(), NativeBackend)
    assert isinstance(BackendSettings(backend="embedded").create(), EmbeddedBackend)
    assert isinstance(BackendSettings(backend="external").create(), ExternalBackend)
