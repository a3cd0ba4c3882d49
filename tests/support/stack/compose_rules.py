"""The rules of docker-compose.yml. Each gives one sentence for each fault it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.support.repository import Json, services

_IMAGE = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+(-[a-z0-9.]+)*(@sha256:[0-9a-f]{64})?")
_PORT = re.compile(r"127\.0\.0\.1:(\d+):\d+")
_SHELLS = {"sh", "bash", "ash", "dash", "zsh", "/bin/sh", "/bin/bash"}
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY", re.IGNORECASE)

#: What Java takes beside its heap, with a margin, MiB.
MOST_BESIDE_THE_HEAP_MIB = 256

# The Java agent's profiler is a library that the agent writes to /tmp and loads.
_RUNS_WHAT_IT_WRITES = {"sa-east"}

# The worker and the master wait for each other: the master's check asks for a worker.
_STARTED_IS_ENOUGH = {("loadgen-worker", "loadgen")}


def runs_once(service: Json) -> bool:
    """Tell whether a service ends by itself, by which it proves something."""
    return bool(service.get("restart") == "no")


def images_are_pinned(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        image = service.get("image", "")
        if not _IMAGE.fullmatch(image):
            yield f"{name}: the image {image!r} has no exact version"


def ports_are_on_loopback(stack: Json) -> Iterator[str]:
    taken: dict[str, str] = {}
    for name, service in services(stack).items():
        for port in service.get("ports", []):
            found = _PORT.fullmatch(str(port))
            if found is None:
                yield f"{name}: the port {port!r} is not on 127.0.0.1"
            elif found[1] in taken:
                yield f"{name}: the port {found[1]} is {taken[found[1]]}'s already"
            else:
                taken[found[1]] = name


def health_is_checked_without_a_shell(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        if runs_once(service):
            continue
        check = service.get("healthcheck", {})
        test = check.get("test")
        if not isinstance(test, list) or test[:1] != ["CMD"] or len(test) < 2 or test[1] in _SHELLS:
            yield f"{name}: the health check {test!r} is not a command that runs without a shell"
        if not {"interval", "timeout", "retries", "start_period"} <= check.keys():
            yield f"{name}: the health check has no interval, timeout, retries or start period"


def a_slow_start_is_no_failure_and_a_failure_is_noticed(stack: Json) -> Iterator[str]:
    """Grafana's first start makes a database, which takes a slow machine two minutes."""
    for name, service in services(stack).items():
        check = service.get("healthcheck", {})
        if check and int(str(check.get("start_period", "0s")).removesuffix("s")) < 120:
            yield f"{name}: {check.get('start_period')} are too short for a first start on a slow machine"
        if check and int(check.get("retries", 0)) > 10:
            yield f"{name}: {check['retries']} failures in a row are too many to notice a full disk soon"


def memory_limits_are_known_to_go(stack: Json) -> Iterator[str]:
    """The collector of a Go program that knows nothing of its limit lets the heap double up to it, and is killed."""
    for name in ("tempo", "pyroscope", "grafana", "us-west"):
        service = services(stack)[name]
        limit = _mebibytes(str(service.get("mem_limit", "0M")))
        soft = _mebibytes(str(service.get("environment", {}).get("GOMEMLIMIT", "0MiB")))
        if not 0.5 * limit <= soft <= 0.9 * limit:
            yield f"{name}: GOMEMLIMIT, {soft} MiB, is no fit for a limit of {limit} MiB"


def memory_limits_are_known_to_java(stack: Json) -> Iterator[str]:
    """Beside its heap, Java needs more than 150 MB for code, threads and the agent's classes."""
    for name, service in services(stack).items():
        heap = re.search(r"-Xmx(\d+)m\b", str(service.get("environment", {}).get("JAVA_TOOL_OPTIONS", "")))
        limit = _mebibytes(str(service.get("mem_limit", "0M")))
        if "JAVA_IMAGE" in service.get("build", {}).get("args", {}) and (
            heap is None or limit - int(heap[1]) < MOST_BESIDE_THE_HEAP_MIB
        ):
            yield f"{name}: a heap of {heap and heap[1]} MiB is no fit for a limit of {limit} MiB"


def _mebibytes(size: str) -> int:
    found = re.fullmatch(r"(\d+)(M|G)(iB)?", size)
    assert found is not None, size
    return int(found[1]) * (1024 if found[2] == "G" else 1)


