"""Hostile requests over HTTP and gRPC, with valid load beside them: what they cost those who mean well."""

from __future__ import annotations

import json
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil

from spanprofiles.model import Credentials, Endpoints
from tests.support.conformance.pair import Pair, running_pair
from tests.support.soak.load import Load

TOKEN = secrets.token_hex(16)
LEAST_URGENT = 19


@dataclass(frozen=True)
class Plan:
    """How much of what.

    Attributes:
        requests: how many hostile requests in all.
        rounds: in how many turns they are sent; between two there is a while without any.
        http_attackers: how many processes send over HTTP.
        grpc_attackers: how many over gRPC.
        per_second: how many requests each attacker sends, if it is answered so fast.
        quiet_s: how long each turn without any is, s.
        load_per_second: how often the valid load sends a span and a profile, and asks for both.
        query_timeout_s: the pair's limit for a query, s.
    """

    requests: int = 100_000
    rounds: int = 10
    http_attackers: int = 3
    grpc_attackers: int = 1
    per_second: float = 300.0
    quiet_s: float = 1.2
    load_per_second: float = 10.0
    query_timeout_s: float = 4.0


@dataclass
class Soak:
    """What was seen.

    Attributes:
        load: the valid load.
        quiet_s: how long its answers took while nobody attacked, s: a list for each turn.
        attacked_s: the same under attack, s.
        memory: the most that the pair took, bytes.
        outcomes: what the attackers tell.
        lost: what was taken and cannot be found at the end, a line each.
    """

    load: Load
    quiet_s: list[list[float]] = field(default_factory=list)
    attacked_s: list[list[float]] = field(default_factory=list)
    memory: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """How many answers of the valid load came under attack."""
        return sum(map(len, self.attacked_s))

    @property
    def longest_s(self) -> float:
        """How long the slowest answer of the valid load took under attack, s."""
        return max(map(max, self.attacked_s))

    @property
    def slowdown(self) -> float:
        """How many times as long the valid load waited under attack, by the 95th percentile.

        Each turn is compared with the quiet one before it, and the median of all turns is given: what else a machine
        does for some seconds is in both, or in a few turns alone.
        """
        pairs = zip(self.attacked_s, self.quiet_s, strict=True)
        return statistics.median(p95_s(attacked, len(quiet)) / p95_s(quiet, len(quiet)) for attacked, quiet in pairs)

    @property
    def wrong(self) -> list[str]:
        """The answers that must not be, a line each."""
        return [line for outcome in self.outcomes for line in outcome["wrong"]]

    @property
    def statuses(self) -> Counter[str]:
        """How many answers of each kind and status there were."""
        return sum((Counter(outcome["statuses"]) for outcome in self.outcomes), Counter())

    @property
    def sent(self) -> Counter[str]:
        """How many requests of each kind were sent."""
        return sum((Counter(outcome["sent"]) for outcome in self.outcomes), Counter())

    @property
    def slowest_s(self) -> float:
        """How long the slowest answer to an attacker took, s."""
        return max(float(took_s) for outcome in self.outcomes for took_s in outcome["slowest_s"].values())


def p95_s(took_s: list[float], count: int) -> float:
    """Return the 95th percentile of so many answers, s; where there are more, the median of such percentiles.

    Turns of different length are then compared alike: among more answers there are more that took very long.
    """
    pieces = [took_s[first : first + count] for first in range(0, len(took_s), count)]
    whole = [piece for piece in pieces if len(piece) == count] or pieces
    return statistics.median(statistics.quantiles(piece, n=20)[-1] for piece in whole)


class Attack:
    """An attacker as a process of its own, so that its work holds up nothing but its own."""

    def __init__(self, settings: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.support.soak.attack"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # On other machines attackers do not take the processor that the valid client needs to send and to read.
        psutil.Process(self._process.pid).nice(LEAST_URGENT)
        self._tell(json.dumps(settings))

    def begin(self, count: int) -> None:
        """Have it send so many requests."""
        self._tell(str(count))

    def wait(self) -> None:
        """Wait until it has done what it was told."""
        assert self._process.stdout
        assert self._process.stdout.readline().strip() in {"armed", "done"}

    def end(self) -> dict[str, Any]:
        """Have it end, and return what it tells."""
        told, _ = self._process.communicate()
        outcome: dict[str, Any] = json.loads(told)
        return outcome

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def watched(process: psutil.Process, soak: Soak) -> Iterator[None]:
    """While it is entered, the process's memory is looked at again and again."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            soak.memory = max(soak.memory, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def attackers(pair: Pair, plan: Plan, stack: ExitStack) -> list[Attack]:
    """Start the attackers, and wait until they are armed."""
    addresses = {name: (urlsplit(url).hostname, urlsplit(url).port) for name, url in pair.urls.items()}
    grpc_address = ":".join(map(str, addresses.pop("otlp-grpc")))
    made = []
    for seed in range(plan.http_attackers + plan.grpc_attackers):
        settings = {
            "addresses": addresses,
            "grpc": grpc_address,
            "is_grpc": seed >= plan.http_attackers,
            "per_second": plan.per_second,
            "seed": seed,
            "token": TOKEN,
        }
        made.append(Attack(settings))
        stack.callback(made[-1].kill)
    for attack in made:
        attack.wait()
    return made


def soak(plan: Plan) -> Soak:
    """Start a pair, and let attackers and nobody take turns beside the valid load."""
    options = ("--token", TOKEN, "--query-timeout", str(plan.query_timeout_s), "--otlp-grpc-port", "0")
    with running_pair(None, *options) as pair, ExitStack() as stack:
        endpoints = Endpoints(
            tempo=pair.urls["tempo"],
            pyroscope=pair.urls["pyroscope"],
            otlp_http=pair.urls["otlp-http"],
            credentials=Credentials(bearer_token=TOKEN),
        )
        seen = Soak(Load(endpoints, plan.load_per_second))
        attacks = attackers(pair, plan, stack)
        stack.enter_context(watched(psutil.Process(pair.process.pid), seen))
        seen.load.run(lambda: len(seen.load.spans) >= plan.load_per_second)  # nobody's first request is quick
        for _ in range(plan.rounds):
            seen.quiet_s.append(seen.load.run(after(plan.quiet_s)))
            seen.attacked_s.append(under_attack(attacks, seen.load, plan))
        seen.outcomes = [attack.end() for attack in attacks]
        seen.lost = seen.load.lost()
    return seen


def after(seconds: float) -> Callable[[], bool]:
    """Return what tells whether so much time has passed since."""
    ends_s = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends_s


def under_attack(attacks: list[Attack], load: Load, plan: Plan) -> list[float]:
    """Have the attackers send their share of a round; return how long the load's answers took meanwhile, s."""
    for attack in attacks:
        attack.begin(plan.requests // plan.rounds // len(attacks))
    done = threading.Event()

    def wait() -> None:
        for attack in attacks:
            attack.wait()
        done.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    took_s = load.run(done.is_set)
    waiter.join()
    return took_s
