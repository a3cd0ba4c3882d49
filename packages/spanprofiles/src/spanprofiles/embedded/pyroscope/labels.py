"""Labels as Pyroscope shows them in messages, and the checks it makes of a push's labels."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterable, Mapping

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.refusals import Reason

COUNT_LIMIT = 30
NAME_LIMIT = 1_024
VALUE_LIMIT = 2_048
SHOWN_LIMIT = 2 * VALUE_LIMIT
NAME, SERVICE = "__name__", "service_name"
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


def merged_labels(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Merge the labels of one series, of equal names the last, and put in ``service_name`` where it is missing."""
    labels = {name: value for name, value in pairs if value}
    labels.setdefault(SERVICE, UNKNOWN_SERVICE)
    return labels


def check_labels(given: Iterable[tuple[str, str]]) -> None:
    """Check the labels of one series that has samples: of others the real server does not look at them.

    A label without a value is none.

    Raises:
        ConnectError: too many, one too long, one twice, or no ``__name__``.
    """
    pairs = [(name, value) for name, value in given if value]
    labels = merged_labels(pairs)
    shown = labels_text(labels)
    count = len(pairs) + (SERVICE not in dict(pairs))
    _check_count(labels, count)
    if not labels.get(NAME):
        raise _refused(Reason.INVALID_LABELS, f"invalid labels '{shown}' with error: invalid metric name")
    if len(labels) != count:
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
