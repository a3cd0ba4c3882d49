from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.util.re import parse_env_headers

from spanprofiles.model import Credentials, Endpoints, label_selector

_WORD, _ODD = "s3cret", "a=b, c%d/ü"
_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.]{0,8}", fullmatch=True)
_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def test_a_plain_name_stands_bare_and_a_dotted_one_in_quotes() -> None:
    selector = label_selector({"service_name": "ride-sharing-app", "host.name": "h1"})
    assert selector == '{service_name="ride-sharing-app", "host.name"="h1"}'


def test_no_labels_select_everything() -> None:
    assert label_selector({}) == "{}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('say "hi"', r'{a="say \"hi\""}'),
        (r"C:\new", r'{a="C:\\new"}'),
        ("two\nlines", r'{a="two\nlines"}'),
        (r"\"", r'{a="\\\""}'),
        ("a.b, c=d}", '{a="a.b, c=d}"}'),
        ("é 漢", '{a="é 漢"}'),
        ("", '{a=""}'),
    ],
)
def test_a_value_cannot_leave_its_quotes(value: str, written: str) -> None:
    assert label_selector({"a": value}) == written


@given(st.dictionaries(_names, _values, max_size=4))
def test_what_is_between_the_quotes_reads_back_as_the_labels_that_were_meant(labels: dict[str, str]) -> None:
    unquote = json.JSONDecoder(strict=False).decode  # the escapes written are those JSON knows too
    read, rest = {}, label_selector(labels)[1:-1]
    while rest:
        found = re.match(r'(\w+|"[^"]*")=("(?:\\.|[^"\\])*")(?:, |$)', rest, re.ASCII | re.DOTALL)
        assert found is not None, rest
        read[found[1].strip('"')] = unquote(found[2])
        rest = rest[found.end() :]
    assert read == labels


def test_an_app_is_told_where_to_send_and_to_send_often() -> None:
    environment = Endpoints("http://t:3200", "http://p:4040", "http://o:4318").environment()
    assert environment == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://o:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "PYROSCOPE_SERVER_ADDRESS": "http://p:4040",
        "PYROSCOPE_UPLOAD_INTERVAL": "1",
    }


def test_without_a_receiver_the_app_keeps_the_one_it_has() -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in Endpoints("http://t", "http://p").environment()


def test_credentials_reach_the_app_as_opentelemetry_reads_them() -> None:
    credentials = Credentials(username="joe", password=_ODD, tenant="team 1", headers={"X-Extra": "1,2=3"})
    environment = Endpoints("http://t", "http://p", "http://o", credentials=credentials).environment()
    pair = base64.b64encode(f"joe:{_ODD}".encode()).decode()
    assert parse_env_headers(environment["OTEL_EXPORTER_OTLP_HEADERS"], liberal=True) == {
        "authorization": f"Basic {pair}",
        "x-scope-orgid": "team 1",
        "x-extra": "1,2=3",
    }
    assert environment["PYROSCOPE_BASIC_AUTH_USER"] == "joe"
    assert environment["PYROSCOPE_BASIC_AUTH_PASSWORD"] == _ODD
    assert environment["PYROSCOPE_TENANT_ID"] == "team 1"


def test_without_credentials_the_app_is_told_of_none() -> None:
    names = Endpoints("http://t", "http://p", "http://o").environment()
    assert not [name for name in names if "AUTH" in name or "HEADERS" in name or "TENANT" in name]


def test_a_bearer_token_is_sent_as_such() -> None:
    assert Credentials(bearer_token=_WORD).as_headers() == {"Authorization": f"Bearer {_WORD}"}


def test_a_user_name_and_a_token_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        Credentials(username="joe", bearer_token=_WORD)


@pytest.mark.parametrize("text", ["s3cret\n", "s3cret\r\nX-Other: 1", " s3cret", "s3cret漢", "s3cret\x00"])
def test_a_token_no_header_can_carry_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="the bearer token has a line break or a character") as refused:
        Credentials(bearer_token=text)
    assert _WORD not in str(refused.value)


def test_secrets_do_not_show_when_the_endpoints_are_printed() -> None:
    credentials = Credentials(username="joe", password=_WORD, headers={"X-Key": _WORD})
    assert _WORD not in repr(Endpoints("http://t", "http://p", credentials=credentials))
    assert _WORD not in repr(Credentials(bearer_token=_WORD))


def test_a_login_in_an_address_is_sent_to_that_address_alone() -> None:
    endpoints = Endpoints("http://t:3200", f"http://pa:{_WORD}@p:4040", f"http://oa:{_WORD}@o:4318")

    environment = endpoints.environment()

    headers = parse_env_headers(environment["OTEL_EXPORTER_OTLP_HEADERS"])
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == f"oa:{_WORD}"
    assert (environment["PYROSCOPE_BASIC_AUTH_USER"], environment["PYROSCOPE_BASIC_AUTH_PASSWORD"]) == ("pa", _WORD)
