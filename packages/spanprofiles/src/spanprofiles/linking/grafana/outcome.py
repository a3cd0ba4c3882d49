"""What the resolver says of a span: the query behind the button, or why there is no button, and what is doubtful."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking.grafana.datasource import PYROSCOPE_TYPE, DataSource
from spanprofiles.model import Span


class NoButton(Enum):
    """Why a span has no button "Profiles for this span": one member for each rule."""

    NOT_A_TEMPO_SOURCE = "the data source of the trace is not of type tempo"
    NOT_CONFIGURED = "the Tempo data source has no settings for Trace to profiles"
    NO_DATASOURCE = "the settings name no data source for profiles"
    UNKNOWN_DATASOURCE = "the data source for profiles does not exist"
    TRACE_VIEW_FAILS = "the settings stop Grafana's trace view with an error"
    WRONG_TYPE = "the data source for profiles is not a Pyroscope data source"
    NO_PROFILE_ID = "the span has no attribute pyroscope.profile.id"
    UNRESOLVED_VARIABLE = "a variable of the query stands for nothing"


class Doubt(Enum):
    """What Grafana accepts in silence though it cannot work, or not for long."""

    FOUND_BY_NAME = "datasourceUid holds a name"
    MISSING_PROFILE_TYPE = "no profile type is configured"
    MALFORMED_PROFILE_TYPE = "the profile type has the wrong form"
    OTHER_PROFILE_TYPE = "the profile type is not CPU time"
    MALFORMED_PROFILE_ID = "the profile ID is not 16 hexadecimal digits"
    TAG_WITHOUT_KEY = "a tag has no key and compares nothing"
    DOTTED_LABEL = "a label name is not quoted and must be"
    UNESCAPED_VALUE = "a value breaks the selector"
    EMPTY_VALUE = "a label is compared with an empty text"
    CONTRADICTION = "a label is compared with two values"
    NAMESPACE_BY_DEFAULT = "the default tags include the namespace"
    NO_LABELS = "the selector is empty"
    QUERY_IGNORED = "a query is configured and not used"
    CUSTOM_QUERY_MISSING = "a custom query is asked for and not given"
    LITERAL_TEXT = "a variable is sent as the text it is written as"
    OBJECT_TEXT = "a variable stands for an object"
    NOT_WORKED_OUT = "a variable is filled in by Grafana alone"
    WINDOW_TOO_LONG = "the time range is longer than Pyroscope allows"
    SETTINGS = "the settings were not read as they are written"


@dataclass(frozen=True)
class LinkWarning:
    """One doubt about a link.

    Attributes:
        doubt: which rule it is.
        text: what is wrong with this span's link and what to change, one sentence.
    """

    doubt: Doubt
    text: str


@dataclass(frozen=True)
class SpanProfileQuery:
    """A query for one span's profile, as Grafana sends it.

    Attributes:
        datasource_uid: the Pyroscope data source that is asked.
        label_selector: text in Prometheus' syntax; whether it is valid is for Pyroscope to say.
        span_selector: the profile ID, as it is.
        profile_type: ``name:type:unit:period type:period unit``, or empty.
        start_ms: start of the time range, ms since the epoch.
        end_ms: end of the time range, ms since the epoch.
    """

    datasource_uid: str
    label_selector: str
    span_selector: tuple[str, ...]
    profile_type: str
    start_ms: int
    end_ms: int

    def profile_query(self) -> ProfileQuery:
        """Return what all of Pyroscope's query methods share."""
        return ProfileQuery(self.label_selector, self.start_ms, self.end_ms, self.profile_type)

    def target(self, reference: str = "A") -> dict[str, Any]:
        """Return the query as it stands in Explore's address, in a panel and in ``POST /api/ds/query``."""
        return {
            "refId": reference,
            "datasource": {"type": PYROSCOPE_TYPE, "uid": self.datasource_uid},
            "queryType": "profile",
            "profileTypeId": self.profile_type,
            "labelSelector": self.label_selector,
            "spanSelector": list(self.span_selector),
            "groupBy": [],
        }


@dataclass(frozen=True)
class GrafanaLink:
    """What Grafana makes of one span.

    Attributes:
        span: the span.
        source: the Tempo data source that opens it.
        query: what the button sends, or None where there is no button.
        embedded: what the flame graph embedded in the span's details asks, or None where it does not ask.
        no_button: why there is no button, or None where there is one.
        explanation: the same for this span, with what to change; empty where there is a button.
        warnings: doubts about a link that is there, or about settings that give none.
    """

    span: Span
    source: DataSource
    query: SpanProfileQuery | None = None
    embedded: SpanProfileQuery | None = None
    no_button: NoButton | None = None
    explanation: str = ""
    warnings: tuple[LinkWarning, ...] = ()

    @property
    def has_button(self) -> bool:
        """Whether the span's details show "Profiles for this span"."""
        return self.query is not None

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """The kinds of the warnings."""
        return tuple(warning.doubt for warning in self.warnings)
