"""Taking profiles in: the push call of Pyroscope's agents."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable

from werkzeug.wrappers import Request

from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest, PushResponse
from spanprofiles.embedded.pyroscope import pprof
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SERVICE, merged_labels
from spanprofiles.embedded.pyroscope.sample_parts import serialized_samples
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Signal, Way
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.profiles import NewProfile, ProfileBatch, ProfileInterners
from spanprofiles.embedded.upload_paths import sender_of


def note_profiles(refusals: Refusals, request: Request, way: Way, error: ConnectError) -> None:
    """Note profiles that were refused."""
    sender = sender_of(request.environ)
    refusals.note(Refusal(Signal.PROFILES, way, error.reason, str(error), sender, error.service, error.profiles))


class Pusher:
    """Takes pushes; each is committed whole before it is answered, or refused whole."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interners = ProfileInterners()

    def push(self, request: PushRequest) -> PushResponse:
        """``push.v1.PusherService/Push``."""
        count = sum(len(series.samples) for series in request.series)
        if not count:
            raise ConnectError("no profiles received", reason=Reason.MALFORMED_REQUEST)
        pairs: list[tuple[str, str]] = []
        profiles: list[NewProfile] = []
        allowance = Allowance()
        try:
            for series in request.series:
                pairs = [(label.name, label.value) for label in series.labels]
                for sample in series.samples:
                    profiles += self.profiles_of(sample.raw_profile, pairs, allowance)
            self.store(profiles)
        except ConnectError as error:
            error.profiles, error.service = count, dict(pairs).get(SERVICE, "")
            raise
        return PushResponse()

    @staticmethod
    def profiles_of(raw: bytes, pairs: list[tuple[str, str]], allowance: Allowance) -> list[NewProfile]:
        """Decode and check one pprof.

        Args:
            raw: the profile.
            pairs: the labels of its series.
            allowance: what the push may still bring.

        Raises:
            ConnectError: the profile or its labels are refused.
        """
        now_ns = time.time_ns()
        profile, size = pprof.decode(raw, allowance)
        samples = serialized_samples(profile)
        pprof.check(profile, samples, size, merged_labels(pairs), now_ns)
        return pprof.split(profile, samples, pairs, now_ns, allowance)

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
            try:
                self._database.write(ProfileBatch(profiles, self._interners))
            except (sqlite3.Error, OverflowError) as error:
                raise ConnectError(
                    f"the profiles could not be stored: {error}", "unavailable", Reason.NOT_STORED
                ) from error
