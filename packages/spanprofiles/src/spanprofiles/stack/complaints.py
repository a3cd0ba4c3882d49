"""Turns errors of Docker, Compose, a registry or a server into one line: what is wrong, and what to do.

The texts are those of Docker 20.10 to 28, of both generations of Compose, of BuildKit, and of pip.
"""

from __future__ import annotations

import re

_ENGINE_DOWN = (
    "the Docker engine does not answer: start it (`sudo systemctl start docker`, or Docker Desktop), or let "
    "DOCKER_HOST point at one that runs"
)
_NO_RIGHTS = (
    "this user may not talk to the Docker engine: `sudo usermod -aG docker $USER` and a new login give the right for "
    "good, `sudo make up` for once"
)
_DISK_FULL = (
    "the disk is full: `docker system df` shows what Docker keeps there, `docker system prune` frees what nothing uses"
)
_TOO_MANY_PULLS = "the registry gives no more images to this address for now: `docker login` allows more, or wait"
_NO_SUCH_IMAGE = "the registry has no such image for this machine: look at the versions in .env"
_NO_REGISTRY = (
    "the registry cannot be reached: connect this machine to the internet, load the image with `docker load`, or name "
    "one that is here in .env"
)
_NO_PACKAGES = "pip reaches no package index: connect this machine to the internet"
_NO_BUILDX = (
    "Compose cannot build without buildx: install docker-buildx-plugin (Docker's own packages) or docker-buildx"
)
_UNREADABLE = (
    "a container may not read the configuration of this folder: `chmod -R a+rX tempo pyroscope grafana`, as `make up` "
    "does"
)

# The first that fits is said. Each is looked for in the whole text, whatever the case of its letters.
_SIGNS = (
    (r"no space left on device|disk quota exceeded", _DISK_FULL),
    (r"permission denied.{0,80}(docker daemon socket|docker\.sock|docker api)", _NO_RIGHTS),
    (r"docker\.sock.{0,80}permission denied|PermissionError\(13", _NO_RIGHTS),
    (r"cannot connect to the docker daemon|is the docker daemon running|error during connect", _ENGINE_DOWN),
    (r"failed to connect to the docker api|Error while fetching server API version", _ENGINE_DOWN),
    (r"requires buildx|buildx.{0,40}(is missing|not found|isn't installed)|buildkit.{0,40}missing", _NO_BUILDX),
    (r"toomanyrequests|pull rate limit", _TOO_MANY_PULLS),
    (r"Failed to establish a new connection|Could not find a version that satisfies", _NO_PACKAGES),
    (r"manifest unknown|manifest for .* not found|no matching manifest", _NO_SUCH_IMAGE),
    (r"pull access denied|repository does not exist", _NO_SUCH_IMAGE),
    (r"no such host|name resolution|server misbehaving|network is unreachable|no route to host", _NO_REGISTRY),
    (r"i/o timeout|TLS handshake timeout|Client\.Timeout exceeded|context deadline exceeded", _NO_REGISTRY),
    (r"connection refused|connection reset|proxyconnect|signed by unknown authority", _NO_REGISTRY),
)
# What a container's log can say of the reason for which it does not work. More would be guessed: while a stack starts,
# its parts refuse each other's connections and time out, which means nothing.
_SIGNS_OF_A_LOG = (
    (r"no space left on device|disk quota exceeded", _DISK_FULL),
    (r"(tempo\.yaml|pyroscope\.yaml|/etc/(tempo|pyroscope|grafana)\b[^\n]*): permission denied", _UNREADABLE),
)

_PORT = re.compile(
    r":(?P<port>\d{1,5})(?:[^\n]{0,120})(?:port is already allocated|address already in use|ports are not available)"
    r"|ports are not available[^\n]*?:(?P<other>\d{1,5})\b",
    re.IGNORECASE,
)
_LONGEST = 160
_REASON = re.compile(r"error|unhealthy|denied|failed|exited|invalid|unsupported|cannot|no such", re.IGNORECASE)
# How a tool's lines begin: "time=... level=fatal msg=", " => ERROR", "ERROR: for tempo  ".
_LEAD = re.compile(r"^(?:[ *=>#\d.]+ )?(?:ERROR: ?|Error response from daemon: ?|Error: ?)+(?:for \S+\s+)?")


def explain(said: str) -> str:
    """Say what is wrong and what to do, from the output of a tool.

    Args:
        said: everything it wrote. If nothing in it is known, the result is its last line that names a fault.
    """
    for sign, sentence in _SIGNS:
        if re.search(sign, said, re.IGNORECASE):
            return sentence
    return complaint_of(said)


def reason_in_log(log: str) -> str:
    """Give the reason for which a container does not work, where its log names one that is known, or nothing."""
    return next((sentence for sign, sentence in _SIGNS_OF_A_LOG if re.search(sign, log, re.IGNORECASE)), "")


def complaint_of(said: str) -> str:
    """Give the last line that names a fault, else the last line at all."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    faults = [line for line in lines if _REASON.search(line)]
    line = (faults or lines or ["it gave no reason"])[-1]
    return shortened(_LEAD.sub("", line))


def shortened(line: str) -> str:
    """Give a line, or as much of it as a terminal shows in two rows."""
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def taken_port(said: str) -> int | None:
    """Give the port of this machine that a tool says is taken."""
    found = _PORT.search(said)
    return int(found["port"] or found["other"]) if found else None
