"""The demo's live figures, as the backend tells them: rides per second, share of linked rides, newest trace."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from spanprofiles.clients import ProfileQuery
from spanprofiles.demo.stack import SERVICE
from spanprofiles.linking import Linker
from spanprofiles.model import PROFILE_ID_ATTRIBUTE
from spanprofiles.model.selector import service_selector

# Only orders compute long enough to be sampled for sure; receipts wait and quotes are short.
_ORDERS = (
    f'{{ resource.service.name = "{SERVICE}" && kind = server && name =~ "GET /(bike|scooter|car)" }}'
    f" | select(span.{PROFILE_ID_ATTRIBUTE})"
)
_WINDOW_S = 10
_ARRIVED_AFTER_S = 3
_JUDGED_AT_ONCE = 20
_REMEMBERED = 200


@dataclass(frozen=True)
class Figures:
    """What the live line shows.

    Attributes:
        rides_per_s: orders answered per second, over the last ten.
        linked: judged spans whose profile ID leads to samples.
        judged: spans judged, of the last two hundred.
        newest_trace_id: the last ride's trace, or an empty text.
    """

    rides_per_s: float
    linked: int
    judged: int
    newest_trace_id: str


class LiveFigures:
    """Asks for the figures, and judges each span once, when its samples have had time to arrive.

    Args:
        linker: of the demo's backend.
    """

    def __init__(self, linker: Linker) -> None:
        self._linker = linker
        self._verdicts: deque[tuple[str, bool]] = deque(maxlen=_REMEMBERED)

    def look(self) -> Figures:
        """Return the current figures.

        Raises:
            ClientError: a server failed.
        """
        now_s = int(time.time())
        found = self._linker.tempo.search(_ORDERS, start_s=now_s - _WINDOW_S, end_s=now_s + 1, limit=500, spans=3)
        spans = [(span, trace) for trace in found for span in trace.spans]
        self._judge([span.attributes.get(PROFILE_ID_ATTRIBUTE, "") for span, _ in spans if self._is_due(span.start_ns)])
        newest = max(spans, key=lambda pair: pair[0].start_ns, default=None)
        return Figures(
            rides_per_s=len(found) / _WINDOW_S,
            linked=sum(linked for _, linked in self._verdicts),
            judged=len(self._verdicts),
            newest_trace_id=newest[1].trace_id if newest else "",
        )

    @staticmethod
    def _is_due(start_ns: int) -> bool:
        return time.time() - start_ns / 1e9 > _ARRIVED_AFTER_S

    def _judge(self, profile_ids: list[str]) -> None:
        known = {profile_id for profile_id, _ in self._verdicts}
        now_ms = int(time.time() * 1000)
        query = ProfileQuery(service_selector(SERVICE), now_ms - 60_000, now_ms)
        for profile_id in [profile_id for profile_id in profile_ids if profile_id not in known][:_JUDGED_AT_ONCE]:
            linked = bool(profile_id) and not self._linker.pyroscope.span_profile(query, [profile_id]).is_empty
            self._verdicts.append((profile_id, linked))
