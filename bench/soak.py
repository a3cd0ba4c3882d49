"""What hostile requests cost those who mean well: how long valid load waits beside them, against a quiet pair.

Attackers and nobody take turns within one run, and each turn is compared with the one before it: so both figures are of
the same machine and the same minutes. Figures are medians of turns.
"""

from __future__ import annotations

import argparse
import statistics

from tests.support.soak.soak import Plan, p95_s, soak


def main() -> None:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=30_000, help="hostile requests in all")
    parser.add_argument(
        "--per-second", type=float, default=300, help="of each attacker: three over HTTP, one over gRPC"
    )
    options = parser.parse_args()
    plan = Plan(requests=options.requests, per_second=options.per_second)
    seen = soak(plan)
    counts = [len(turn) for turn in seen.quiet_s]
    quiet_ms, attacked_ms = (
        statistics.median(p95_s(turn, count) for turn, count in zip(turns, counts, strict=True)) * 1000
        for turns in (seen.quiet_s, seen.attacked_s)
    )
    most = (plan.http_attackers + plan.grpc_attackers) * plan.per_second
    print(f"hostile requests             {seen.sent.total()} of {len(seen.sent)} kinds, up to {most:g} a second")
    print(f"valid load, p95              {quiet_ms:.1f} ms quiet, {attacked_ms:.1f} ms beside them")
    print(f"                             {seen.slowdown:.2f} times, of {sum(counts)} and {seen.answers} answers")
    print(f"slowest answer to a hostile  {seen.slowest_s:.2f} s, with a time-out of {plan.query_timeout_s:g} s")
    print(f"memory                       {seen.memory / 2**20:.0f} MiB")
    print(f"lost or refused, valid       {len(seen.lost) + len(seen.load.failed)}; wrong answers {len(seen.wrong)}")


if __name__ == "__main__":
    main()
