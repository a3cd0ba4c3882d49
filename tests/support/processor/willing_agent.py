"""A provider with the processor, beside an agent that takes whatever labels it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import TracerProvider

from spanprofiles_processor import SpanProfileProcessor, labels
from spanprofiles_processor.labels import thread_labels
from spanprofiles_processor.late_roots import late_roots, process
from spanprofiles_processor.roots import root_stack


def whose() -> str | None:
    """The name of the span whose labels this thread has."""
    current = thread_labels().current
    return None if current is None else current.span_name


@contextmanager
def provider_beside_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """The provider; a test that leaves a span open fails."""
    for name in ("add_thread_tag", "remove_thread_tag"):
        monkeypatch.setattr(labels, name, lambda *_: True)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProfileProcessor())
    yield provider
    assert whose() is None, "every test ends all its spans"
    assert late_roots == {}
    root_stack.set(())
    process.may_be_profiled = False
