"""The checks of one profile against Pyroscope's limits, whichever way it came in; the messages are the server's."""

from __future__ import annotations

from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import time_text
from spanprofiles.embedded.pyroscope.limits import SAMPLE_LABELS_LIMIT, SAMPLES_LIMIT, SIZE_LIMIT
from spanprofiles.embedded.refusals import Reason

OLDEST_S = 3_600
NEWEST_S = 600


def check_time(shown: str, time_ns: int, now_ns: int) -> None:
    """See that a profile is not too old, nor too far ahead.

    Args:
        shown: its labels, for the message.
        time_ns: when it was taken, ns since the epoch; not above zero where that is not known.
        now_ns: the present, ns since the epoch.

    Raises:
        ConnectError: it is.
    """
    oldest, newest = now_ns - OLDEST_S * 10**9, now_ns + NEWEST_S * 10**9
    if time_ns > 0 and not oldest < time_ns < newest:
        raise ConnectError(
            f"profile with labels '{shown}' is outside of ingestion window (profile timestamp:"
            f" {time_text(time_ns)}, the ingestion window starts at {time_text(oldest)}"
            f" and ends at {time_text(newest)})",
            reason=Reason.NOT_IN_WINDOW,
        )


def check_size(shown: str, size: int) -> None:
    """See that a profile is not too large, in bytes.

    Raises:
        ConnectError: it is.
    """
    if size > SIZE_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the size limit"
            f" (max_profile_size_byte, actual: {size}, limit: {SIZE_LIMIT})",
            reason=Reason.PROFILE_SIZE,
        )


def check_samples(shown: str, samples: int, labels: int) -> None:
    """See that a profile does not have too many samples.

    Args:
        shown: its labels, for the message.
        samples: how many it has.
        labels: how many labels the sample with the most of them has.

    Raises:
        ConnectError: it has, or a sample has too many labels.
    """
    if samples > SAMPLES_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the samples count limit"
            f" (max_profile_stacktrace_samples, actual: {samples}, limit: {SAMPLES_LIMIT})",
            reason=Reason.SAMPLES,
        )
    if labels > SAMPLE_LABELS_LIMIT:
        raise ConnectError(
            f"the profile with labels '{shown}' exceeds the sample labels limit"
            f" (max_profile_stacktrace_sample_labels, actual: {labels}, limit: {SAMPLE_LABELS_LIMIT})",
            reason=Reason.SAMPLE_LABELS,
        )
