from __future__ import annotations

import pytest

from spanprofiles.report.svg import Origin
from spanprofiles.ui.figures import SPAN_S, STEP_S, summarize
from spanprofiles.ui.found_request import FoundRequest
from spanprofiles.ui.origins import ServiceFiles

MS = 1_000_000
NOW_S = 1_700_000_000.0


def ride(seconds_ago: float, milliseconds: int, title: str = "GET /bike") -> FoundRequest:
    start_ns = round((NOW_S - seconds_ago) * 1e9)
    return FoundRequest("1" * 32, title, "shop", "", start_ns, milliseconds * MS, False, (), "")


def test_rate_counts_the_last_minute_and_percentiles_the_whole_span() -> None:
    (figures,) = summarize([ride(10, 100), ride(20, 300), ride(200, 200)], NOW_S)

    assert figures.rate == pytest.approx(2 / 60)
    assert figures.median_ns == 200 * MS
    assert figures.slow_ns == 300 * MS


def test_steps_without_a_request_have_no_duration() -> None:
    (figures,) = summarize([ride(15, 100)], NOW_S)

    assert len(figures.counts) == SPAN_S // STEP_S
    assert sum(figures.counts) == 1
    assert [median for median in figures.medians if median is not None] == [100 * MS]


def test_the_busiest_routes_are_shown_in_order_of_their_names() -> None:
    rides = [ride(9, 1, f"GET /{name}") for name in "hgfedcba"] + [ride(9, 1, "GET /h"), ride(9, 1, "GET /g")]

    assert [route.title for route in summarize(rides, NOW_S)] == [f"GET /{name}" for name in "abcdgh"]


@pytest.mark.parametrize(
    ("file", "origin"),
    [
        ("/home/me/shop/orders.py", Origin.OWN),
        ("/srv/.venv/lib/python3.11/site-packages/flask/app.py", Origin.LIBRARY),
        ("/usr/lib/python3.11/threading.py", Origin.LIBRARY),
        ("<frozen importlib._bootstrap>", Origin.LIBRARY),
        ("/go/pkg/mod/github.com/gin/gin.go", Origin.LIBRARY),
        ("/usr/local/go/src/net/http/server.go", Origin.LIBRARY),
        ("/app/main.go", Origin.OWN),
        ("/venv/lib/python3.11/site-packages/spanprofiles/demo/city/rideshare/pricing.py", Origin.OWN),
        ("/venv/lib/python3.11/site-packages/spanprofiles/workshop/exercises/e01_look/stage/city.py", Origin.OWN),
        ("/venv/lib/python3.11/site-packages/spanprofiles/demo/city.py", Origin.LIBRARY),
        ("/venv/lib/python3.11/site-packages/spanprofiles/workshop/workbench.py", Origin.LIBRARY),
        ("/venv/lib/python3.11/site-packages/spanprofiles_processor/processor.py", Origin.LIBRARY),
        ("<string>", Origin.UNKNOWN),
    ],
)
def test_a_file_tells_whose_code_a_function_is(file: str, origin: Origin) -> None:
    assert ServiceFiles({"work": frozenset({file})}).origin_of("work") is origin


def test_the_origin_of_an_unknown_name_or_one_in_files_of_both_kinds_is_unknown() -> None:
    files = ServiceFiles({"run": frozenset({"/app/run.py", "/usr/lib/python3.11/runpy.py"})})

    assert files.origin_of("run") is Origin.UNKNOWN
    assert files.origin_of("other") is Origin.UNKNOWN


def test_a_place_does_not_tell_the_folders_of_the_machine() -> None:
    files = ServiceFiles(
        {
            "own": frozenset({"/home/someone/secret/shop/orders.py"}),
            "library": frozenset({"/home/someone/.venv/lib/python3.11/site-packages/flask/app.py"}),
        }
    )

    assert files.place_of("own") == "shop/orders.py"
    assert files.place_of("library") == "flask/app.py"
