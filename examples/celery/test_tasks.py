import re
import sys

import pytest

COMMAND = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=1", "--loglevel=info"]
READY = re.compile(r" ready\.")


@pytest.fixture(scope="session")
def start_worker(span_profiles_app, span_profiles_job, tmp_path_factory):
    """Start a worker, give it some tasks, and return it when the last is done: one process takes them in turn."""

    def start(service, count, **environment):
        queue = str(tmp_path_factory.mktemp(service))
        everything = {"OTEL_SERVICE_NAME": service, "TASKS_QUEUE": queue, **environment}
        worker = span_profiles_app(COMMAND, ready=READY, environment=everything, start_timeout=60)
        span_profiles_job([sys.executable, "order.py", str(count)], environment=everything)
        worker.wait_until_printed(f"picture {count - 1} is resized", timeout=120)
        return worker

    return start


def test_a_task_spends_its_cpu_resizing(start_worker, span_profiles):
    worker = start_worker("pictures", 1)

    task = span_profiles.find('{ name = "run/tasks.resize_picture" }', since=worker)

    assert span_profiles.linked_span(task).flamegraph.share("resize_picture") > 0.8


def test_with_the_agent_before_the_fork_the_doctor_says_that_it_runs_elsewhere(
    start_worker, span_profiles, span_profiles_doctor
):
    worker = start_worker("forked-pictures", 20, TASKS_AGENT="before the fork")

    task = span_profiles.find('{ resource.service.name = "forked-pictures" }', since=worker)
    with pytest.raises(AssertionError, match="no sample has it"):
        span_profiles.linked_span(task)

    broken = span_profiles_doctor("forked-pictures").broken

    assert broken.hop == "profiles"
    assert "worker_process_init" in broken.advice
