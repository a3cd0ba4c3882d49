"""``POST /ingest``: the older way in, for pprof of Go's and others' clients, for Java's JFR, and for stacks as text.

Source: https://grafana.com/docs/pyroscope/latest/reference-server-api/#ingestion, Pyroscope's ``ingester/pyroscope``,
and the recorded answers of Pyroscope 2.2.1. What cannot be read or is not taken is a 422, a bad name a 400.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.compression import BodyTooLargeError
from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.pyroscope import folded, pprof
from spanprofiles.embedded.pyroscope.appname import AppName, parse_name, time_ns
from spanprofiles.embedded.pyroscope.connect import STATUS, ConnectError
from spanprofiles.embedded.pyroscope.forms import is_form, read_files
from spanprofiles.embedded.pyroscope.jfr.upload import Circumstances, JfrUpload, read_profiles
from spanprofiles.embedded.pyroscope.labels import NAME, SERVICE, SPY, merged_labels
from spanprofiles.embedded.pyroscope.limits import CONFIGURATION_BYTES_LIMIT
from spanprofiles.embedded.pyroscope.push import Pusher, note_profiles
from spanprofiles.embedded.pyroscope.repairs import mend
from spanprofiles.embedded.pyroscope.sample_parts import serialized_samples
from spanprofiles.embedded.refusals import Reason, Refusals, Way
from spanprofiles.embedded.web import json_answer, ticket_of

NOT_TAKEN = {
    name: f'format "{name}" is not taken by the embedded backend, which takes pprof, JFR, folded stacks and lines'
    for name in ("trie", "tree", "speedscope")
}
OLD_TYPES = {f"binary/octet-stream+{name}": name for name in ("trie", "tree")}
BAD_DATA, TOO_LARGE = 422, 413
DEFAULT_RATE = 100
RATE = re.compile(r"\+?[0-9]{1,19}")
EARLIEST_NS = 365 * 24 * 3600 * 10**9
APP_NAME, DELTA = "app_name", "__delta__"
UNKNOWN_SPY = "unknown"
# How a sample type is called where a form has no configuration of its own.
DISPLAYED = {
    "samples": "cpu",
    "goroutine": "goroutines",
    "contentions": "mutex_count",
    "delay": "mutex_duration",
}
METRICS = (
    ("cpu", "process_cpu"),
    ("alloc_", "memory"),
    ("inuse_", "memory"),
    ("mutex_", "mutex"),
    ("block_", "block"),
    ("goroutines", "goroutines"),
)
MEMORY = frozenset({"space", "objects"})
DISPLAY_NAME = "display-name"
CONFIGURED = {"units": str, DISPLAY_NAME: str, "aggregation": str, "cumulative": bool, "sampled": bool}
"""What ``sample_type_config`` may say of a sample type."""


def metric_name(profile: Profile, displayed: Mapping[str, str]) -> str:
    """Choose the profile's ``__name__``, which this way of sending leaves to its sample types.

    Args:
        profile: the profile.
        displayed: other names of sample types.
    """
    strings = profile.string_table
    kinds = [strings[kind.type] for kind in profile.sample_type if 0 <= kind.type < len(strings)]
    if "wall" in kinds:
        return "wall"
    shown = [displayed.get(kind) or kind for kind in kinds]
    for kind in shown:
        if kind in MEMORY:
            return "memory"
        for part, metric in METRICS:
            if part in kind:
                return metric
    return shown[-1] if shown else ""


def _bad(why: str) -> ConnectError:
    return ConnectError(why, "unknown", Reason.UNDECODED)


class Upload:
    """A profile in pprof, and how its sample types are called.

    Attributes:
        data: the profile.
        displayed: other names of its sample types.
        configured: the sample types that the sender configured.
    """

    def __init__(self, data: bytes, configuration: bytes = b"") -> None:
        self.data = data
        self.displayed: Mapping[str, str] = DISPLAYED
        self.configured: frozenset[str] = frozenset()
        if len(configuration) > CONFIGURATION_BYTES_LIMIT:
            raise _bad(f"sample_type_config is larger than {CONFIGURATION_BYTES_LIMIT} bytes")
        if configuration:
            self._configure(configuration)

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> Upload:
        """Read the upload from the files of a form.

        Raises:
            ConnectError: the client is too old, or its configuration is none.
        """
        if files.get("prev_profile"):
            raise _bad("unsupported client version: update github.com/grafana/pyroscope-go")
        return cls(files.get("profile", b""), files.get("sample_type_config", b""))

    def _configure(self, configuration: bytes) -> None:
        try:
            types = json.loads(configuration)
        except (ValueError, RecursionError) as error:
            raise _bad(f"sample_type_config is no JSON: {error}") from error
        if types is None:
            return
        if not isinstance(types, dict) or not all(entry is None or isinstance(entry, dict) for entry in types.values()):
            raise _bad("sample_type_config must have an object for each sample type")
        displayed = {name: _displayed(entry or {}) for name, entry in types.items()}
        self.displayed, self.configured = (
            displayed,
            frozenset(name for name, entry in types.items() if entry is not None),
        )


def _displayed(entry: Mapping[str, object]) -> str:
    """Return the other name of a sample type; names of members may be in any case, as in Go.

    Raises:
        ConnectError: a member is of another type.
    """
    shown = ""
    for name, value in entry.items():
        kind = CONFIGURED.get(name.lower())
        if kind is None or value is None:
            continue
        if not isinstance(value, kind):
            raise _bad(f"sample_type_config: {name} is no {'text' if kind is str else 'boolean'}")
        if name.lower() == DISPLAY_NAME:
            shown = str(value)
    return shown


class Ingester:
    """Takes the requests of the older API."""

    def __init__(self, pusher: Pusher, body_limit: int, refusals: Refusals) -> None:
        self._pusher = pusher
        self._body_limit = body_limit
        self._refusals = refusals

    def ingest(self, request: Request) -> Response:
        """Take one profile; committed before it is answered."""
        service = ""
        try:
            name = parse_name(request.args.get("name", ""))
            service = name.service
            # The real server does not look at Content-Encoding here: pprof shows itself whether it is compressed.
            ticket_of(request).expect(request.content_length or 0)
            data = request.get_data(parse_form_data=False)
            if len(data) > self._body_limit:
                raise BodyTooLargeError(f"the limit is {self._body_limit} bytes")
            self._take(request, name, data)
        except BodyTooLargeError as error:
            too_large = ConnectError(f"request body too large: {error}", reason=Reason.BODY_SIZE)
            return self._refusal(request, too_large, service, TOO_LARGE)
        except ConnectError as error:
            return self._refusal(request, error, service, BAD_DATA if error.code == "unknown" else STATUS[error.code])
        return Response(b"", 200)

    def _refusal(self, request: Request, error: ConnectError, service: str, status: int) -> Response:
        error.service, error.profiles = service, 1
        note_profiles(self._refusals, request, Way.INGEST, error)
        return json_answer({"code": error.code, "message": str(error)}, status)

    def _take(self, request: Request, name: AppName, data: bytes) -> None:
        format_name = request.args.get("format", "") or OLD_TYPES.get(request.mimetype, "")
        if format_name in NOT_TAKEN:
            raise ConnectError(NOT_TAKEN[format_name], reason=Reason.FORMAT)
        if format_name == "jfr":
            with _one_code():
                self._take_jfr(request, name, data)
            return
        has_form = is_form(request.headers.get("Content-Type", "")) and format_name not in {"lines", "pprof"}
        if format_name != "pprof" and not has_form:
            self._take_text(request, name, data, lines=format_name == "lines")
            return
        with _one_code():
            upload = Upload.of_files(_files(request, data)) if has_form else Upload(data)
            if has_form and not upload.data:
                self._note_empty_form(request, name)
            self._take_pprof(request, name, upload)

    def _note_empty_form(self, request: Request, name: AppName) -> None:
        """Note a form without a profile: it is answered with 200, as there, and nothing of it is kept."""
        message = 'the form has no file called "profile": it was answered with 200, and nothing of it is kept'
        error = ConnectError(message, reason=Reason.MALFORMED_REQUEST)
        error.service = name.service
        note_profiles(self._refusals, request, Way.INGEST, error)

    def _take_pprof(self, request: Request, name: AppName, upload: Upload) -> None:
        if not upload.data:
            return
        profile, size = pprof.decode(upload.data)
        now_ns = time.time_ns()
        if 0 <= profile.time_nanos < EARLIEST_NS:
            # Older clients leave the time out, or send it in microseconds.
            profile.time_nanos = _start_ns(request, now_ns)
        spy = request.args.get("spyName") or UNKNOWN_SPY
        mend(profile, spy, upload.configured)
        labels = [(NAME, metric_name(profile, upload.displayed)), *_labels(spy, name)]
        self._store(profile, size, labels, now_ns)

    def _take_jfr(self, request: Request, name: AppName, data: bytes) -> None:
        if is_form(request.headers.get("Content-Type", "")):
            files = _files(request, data)
            upload = JfrUpload.of_parts(files.get("jfr", b""), files.get("labels", b""))
        else:
            upload = JfrUpload.of_body(data)
        labels = _labels(request.args.get("spyName") or UNKNOWN_SPY, name)
        if SERVICE in name.labels and APP_NAME not in name.labels:
            labels.append((APP_NAME, name.service))
        rate = _rate(request.args.get("sampleRate", ""))
        circumstances = Circumstances(labels, _start_ns(request, time.time_ns()), rate)
        self._pusher.store_each(read_profiles(upload, circumstances, ticket_of(request).expect))

    def _take_text(self, request: Request, name: AppName, data: bytes, *, lines: bool) -> None:
        values = folded.read_lines(data) if lines else folded.read_groups(data)
        if name.profile_id:
            return
        service, kind = folded.kind_of(name.service)
        now_ns = time.time_ns()
        profile = folded.profile_of(values, kind, _start_ns(request, now_ns), _rate(request.args.get("sampleRate", "")))
        labels = [
            (NAME, kind.metric),
            *_labels(request.args.get("spyName") or UNKNOWN_SPY, replace(name, service=service)),
        ]
        if SERVICE in name.labels and APP_NAME not in name.labels:
            labels.append((APP_NAME, service))
        self._store(profile, profile.ByteSize(), labels, now_ns)

    def _store(self, profile: Profile, size: int, pairs: list[tuple[str, str]], now_ns: int) -> None:
        samples = serialized_samples(profile)
        pprof.check(profile, samples, size, merged_labels(pairs), now_ns)
        self._pusher.store(pprof.split(profile, samples, pairs, now_ns))


@contextmanager
def _one_code() -> Iterator[None]:
    """For the real server, all that is wrong with a profile in pprof or JFR is one thing."""
    try:
        yield
    except ConnectError as error:
        if error.code == "invalid_argument":
            error.code = "unknown"
        raise


def _files(request: Request, data: bytes) -> Mapping[str, bytes]:
    return read_files(request.headers.get("Content-Type", ""), data)


def _labels(spy: str, name: AppName) -> list[tuple[str, str]]:
    own = [] if SERVICE in name.labels else [(SERVICE, name.service)]
    return [(DELTA, "false"), (SPY, spy), *own, *name.labels.items()]


def _start_ns(request: Request, now_ns: int) -> int:
    return max(0, time_ns(request.args.get("from", ""), now_ns))


def _rate(text: str) -> int:
    """Read the samples a second; as many as is usual where the text is not a number."""
    return int(text) % 2**32 if RATE.fullmatch(text) else DEFAULT_RATE
