"""Taking profiles in: the push call of Pyroscope's agents."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from werkzeug.wrappers import Request

from spanprofiles.embedded.limits import KEPT_UPLOAD_BYTES
from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest, PushResponse
from spanprofiles.embedded.pyroscope import pprof
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SERVICE, pairs_of
from spanprofiles.embedded.pyroscope.quick_check import is_surely_taken
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Signal, Way
from spanprofiles.embedded.store.backlog import KeptUpload
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.profiles import NewProfile, ProfileBatch, ProfileInterners
from spanprofiles.embedded.upload_paths import sender_of

PUSH = "push"
"""What pushes are called among the uploads that are kept as they came."""


def note_profiles(refusals: Refusals, request: Request, way: Way, error: ConnectError) -> None:
    """Note profiles that were refused."""
    sender = sender_of(request.environ)
    refusals.note(Refusal(Signal.PROFILES, way, error.reason, str(error), sender, error.service, error.profiles))


class Pusher:
    """Takes pushes; each is committed whole before it is answered, or refused whole.

    Most are small and certain to be taken: they are kept as they came, and read when they are indexed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interners = ProfileInterners()
        database.index_with(PUSH, self._batch_of)

    def push(self, request: PushRequest) -> PushResponse:
        """``push.v1.PusherService/Push``."""
        count = sum(len(series.samples) for series in request.series)
        if not count:
            raise ConnectError("no profiles received", reason=Reason.MALFORMED_REQUEST)
        now_ns = time.time_ns()
        is_small = request.ByteSize() <= KEPT_UPLOAD_BYTES
        # A push that is kept is read twice: it pays for a burst, and not when they never end.
        is_kept = is_small and not self._database.is_far_behind and is_surely_taken(request, now_ns)
        try:
            if is_kept:
                with _storing():
                    self._database.keep(KeptUpload(PUSH, now_ns, request.SerializeToString()))
            else:
                self.store(profiles_of(request, now_ns))
        except ConnectError as error:
            error.profiles = count
            if error.reason is Reason.NOT_STORED:
                error.service = dict(pairs_of(request.series[0])).get(SERVICE, "")
            raise
        return PushResponse()

    def _batch_of(self, uploads: Sequence[KeptUpload]) -> ProfileBatch:
        """Read pushes that were kept."""
        profiles = [
            profile
            for upload in uploads
            for profile in profiles_of(PushRequest.FromString(upload.payload), upload.time_ns)
        ]
        return ProfileBatch(profiles, self._interners)

    def store_each(self, uploads: Iterable[Callable[[], list[NewProfile]]]) -> None:
        """Commit those profiles of one upload that are taken, as the real server does, and refuse the others.

        Args:
            uploads: check one profile each, and split it into series.

        Raises:
            ConnectError: one is refused: the first of those that are, with their number.
        """
        taken: list[NewProfile] = []
        refused: list[ConnectError] = []
        for checked in uploads:
            try:
                taken += checked()
            except ConnectError as error:
                refused.append(error)
        self.store(taken)
        if refused:
            refused[0].profiles = len(refused)
            raise refused[0]

    def store(self, profiles: list[NewProfile]) -> None:
        """Commit the profiles.

        Raises:
            ConnectError: they could not be written, and nothing is kept.
        """
        if profiles:
            with _storing():
                self._database.write(ProfileBatch(profiles, self._interners))


def profiles_of(request: PushRequest, now_ns: int) -> list[NewProfile]:
    """Decode and check the profiles of a push.

    Args:
        request: the push.
        now_ns: the time of arrival, ns since the epoch.

    Raises:
        ConnectError: one of them or its labels are refused.
    """
    profiles: list[NewProfile] = []
    allowance = Allowance()
    for series in request.series:
        pairs = pairs_of(series)
        try:
            for sample in series.samples:
                profile, samples = pprof.read(sample.raw_profile, pairs, now_ns, allowance)
                profiles += pprof.split(profile, samples, pairs, now_ns, allowance)
        except ConnectError as error:
            error.service = dict(pairs).get(SERVICE, "")
            raise
    return profiles


@contextmanager
def _storing() -> Iterator[None]:
    """Tell the sender what kept profiles from being stored."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:
        raise ConnectError(f"the profiles could not be stored: {error}", "unavailable", Reason.NOT_STORED) from error
