"""Whose code a function is, by the file it is in.

Flame graphs hold names alone. The files are in the pprof form of the same samples
(:mod:`spanprofiles.ui.span_lines`). Some servers do not give that form for a single span. Then the files come from all
profiles of the service (``SelectMergeProfile``), asked for now and then and remembered. Where the server has no answer,
every origin is unknown.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient
from spanprofiles.report.svg import Origin

_ASK_AGAIN_AFTER_S = 15.0

# Where languages keep libraries: Python (packages, standard library, frozen modules), Go (module cache,
# standard library), Node, Ruby, and the modules of a Java run time.
_LIBRARY = re.compile(
    r"site-packages/|dist-packages/|/lib/python3|^<frozen|/pkg/mod/|/go/src/|^runtime/|node_modules/|/gems/|^node:"
)
# The programs of the demo and the workshop stand in this package's own folder among the libraries. To those who look at
# their flame graphs they are the app.
_OWN_APPS = re.compile(r"(?:^|/)spanprofiles/(?:demo/city|workshop/exercises)/")
# What replaces the file's name for code that was generated at run time.
_NO_FILES = frozenset({"<string>", "<stdin>", "<unknown>", "<generated>"})

_TAIL = re.compile(r".*(?:site-packages|dist-packages|/lib/python3[^/]*|/pkg/mod|node_modules|/gems)/")


@dataclass(frozen=True)
class ServiceFiles:
    """The files of a service's functions.

    Attributes:
        files: by function name, the files it was seen in.
    """

    files: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def origin_of(self, name: str) -> Origin:
        """Tell whose code a function is; unknown where files of both kinds have that name."""
        files = [file for file in self.files.get(name, ()) if file not in _NO_FILES]
        kinds = {is_library(file) for file in files}
        if len(kinds) != 1:
            return Origin.UNKNOWN
        return Origin.LIBRARY if kinds.pop() else Origin.OWN

    def place_of(self, name: str) -> str:
        """Return the file of a function without the folders of its machine; empty where unknown."""
        files = self.files.get(name, frozenset())
        return short_file(next(iter(files))) if len(files) == 1 else ""


def is_library(file: str) -> bool:
    """Tell whether a file belongs to a library or a run time, and not to the app."""
    return bool(_LIBRARY.search(file)) and not _OWN_APPS.search(file)


def short_file(file: str) -> str:
    """Return a file's name without the folders of its machine."""
    if file.startswith("<"):
        return file
    tail = _TAIL.sub("", file)
    return tail if tail != file else "/".join(file.split("/")[-2:])


class Origins:
    """Remembers the files of each service's functions. Safe to use from several threads.

    Args:
        pyroscope: whom to ask.
    """

    def __init__(self, pyroscope: PyroscopeClient) -> None:
        self._pyroscope = pyroscope
        self._known: dict[str, tuple[float, ServiceFiles]] = {}
        self._lock = Lock()

    def of(self, service: str, query: ProfileQuery, functions: Iterable[str]) -> ServiceFiles:
        """Return the files of a service's functions.

        Args:
            service: its name.
            query: where its profiles are.
            functions: the names to be shown: an unknown name among them is a reason to ask again.
        """
        with self._lock:
            asked_s, known = self._known.get(service, (-_ASK_AGAIN_AFTER_S, ServiceFiles()))
        missing = any(name not in known.files for name in functions)
        if not missing or time.monotonic() - asked_s < _ASK_AGAIN_AFTER_S:
            return known
        known = ServiceFiles(_merged(known.files, self._ask(query)))
        with self._lock:
            self._known[service] = (time.monotonic(), known)
        return known

    def learn(self, service: str, files: Mapping[str, frozenset[str]]) -> None:
        """Remember the files of a service's functions that were found in another way."""
        with self._lock:
            asked_s, known = self._known.get(service, (-_ASK_AGAIN_AFTER_S, ServiceFiles()))
            self._known[service] = (asked_s, ServiceFiles(_merged(known.files, files)))

    def remembered(self, functions: Iterable[str]) -> ServiceFiles:
        """Return what is known of these functions in any service, without asking."""
        wanted = frozenset(functions)
        found: dict[str, frozenset[str]] = {}
        with self._lock:
            for _, known in self._known.values():
                found = _merged(found, {name: known.files[name] for name in wanted & known.files.keys()})
        return ServiceFiles(found)

    def _ask(self, query: ProfileQuery) -> Mapping[str, frozenset[str]]:
        try:
            return self._pyroscope.function_files(query)
        except ClientError:
            return {}  # the picture is complete without it


def _merged(first: Mapping[str, frozenset[str]], other: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: first.get(name, frozenset()) | other.get(name, frozenset()) for name in first.keys() | other.keys()}
