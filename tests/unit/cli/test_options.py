"""Where the commands find a backend."""

from __future__ import annotations

from spanprofiles.cli.options import endpoints_of


def test_without_any_setting_the_commands_ask_where_serve_listens() -> None:
    found = endpoints_of({}, {})
    assert (found.tempo, found.pyroscope) == ("http://127.0.0.1:3200", "http://127.0.0.1:4040")


def test_what_the_environment_says_of_a_far_away_server_reaches_the_commands() -> None:
    environment = {
        "SPAN_PROFILES_TEMPO_URL": "http://tempo:1",
        "SPAN_PROFILES_OTLP_URL": "http://tempo:2",
        "SPAN_PROFILES_GRAFANA_URL": "http://grafana:3",
        "SPAN_PROFILES_TENANT": "team",
        "SPAN_PROFILES_QUERYABLE_AFTER": "7",
        "SPAN_PROFILES_SEARCHABLE_AFTER": "9",
    }

    found = endpoints_of(environment, {"tempo_url": "http://other:1"})

    assert (found.tempo, found.otlp_http, found.grafana) == ("http://other:1", "http://tempo:2", "http://grafana:3")
    assert (found.queryable_after_s, found.searchable_after_s, found.credentials.tenant) == (7, 9, "team")
