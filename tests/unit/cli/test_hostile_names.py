"""Every command on telemetry that is full of hostile names: it ends as on tame ones, and prints nothing but text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.unit.cli.conftest import Ride, instrumented, leave_telemetry
from tests.unit.conftest import Answer, Serve, push_samples
from tests.unit.pair_in_process import pair_in_process

pytestmark = pytest.mark.slow

_NAMES = {
    "controls": "\x1b]0;owned\x07\x1b[2Jname\x9b2J\u202eeman\u2066\u200b\u2028",
    "markup": "[link=http://evil.invalid]name[/link][bold]shop[/eu]",
    "lines": "name\n::error file=a::forged\r\nBROKEN forged",
    "command": "::error::forged ##[error]forged ##vso[task.complete]",
    "long": "x" * 117 + " ::error::forged " + "y" * 400,
}
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_names = pytest.mark.parametrize("name", _NAMES.values(), ids=_NAMES)


def _check(output: str) -> None:
    text = _STYLE.sub("", output)
    for line in text.split("\n"):
        assert not line.lstrip().startswith("::"), line
        assert not re.search(r"##\w*\[", line), line
        assert all(character.isprintable() or character == "\u3000" for character in line), line
        assert len(line) < 12_000 or line.startswith("{"), line
    assert "\x1b]" not in output
    assert not re.search(r"(?m)^BROKEN forged", text)


@pytest.fixture(scope="module")
def pair(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A pair of its own: the names would be told in other tests."""
    with pair_in_process(empty_store, tmp_path_factory.mktemp("pair") / "data") as endpoints:
        yield endpoints


Run = Callable[..., Result]


