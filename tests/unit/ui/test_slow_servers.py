"""A server that hangs or drips: the page says so, and goes on to answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from spanprofiles.model import Endpoints, new_trace_id
from spanprofiles.ui import create_app
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
        answered = [one.result() for one in waiting]

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "3")
    assert "wait for Tempo or Pyroscope already" in busy.text
    assert "<html" in busy.text
    assert "<html" not in busy_part.text
    assert style.status_code == 200
    assert [one.status_code for one in answered] == [502] * MOST_ASKING
    assert app.test_client().get(f"/trace/{new_trace_id()}").status_code == 502  # there is room again


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