def both_generations_of_compose_take_it(stack: Json) -> Iterator[str]:
    """docker-compose 1.29.2 refuses the whole file for one unknown key; Compose 2 takes no limit in two places."""
    for key in sorted(stack.keys() - {"version", "services", "volumes", "networks"}):
        if not key.startswith("x-"):
            yield f"docker-compose 1.29 refuses the top-level {key}"
    for name, service in services(stack).items():
        if "limits" in service.get("deploy", {}).get("resources", {}):
            yield f"{name}: limits under deploy are refused by 1.29 with pids, and by Compose 2 beside pids_limit"
        for key in sorted(
            service.keys() & {"develop", "provider", "post_start", "pre_stop", "models", "use_api_socket"}
        ):
            yield f"{name}: docker-compose 1.29 refuses {key}"
        for key in sorted(service.get("healthcheck", {}).keys() & {"start_interval"}):
            yield f"{name}: docker-compose 1.29 refuses {key} in a health check"


def each_image_is_built_once(stack: Json) -> Iterator[str]:
    """By one service, on which all others with that image wait: docker-compose 1.29 builds in the order of waiting."""
    found = services(stack)
    builders: dict[str, list[str]] = {}
    for name, service in found.items():
        if "build" in service:
            builders.setdefault(service["image"], []).append(name)
    for image, names in builders.items():
        if len(names) > 1:
            yield f"{image} is built by {', '.join(names)}"
        for name, service in found.items():
            if service["image"] == image and name not in names and names[0] not in _waited_for(found, name):
                yield f"{name}: its image may not be built when it starts, for it does not wait for {names[0]}"
    for name, service in found.items():
        if service["image"].startswith("span-profiles/") and service["image"] not in builders:
            yield f"{name}: nothing builds {service['image']}"


def _waited_for(found: dict[str, Json], name: str) -> set[str]:
    names: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(found[waiting.pop()].get("depends_on", {})) - names
        names |= new
        waiting += new
    return names


def health_checks_prove_function(stack: Json) -> Iterator[str]:
    needed = {
        "pyroscope": ["upload"],
        "grafana": ["/api/health", "/api/datasources/uid/tempo/health", "/api/datasources/uid/pyroscope/health"],
        "loadgen": ["workers"],
        "loadgen-worker": ["workers"],
        "eu-north": ["/health"],
        "us-east": ["/health"],
        "ap-south": ["/health"],
        "us-west": ["-health"],
        "sa-east": ["/health", "traceparent: 00-", "-00"],
        "tempo": ["-health"],
        "tempo-gives-back": ["/v1/traces", "/api/v2/traces/"],
    }
    found = services(stack)
    for name, words in needed.items():
        text = " ".join(found[name].get("healthcheck", {}).get("test", []))
        for word in words:
            if word not in text:
                yield f"{name}: the health check does without {word}"
    for server in ("tempo", "pyroscope"):
        gives_back = found.get(f"{server}-gives-back", {})
        if gives_back.get("depends_on", {}).get(server) != {"condition": "service_healthy"}:
            yield f"{server}: nothing proves that it gives back what it took"


def services_start_in_order(stack: Json) -> Iterator[str]:
    found = services(stack)
    needed = {region: ["tempo-gives-back", "pyroscope-gives-back"] for region in ("eu-north", "us-east", "ap-south")}
    needed |= {"sa-east": needed["ap-south"], "us-west": [*needed["ap-south"], "sa-east"]} | {
        "loadgen": list(needed),
        "grafana": ["tempo", "pyroscope"],
        "loadgen-worker": ["loadgen"],
    }
    for name, others in needed.items():
        for other in others:
            if other not in found[name].get("depends_on", {}):
                yield f"{name}: starts without {other}"
    for name, service in found.items():
        for other, dependency in dict(service.get("depends_on", {})).items():
            wanted = "service_completed_successfully" if runs_once(found[other]) else "service_healthy"
            if (name, other) not in _STARTED_IS_ENOUGH and dependency["condition"] != wanted:
                yield f"{name}: waits for {other} with {dependency['condition']}, not {wanted}"


