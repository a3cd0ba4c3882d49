"""Ports for servers that are about to start: free, and nobody else's until then."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spanprofiles.backends import ports


@pytest.fixture
def given_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel says of the ports that it gives out by itself."""
    path = tmp_path / "ip_local_port_range"
    monkeypatch.setattr(ports, "_GIVEN_OUT", path)
    return path


def test_free_ports_are_different_and_can_be_listened_on() -> None:
    found = ports.free_ports(8)

    assert len(set(found)) == 8
    assert all(ports.is_free(port) for port in found)


def test_a_port_of_localhost_is_free_at_each_of_its_addresses() -> None:
    (port,) = ports.free_ports(1, "localhost")

    refusals = []
    for family, _, _, _, place in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
        with socket.socket(family) as server:
            try:
                server.bind(place)
            except OSError as error:
                refusals.append(error.errno)
    assert set(refusals) <= {errno.EADDRNOTAVAIL}  # of ::1, where IPv6 is switched off


def test_a_host_that_is_none_of_this_machines_has_none() -> None:
    with pytest.raises(OSError, match="assign requested address"):
        ports.free_ports(1, "192.0.2.1")  # RFC 5737: for documentation


def test_none_of_them_is_one_that_the_kernel_gives_out(given_out: Path) -> None:
    given_out.write_text("25000\t60999\n")

    assert all(20_000 <= port < 25_000 for port in ports.free_ports(8))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="claims are Linux's abstract sockets")
def test_what_another_process_was_told_of_is_nobody_elses_while_it_runs(given_out: Path) -> None:
    given_out.write_text("20004\t60999\n")  # four ports, and then the kernel's own choice
    code = (
        "import pathlib, sys; from spanprofiles.backends import ports; ports._GIVEN_OUT = pathlib.Path(sys.argv[1])\n"
        "print(*ports.free_ports(4), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(given_out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        told = set(map(int, other.stdout.readline().split()))

        assert told.isdisjoint(ports.free_ports(4))

    assert other.returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ports are claimed on Linux")
def test_a_claimed_port_is_nobody_elses_though_its_server_is_stopped_for_a_while() -> None:
    (port,) = ports.free_ports(1)
    command = [sys.executable, "-c", f"from spanprofiles.backends.ports import claim; print(claim({port}))"]

    assert ports.claim(port)
    assert ports.is_free(port)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_one_that_is_taken_is_not_free_and_the_kernels_own_choice_remains(
    given_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(ports, "_LOWEST", taken)
        given_out.write_text(f"{taken + 1}\t60999\n")

        assert not ports.is_free(taken)
        (other,) = ports.free_ports(1)

    assert other != taken


@pytest.mark.parametrize("said", ["1024\t65535\n", None], ids=["all of them", "nothing"])
def test_there_are_free_ports_whatever_the_kernel_gives_out(given_out: Path, said: str | None) -> None:
    if said:
        given_out.write_text(said)

    assert len(set(ports.free_ports(3))) == 3
