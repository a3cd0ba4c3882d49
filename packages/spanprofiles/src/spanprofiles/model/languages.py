"""What is known of each language: which span processor it has, how its profiler is set, whether its processes fork.

The languages are those of OpenTelemetry's resource attribute ``telemetry.sdk.language``. Where advice differs by
language it comes from here, so that no advice names another language's packages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from spanprofiles.model.span import Span


@dataclass(frozen=True)
class Language:
    """One language, with its advice as sentences without a full stop.

    Attributes:
        key: the value of ``telemetry.sdk.language``; empty for one that is not known.
        name: as people write it.
        processor: what Pyroscope's span processor for it is called; empty where there is none.
        add_processor: how it is added, so that local root spans carry a profile ID; empty where there is none.
        start_agent: how the profiler is started; empty where Pyroscope has none that runs inside the process.
        address: the settings that point it at a server.
        log: what turns its log on.
        cpu: what turns CPU profiling on.
        labels: what makes it put span IDs on samples.
        unlabelled: what a span does that is sampled without its ID.
        unseen: what work its profiler never samples, as the subject of a sentence; empty where no such is known.
        hand_over: where work loses its span's label, and how it keeps it; empty where nothing is known to keep it.
        tasks: what shares a thread, so that one's label may be on another's samples; empty where nothing does.
        follower: a span processor that keeps such tasks apart; empty where none is known.
        after_fork: where to start the profiler in a forked process; empty where processes are not forked.
        starter: a span processor that starts the profiler in each process by itself; empty where none is known.
        application_name: the settings that name the service.
        upload_interval: the settings of the upload interval.
        same_labels: what becomes of profiles of several processes that have all labels in common, and what to do; empty
            where no loss is known.
    """

    key: str
    name: str
    processor: str = ""
    add_processor: str = ""
    start_agent: str = "start the profiling agent in the process that serves the requests"
    address: str = "its server address, tenant and credentials"
    log: str = "turn its log on"
    cpu: str = "turn CPU profiling on in the agent"
    labels: str = (
        "use a profiling agent that labels samples with the spans that run, and the span processor made for it"
    )
    unlabelled: str = "work handed to another thread may carry no label"
    unseen: str = ""
    hand_over: str = ""
    tasks: str = ""
    follower: str = ""
    after_fork: str = ""
    starter: str = ""
    application_name: str = "its application name"
    upload_interval: str = "its upload interval"
    same_labels: str = ""

    @property
    def has_processor(self) -> bool:
        """Whether Pyroscope has a span processor for it."""
        return bool(self.add_processor)

    @property
    def missing_processor(self) -> str:
        """Say why its spans carry no profile ID."""
        if self.has_processor:
            return f"the span processor ({self.processor}) is not added to the tracer provider"
        return self.no_processor

    @property
    def processor_advice(self) -> str:
        """Say how its spans come to carry a profile ID, or that they cannot."""
        return self.add_processor or self.no_processor

    @property
    def start_advice(self) -> str:
        """Say how to start its profiler, and to point it at a server."""
        unlinked = f"; {self.no_processor}" if self.no_processor else ""
        return (
            f"{self.start_agent}{self._where_forked}; point it at this Pyroscope ({self.address}), and give it one"
            f" upload interval of time; an agent drops failed uploads silently, so {self.log}{unlinked}"
        )

    @property
    def fork_advice(self) -> str:
        """Say where to start the profiler, for a process that has spans and none runs."""
        if self.after_fork:
            return (
                f"start the agent in the worker{self._where_forked}: a forked process has none, and its spans may carry"
                " IDs all the same"
            )
        return "start the agent in each process that serves requests, where it does not run now, and look at its log"

    @property
    def withheld_advice(self) -> str:
        """Say how the profiler comes to run where the span processor has found none, and withholds the profile ID."""
        if self.after_fork:
            return f"{self.start_agent}{self._where_forked}: a forked process has nothing of its parent's agent"
        return self.start_agent

    @property
    def _where_forked(self) -> str:
        if not self.after_fork:
            return ""
        by_itself = f", or let {self.starter} start it in each process that has spans" if self.starter else ""
        return f", after the fork ({self.after_fork}){by_itself}"

    @property
    def elsewhere_advice(self) -> str:
        """Say why work has CPU and no span ID, and what to do."""
        return self.hand_over or f"{self.unlabelled}: do the work where its span was started"

    @property
    def no_processor(self) -> str:
        """Say that its spans cannot be linked; empty where they can."""
        if self.has_processor:
            return ""
        return (
            f"Pyroscope has no span processor for {self.name}: none exists that would link its spans, so they get no"
            " profile ID, and its samples no span IDs"
        )


_PYTHON = Language(
    "python",
    "Python",
    processor="pyroscope.otel.PyroscopeSpanProcessor",
    add_processor=(
        "add pyroscope.otel.PyroscopeSpanProcessor() (package pyroscope-otel) to the tracer provider, in each process"
    ),
    start_agent="call pyroscope.configure(...) (package pyroscope-io) in the process that serves the requests",
    address="server_address, tenant_id, basic_auth_username and basic_auth_password",
    log="turn its log on with enable_logging=True",
    cpu="do not set cpu_enabled=False in pyroscope.configure(...)",
    labels=(
        "use pyroscope-io's default cpu_implementation, PySpy (Stack labels nothing), with the span processor of"
        " pyroscope-otel, in the process that serves the requests"
    ),
    unlabelled=(
        "work handed to another thread or task carries no label, nor does code that releases the interpreter lock; in"
        " asyncio a sample may carry its neighbour's ID"
    ),
    unseen="native code that releases the interpreter lock, or a child process,",
    hand_over=(
        "the official span processor's label does not follow work into a thread pool, an executor, a background task or"
        " a thread of its own (FastAPI and Starlette run plain def endpoints that way): use"
        " spanprofiles_processor.SpanProfileProcessor in its place, and hand work to your own threads as"
        " carry(function)"
    ),
    tasks="asyncio tasks",
    follower="spanprofiles_processor.SpanProfileProcessor",
    after_fork=(
        "gunicorn's post_fork, uWSGI's postfork, Celery's worker_process_init, the initializer of a multiprocessing"
        " pool, os.register_at_fork(after_in_child=...)"
    ),
    starter="spanprofiles_processor.SpanProfileProcessor(start_agent=...)",
    application_name="application_name of pyroscope.configure",
    upload_interval="upload_interval of pyroscope.configure",
)
_GO = Language(
    "go",
    "Go",
    processor="otelpyroscope.NewTracerProvider",
    add_processor=(
        "wrap the tracer provider: otel.SetTracerProvider(otelpyroscope.NewTracerProvider(provider)) of"
        " github.com/grafana/otel-profiling-go, before anything takes a tracer; wherever the app hands over a provider,"
        " as with otelhttp.WithTracerProvider, hand over the wrapped one"
    ),
    start_agent="call pyroscope.Start(pyroscope.Config{...}) of github.com/grafana/pyroscope-go",
    address="ServerAddress, TenantID, BasicAuthUser and BasicAuthPassword",
    log="turn its log on with Logger: pyroscope.StandardLogger",
    cpu="put pyroscope.ProfileCPU into ProfileTypes",
    labels=(
        "take tracers from the provider that otelpyroscope.NewTracerProvider returns, without"
        " WithSpanIDLabelScope(ScopeNone), and keep goroutine labels: nothing may call pprof.SetGoroutineLabels with"
        " another context"
    ),
    unlabelled="goroutines that were started before the span, such as a pool of workers, carry no label",
    application_name="ApplicationName of pyroscope.Config",
    upload_interval="UploadRate of pyroscope.Config",
)
_JAVA = Language(
    "java",
    "Java",
    processor="the extension of otel-profiling-java",
    add_processor=(
        "load the extension of github.com/grafana/otel-profiling-java into the OpenTelemetry Java agent"
        " (OTEL_JAVAAGENT_EXTENSIONS=pyroscope-otel-javaagent-extension.jar, a file of its own: the agent loads none"
        " that is inside the app's jar)"
    ),
    start_agent=(
        "load the extension (OTEL_JAVAAGENT_EXTENSIONS) and let it start the profiler:"
        " OTEL_PYROSCOPE_START_PROFILING=true, PYROSCOPE_FORMAT=jfr"
    ),
    address="PYROSCOPE_SERVER_ADDRESS, PYROSCOPE_TENANT_ID and PYROSCOPE_BASIC_AUTH_USER",
    log="turn its log on with PYROSCOPE_LOG_LEVEL=debug",
    cpu="set PYROSCOPE_PROFILER_EVENT=itimer (or cpu) and PYROSCOPE_FORMAT=jfr",
    labels=(
        "set PYROSCOPE_PROFILER_EVENT=itimer (or cpu) and PYROSCOPE_FORMAT=jfr: with the extension io.pyroscope:otel"
        " 1.0 samples of the event wall carry no span IDs, and with PYROSCOPE_PROFILER_TYPE=JFR no samples do; and run"
        " only one profiler, the one that the extension starts or finds"
    ),
    unlabelled=(
        "work handed to another thread carries no label; nor does what a span does after a child of it has ended, with"
        " the extension before 2.0.0, or with OTEL_PYROSCOPE_ROOT_SPAN_ONLY=false"
    ),
    hand_over=(
        "load the extension 2.0.0 or later: an older one takes the label off a request's thread as soon as its first"
        " child span ends; leave OTEL_PYROSCOPE_ROOT_SPAN_ONLY at true, for with false the end of each child does the"
        " same; and do the work on the thread that started its span, for work handed to another one carries no label"
    ),
    application_name="PYROSCOPE_APPLICATION_NAME",
    upload_interval="PYROSCOPE_UPLOAD_INTERVAL",
    same_labels=(
        "give each process a label of its own, such as PYROSCOPE_LABELS=hostname=NAME: Java's agent dates profiles by"
        " whole seconds, and of several with the same labels and the same second a real Pyroscope keeps one, and loses"
        " the samples of the others"
    ),
)
_DOTNET = Language(
    "dotnet",
    ".NET",
    processor="Pyroscope.OpenTelemetry.PyroscopeSpanProcessor",
    add_processor=(
        "add Pyroscope.OpenTelemetry.PyroscopeSpanProcessor (package Pyroscope.OpenTelemetry) to the tracer provider"
        " with AddProcessor"
    ),
    start_agent=(
        "load Pyroscope's profiler, the build for the system's C library (glibc or musl): CORECLR_ENABLE_PROFILING=1,"
        " CORECLR_PROFILER, CORECLR_PROFILER_PATH, LD_PRELOAD=Pyroscope.Linux.ApiWrapper.x64.so and"
        " PYROSCOPE_PROFILING_ENABLED=1 (OpenTelemetry's automatic instrumentation takes the same place)"
    ),
    address="PYROSCOPE_SERVER_ADDRESS, PYROSCOPE_TENANT_ID and PYROSCOPE_BASIC_AUTH_USER",
    log="read its log in the folder PYROSCOPE_PROFILING_LOG_DIR",
    cpu="set PYROSCOPE_PROFILING_CPU_ENABLED=1 and PYROSCOPE_PROFILING_WALLTIME_ENABLED=1",
    labels=(
        "set PYROSCOPE_PROFILING_WALLTIME_ENABLED=1: without it the profiler does not sample the threads that run spans"
        " for their span IDs; and LD_LIBRARY_PATH to the folder of Pyroscope.Profiler.Native.so: where the app does not"
        " find that file, it labels nothing and prints '[ProfilerStatus] Failed to get profiler status pointer'"
    ),
    unlabelled="what runs on another thread, such as a continuation after await, may carry no label",
    application_name="PYROSCOPE_APPLICATION_NAME",
    upload_interval="PYROSCOPE_PROFILING_UPLOAD_PERIOD",
)
_RUBY = Language(
    "ruby",
    "Ruby",
    processor="Pyroscope::Otel::SpanProcessor",
    add_processor=(
        "add Pyroscope::Otel::SpanProcessor (gem pyroscope-otel) in OpenTelemetry::SDK.configure with"
        " add_span_processor"
    ),
    start_agent="call Pyroscope.configure (gem pyroscope) in the process that serves the requests",
    address="server_address, tenant_id, basic_auth_username and basic_auth_password",
    log=(
        "turn its log on with log_level, and use a gem that knows this version of Ruby: any other takes no samples, and"
        " says nothing"
    ),
    cpu="leave CPU profiling as it is: Pyroscope.configure turns it on",
    labels=(
        "call Pyroscope.configure in the process that serves the requests, with Pyroscope::Otel::SpanProcessor on the"
        " same process's tracer provider: an agent that samples its subprocesses (detect_subprocesses) does not get"
        " their labels"
    ),
    unlabelled="work handed to another thread carries no label",
    after_fork="Puma's before_worker_boot, or on_worker_boot before Puma 7, Unicorn's after_fork, or Process._fork",
    application_name="application_name of Pyroscope.configure",
)
_WITHOUT_PROCESSOR = (
    Language(
        "nodejs",
        "Node.js",
        start_agent="call Pyroscope.init({...}) and Pyroscope.start() of @pyroscope/nodejs",
        address="serverAddress, tenantID, basicAuthUser and basicAuthPassword",
        log="turn its log on with DEBUG=pyroscope*",
        cpu="set wall: { collectCpuTime: true } in Pyroscope.init",
        application_name="appName of Pyroscope.init",
        upload_interval="flushIntervalMs of Pyroscope.init",
    ),
    Language(
        "rust",
        "Rust",
        start_agent="start a PyroscopeAgent of the crate pyroscope",
        application_name="the application name of PyroscopeAgentBuilder",
    ),
    Language("php", "PHP"),
    Language("cpp", "C++"),
    Language("erlang", "Erlang and Elixir"),
    Language("swift", "Swift"),
    Language("webjs", "browsers"),
)

#: The languages, by ``telemetry.sdk.language``.
LANGUAGES: Mapping[str, Language] = {
    language.key: language for language in (_PYTHON, _GO, _JAVA, _DOTNET, _RUBY, *_WITHOUT_PROCESSOR)
}


#: Where nothing tells the language.
UNKNOWN = Language(
    "",
    "the app's language",
    processor="of Pyroscope's package for the app's language: in Python pyroscope.otel.PyroscopeSpanProcessor",
    add_processor=(
        "add the span processor of Pyroscope's package for the app's language: in Python"
        " pyroscope.otel.PyroscopeSpanProcessor, in Ruby Pyroscope::Otel::SpanProcessor, in .NET"
        " Pyroscope.OpenTelemetry.PyroscopeSpanProcessor, in Go otelpyroscope.NewTracerProvider around the provider, in"
        " Java the extension of otel-profiling-java"
    ),
    labels=(
        "use an agent that labels samples with the spans that run, and the span processor made for it: in Python"
        " pyroscope-io's PySpy (cpu_implementation=Stack labels nothing), in Java the event itimer or cpu, in .NET"
        " PYROSCOPE_PROFILING_WALLTIME_ENABLED=1, in Go labels not turned off"
    ),
    hand_over=(
        "work handed to another thread may carry no label: do it where its span was started, or hand it over with its"
        " label; in Python with spanprofiles_processor.SpanProfileProcessor and carry(function)"
    ),
    tasks="tasks such as those of Python's asyncio",
    follower="spanprofiles_processor.SpanProfileProcessor in Python",
    after_fork="gunicorn's post_fork, Puma's on_worker_boot and the like",
)

# What processes call their runtime, in lower case.
_RUNTIMES = (
    ("python", "python"),
    ("pypy", "python"),
    ("javascript", "nodejs"),
    (".net", "dotnet"),
    ("node", "nodejs"),
    ("bun", "nodejs"),
    ("deno", "nodejs"),
    ("java", "java"),
    ("jdk", "java"),
    ("graalvm", "java"),
    ("jruby", "ruby"),
    ("ruby", "ruby"),
    ("go", "go"),
    ("rust", "rust"),
    ("php", "php"),
    ("beam", "erlang"),
    ("browser", "webjs"),
)
_OTHER_NAMES = {"c++": "cpp", "js": "nodejs", "javascript": "nodejs", "csharp": "dotnet", "elixir": "erlang"}

# Tracers that watch a process from outside, so that nothing can be added to them.
_OUTSIDE = ("beyla", "ebpf", "obi")


def language(key: str) -> Language:
    """Return the language of that key; one that is not listed has no span processor."""
    known = key.strip().lower()
    known = _OTHER_NAMES.get(known, known).replace("unknown", "")
    return LANGUAGES.get(known) or (Language(known, key.strip()) if known else UNKNOWN)


def of_runtime(name: str) -> Language:
    """Return the language of a runtime's name, such as ``CPython`` or ``OpenJDK Runtime Environment``."""
    lower = name.lower()
    for word, key in _RUNTIMES:
        if lower == word or (len(word) > 2 and word in lower):
            return LANGUAGES[key]
    return UNKNOWN