def resources_are_limited(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        for key in ("cpus", "mem_limit", "pids_limit"):
            if not service.get(key):
                yield f"{name}: it has no {key}"
        if float(service.get("cpus", 0)) > 1.0:
            yield f"{name}: {service['cpus']} CPUs are more than a small machine has"
        if service.get("logging", {}).get("options", {}).get("max-size") is None:
            yield f"{name}: its log grows without end"


def services_restart(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        wanted = "no" if name == "pyroscope-gives-back" else "unless-stopped"
        if service.get("restart") != wanted:
            yield f"{name}: restart is {service.get('restart')!r}, not {wanted!r}"


def containers_are_unprivileged(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        if not re.fullmatch(r"[1-9]\d*:\d+", str(service.get("user", ""))):
            yield f"{name}: the user {service.get('user')!r} is not one by number, and not root"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            yield f"{name}: it keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: it may gain privileges"
        if service.get("read_only") is not True:
            yield f"{name}: its root file system can be written"
        for key in ("privileged", "network_mode", "pid", "ipc", "userns_mode", "devices"):
            if key in service:
                yield f"{name}: {key} opens the container"


def nothing_that_is_written_can_be_run(stack: Json) -> Iterator[str]:
    """Docker mounts a tmpfs without `exec` unless it is asked for it."""
    for name, service in services(stack).items():
        for mount in service.get("tmpfs", []):
            if "exec" in str(mount).partition(":")[2].split(",") and name not in _RUNS_WHAT_IT_WRITES:
                yield f"{name}: what is written to {str(mount).partition(':')[0]} can be run"


def without_a_profile_the_stack_is_whole(stack: Json) -> Iterator[str]:
    """docker-compose 1.29 refuses a file in which a service waits for one of a profile that is not asked for."""
    found = services(stack)
    for name, service in found.items():
        for other in service.get("depends_on", {}):
            if set(found[other].get("profiles", [])) - set(service.get("profiles", [])):
                yield f"{name}: waits for {other}, which is not there without its profile"


def what_comes_with_a_profile_is_looked_for_at_the_engine_alone(stack: Json) -> Iterator[str]:
    """A name that the engine does not know is asked for outside, where a machine without internet waits for long."""
    found = services(stack)
    optional = [name for name, service in found.items() if service.get("profiles")]
    for name, service in found.items():
        named = [other for other in optional if f"//{other}:" in str(service.get("environment", {}))]
        asks_outside = (service.get("dns_search"), service.get("dns_opt")) != (["."], ["ndots:1"])
        if named and asks_outside and not service.get("profiles"):
            yield f"{name}: asks for {', '.join(named)} outside as well, which may not be there"


def data_is_in_named_volumes(stack: Json) -> Iterator[str]:
    declared = stack.get("volumes", {})
    for name, service in services(stack).items():
        for volume in service.get("volumes", []):
            source, target, *mode = str(volume).split(":")
            if source.startswith(("./", "/")):
                if mode != ["ro,z"] or not source.startswith("./"):
                    yield f"{name}: {source} is not mounted at {target} for reading, under SELinux as well"
            elif source not in declared:
                yield f"{name}: the volume {source} is not declared"
    for server, path in {"tempo": "/var/tempo", "pyroscope": "/data", "grafana": "/var/lib/grafana"}.items():
        targets = [str(volume).split(":")[1] for volume in services(stack)[server].get("volumes", [])]
        if path not in targets:
            yield f"{server}: its data, {path}, is in no volume"


def servers_have_time_to_end(stack: Json) -> Iterator[str]:
    for server, seconds in {"tempo": 15, "pyroscope": 15}.items():
        grace = str(services(stack)[server].get("stop_grace_period", "10s"))
        if int(grace.removesuffix("s")) < seconds:
            yield f"{server}: it is killed after {grace}, and may not have written all it holds"


def nothing_is_secret(stack: Json) -> Iterator[str]:
    for name, service in services(stack).items():
        for variable in service.get("environment", {}):
            if _SECRET.search(variable):
                yield f"{name}: {variable} looks like a secret"


def grafana_is_closed_and_silent(stack: Json) -> Iterator[str]:
    wanted = {
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_USERS_VIEWERS_CAN_EDIT": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PREINSTALL_AUTO_UPDATE": "false",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    }
    grafana = services(stack)["grafana"]
    for variable, value in wanted.items():
        if grafana.get("environment", {}).get(variable) != value:
            yield f"grafana: {variable} is not {value}"
    if not re.fullmatch(r"grafana/grafana:13\.1\.\d+(@sha256:[0-9a-f]{64})?", grafana.get("image", "")):
        yield f"grafana: {grafana.get('image')} has its data sources as plugins; 13.1 does not"


Rule = Callable[[Json], Iterator[str]]

RULES: tuple[Rule, ...] = (
    images_are_pinned,
    ports_are_on_loopback,
    health_is_checked_without_a_shell,
    health_checks_prove_function,
    services_start_in_order,
    resources_are_limited,
    memory_limits_are_known_to_go,
    memory_limits_are_known_to_java,
    a_slow_start_is_no_failure_and_a_failure_is_noticed,
    both_generations_of_compose_take_it,
    each_image_is_built_once,
    services_restart,
    containers_are_unprivileged,
    nothing_that_is_written_can_be_run,
    without_a_profile_the_stack_is_whole,
    what_comes_with_a_profile_is_looked_for_at_the_engine_alone,
    data_is_in_named_volumes,
    servers_have_time_to_end,
    nothing_is_secret,
    grafana_is_closed_and_silent,
)


def faults_of(stack: Json) -> list[str]:
    """Give all faults of a compose file."""
    return [fault for rule in RULES for fault in rule(stack)]
