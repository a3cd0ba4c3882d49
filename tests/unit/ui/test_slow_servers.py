"""A server that hangs or drips: the page says so, and goes on to answer."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest

from spanprofiles.clients.outage import Outage
from spanprofiles.doctor import Examination
from spanprofiles.model import Endpoints, new_trace_id
from spanprofiles.ui import create_app, examinations, sources
from spanprofiles.ui.admission import MOST_ASKING
from tests.unit.conftest import Answer, Seen, Serve

_SOON_S = 30.0


def test_requests_that_wait_for_a_server_leave_threads_for_the_others(serve: Serve) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def hang(_: Seen) -> Answer:
        asked.release()
        go_on.wait(_SOON_S)
        return Answer("no", 500, "text/plain")

    stub = serve(hang)
    app = create_app(Endpoints(stub.url, stub.url))
    with ThreadPoolExecutor(MOST_ASKING) as pool:
        waiting = [pool.submit(app.test_client().get, f"/trace/{new_trace_id()}") for _ in range(MOST_ASKING)]
        for _ in waiting:
            assert asked.acquire(timeout=_SOON_S)
        busy = app.test_client().get(f"/trace/{new_trace_id()}")
        busy_part = app.test_client().get(f"/trace/{new_trace_id()}?part=1")
        style = app.test_client().get("/pictures.css")
        go_on.set()
        answered = [request.result() for request in waiting]

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "3")
    assert "wait for Tempo or Pyroscope already" in busy.text
    assert "<html" in busy.text
    assert "<html" not in busy_part.text
    assert style.status_code == 200
    assert [answer.status_code for answer in answered] == [502] * MOST_ASKING
    assert app.test_client().get(f"/trace/{new_trace_id()}").status_code == 502  # there is room again


def test_a_page_does_not_wait_again_for_a_server_that_hangs_and_says_since_when(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_TIMEOUT_S", (5.0, 0.2))
    monkeypatch.setattr(sources, "Outage", partial(Outage, 600))
    over = threading.Event()

    def hang(_: Seen) -> Answer:
        over.wait(_SOON_S)
        return Answer("no", 500, "text/plain")

    stub = serve(hang)
    page = create_app(Endpoints(stub.url, stub.url)).test_client()
    first, later = new_trace_id(), [new_trace_id() for _ in range(5)]
    waited = page.get(f"/trace/{first}")
    told = [page.get(f"/trace/{trace_id}") for trace_id in later]
    over.set()

    assert [answer.status_code for answer in (waited, *told)] == [502] * 6
    assert "no answer since" not in waited.text
    assert all(re.search(r"no answer since \d\d:\d\d:\d\d, asked again in \d+ s", answer.text) for answer in told)
    asked = " ".join(seen.path for seen in stub.seen)
    assert not any(trace_id in asked for trace_id in later)


@pytest.mark.parametrize(("could_look", "asked"), [(False, 1), (True, 2)])
def test_the_doctor_remembers_a_server_that_did_not_answer_for_as_long_as_that_took(
    could_look: bool, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, examined = [1000.0], []

    def examine(*_: object, **__: object) -> Examination:
        now_s[0] += 12
        examined.append(now_s[0])
        return Examination("rides", (), could_look=could_look)

    monkeypatch.setattr(examinations, "_examine", examine)
    monkeypatch.setattr(examinations, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    found = examinations.Examinations(Endpoints("http://tempo", "http://pyroscope"))
    for later_s in (0, 11):
        now_s[0] += later_s
        found.look("rides", "5m")
    assert len(examined) == asked

    now_s[0] += 30
    found.look("rides", "5m")
    assert len(examined) == asked + 1


def test_requests_that_are_refused_take_no_place(serve: Serve) -> None:
    stub = serve(lambda _: Answer("no", 500, "text/plain"))
    app = create_app(Endpoints(stub.url, stub.url))
    page = app.test_client()
    for _ in range(2 * MOST_ASKING):
        assert page.get("/compare", headers={"Host": "elsewhere.invalid"}).status_code == 403
        assert page.get("/no-such-page").status_code == 404
        assert page.get("/trace/not-an-id").status_code in {302, 400, 404}
    assert page.get(f"/trace/{new_trace_id()}").status_code == 502


def test_a_password_in_an_address_is_on_no_page(serve: Serve) -> None:
    stub = serve(lambda _: Answer("no", 500, "text/plain"))
    secret = stub.url.replace("://", "://joe:s3cret@")
    page = create_app(Endpoints(secret, secret, secret, secret)).test_client()
    for path in ("/", f"/trace/{new_trace_id()}", "/doctor", "/compare", "/tour", "/doctor?service=x"):
        text = page.get(path, follow_redirects=True).text
        assert "s3cret" not in text, path
        assert "joe" not in text, path
    assert stub.seen[0].headers["Authorization"] == "Basic am9lOnMzY3JldA=="
