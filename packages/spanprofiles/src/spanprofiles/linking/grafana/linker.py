"""Sends exactly the query that Grafana would send, and says what came."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from spanprofiles.clients import ClientError, PyroscopeClient, RequestRefusedError
from spanprofiles.linking.errors import LinkError, NoSamplesError
from spanprofiles.linking.grafana.datasource import DataSource, DataSources
from spanprofiles.linking.grafana.outcome import Doubt, GrafanaLink, SpanProfileQuery
from spanprofiles.linking.grafana.resolution import resolve, resolve_trace
from spanprofiles.linking.linker import Linker
from spanprofiles.linking.sample_collector import types_of
from spanprofiles.model import FlameGraph, Span, Trace
from spanprofiles.model.profile_types import others, setting, stand_ins
from spanprofiles.waiting import Waiting

# With these it refuses a query for what it says; with others it does not look at it.
_REFUSALS = {400, 422, 500}
_NAMES = 8


class NoButtonError(LinkError):
    """Grafana shows no button "Profiles for this span".

    Attributes:
        link: what was worked out, with the reason.
    """

    def __init__(self, link: GrafanaLink) -> None:
        self.link = link
        super().__init__(link.explanation)


@dataclass(frozen=True)
class Answer:
    """What came back for a query.

    Attributes:
        query: what was sent.
        flamegraph: the samples; empty where there are none, or where the query was refused.
        refusal: the server's words where it refused the query, else empty.
    """

    query: SpanProfileQuery
    flamegraph: FlameGraph = field(default_factory=FlameGraph)
    refusal: str = ""

    @property
    def has_samples(self) -> bool:
        """Whether somebody who presses the button sees a flame graph."""
        return not self.flamegraph.is_empty

    @property
    def is_drawn_when_embedded(self) -> bool:
        """Whether the flame graph in the span's details is drawn: with fewer than two rows nothing is, in silence."""
        return bool(self.flamegraph.functions)  # the first row is the whole, each function has one more


def send(pyroscope: PyroscopeClient, query: SpanProfileQuery) -> FlameGraph:
    """Send a query to Pyroscope as Grafana does, whatever it is, and return the samples; empty where there are none.

    Raises:
        RequestRefusedError: Pyroscope refuses it, as it would refuse Grafana's.
        ClientError: Pyroscope does not answer, or not with a flame graph.
    """
    return pyroscope.span_profile_as_sent(query.profile_query(), query.span_selector)


class GrafanaLinker:
    """Resolves spans with one Tempo data source, and follows their buttons to the backend itself.

    Args:
        source: the Tempo data source.
        sources: all data sources of the same Grafana.
        pyroscope: the server behind its Pyroscope data source.
        waiting: how long to look for samples, which arrive later than spans.
    """

    def __init__(
        self,
        source: DataSource,
        sources: DataSources,
        pyroscope: PyroscopeClient,
        waiting: Waiting | None = None,
    ) -> None:
        self.source = source
        self.sources = sources
        self.pyroscope = pyroscope
        self.waiting = waiting or Waiting()

    @classmethod
    def of(cls, sources: DataSources, linker: Linker, uid: str | None = None) -> GrafanaLinker:
        """Return one for a Tempo data source by its UID, or for the only or default one.

        Raises:
            SettingsError: there is no such data source.
        """
        return cls(sources.tempo(uid), sources, linker.pyroscope, linker.waiting)

    def resolve(self, span: Span, trace: Trace) -> GrafanaLink:
        """Work out the span's button; see :func:`spanprofiles.linking.grafana.resolve`."""
        return resolve(self.source, self.sources, span, trace)

    def resolve_trace(self, trace: Trace) -> list[GrafanaLink]:
        """Work out the buttons of all spans of a trace that carry a profile ID."""
        return resolve_trace(self.source, self.sources, trace)

    def answer(self, query: SpanProfileQuery) -> Answer:
        """Send a query until samples come or the deadline passes; a refusal is an answer.

        Raises:
            ClientError: Pyroscope does not answer, not with a flame graph, or not to these credentials.
        """
        found = FlameGraph()
        for _ in self.waiting.attempts():
            try:
                found = send(self.pyroscope, query)
            except RequestRefusedError as error:
                if error.status not in _REFUSALS:
                    raise
                return Answer(query, refusal=f"{error.status}: {_words(error.answer)}")
            if not found.is_empty:
                break
        return Answer(query, found)

    def flamegraph(self, span: Span, trace: Trace) -> FlameGraph:
        """Press the span's button: resolve it, send exactly that query, return the samples.

        Raises:
            NoButtonError: there is no button; the message says why.
            NoSamplesError: Pyroscope refuses the query, or has no samples for it.
            ClientError: Pyroscope does not answer.
        """
        link = self.resolve(span, trace)
        if link.query is None:
            raise NoButtonError(link)
        answer = self.answer(link.query)
        if not answer.has_samples:
            raise NoSamplesError("; ".join([self.explain(answer), *(warning.text for warning in link.warnings)]))
        return answer.flamegraph

    def explain(self, answer: Answer) -> str:
        """Say in a sentence what came, and where nothing came what is there instead."""
        query = answer.query
        if answer.refusal:
            return f"Pyroscope refuses the query {query.label_selector} with {answer.refusal}"
        if answer.has_samples:
            return f"{len(answer.flamegraph.functions)} functions with {answer.flamegraph.amount}"
        asked = f"no samples for {query.label_selector} and span {query.span_selector[0]} as {query.profile_type}"
        try:
            types = self.pyroscope.profile_types(query.start_ms, query.end_ms)
            everywhere = SpanProfileQuery(
                query.datasource_uid, "{}", query.span_selector, query.profile_type, query.start_ms, query.end_ms
            )
            elsewhere = not send(self.pyroscope, everywhere).is_empty
            carried_by = "" if elsewhere else self._carried_by(query)
        except ClientError as error:
            return f"{asked}; {error}"
        if elsewhere:
            return f"{asked}: the span has samples, under other labels than these"
        instead = f"; samples of type {carried_by} carry its ID: {setting(carried_by)}" if carried_by else ""
        if query.profile_type not in types:
            named = ", ".join(types[:_NAMES]) or "none"
            return f"{asked}: there are no profiles of that type (there are: {named}){instead}"
        return f"{asked}{instead}"

    def _carried_by(self, query: SpanProfileQuery) -> str:
        """Return the profile type whose samples have the span's ID, types of time first; empty where none has."""
        types = types_of(self.pyroscope, query.profile_query())
        for profile_type in (*stand_ins(types, query.profile_type), *others(types, query.profile_type)):
            if not send(self.pyroscope, replace(query, profile_type=profile_type)).is_empty:
                return profile_type
        return ""


def settled(link: GrafanaLink, answer: Answer) -> GrafanaLink:
    """Return the link without the doubts that the answer has disproved: samples of that type do carry span IDs."""
    if not answer.has_samples:
        return link
    kept = tuple(warning for warning in link.warnings if warning.doubt is not Doubt.OTHER_PROFILE_TYPE)
    return replace(link, warnings=kept)


def _words(answer: str) -> str:
    """Return the message of an error in the Connect protocol's JSON, or the answer as it is."""
    try:
        message = json.loads(answer)["message"]
    except (ValueError, KeyError, TypeError):
        return answer
    return str(message)
