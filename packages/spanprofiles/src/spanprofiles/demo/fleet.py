"""The fleet: regions of the city in other languages, built from the sources in the repository's folder ``fleet``."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spanprofiles.demo.checksums import ChecksumError, check
from spanprofiles.demo.errors import DemoError
from spanprofiles.model import Endpoints

#: How long a build may take, s: the first one of Java fetches its libraries.
BUILD_TIMEOUT_S = 600

_SOURCES = Path(__file__).parents[5] / "fleet"
_LAST_LINES = 12
_BUILT_FROM = "built-from.sha256"
_LOCK = "build.lock"
_JAVA = "sa-east"


@dataclass(frozen=True)
class Libraries:
    """Files that a build fetches and puts beside what it makes.

    Attributes:
        checksums: the list of their SHA-256.
        folder: where the paths of the list begin.
        parts: the folders in it that have libraries.
        own: the paths of what the build itself puts there.
        renew: the command that writes the list anew.
    """

    checksums: Path
    folder: Path
    parts: tuple[str, ...]
    own: tuple[str, ...]
    renew: str


@dataclass(frozen=True)
class FleetRegion:
    """A region in another language.

    Attributes:
        name: as in ``RIDESHARE_REGION``.
        language: the language's name.
        folder: where its sources are.
        made: the folder in it where the build puts what it makes.
        tools: the programs that build and run it.
        build: the command that builds it, run in its folder.
        command: the command that runs it.
        start_s: how long it may take to answer, s.
        environment: makes its variables, for where telemetry goes and its service's name.
        libraries: those that the build fetches without holding them to checksums of its own; None where it does.
        sources: the files and folders in its folder that it is built from; empty where the command that builds it looks
            by itself, at little cost, whether they have changed.
    """

    name: str
    language: str
    folder: Path
    made: Path
    tools: tuple[str, ...]
    build: tuple[str, ...]
    command: tuple[str, ...]
    start_s: float
    environment: Callable[[Endpoints, str], Mapping[str, str]] = field(repr=False)
    libraries: Libraries | None = None
    sources: tuple[str, ...] = ()

    @property
    def port_name(self) -> str:
        """What its port is called among the demo's."""
        return self.name.replace("-", "_")

    def missing(self) -> str:
        """Say in a line what is missing to build it; empty where nothing is."""
        if not self.folder.is_dir():
            return (
                f"no region in {self.language}: its sources are in the repository's folder fleet/, which is not part of"
                " this installation"
            )
        absent = [tool for tool in self.tools if shutil.which(tool) is None]
        if absent:
            return f"no region in {self.language}: {' and '.join(absent)} must be on the PATH to build it"
        return ""

    def make(self) -> None:
        """Build it; what is up to date is not built again, and of several processes one builds.

        Raises:
            DemoError: it cannot be built, or with libraries other than those that were pinned.
        """
        with self._alone():
            if not self.sources:
                self._build()
                return
            stamp = self.made / _BUILT_FROM
            wanted = self._digest()
            if not self._is_built(stamp, wanted):
                stamp.unlink(missing_ok=True)
                self._build()
                stamp.write_text(wanted, encoding="utf-8")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process builds it."""
        try:
            self.made.mkdir(parents=True, exist_ok=True)
            with (self.made / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise DemoError(f"the region in {self.language} cannot be built in {self.made}: {error}") from error

    def _is_built(self, stamp: Path, wanted: str) -> bool:
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
            return False
        if self.libraries is None:
            return True
        try:
            self._check(self.libraries)
        except DemoError:  # the build fetches what is missing, and then they are held to the list again
            return False
        return all((self.libraries.folder / path).is_file() for path in self.libraries.own)

    def _digest(self) -> str:
        """Return a digest of what it is built from, and how."""
        digest = hashlib.sha256("\0".join(self.build).encode())
        named = [self.folder / source for source in self.sources]
        files = {file for path in named for file in (path, *path.rglob("*")) if file.is_file()}
        for file in sorted(files):
            content = file.read_bytes()
            digest.update(f"\0{file.relative_to(self.folder).as_posix()}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def _build(self) -> None:
        command = " ".join(self.build)
        try:
            built = subprocess.run(
                self.build,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=BUILD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(
                f"the region in {self.language} was not built in {BUILD_TIMEOUT_S} s: {command} in {self.folder}"
            ) from error
        if built.returncode:
            last = built.stdout.strip().splitlines()[-_LAST_LINES:]
            raise DemoError("\n".join([f"the region in {self.language} cannot be built: {command}", *last]))
        if self.libraries is not None:
            self._check(self.libraries)

    def _check(self, libraries: Libraries) -> None:
        try:
            check(libraries.checksums, libraries.folder, libraries.parts, libraries.own)
        except ChecksumError as error:
            raise DemoError(
                f"the region in {self.language} is not started, because its libraries are not the pinned ones:\n"
                f"{error}\n"
                f"Remove {libraries.folder} and try again; if a file still differs, remove its copy in the local"
                f" repository of {self.tools[-1]} too. If you changed the versions, {libraries.renew} writes the list"
                " anew."
            ) from error


def go_region() -> FleetRegion:
    """Return the region in Go: net/http, with the processor and the agent in its code."""
    folder = _SOURCES / "go"
    program = folder / "build" / "rideshare"
    return FleetRegion(
        name="us-west",
        language="Go",
        folder=folder,
        made=program.parent,
        tools=("go",),
        build=("go", "build", "-o", str(program), "."),
        command=(str(program),),
        start_s=30.0,
        environment=lambda endpoints, service: {**endpoints.environment(), "OTEL_SERVICE_NAME": service},
    )


def java_region() -> FleetRegion:
    """Return the region in Java: Javalin, traced and profiled by agents from outside."""
    folder = _SOURCES / "java"
    target = folder / "target"
    return FleetRegion(
        name=_JAVA,
        language="Java",
        folder=folder,
        made=target,
        tools=("java", "javac", "mvn"),
        build=("mvn", "--quiet", "--batch-mode", "-DskipTests", "package"),
        command=(
            "java",
            f"-javaagent:{target / 'agents' / 'opentelemetry-javaagent.jar'}",
            "-cp",
            str(target / "app" / "*"),
            "rideshare.Main",
        ),
        start_s=180.0,
        environment=lambda endpoints, service: _java_environment(endpoints, service, target),
        libraries=Libraries(
            checksums=folder / "checksums.sha256",
            folder=target,
            parts=("agents", "app"),
            own=("app/rideshare-1.0.0.jar",),
            renew="make lock-fleet",
        ),
        sources=("pom.xml", ".mvn", "src/main"),
    )


def _java_environment(endpoints: Endpoints, service: str, target: Path) -> dict[str, str]:
    """Return the variables with which the agents in Maven's folder trace, profile and link a Java program."""
    shared = endpoints.environment()
    return {
        **shared,
        "OTEL_SERVICE_NAME": service,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_JAVAAGENT_EXTENSIONS": str(target / "agents" / "otel.jar"),
        "OTEL_PYROSCOPE_START_PROFILING": "true",
        "PYROSCOPE_APPLICATION_NAME": service,
        "PYROSCOPE_LABELS": f"region={_JAVA},hostname=rideshare-{_JAVA}",
        "PYROSCOPE_FORMAT": "jfr",
        "PYROSCOPE_PROFILER_EVENT": "itimer",
        "PYROSCOPE_UPLOAD_INTERVAL": f"{shared['PYROSCOPE_UPLOAD_INTERVAL']}s",
    }


def fleet_regions(say: Callable[[str], None]) -> Sequence[FleetRegion]:
    """Build the regions whose tools are there, and say of the others what is missing.

    Args:
        say: called with a line for each step.

    Raises:
        DemoError: a region cannot be built.
    """
    ready = []
    for region in (go_region(), java_region()):
        reason = region.missing()
        if reason:
            say(reason)
            continue
        say(f"building the region in {region.language} (the first time takes a minute)")
        region.make()
        ready.append(region)
    return ready
