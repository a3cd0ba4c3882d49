"""What hostile requests cost those who mean well: how long valid load waits beside them, against a quiet pair.

Attackers and nobody take turns within one run, so that both figures are of the same machine and the same minutes.
"""

from __future__ import annotations

import argparse
import statistics

from tests.support.soak.soak import Plan, soak


def p95_ms(values_s: list[float]) -> float:
    """Return the 95th percentile, ms."""
    return statistics.quantiles(values_s, n=20)[-1] * 1000


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
    quiet_ms, attacked_ms = p95_ms(seen.quiet_s), p95_ms(seen.attacked_s)
    most = (plan.http_attackers + plan.grpc_attackers) * plan.per_second
    print(f"hostile requests             {seen.sent.total()} of {len(seen.sent)} kinds, up to {most:g} a second")
    print(f"valid load, p95              {quiet_ms:.1f} ms quiet, {attacked_ms:.1f} ms beside them")
    print(f"                             {attacked_ms / quiet_ms:.2f} times, of {len(seen.attacked_s)} answers")
    print(f"slowest answer to a hostile  {seen.slowest_s:.2f} s, with a time-out of {plan.query_timeout_s:g} s")
    print(f"memory                       {seen.memory / 2**20:.0f} MiB")
    print(f"lost or refused, valid       {len(seen.lost) + len(seen.load.failed)}; wrong answers {len(seen.wrong)}")


if __name__ == "__main__":
    main()
