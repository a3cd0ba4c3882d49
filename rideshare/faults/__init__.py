"""Faults: what goes wrong between a request and its flame graph, each one switch.

They are for showing, and for testing, what finds them. All are off unless ``RIDESHARE_FAULTS`` names them (separated by
commas) when a region starts. The wiring faults break one hop of the telemetry and stay as they are:

| name | what is broken |
|---|---|
| ``no-processor`` | no span processor: spans carry no profile ID, samples no labels |
| ``no-agent`` | no profiling agent: profile IDs lead nowhere |
| ``agent-before-fork`` | the agent is started in gunicorn's master and not in the worker, which does all the work |
| ``agent-under-another-name`` | the agent's application name is the service's with ``-profiles`` behind it |
| ``dotted-name`` | the host is in the tag ``host.name``, not in ``hostname`` where Grafana's data source looks |
| ``sampler-off`` | the tracer records no trace, whatever a request's ``traceparent`` says; the profiler goes on |
| ``slow-upload`` | the agent uploads once a minute, which is longer than Grafana's embedded flame graph looks around |
| ``unlabelled`` | the agent uses its implementation ``Stack``, which puts no labels on samples |
| ``pushes-refused`` | the agent pushes to a server that answers each push with 403 |
| ``clock-ahead`` | spans are dated five minutes ahead of the clock that dates the profiles |
| ``leaking-processor`` | the span processor never removes its labels from a thread: they pile up |

The code faults make the service itself slow. They can also be switched while it runs, see ``rideshare.admin``:

| name | what is slow |
|---|---|
| ``slow-search`` | an order first drops vehicles listed twice, comparing each with all before it: CPU, quadratic |
| ``lock-contention`` | an order holds a lock of the whole process while it waits for the dispatcher: no CPU |
| ``slow-gateway`` | the payment gateway takes three seconds: no CPU |

Several may be on at once. The domain's modules and ``rideshare.telemetry`` know nothing of them.
"""

from __future__ import annotations

WIRING_FAULTS = (
    "no-processor",
    "no-agent",
    "agent-before-fork",
    "agent-under-another-name",
    "dotted-name",
    "sampler-off",
    "slow-upload",
    "unlabelled",
    "pushes-refused",
    "clock-ahead",
    "leaking-processor",
)
"""Names of the faults that break telemetry; set when a region starts."""

CODE_FAULTS = ("slow-search", "lock-contention", "slow-gateway")
"""Names of the faults that slow the service down; set when a region starts, or while it runs."""

FAULTS = WIRING_FAULTS + CODE_FAULTS
"""Names of all faults."""