@pytest.fixture
def run(pair: Endpoints) -> Run:
    def invoke(*arguments: str) -> Result:
        options = ["--tempo", pair.tempo, "--pyroscope", pair.pyroscope]
        result = CliRunner().invoke(main, [*arguments, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        _check(result.output)
        return result

    return invoke


def _leave(pair: Endpoints, name: str, *, samples: bool = True) -> Ride:
    ride = leave_telemetry(pair, service=f"{name} service", name=f"{name} span", samples=samples)
    if samples:
        labels = {"span_id": ride.span_id, "span_name": f"{name} span"}
        path = (f"{name} function|{name}/file.py|7", f"{name} inner")
        push_samples(pair, f"{name} service", [(path, 50_000_000, labels)], _ended_ns(), hostname=f"{name} host")
    return ride


def _ended_ns() -> int:
    return time.time_ns() - 5_000_000_000


@_names
def test_show_prints_the_names_and_no_more(pair: Endpoints, run: Run, name: str) -> None:
    linked, dead = _leave(pair, name), _leave(pair, name, samples=False)
    assert run("show", linked.trace_id, "--wait", "5").exit_code == 0
    result = run("show", linked.trace_id, "--wait", "5", "--json")
    assert json.loads(result.stdout)["spans"][0]["name"] == f"{name} span"
    assert run("show", dead.trace_id, "--wait", "0.1").exit_code == 1


@_names
def test_the_doctor_examines_a_service_of_such_a_name(pair: Endpoints, run: Run, name: str) -> None:
    _leave(pair, name)
    tame = f"tame {new_span_id()}"
    _leave(pair, tame)
    assert (
        run("doctor", "--service", f"{name} service").exit_code
        == run("doctor", "--service", f"{tame} service").exit_code
    )
    result = run("doctor", "--service", f"{name} service", "--json")
    assert json.loads(result.stdout)["service"] == f"{name} service"


@_names
def test_the_doctor_names_dead_links_and_services_to_choose_from(pair: Endpoints, run: Run, name: str) -> None:
    _leave(pair, f"dead {name}", samples=False)
    _leave(pair, "tame")
    assert run("doctor", "--service", f"dead {name} service").exit_code == 1
    assert run("doctor").exit_code == 2  # it lists the services


@_names
def test_verify_follows_a_request_through_such_names(pair: Endpoints, run: Run, serve: Serve, name: str) -> None:
    works = instrumented(pair, service=f"{name} service", name=f"{name} span")
    assert run("verify", serve(works).url, "--function", "search").exit_code == 0
    dead = instrumented(pair, service=f"{name} service", name=f"{name} span", samples=False)
    assert run("verify", serve(dead).url, "--wait", "0.2").exit_code == 1
    refuses = serve(lambda _: Answer(name, 500, "text/plain"))
    assert run("verify", refuses.url, "--wait", "0.2").exit_code == 1


@pytest.mark.parametrize("name", [_NAMES["lines"], _NAMES["markup"]], ids=["lines", "markup"])
def test_link_prints_what_grafana_would_send(pair: Endpoints, run: Run, serve: Serve, name: str) -> None:
    settings = {"datasourceUid": "p", "tags": [{"key": "service.name", "value": "service_name"}], "profileTypeId": name}
    source = {"uid": "t", "type": "tempo", "name": name, "jsonData": {"tracesToProfiles": settings}}
    profiles = {"uid": "p", "type": "grafana-pyroscope-datasource", "name": name, "jsonData": {}}
    grafana = serve(
        lambda seen: Answer.of([source, profiles] if seen.path.endswith("datasources") else {"database": "ok"})
    )
    result = run("link", _leave(pair, name).trace_id, "--grafana", grafana.url, "--wait", "0.1")
    assert result.exit_code in {1, 2}
    assert "trace " in result.output or "spanprofiles: " in result.output


@_names
@pytest.mark.parametrize("command", ["show", "doctor", "verify", "link"])
def test_words_of_a_server_are_printed_as_text(serve: Serve, name: str, command: str) -> None:
    stub = serve(lambda _: Answer(name, 500, "text/plain"))
    servers = ["--tempo", stub.url, "--pyroscope", stub.url]
    arguments = {
        "show": ["show", new_trace_id(), "--wait", "0"],
        "doctor": ["doctor", "--service", name],
        "verify": ["verify", stub.url],
        "link": ["link", new_trace_id(), "--grafana", stub.url],
    }[command]
    result = CliRunner().invoke(main, [*arguments, *servers])
    _check(result.output)
    assert result.exit_code == (1 if command == "doctor" else 2)  # a server that is not ready is a broken hop


_WORD = "s3cret"


@pytest.mark.parametrize("command", ["show", "doctor", "verify", "link"])
def test_a_password_in_an_address_is_used_and_never_printed(
    pair: Endpoints, serve: Serve, dead_url: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = leave_telemetry(pair, service="secretive")
    stub = serve(lambda _: Answer("who are you?", 401, "text/plain"))

    def with_word(url: str) -> str:
        return url.replace("://", f"://joe:{_WORD}@")

    arguments = {
        "show": ["show", ride.trace_id, "--wait", "0"],
        "doctor": ["doctor", "--service", "secretive", "--probe"],
        "verify": ["verify", with_word(serve(instrumented(pair, service="secretive")).url) + f"/?key={_WORD}"],
        "link": ["link", ride.trace_id, "--wait", "0", "--grafana", with_word(stub.url)],
    }[command]
    for url in (pair.tempo, stub.url, dead_url, "http://[::1", "http://tempo:99999999", "http://tempo/?a=" + _WORD):
        monkeypatch.setenv("SPAN_PROFILES_TEMPO_URL", with_word(url))
        monkeypatch.setenv("SPAN_PROFILES_OTLP_URL", with_word(dead_url))
        pyroscope = pair.pyroscope if url == pair.tempo else url
        result = CliRunner().invoke(main, [*arguments, "--pyroscope", with_word(pyroscope)])
        assert _WORD not in result.output, result.output
        assert "joe" not in result.output.replace("joe:s3cret", "")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert stub.seen[0].headers["Authorization"] == "Basic am9lOnMzY3JldA=="
