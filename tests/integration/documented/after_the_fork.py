"""The agent after the fork. Run as test_after_the_fork.py, beside the files of docs/how-to/."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from spanprofiles import AppStarter, JobRunner, SpanProfiles

UWSGI = [str(Path(sys.executable).with_name("uwsgi")), "--http-socket", "{address}", "--wsgi-file", "wsgi.py"]
GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "{address}"]
UVICORN = [sys.executable, "-m", "uvicorn", "shop:app", "--host", "{host}", "--port", "{port}", "--interface", "wsgi"]
OWN = {"SHOP_TELEMETRY": "telemetry_of_forked_workers"}
SERVERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "gunicorn": ([*GUNICORN, "shop:app"], {}),
    "gunicorn-preload": ([*GUNICORN, "--preload", "shop:app"], {}),
    "gunicorn-preload-own-processor": ([*GUNICORN, "--config", "empty.py", "--preload", "shop:app"], OWN),
    "uvicorn-workers": ([*UVICORN, "--workers", "2"], {"SHOP_AGENT_AT_IMPORT": "1"}),
    "uwsgi": ([*UWSGI, "--master", "--processes", "1", "--enable-threads", "--die-on-term", "--need-app"], {}),
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_worker_that_was_forked_is_linked(
    server: str, span_profiles_app: AppStarter, span_profiles: SpanProfiles
) -> None:
    command, environment = SERVERS[server]
    if server == "uwsgi" and find_spec("pyuwsgi") is None:
        pytest.skip("pyuwsgi is not installed")
    Path("empty.py").touch()
    app = span_profiles_app(command, ready="/health", environment={**environment, "OTEL_SERVICE_NAME": server})

    linked = span_profiles.linked_span(app.get("/search"))

    assert linked.flamegraph.share("compare") > 0.5


def test_without_what_the_page_says_a_forked_worker_is_a_dead_link(
    span_profiles_app: AppStarter, span_profiles: SpanProfiles
) -> None:
    Path("empty.py").touch()
    environment = {"OTEL_SERVICE_NAME": "dead", "SHOP_AGENT_AT_IMPORT": "1"}
    command = [*GUNICORN, "--config", "empty.py", "--preload", "shop:app"]
    app = span_profiles_app(command, ready="/health", environment=environment)

    with pytest.raises(AssertionError, match="no sample has it"):
        span_profiles.linked_span(app.get("/search"))
    with pytest.raises(AssertionError, match="nothing shows that an agent runs where it was answered"):
        span_profiles.waiting_span(app.get("/receipt"))


def test_a_worker_of_a_pool_is_linked(span_profiles_job: JobRunner, span_profiles: SpanProfiles) -> None:
    span_profiles_job([sys.executable, "pool.py"], environment={"OTEL_SERVICE_NAME": "pool"})

    assert span_profiles.linked_span(span_profiles.find('{ name = "count" }')).flamegraph.share("count") > 0.5


def test_a_worker_of_celery_is_linked(
    span_profiles_app: AppStarter, span_profiles_job: JobRunner, span_profiles: SpanProfiles
) -> None:
    pytest.importorskip("celery")
    Path("queue").mkdir(exist_ok=True)
    environment = {"OTEL_SERVICE_NAME": "celery"}
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "1", "-l", "info"]
    worker = span_profiles_app(command, ready=re.compile("ready"), environment=environment, start_timeout=60)
    span_profiles_job([sys.executable, "-c", "import celery_tasks; celery_tasks.task.delay('wite wale')"], environment)

    span = span_profiles.find('{ name = "celery task" }', since=worker)

    assert span_profiles.linked_span(span).flamegraph.share("count") > 0.5


STAND_IN = """
import os, sys, types

after_fork = []
stand_in = types.ModuleType(sys.argv[1])
stand_in.postfork = after_fork.append
stand_in.worker_process_init = types.SimpleNamespace(connect=after_fork.append)
sys.modules[sys.argv[1]] = stand_in
sys.modules.setdefault(sys.argv[1].partition(".")[0], stand_in)
__import__(sys.argv[2])
import shop, telemetry

worker = os.fork()
if not worker:
    (start,) = after_fork
    start()
    shop.app.test_client().get("/search")
    telemetry.stop()
    os._exit(0)
os.waitpid(worker, 0)
"""


@pytest.mark.parametrize(("module", "file"), [("uwsgidecorators", "wsgi"), ("celery.signals", "celery_worker")])
def test_what_is_called_after_a_fork_links_it(
    module: str, file: str, span_profiles_job: JobRunner, span_profiles: SpanProfiles
) -> None:
    """With a stand-in for the server, which forks and calls as that does."""
    span_profiles_job([sys.executable, "-c", STAND_IN, module, file], {"OTEL_SERVICE_NAME": file})

    span = span_profiles.find(f'{{ resource.service.name = "{file}" }}')

    assert span_profiles.linked_span(span).flamegraph.share("compare") > 0.5
