"""What a query selects: which series, which time, which spans, traces or uploads, and which stacks."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from spanprofiles.embedded.proto.pyroscope_pb2 import (
    SelectHeatmapRequest,
    SelectMergeProfileRequest,
    SelectMergeSpanProfileRequest,
    SelectMergeStacktracesRequest,
    SelectSeriesRequest,
)
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import IDS_LIMIT, NODES_DEFAULT, NODES_LIMIT
from spanprofiles.embedded.pyroscope.selector import Selector, SelectorError, parse_selector
from spanprofiles.embedded.store.profiles import LARGEST_INTEGER

Item = TypeVar("Item")
SelectRequest: TypeAlias = (
    SelectMergeSpanProfileRequest
    | SelectMergeStacktracesRequest
    | SelectMergeProfileRequest
    | SelectSeriesRequest
    | SelectHeatmapRequest
)
"""What asks for the samples of some profiles."""
LONGEST_WINDOW_MS = 24 * 3600 * 1000
TYPE_PARTS = (5, 6)
NO_DIGIT = re.compile("[^0-9a-fA-F]", re.ASCII)
UUID_BASE = 0x4000_8000_0000_0000_0000


def bad_id(what: str, value: str, digits: int) -> ConnectError | None:
    """Return the error where a text is no span or trace ID; the real server's code for it is ``unknown``, a 500."""
    prefix = "rpc error: code = Unknown desc = "
    if len(value) != digits:
        return ConnectError(f"{prefix}invalid {what} id length: {json.dumps(value, ensure_ascii=False)}", "unknown")
    bad = NO_DIGIT.search(value)
    if bad is not None:
        return ConnectError(f"{prefix}encoding/hex: invalid byte: U+{ord(bad[0]):04X} '{bad[0]}'", "unknown")
    return None


def _few(values: Sequence[Item]) -> Sequence[Item]:
    """Return the values if they are not too many.

    Raises:
        ConnectError: they are.
    """
    if len(values) > IDS_LIMIT:
        raise ConnectError(f"more than {IDS_LIMIT} IDs in one selector: ask for fewer at once")
    return values


def binary_ids(what: str, values: Sequence[str], digits: int) -> tuple[bytes, ...]:
    """Span or trace IDs in binary, each once.

    Raises:
        ConnectError: one is not an ID.
    """
    found: dict[bytes, None] = {}
    for value in _few(values):
        error = bad_id(what, value, digits)
        if error:
            raise error
        found[bytes.fromhex(value)] = None
    return tuple(found)


def node_limit(max_nodes: int) -> int:
    """How many nodes a flame graph is to have, as a question says, which may leave it open with 0.

    Raises:
        ConnectError: it is negative or too large.
    """
    if max_nodes < 0:
        raise ConnectError(f"max flamegraph nodes limit must be set (max allowed {NODES_LIMIT})")
    if max_nodes > NODES_LIMIT:
        raise ConnectError(f"max flamegraph nodes limit {max_nodes} is greater than allowed {NODES_LIMIT}")
    return max_nodes or NODES_DEFAULT


def profile_uuid(number: int) -> str:
    """Return the ID by which the API names a profile; the store's number is its last digits."""
    return str(uuid.UUID(int=UUID_BASE + number))


def profile_numbers(values: Sequence[str]) -> tuple[int, ...]:
    """Return the store's numbers of profiles; -1 for one it cannot have.

    Raises:
        ConnectError: one is no ID; the real server's code for that is ``unknown``, a 500.
    """
    found = []
    for value in _few(values):
        try:
            number = uuid.UUID(value).int - UUID_BASE
        except ValueError as error:
            raise ConnectError(
                f"rpc error: code = Unknown desc = invalid UUID length: {len(value)}", "unknown"
            ) from error
        found.append(number if 0 < number < LARGEST_INTEGER else -1)
    return tuple(found)


def check_window(start_ms: int, end_ms: int) -> None:
    """See that a query has a window of time, and not too long a one.

    Raises:
        ConnectError: it has none, or one the real server refuses.
    """
    if start_ms == 0 or end_ms == 0:
        raise ConnectError("missing time range in the query")
    if start_ms > end_ms:
        raise ConnectError("query start time is after end time")
    if end_ms - start_ms > LONGEST_WINDOW_MS:
        seconds = (end_ms - start_ms) // 1000
        raise ConnectError(
            "the query time range exceeds the limit (max_query_length, actual:"
            f" {seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s, limit: 1d)"
        )


def step_ms(step: float) -> int:
    """Convert a step, given in s, to whole ms.

    Raises:
        ConnectError: it is shorter than 1 ms, or no number.
    """
    if not step >= 0.001 or step > LONGEST_WINDOW_MS * 1000:
        raise ConnectError("step must be >= 1ms" if not step >= 0.001 else "step is too long")
    return int(step * 1000)


def selector_of(text: str) -> Selector:
    """Parse a label selector.

    Raises:
        ConnectError: it is not one.
    """
    try:
        return parse_selector(text)
    except SelectorError as error:
        shown = json.dumps(text[:512], ensure_ascii=False)
        raise ConnectError(f"parsing label selector {shown}: {error}") from error


def check_profile_type(profile_type: str) -> None:
    """See that a profile type has the form of one.

    Raises:
        ConnectError: it has not.
    """
    parts = profile_type.split(":")
    if len(parts) not in TYPE_PARTS or (len(parts) == TYPE_PARTS[1] and parts[-1] != "delta"):
        raise ConnectError(
            "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>"
            f"(:delta), got({len(parts)}): {json.dumps(profile_type[:512], ensure_ascii=False)}"
        )


@dataclass(frozen=True)
class Selection:
    """Profiles of one type, by labels and time, narrowed to spans, traces, uploads or a call site if there are any."""

    profile_type: str
    selector: Selector
    start_ms: int
    end_ms: int
    span_ids: tuple[bytes, ...] = ()
    trace_ids: tuple[bytes, ...] = ()
    profiles: tuple[int, ...] = ()
    call_site: tuple[str, ...] = ()

    def passes(self, names: tuple[str, ...]) -> bool:
        """Whether a call path, root first, begins with the call site that is asked for."""
        return names[: len(self.call_site)] == self.call_site

    @classmethod
    def of(cls, request: SelectRequest) -> Selection:
        """Read and check a request.

        Raises:
            ConnectError: something of it is refused.
        """
        span_selector = getattr(request, "span_selector", ())
        trace_selector = getattr(request, "trace_id_selector", ())
        check_profile_type(request.profile_typeID)
        selector = selector_of(request.label_selector)
        check_window(request.start, request.end)
        if span_selector and trace_selector:
            raise ConnectError("span_selector and trace_id_selector cannot be combined")
        return cls(
            request.profile_typeID.removesuffix(":delta"),
            selector,
            request.start,
            request.end,
            binary_ids("span", span_selector, 16),
            binary_ids("trace", trace_selector, 32),
            profile_numbers(getattr(request, "profile_id_selector", ())),
            _call_site(request),
        )


def _call_site(request: SelectRequest) -> tuple[str, ...]:
    """Read the functions that a stack has to begin with, root first; series and heatmaps count all stacks.

    Raises:
        ConnectError: they are too many.
    """
    if not isinstance(request, (SelectMergeStacktracesRequest, SelectMergeProfileRequest)):
        return ()
    return tuple([frame.name for frame in _few(request.stack_trace_selector.call_site)])
