"""The intervals of a flame graph, to play with: python intervals.py"""

from spanprofiles import FlameGraph

SAMPLE_NS = 10_000_000  # each sample stands for 10 ms

graph = FlameGraph(
    {
        ("serve", "answer", "search"): 6 * SAMPLE_NS,
        ("serve", "answer", "sort"): 3 * SAMPLE_NS,
        ("serve", "answer", "render"): 1 * SAMPLE_NS,
    }
)

for function in ("search", "sort", "render"):
    low, high = graph.share_interval(function)
    print(f"{function:8} {graph.share(function):4.0%} of the CPU, {low:.0%} to {high:.0%}")

low, high = graph.total_interval()
print(f"the request uses {graph.total / 1e6:.0f} ms, {low / 1e6:.0f} to {high / 1e6:.0f} ms")
