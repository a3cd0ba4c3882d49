"""What a web page of another site can do to the pair, which is nothing, and what programs can, as before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spanprofiles.embedded.browsers import foreign_page, is_own_name, name_of
from spanprofiles.embedded.gate import Gate, Head
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import FREE_GUESSES, GUESSERS, GUESSES_S
from spanprofiles.embedded.refusals import Refusals, Signal
from spanprofiles.embedded.settings import Settings, parse_hosts
from tests.support.conformance.pair import Pair, running_pair
from tests.unit.embedded.test_process import export_of, spans_of

JSON = {"Content-Type": "application/json"}
TOKEN = "a-token-of-some-length"
QUESTIONS = (
    ("tempo", "GET", "/api/search"),
    ("tempo", "GET", "/ready"),
    ("tempo", "GET", "/metrics"),
    ("tempo", "OPTIONS", "/api/search"),
    ("otlp-http", "POST", "/v1/traces"),
    ("pyroscope", "POST", "/ingest?name=app"),
    ("pyroscope", "POST", "/querier.v1.QuerierService/ProfileTypes"),
    ("pyroscope", "GET", "/pyroscope/render?query=a"),
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair(None, "--allow-host", "pair.test,other.test") as running:
        yield running


OWN_NAMES = """
    localhost LOCALHOST:3200 localhost. 127.0.0.1:80 127.8.8.8 [::1]:3200 shop.localhost
    host.docker.internal:3200 host.containers.internal
