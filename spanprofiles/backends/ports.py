"""Ports of 127.0.0.1: whether one is free, and which are."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

_HOST = "127.0.0.1"
_GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")  # ip(7): to sockets that ask for any port
_LOWEST, _USUALLY_GIVEN_OUT = 20_000, 49_152  # above most services' own ports; RFC 6335, where there is no Linux
_TRIES = 1_000
_MOST_CLAIMS = 200
_claims: deque[int] = deque()  # file descriptors


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return that many different free ports.

    Chosen by chance from below those that the kernel gives out by itself, and on Linux claimed from other callers of
    this function until this process ends: what is free now is still free when a server has started.

    Raises:
        OSError: there are none.
    """
    with ExitStack() as probes:
        ports: list[int] = []
        candidates = _candidates()
        while len(ports) < count:
            port = next(candidates)
            probe = probes.enter_context(socket.socket())
            try:
                probe.bind((_HOST, port))
            except OSError:
                if port == 0:
                    raise
                continue
            if _claimed(probe.getsockname()[1]):
                ports.append(probe.getsockname()[1])
        return ports


def _claimed(port: int) -> bool:
    """Claim a port from the other processes that look for one, by a name that the kernel forgets with its holder."""
    if not sys.platform.startswith("linux"):
        return True
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0spanprofiles-port-{port}")  # unix(7), abstract: no file, and nothing to clean up
    except OSError:
        claim.close()
        return False
    _claims.append(claim.detach())
    if len(_claims) > _MOST_CLAIMS:  # by now the first one's server has started
        os.close(_claims.popleft())
    return True


def _candidates() -> Iterator[int]:
    """Ports below those given out, then the kernel's own choice for ever."""
    try:
        first = int(_GIVEN_OUT.read_text(encoding="ascii").split()[0])
    except OSError:
        first = _USUALLY_GIVEN_OUT
    below = range(_LOWEST, first)
    yield from random.SystemRandom().sample(below, min(len(below), _TRIES))
    while True:
        yield 0
