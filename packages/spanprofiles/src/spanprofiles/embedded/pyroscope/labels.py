"""Labels as Pyroscope shows them in messages, and the checks it makes of a push's labels."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterable, Mapping

from spanprofiles.embedded.proto.pyroscope_pb2 import RawProfileSeries
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.refusals import Reason

COUNT_LIMIT = 30
NAME_LIMIT = 1_024
VALUE_LIMIT = 2_048
SHOWN_LIMIT = 2 * VALUE_LIMIT
NAME, SERVICE, SPY = "__name__", "service_name", "pyroscope_spy"
UNKNOWN_SERVICE = "unknown_service"


def labels_text(labels: Mapping[str, str]) -> str:
    """Labels as a selector would have them, sorted by name; names and values far beyond the limits are cut."""
    pairs = ", ".join(
        f"{name[:SHOWN_LIMIT]}={json.dumps(value[:SHOWN_LIMIT], ensure_ascii=False)}"
        for name, value in sorted(labels.items())
    )
    return f"{{{pairs}}}"


def time_text(time_ns: int) -> str:
    """Write a time, given in ns since the epoch, as Pyroscope's messages do: UTC, to the millisecond."""
    seconds, rest = divmod(time_ns, 10**9)
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
    milliseconds = f".{rest // 10**6:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{milliseconds} +0000 UTC"


def _refused(reason: Reason, message: str) -> ConnectError:
    return ConnectError(message, reason=reason)


def _valued(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put in ``service_name`` where it has no value, and take out each name that has an empty one, as there."""
    pairs = list(given)
    if not next((value for name, value in pairs if name == SERVICE), ""):
        pairs.append((SERVICE, UNKNOWN_SERVICE))
    emptied = {name for name, value in pairs if not value}
    return [(name, value) for name, value in pairs if name not in emptied]


def pairs_of(series: RawProfileSeries) -> list[tuple[str, str]]:
    """Return the labels of one series of a push, as they came."""
    return [(label.name, label.value) for label in series.labels]


def merged_labels(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Merge the labels of one series: of equal names the last counts, one that has an empty value is left out."""
    return dict(_valued(pairs))


def check_labels(given: Iterable[tuple[str, str]]) -> None:
    """Check the labels of one series that has samples: of others the real server does not look at them.

    Raises:
        ConnectError: too many, one too long, one twice, or no ``__name__`` or ``service_name``.
    """
    pairs = _valued(given)
    labels = dict(pairs)
    shown = labels_text(labels)
    _check_count(labels, len(pairs))
    if not labels.get(NAME):
        raise _refused(Reason.INVALID_LABELS, f"invalid labels '{shown}' with error: invalid metric name")
    if not labels.get(SERVICE):
        raise _refused(Reason.INVALID_LABELS, f"invalid labels '{shown}' with error: service name is not provided")
    if len(labels) != len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(name for name, after in itertools.pairwise(names) if name == after)
        raise ConnectError(
            f"profile with labels '{shown}' has duplicate label name: '{twice}'", reason=Reason.DUPLICATE_LABELS
        )
    check_label_sizes(labels)


def _check_count(labels: Mapping[str, str], count: int) -> None:
    if count > COUNT_LIMIT:
        raise ConnectError(
            f"profile series '{labels_text(labels)}' has {count} label names; limit {COUNT_LIMIT}",
            reason=Reason.LABEL_COUNT,
        )


def check_label_sizes(labels: Mapping[str, str]) -> None:
    """See that there are not too many labels, and none that is too long.

    Raises:
        ConnectError: there are, or a label has no name.
    """
    _check_count(labels, len(labels))
    for name, value in labels.items():
        if not name:
            raise ConnectError(
                f"invalid labels '{labels_text(labels)}' with error: invalid label name ''",
                reason=Reason.INVALID_LABELS,
            )
        if len(name.encode()) > NAME_LIMIT:
            raise ConnectError(
                f"profile with labels '{labels_text(labels)}' has label name too long: '{name[:SHOWN_LIMIT]}'",
                reason=Reason.LABEL_NAME_LENGTH,
            )
        if len(value.encode()) > VALUE_LIMIT:
            raise ConnectError(
                f"profile with labels '{labels_text(labels)}' has label value too long: '{value[:SHOWN_LIMIT]}'",
                reason=Reason.LABEL_VALUE_LENGTH,
            )
