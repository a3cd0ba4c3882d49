"""Takes exports of profiles, whatever their transport and their encoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.proto.otlp_profiles_pb2 import ExportProfilesServiceRequest
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.bounds import check_samples, check_time
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import SERVICE, labels_text, merged_labels
from spanprofiles.embedded.pyroscope.limits import Quantity
from spanprofiles.embedded.pyroscope.otlp.conversion import ConvertedProfile, convert
from spanprofiles.embedded.pyroscope.otlp.dictionary import ConversionError, Dictionary
from spanprofiles.embedded.pyroscope.otlp.messages import decode_protobuf
from spanprofiles.embedded.pyroscope.push import Pusher
from spanprofiles.embedded.pyroscope.series import Head, Series, check_type_names, group_of, malformed
from spanprofiles.embedded.refusals import Origin, Reason, Refusal, Refusals, Signal
from spanprofiles.embedded.store.profiles import NewProfile
from spanprofiles.embedded.store.stacks import StackTable

Expect = Callable[[int], None]
Decode = Callable[[bytes, Expect], ExportProfilesServiceRequest]


class IncompleteExportError(ConversionError):
    """An export has no dictionary, or no profiles."""

    def __init__(self, message: str) -> None:
        ConnectError.__init__(self, message, reason=Reason.MALFORMED_REQUEST)


class ProfileReceiver:
    """Decodes exports of profiles and has them stored; notes what is refused.

    Args:
        pusher: stores them.
        refusals: where refusals are noted.
    """

    def __init__(self, pusher: Pusher, refusals: Refusals) -> None:
        self._pusher = pusher
        self._refusals = refusals

    def take(self, body: bytes, decode: Decode, expect: Expect, origin: Origin) -> None:
        """Take an export; return when its profiles are committed.

        Args:
            body: the export.
            decode: reads it.
            expect: called with about how many bytes of memory the export needs, before it uses them.
            origin: where it comes from.

        Raises:
            ExportError: it cannot be read, and nothing is kept.
            ConversionError: it refers to what it does not have, and nothing is kept.
            ConnectError: a profile is refused, or could not be stored; the others are kept.
            OverloadError: there is no room for it.
        """
        try:
            self._store(decode(body, expect), len(body))
        except ExportError as error:
            self.note(origin, error.reason, str(error))
            raise
        except ConnectError as error:
            self.note(origin, error.reason, str(error), error.service, error.profiles)
            raise

    def _store(self, export: ExportProfilesServiceRequest, size: int) -> None:
        if not export.HasField("dictionary"):
            raise IncompleteExportError("missing profile metadata dictionary")
        if not export.resource_profiles:
            raise IncompleteExportError("missing resource profiles")
        allowance = Allowance()
        allowance.take(Quantity.BYTES, size)
        dictionary = Dictionary(export.dictionary, allowance)
        converted = convert(export, dictionary)
        self._pusher.store_each(partial(_split, profile, dictionary.table, allowance) for profile in converted)

    def note(self, origin: Origin, reason: Reason, message: str, service: str = "", profiles: int = 0) -> None:
        """Note an export of which something was refused.

        Args:
            origin: where it came from.
            reason: why.
            message: the same in a sentence.
            service: whose profiles they are; empty where that is not known.
            profiles: how many were refused; 0 where that is not known.
        """
        refusal = Refusal(Signal.PROFILES, origin.way, reason, message, origin.sender, service, profiles)
        self._refusals.note(refusal)


class ProfileExports:
    """Takes the exports of profiles that come over gRPC."""

    def __init__(self, receiver: ProfileReceiver) -> None:
        self._receiver = receiver
        self.note = receiver.note

    def take(self, body: bytes, expect: Expect, origin: Origin) -> None:
        """Take an export.

        Raises:
            ExportError: it, or a profile of it, is refused.
            OverloadError: there is no room for it.
        """
        try:
            self._receiver.take(body, decode_protobuf, expect, origin)
        except ConnectError as error:
            reason = Reason.NOT_STORED if error.reason is Reason.NOT_STORED else Reason.MALFORMED_PROFILE
            raise ExportError(str(error), reason) from error


def _split(profile: ConvertedProfile, table: StackTable, allowance: Allowance) -> list[NewProfile]:
    """Check a profile, and split it into series.

    Raises:
        ConnectError: it is refused.
    """
    now_ns = time.time_ns()
    try:
        labels = merged_labels(profile.labels)
        shown = labels_text(labels)
        check_time(shown, profile.time_ns, now_ns)
        most = max((len(sample.labels) for sample in profile.samples), default=0)
        check_samples(shown, len(profile.samples), most)
        if any(len(sample.values) != 1 for sample in profile.samples):
            raise malformed("sample value length mismatch")
        check_type_names([profile.kind.value[0]])
        time_ms = (profile.time_ns if profile.time_ns > 0 else now_ns) // 10**6
        series = Series(Head(labels, [profile.kind.value], profile.kind.period, time_ms), table, allowance)
        for sample in profile.samples:
            if sample.stack is not None:
                series.add(group_of(sample.labels), sample.stack, sample.values)
        return series.profiles(profile.labels)
    except ConnectError as error:
        error.service = dict(profile.labels)[SERVICE]
        raise
