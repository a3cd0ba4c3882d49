"""Grafana's HTTP API: data sources and their queries.

Written from Grafana's code and documentation (13.1), and tested against a stub that follows them; it has not been run
against a Grafana. Source: ``/api/health``, ``/api/datasources``, ``/api/frontend/settings``, ``/api/ds/query``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from spanprofiles.clients.errors import RequestRefusedError, UnexpectedAnswerError
from spanprofiles.clients.http import ServerClient
from spanprofiles.clients.json_values import FrameBudget, at, count, fields, items, text, whole
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
        answer = self._http.get_json("/api/health")
        if answer.get("database") != "ok":
            raise self._unexpected("/api/health", f"its database is {answer.get('database')!r}, not 'ok'")
        return str(answer.get("version", ""))

    def data_source(self, uid: str) -> dict[str, Any]:
        """Return a data source's JSON.

        Raises:
            RequestRefusedError: there is none (404), or it may not be read (403).
            ClientError: Grafana does not answer.
        """
        return self._http.get_json(f"/api/datasources/uid/{quote(uid, safe='')}")

    def data_sources(self) -> list[dict[str, Any]]:
        """Return the JSON of all data sources.

        If the API refuses, they are taken from ``/api/frontend/settings``, from which Grafana's own pages get them for
        viewers and for people who are not logged in.

        Raises:
            RequestRefusedError: they may be read neither way (401, 403).
            ClientError: Grafana does not answer.
        """
        path = "/api/datasources"
        try:
            answer = self._http.get_list(path)
        except RequestRefusedError as refusal:
            if refusal.status not in _MAY_NOT:
                raise
            return self._shown_data_sources(refusal)
        if not all(isinstance(source, dict) for source in answer):
            raise self._unexpected(path, "not a list of data sources")
        return answer

    def _shown_data_sources(self, refusal: RequestRefusedError) -> list[dict[str, Any]]:
        """Return the data sources as Grafana's pages get them, without those that are built in."""
        try:
            shown = self._http.get_json(_SHOWN).get("datasources")
        except RequestRefusedError:
            raise refusal from None
        if not isinstance(shown, dict) or not all(isinstance(source, dict) for source in shown.values()):
            raise self._unexpected(_SHOWN, "no data sources in it") from refusal
        return [source for source in shown.values() if not _meta(source).get("builtIn")]

    def check_data_source(self, uid: str) -> str:
        """Return the message of a data source's own check if it succeeds.

        Raises:
            RequestRefusedError: the check failed; the message is the data source's.
            ClientError: Grafana does not answer.
        """
        path = f"/api/datasources/uid/{quote(uid, safe='')}/health"
        answer = self._http.get_json(path)
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
        answer = self._http.post_json(_QUERY, body)
        results = answer.get("results")
        result = results.get(reference) if isinstance(results, dict) else None
        if not isinstance(result, dict):
            raise self._unexpected(_QUERY, f"there is no result {reference!r}")
        with self._http.decode_errors(_QUERY, "a flame graph"):
            error, status = text(result.get("error") or ""), count(result.get("status") or 400)
        if error:
            raise RequestRefusedError(_SERVER, self._http.url + _QUERY, status, error)
        with self._http.decode_errors(_QUERY, "a flame graph"):
            frames = map(fields, items(result.get("frames")))
            frame = next((candidate for candidate in frames if fields(candidate["schema"]).get("name") == _FRAME), None)
            return FlameGraph() if frame is None else flamegraph(frame, str(target.get("profileTypeId") or CPU))

    def _unexpected(self, path: str, reason: str) -> UnexpectedAnswerError:
        return self._http.unexpected(path, reason)


def _meta(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    found = shown.get("meta")
    return found if isinstance(found, dict) else {}


def flamegraph(frame: Mapping[str, Any], profile_type: str = CPU) -> FlameGraph:
    """Read a data frame with the fields ``level``, ``value``, ``self`` and ``label``.

    Rows are the boxes of the flame graph, each before those below it; level 0 is the whole. Labels are texts, or
    indexes into the texts of the field's ``config.type.enum``.

    Raises:
        ValueError, KeyError, TypeError, IndexError, AttributeError: it is not such a frame.
    """
    columns_known = [fields(column) for column in items(frame["schema"].get("fields"))]
    values = [items(column) for column in items(fields(frame["data"]).get("values"))]
    if not columns_known and not values:
        return FlameGraph()
    columns = {known["name"]: column for known, column in zip(columns_known, values, strict=True)}
    labels = _labels([known for known in columns_known if known["name"] == "label"][0], columns["label"])  # noqa: RUF015  # IndexError
    budget = FrameBudget()
    stacks: list[tuple[tuple[str, ...], int]] = []
    path: tuple[str, ...] = ()
    for written, own, label in zip(columns["level"], columns["self"], labels, strict=True):
        level = count(written)
        budget.spend(level)
        if level > len(path) + 1 or (level == 0 and stacks):
            raise ValueError(f"a row of level {level} follows one of level {len(path)}")
        path = (*path[: level - 1], label) if level else ()
        stacks.append((path, whole(own)))
    return FlameGraph(stacks, profile_type)


def _labels(field: Mapping[str, Any], values: Sequence[Any]) -> list[str]:
    enum = fields(fields(fields(field.get("config")).get("type")).get("enum"))
    if enum.get("text") is None:
        return [text(value) for value in values]
    return [at(items(enum["text"]), value) for value in values]
