"""Finds free ports of 127.0.0.1."""

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
_claims: deque[tuple[int, int]] = deque()  # ports, and the file descriptors that claim them


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def claim(port: int) -> bool:
    """Claim a port of 127.0.0.1 until this process ends, and tell whether that was possible.

    On Linux, other callers of this function and of :func:`free_ports` leave a claimed port alone. So it is still free
    for a server that is stopped and started again.
    """
    return is_free(port) and (any(port == own for own, _ in _claims) or _claimed(port))


def free_ports(count: int, host: str = _HOST) -> list[int]:
    """Return different ports that are free at every address of a host.

    They are chosen at random, below the ports that the kernel gives out by itself. On Linux they are claimed until this
    process ends, so that they are still free when a server starts.

    Raises:
        OSError: there are no free ports, or this machine does not have that host.
    """
    families = _families(host)
    with ExitStack() as probes:
        ports: list[int] = []
        candidates = _candidates()
        while len(ports) < count:
            port = next(candidates)
            try:
                for family, address in families:
                    probe = probes.enter_context(socket.socket(family))
                    probe.bind((address, port))
                    port = probe.getsockname()[1]
            except OSError:
                if port == 0:
                    raise
                continue
            if _claimed(port):
                ports.append(port)
        return ports


def _families(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host that this machine has, each with its family: localhost may have two."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((entry[0], str(entry[4][0])) for entry in found))
    usable: list[tuple[socket.AddressFamily, str]] = []
    error = None
    for family, address in addresses:
        try:
            with socket.socket(family) as probe:
                probe.bind((address, 0))
        except OSError as refused:  # of localhost, ::1 where IPv6 is switched off
            error = refused
        else:
            usable.append((family, address))
    if error is not None and not usable:
        raise error
    return usable


def _claimed(port: int) -> bool:
    """Claim a port by a name that the kernel forgets with the process that holds it."""
    if not sys.platform.startswith("linux"):
        return True
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0spanprofiles-port-{port}")  # unix(7), abstract: no file, and nothing to clean up
    except OSError:
        holder.close()
        return False
    _claims.append((port, holder.detach()))
    if len(_claims) > _MOST_CLAIMS:  # by now the first one's server has started
        os.close(_claims.popleft()[1])
    return True


def _candidates() -> Iterator[int]:
    """Yield ports below those that the kernel gives out, then 0, its own choice, for ever."""
    try:
        first = int(_GIVEN_OUT.read_text(encoding="ascii").split()[0])
    except OSError:
        first = _USUALLY_GIVEN_OUT
    below = range(_LOWEST, first)
    yield from random.SystemRandom().sample(below, min(len(below), _TRIES))
    while True:
        yield 0
