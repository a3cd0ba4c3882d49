"""``spanprofiles.processor``, where the span processor used to be."""

from __future__ import annotations

import importlib
import sys

import pytest

import spanprofiles_processor


@pytest.fixture(autouse=True)
def _imported_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "spanprofiles.processor", raising=False)


def test_it_has_what_the_processors_own_package_has() -> None:
    alias = importlib.import_module("spanprofiles.processor")
    assert set(alias.__all__) == set(spanprofiles_processor.__all__) - {"__version__"}
    for name in alias.__all__:
        assert getattr(alias, name) is getattr(spanprofiles_processor, name)


def test_without_the_distribution_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spanprofiles_processor", None)
    with pytest.raises(ImportError, match="pip install spanprofiles-processor"):
        importlib.import_module("spanprofiles.processor")


def test_the_harness_itself_does_without_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spanprofiles_processor", None)
    assert importlib.import_module("spanprofiles").__version__
