"""Grafana's HTTP API: data sources and their queries.

Written from Grafana's code and documentation (13.1) and tested against a stub that answers as those say; it was not run
against a Grafana. Source: ``/api/health``, ``/api/datasources``, ``/api/frontend/settings``, ``/api/ds/query``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from spanprofiles.clients.errors import RequestRefusedError, UnexpectedAnswerError
from spanprofiles.clients.http import ServerClient
from spanprofiles.model import CPU, FlameGraph

_SERVER = "Grafana"
_QUERY = "/api/ds/query"
_FRAME = "response"
_SHOWN = "/api/frontend/settings"
_MAY_NOT = {401, 403}


class GrafanaClient(ServerClient):
    """Asks one Grafana. A service account's token is a bearer token."""

    server = _SERVER
    ready_path = "/api/health"

    def health(self) -> str:
        """Return Grafana's version if its database answers.

        Raises:
            ClientError: it does not.
        """
        answer = self.http.get_json("/api/health")
        if answer.get("database") != "ok":
            raise self._unexpected("/api/health", f"its database is {answer.get('database')!r}, not 'ok'")
        return str(answer.get("version", ""))

    def data_source(self, uid: str) -> dict[str, Any]:
        """Return a data source's JSON.

        Raises:
            RequestRefusedError: there is none (404), or it may not be read (403).
            ClientError: Grafana does not answer.
        """
        return self.http.get_json(f"/api/datasources/uid/{quote(uid, safe='')}")

    def data_sources(self) -> list[dict[str, Any]]:
        """Return the JSON of all data sources.

        Who may not read their settings is asked by Grafana's own pages: those of a viewer, and of somebody who is not
        logged in, get the data sources with ``/api/frontend/settings``.

        Raises:
            RequestRefusedError: they may be read neither way (401, 403).
            ClientError: Grafana does not answer.
        """
        path = "/api/datasources"
        try:
            response = self.http.get(path)
        except RequestRefusedError as refusal:
            if refusal.status not in _MAY_NOT:
                raise
            return self._shown_data_sources(refusal)
        try:
            answer = response.json()
        except ValueError as error:
            raise self._unexpected(path, "not JSON") from error
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise self._unexpected(path, "not a list of data sources")
        return answer

    def _shown_data_sources(self, refusal: RequestRefusedError) -> list[dict[str, Any]]:
        """Return the data sources as Grafana's pages get them, without those that are built in."""
        try:
            shown = self.http.get_json(_SHOWN).get("datasources")
        except RequestRefusedError:
            raise refusal from None
        if not isinstance(shown, dict) or not all(isinstance(one, dict) for one in shown.values()):
            raise self._unexpected(_SHOWN, "no data sources in it") from refusal
        return [one for one in shown.values() if not (one.get("meta") or {}).get("builtIn")]

    def check_data_source(self, uid: str) -> str:
        """Return the message of a data source's own check if it succeeds.

        Raises:
            RequestRefusedError: the check failed; the message is the data source's.
            ClientError: Grafana does not answer.
        """
        path = f"/api/datasources/uid/{quote(uid, safe='')}/health"
        answer = self.http.get_json(path)
        if answer.get("status") != "OK":
            raise self._unexpected(path, f"status {answer.get('status')!r}: {answer.get('message', '')}")
        return str(answer.get("message", ""))

    def ds_query(self, target: Mapping[str, Any], start_ms: int, end_ms: int) -> FlameGraph:
        """Send one profile query through a data source, as panels and Explore do.

        Args:
            target: the query with its ``refId`` and ``datasource``.
            start_ms: start of the time range, ms since the epoch.
            end_ms: end of the time range, ms since the epoch.

        Returns:
            The samples; empty where there are none.

        Raises:
            RequestRefusedError: Grafana or the server behind the data source refuses the query, with its words.
            ClientError: Grafana does not answer, or not with a flame graph.
        """
        reference = str(target.get("refId", "A"))
        body = {"from": str(start_ms), "to": str(end_ms), "queries": [{**target, "refId": reference}]}
        answer = self.http.post_json(_QUERY, body)
        result = (answer.get("results") or {}).get(reference)
        if not isinstance(result, dict):
            raise self._unexpected(_QUERY, f"there is no result {reference!r}")
        if result.get("error"):
            status = result.get("status", 400)
            raise RequestRefusedError(_SERVER, self.http.url + _QUERY, int(status), str(result["error"]))
        try:
            frames = result.get("frames") or []
            frame = next((one for one in frames if one["schema"].get("name") == _FRAME), None)
            return FlameGraph() if frame is None else flamegraph(frame, str(target.get("profileTypeId") or CPU))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise self._unexpected(_QUERY, f"not a flame graph ({error})") from error

    def _unexpected(self, path: str, reason: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(_SERVER, self.http.url + path, reason)


def flamegraph(frame: Mapping[str, Any], profile_type: str = CPU) -> FlameGraph:
    """Read a data frame with the fields ``level``, ``value``, ``self`` and ``label``.

    Rows are the boxes of the flame graph, each before those below it; level 0 is the whole. Labels are texts, or
    indexes into the texts of the field's ``config.type.enum``.

    Raises:
        ValueError, KeyError, TypeError, IndexError, AttributeError: it is not such a frame.
    """
    fields = frame["schema"]["fields"]
    columns = {field["name"]: values for field, values in zip(fields, frame["data"]["values"], strict=True)}
    labels = _labels(next(field for field in fields if field["name"] == "label"), columns["label"]) if fields else []
    if not fields:
        return FlameGraph()
    stacks: list[tuple[tuple[str, ...], int]] = []
    path: tuple[str, ...] = ()
    for level, own, label in zip(columns["level"], columns["self"], labels, strict=True):
        if level > len(path) + 1 or (level == 0 and stacks):
            raise ValueError(f"a row of level {level} follows one of level {len(path)}")
        path = (*path[: level - 1], label) if level else ()
        stacks.append((path, int(own)))
    return FlameGraph(stacks, profile_type)


def _labels(field: Mapping[str, Any], values: Sequence[Any]) -> list[str]:
    texts = (((field.get("config") or {}).get("type") or {}).get("enum") or {}).get("text")
    if texts is None:
        return [str(value) for value in values]
    return [texts[value] for value in values]
