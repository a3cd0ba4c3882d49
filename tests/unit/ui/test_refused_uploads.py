"""The page names what the servers refused, where that may be why there is nothing to see."""

from __future__ import annotations

import requests

from spanprofiles.model import Endpoints
from spanprofiles.ui import create_app


def findings(pair: Endpoints) -> str:
    app = create_app(pair)
    app.testing = True
    return app.test_client().get("/doctor?part=findings").text


def test_the_doctors_page_names_refused_exports_with_their_text_escaped(empty_pair: Endpoints) -> None:
    headers = {"Content-Encoding": "<b>br</b>", "Content-Type": "application/json", "User-Agent": "exporter/1"}
    before = findings(empty_pair)
    for _ in range(12):
        requests.post(f"{empty_pair.otlp_http}/v1/traces", data=b"{}", headers=headers, timeout=10)
    after = findings(empty_pair)

    assert "refused" not in before
    assert "12 exports were refused, the last " in after
    assert "from 127.0.0.1 (exporter/1): unsupported Content-Encoding: &lt;b&gt;br&lt;/b&gt;" in after
    assert "<b>br" not in after