def of_resource(resource: Mapping[str, object]) -> Language:
    """Return the language that a process's resource attributes tell of."""
    told = resource.get("telemetry.sdk.language")
    if isinstance(told, str) and told.strip():
        return language(told)
    runtime = resource.get("process.runtime.name")
    return of_runtime(runtime) if isinstance(runtime, str) else UNKNOWN


def of_spans(spans: Iterable[Span]) -> tuple[Language, ...]:
    """Return the languages that spans tell of, the most frequent first; none where none of them tells."""
    found = Counter(of_resource(span.resource) for span in spans)
    return tuple(language for language, _ in found.most_common() if language is not UNKNOWN)


def is_traced_from_outside(resource: Mapping[str, object]) -> bool:
    """Tell whether the spans of a process are made by a tracer outside of it, which takes no span processor."""
    names = (resource.get(f"telemetry.{name}") for name in ("distro.name", "sdk.name"))
    return any(word in _words(name) for name in names if isinstance(name, str) for word in _OUTSIDE)


def advice(languages: Iterable[Language], of: Callable[[Language], str]) -> str:
    """Return one piece of advice for each language, without repeating what several share; empty where none has any.

    Args:
        languages: the languages, the most frequent first; none stands for one that is not known.
        of: takes the advice from a language.
    """
    known = tuple(dict.fromkeys(languages)) or (UNKNOWN,)
    told: dict[str, list[str]] = {}
    for language in known:
        if of(language):
            told.setdefault(of(language), []).append(language.name)
    if len(known) == 1:
        return next(iter(told), "")
    return "; ".join(f"in {' and '.join(names)}: {text}" for text, names in told.items())


def _words(name: str) -> list[str]:
    """Return the words of a name."""
    return "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
