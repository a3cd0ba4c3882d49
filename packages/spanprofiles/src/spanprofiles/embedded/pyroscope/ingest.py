"""``POST /ingest``: the older way in, for pprof of Go's and others' clients, and for stacks as text.

Source: https://grafana.com/docs/pyroscope/latest/reference-server-api/#ingestion, Pyroscope's ``ingester/pyroscope``,
and the recorded answers of Pyroscope 2.2.1. What cannot be read or is not taken is a 422, a bad name a 400.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.compression import BodyTooLargeError
from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.pyroscope import folded, pprof
from spanprofiles.embedded.pyroscope.appname import AppName, parse_name, time_ns
from spanprofiles.embedded.pyroscope.connect import STATUS, ConnectError
from spanprofiles.embedded.pyroscope.labels import NAME, SERVICE, checked_labels
from spanprofiles.embedded.pyroscope.limits import CONFIGURATION_BYTES_LIMIT
from spanprofiles.embedded.pyroscope.push import Pusher, note_profiles
from spanprofiles.embedded.pyroscope.repairs import mend
from spanprofiles.embedded.refusals import Reason, Refusals, Way
from spanprofiles.embedded.web import json_answer, ticket_of

MULTIPART = "multipart/form-data"
NOT_TAKEN = {
    "jfr": (
        "JFR profiles, which Java's agent sends, are not taken by the embedded backend: use the backend `compose`,"
        " `containers`, `native` or `external`, which run a real Pyroscope"
    ),
} | {
    name: f'format "{name}" is not taken by the embedded backend, which takes pprof, folded stacks and lines'
    for name in ("trie", "tree", "speedscope")
}
OLD_TYPES = {f"binary/octet-stream+{name}": name for name in ("trie", "tree")}
BAD_DATA, TOO_LARGE = 422, 413
DEFAULT_RATE = 100
RATE = re.compile(r"\+?[0-9]{1,19}")
EARLIEST_NS = 365 * 24 * 3600 * 10**9
SPY, DELTA = "pyroscope_spy", "__delta__"
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
    def of_form(cls, request: Request) -> Upload:
        """Read the upload from a multipart form.

        Raises:
            ConnectError: it is not a form with a profile, or the client is too old.
            BodyTooLargeError: it has far too many parts.
        """
        request.max_form_memory_size = None  # the whole is bounded
        try:
            files, fields = request.files, request.form
        except RequestEntityTooLarge as error:
            raise BodyTooLargeError("the form has too many parts") from error
        if not files and not fields:
            raise _bad("the multipart form cannot be read, or has no part")
        if "prev_profile" in files:
            raise _bad("unsupported client version: update github.com/grafana/pyroscope-go")
        profile, configuration = files.get("profile"), files.get("sample_type_config")
        return cls(profile.read() if profile else b"", configuration.read() if configuration else b"")

    def _configure(self, configuration: bytes) -> None:
        try:
            types = json.loads(configuration)
        except (ValueError, RecursionError) as error:
            raise _bad(f"sample_type_config is no JSON: {error}") from error
        if types is None:
            return
        if not isinstance(types, dict) or not all(entry is None or isinstance(entry, dict) for entry in types.values()):
            raise _bad("sample_type_config must have an object for each sample type")
        displayed = {name: (entry or {}).get("display-name", "") for name, entry in types.items()}
        if not all(isinstance(shown, str) for shown in displayed.values()):
            raise _bad("sample_type_config: a display-name is no text")
        self.displayed, self.configured = displayed, frozenset(displayed)


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
        is_form = request.mimetype == MULTIPART and format_name != "lines"
        if format_name != "pprof" and not is_form:
            self._take_text(request, name, data, lines=format_name == "lines")
            return
        try:
            upload = Upload(data) if format_name == "pprof" else Upload.of_form(request)
            if is_form and "profile" not in request.files and format_name != "pprof":
                self._note_empty_form(request, name)
            self._take_pprof(request, name, upload)
        except ConnectError as error:
            if error.code == "invalid_argument":  # for the real server, all that is wrong with a profile is one thing
                error.code = "unknown"
            raise

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
        if SERVICE in name.labels and "app_name" not in name.labels:
            labels.append(("app_name", service))
        self._store(profile, profile.ByteSize(), labels, now_ns)

    def _store(self, profile: Profile, size: int, pairs: list[tuple[str, str]], now_ns: int) -> None:
        labels = checked_labels(pairs)
        pprof.check(profile, size, labels, now_ns)
        kept = {name: value for name, value in labels.items() if name != DELTA}
        self._pusher.store(pprof.split(profile, kept, now_ns))


def _labels(spy: str, name: AppName) -> list[tuple[str, str]]:
    own = [] if SERVICE in name.labels else [(SERVICE, name.service)]
    return [(DELTA, "false"), (SPY, spy), *own, *name.labels.items()]


def _start_ns(request: Request, now_ns: int) -> int:
    return max(0, time_ns(request.args.get("from", ""), now_ns))


def _rate(text: str) -> int:
    """Read the samples a second; as many as is usual where the text is no number."""
    return int(text) % 2**32 if RATE.fullmatch(text) else DEFAULT_RATE
