"""Which questions a group of spans is found by, of servers that do not bear all of them."""

from __future__ import annotations

import time

import pytest

from spanprofiles.clients import RequestRefusedError
from spanprofiles.linking import Linker
from spanprofiles.measure.span_group import find_group
from spanprofiles.model import Endpoints
from tests.unit.conftest import Answer, Serve


@pytest.mark.parametrize(("status", "questions"), [(503, 1), (400, 3)])
def test_a_server_is_asked_more_simply_if_it_refuses_and_not_if_it_fails(
    serve: Serve, dead_url: str, status: int, questions: int
) -> None:
    stub = serve(lambda _: Answer("no", status))
    linker = Linker.of(Endpoints(tempo=stub.url, pyroscope=dead_url))
    with pytest.raises(RequestRefusedError):
        find_group(linker, "{}", time.time_ns())
    assert len(stub.seen) == questions
