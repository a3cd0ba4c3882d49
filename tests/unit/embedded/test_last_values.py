"""The last value that is taken, and the first that is not."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.jfr.primitives import JfrError, read_text
from spanprofiles.embedded.pyroscope.limits import NODES_DEFAULT, NODES_LIMIT
from spanprofiles.embedded.pyroscope.queries import node_limit


@pytest.mark.parametrize(("form", "shown"), [(3, "né"), (5, "nÃ©")])
def test_a_text_of_a_recording_may_end_with_the_file(form: int, shown: str) -> None:
    written = bytes([form, 3]) + "né".encode()

    assert read_text(written, 0) == (shown, 5)
    with pytest.raises(JfrError):
        read_text(written[:-1], 0)


def test_a_flame_graph_may_have_as_many_nodes_as_the_limit_says() -> None:
    assert (node_limit(0), node_limit(1), node_limit(NODES_LIMIT)) == (NODES_DEFAULT, 1, NODES_LIMIT)
    for refused in (-1, NODES_LIMIT + 1):
        with pytest.raises(ConnectError):
            node_limit(refused)