"""
FOREIGN_NAMES = """
    example.com 127.0.0.1.example.com localhost.example.com 192.168.1.7:3200 0.0.0.0 [::2] localhost:3200:1
    localhost,example.com user@localhost localhost/x [::1 xlocalhost a.internal
"""


@pytest.mark.parametrize("host", OWN_NAMES.split())
def test_a_name_that_can_only_be_this_machines_is_answered_to(host: str) -> None:
    assert is_own_name(name_of(host))


@pytest.mark.parametrize("host", FOREIGN_NAMES.split())
def test_a_name_that_a_site_may_have_pointed_here_is_not(host: str) -> None:
    assert not is_own_name(name_of(host))


def test_no_name_is_none_of_this_machines_and_what_is_no_name_cannot_be_allowed() -> None:
    assert not is_own_name(name_of(""))
    for text in ("http://box", "box/", "a b@c", "*"):
        with pytest.raises(ValueError, match="is not a host name"):
            parse_hosts(text)
    gate = Gate(Settings(allowed_hosts=("user@host",)), Refusals(), Guesses())
    assert denial(gate, HOST="other@host") == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"SEC_FETCH_SITE": "cross-site"},
        {"SEC_FETCH_SITE": "same-site"},
        {"SEC_FETCH_SITE": "Cross-Site"},
        {"SEC_FETCH_SITE": "new-value"},
        {"ORIGIN": "http://example.com"},
        {"ORIGIN": "null"},
        {"ORIGIN": ""},
        {"ORIGIN": "http://localhost:3000"},
        {"ORIGIN": "http://localhost"},
        {"ORIGIN": "http://localhost:x"},
        {"ORIGIN": "file://localhost:3200"},
        {"ORIGIN": "chrome-extension://abc"},
        {"ORIGIN": "http://example.com", "SEC_FETCH_SITE": "same-origin"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
def test_what_a_browser_sends_from_another_site_is_known_by_its_headers(method: str, headers: dict[str, str]) -> None:
    sent = {"HOST": "localhost:3200", "CONTENT_TYPE": "application/json"} | headers
    assert "from another site" in foreign_page(method, sent)


@pytest.mark.parametrize("kind", ["", "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"])
def test_a_form_is_taken_from_a_program_and_not_from_a_browser(kind: str) -> None:
    form = {"HOST": "localhost:4040", "CONTENT_TYPE": kind}
    assert foreign_page("POST", form) == ""
    assert "form" in foreign_page("POST", form | {"SEC_FETCH_SITE": "same-origin"})
    assert "form" in foreign_page("POST", form | {"SEC_FETCH_MODE": "no-cors"})
    assert "form" in foreign_page("POST", form | {"ORIGIN": "http://localhost:4040"})
    assert foreign_page("GET", form | {"SEC_FETCH_SITE": "none"}) == ""


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:3200", "localhost:3200"),
        ("http://LOCALHOST:3200", "localhost:3200"),
        ("http://box", "box:80"),
        ("https://box", "box:443"),
        ("http://[::1]:3200", "[::1]:3200"),
    ],
)
def test_what_a_page_of_this_very_server_sends_is_let_in(origin: str, host: str) -> None:
    sent = {"ORIGIN": origin, "HOST": host, "SEC_FETCH_SITE": "same-origin", "CONTENT_TYPE": "application/json"}
    assert foreign_page("POST", sent) == ""


@pytest.mark.parametrize(("port", "method", "path"), QUESTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example.com:3200"},
        {"Origin": "http://example.com", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "null"},
    ],
    ids=["rebinding", "form", "no-cors", "sandbox"],
)
def test_no_port_and_no_path_answers_a_web_page(
    pair: Pair, port: str, method: str, path: str, headers: dict[str, str]
) -> None:
    status, body = pair.send(port, method, path, b"{}" if method == "POST" else None, JSON | headers)
    assert status == 403
    assert body.startswith(b"403 forbidden: ")


def test_what_a_web_page_sends_is_not_kept_and_is_told(pair: Pair) -> None:
    page = {"Origin": "http://example.com", "User-Agent": "Mozilla/5.0"}
    assert pair.send("otlp-http", "POST", "/v1/traces", export_of(1, 1), JSON | page)[0] == 403
    assert spans_of(pair, 1) == 0
    assert pair.send("otlp-http", "POST", "/v1/traces", export_of(1, 1), JSON)[0] == 200
    assert spans_of(pair, 1) == 1
    told = pair.send("tempo", "GET", "/spanprofiles/refused")[1]
    assert b'"page_of_another_site"' in told
    assert b"http://example.com" in told


def test_a_name_that_is_allowed_is_answered_to_and_the_message_says_how_to_allow_one(pair: Pair) -> None:
    for name in ("pair.test:3200", "OTHER.test"):
        assert pair.send("tempo", "GET", "/api/echo", None, {"Host": name}) == (200, b"echo\n")
    status, body = pair.send("otlp-http", "POST", "/v1/traces", export_of(2, 1), JSON | {"Host": "pairs.test"})
    assert status == 403
    assert b"--allow-host" in body
    assert b"SPAN_PROFILES_SERVE_ALLOWED_HOSTS" in body
    assert parse_hosts(" a.test, b.test c.test,") == ("a.test", "b.test", "c.test")


def test_curls_own_content_type_is_taken_and_no_answer_invites_other_sites(pair: Pair) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "curl/8"}
    assert pair.send("pyroscope", "POST", "/ingest?name=app&format=folded", b"a;b 5\n", form)[0] == 200


def denial(gate: Gate, path: str = "/v1/traces", peer: str = "192.0.2.1", version: str = "1.1", **headers: str) -> int:
    found = gate.denial(Head("POST", path, version, {"HOST": "box"} | headers, peer))
    return found.code if found else 200


def test_an_open_port_answers_any_name_with_the_token_and_no_other_sites_page() -> None:
    gate = Gate(Settings(host="0.0.0.0", token=TOKEN), Refusals(), Guesses())  # noqa: S104  # not bound
    right = f"Bearer {TOKEN}"
    assert denial(gate, AUTHORIZATION=right) == 200
    assert denial(gate, AUTHORIZATION=right, ORIGIN="http://example.com") == 403
    assert denial(gate) == 401
    assert denial(gate, "/ready") == 200
    assert denial(gate, "/ready", SEC_FETCH_SITE="cross-site") == 403


def test_a_request_without_a_host_is_refused_where_the_protocol_wants_one() -> None:
    gate = Gate(Settings(), Refusals(), Guesses())
    assert denial(gate, HOST="") == 400
    assert denial(gate, HOST="", version="1.0") == 200
    assert denial(gate, HOST="example.com", version="1.0") == 403


def test_a_name_in_a_refusal_is_printable() -> None:
    refusals = Refusals()
    gate = Gate(Settings(), refusals, Guesses())
    assert denial(gate, HOST="\x1b[2Jexample.com") == 403
    (group,) = refusals.groups(Signal.TRACES)
    assert "\x1b" not in group.last.message


def test_whoever_guesses_is_slowed_down_and_locks_nobody_out() -> None:
    gate = Gate(Settings(token=TOKEN), Refusals(), Guesses())
    guess = Head("GET", "/", "1.1", {"AUTHORIZATION": "Bearer no", "HOST": "localhost"}, "192.0.2.1")
    wrong = [gate.denial(guess) for _ in range(FREE_GUESSES + 9)]
    assert [denial.code for denial in wrong if denial] == [401] * FREE_GUESSES + [429] * 9
    assert [denial.delay_s > 0 for denial in wrong if denial] == [False] * FREE_GUESSES + [True] * 9
    assert denial(gate, AUTHORIZATION=f"Bearer {TOKEN}") == 200
    assert denial(gate) == 401, "who sends none does not guess"
    assert denial(gate, peer="192.0.2.2", AUTHORIZATION="Bearer no") == 401


def test_guesses_are_forgotten_after_a_while_and_counted_for_a_bounded_number() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    assert [guesses.note("192.0.2.1") for _ in range(FREE_GUESSES + 1)][-1]
    now[0] = GUESSES_S
    assert not guesses.note("192.0.2.1")
    for number in range(3 * GUESSERS):
        guesses.note(f"10.0.{number >> 8}.{number & 255}")
    assert len(guesses._tallies) == GUESSERS


def test_one_network_of_ipv6_is_one_guesser() -> None:
    guesses = Guesses()
    assert [guesses.note(f"2001:db8::{number:x}") for number in range(FREE_GUESSES + 1)][-1]
    assert not guesses.note("2001:db8:0:1::1")
