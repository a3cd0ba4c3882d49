"""The work tree of another revision: it has that revision's files, and nothing of it stays behind."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.work_tree import work_tree
from tests.support.git import git

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository of two commits; its second changes ``shop/app.py``."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet")
    (folder / "shop").mkdir()
    (folder / "shop" / "app.py").write_text("fast")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=A fast one")
    (folder / "shop" / "app.py").write_text("slow")
    git(folder, "commit", "--quiet", "--all", "--message=A slow one")
    return folder


@pytest.fixture(autouse=True)
def leftovers(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder that work trees are made in, and find it empty after each test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert len(git(committed, "worktree", "list").splitlines()) == 1


def test_it_has_the_files_of_its_revision_while_the_repository_keeps_its_own(committed: Path) -> None:
    with work_tree("main~1", committed) as tree:
        assert (tree.folder / "shop" / "app.py").read_text() == "fast"
        assert tree.commit == git(committed, "rev-parse", "main~1")
        assert (committed / "shop" / "app.py").read_text() == "slow"


def test_it_is_entered_at_the_folder_in_which_the_experiment_was_started(committed: Path) -> None:
    with work_tree("main~1", committed / "shop") as tree:
        assert tree.directory == tree.folder / "shop"
        assert (tree.directory / "app.py").read_text() == "fast"


@pytest.mark.parametrize("revision", ["no-such-branch", "", "--help", "main:shop/app.py"])
def test_a_revision_that_is_no_commit_is_named(committed: Path, revision: str) -> None:
    with pytest.raises(ExperimentError, match="has no commit"), work_tree(revision, committed):
        pass


def test_a_folder_that_the_revision_does_not_have_is_named(committed: Path) -> None:
    (committed / "new").mkdir(exist_ok=True)
    with pytest.raises(ExperimentError, match="has no folder new/"), work_tree("main", committed / "new"):
        pass


def test_a_folder_in_no_repository_is_said_to_be_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.raises(ExperimentError, match="not a git repository"), work_tree("main", folder):
        pass


def test_without_git_it_says_so(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ExperimentError, match="git cannot be started"), work_tree("main", committed):
        pass
    monkeypatch.undo()


def test_it_goes_with_an_interruption_and_with_what_an_app_wrote_into_it(committed: Path) -> None:
    def interrupted() -> None:
        with work_tree("main~1", committed) as tree:
            (tree.folder / "shop" / "__pycache__").mkdir()
            (tree.folder / "shop" / "app.py").write_text("changed")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_it_goes_although_somebody_has_removed_its_files(committed: Path) -> None:
    with work_tree("main~1", committed) as tree:
        shutil.rmtree(tree.folder)


def test_an_interruption_while_git_writes_the_files_leaves_nothing(
    committed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("git")
    wrapper = tmp_path_factory.mktemp("bin") / "git"
    # interrupts this program when the files are there, and goes on as git would in a large repository
    interrupts = f'*"worktree add"*) {real} "$@"; kill -INT {os.getpid()}; exec sleep 60'
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in {interrupts};; esac\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("spanprofiles.experiment.work_tree._LAST_MOMENT_S", 10.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), work_tree("main~1", committed):
            pytest.fail("it was made all the same")
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_hooks_of_the_repository_do_not_run(committed: Path) -> None:
    hook = committed / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntouch "$(git rev-parse --show-toplevel)/hooked"\n')
    hook.chmod(0o755)
    with work_tree("main", committed) as tree:
        assert not (tree.folder / "hooked").exists()
    hook.unlink()


def test_in_a_hook_it_is_of_the_folder_and_not_of_the_hooks_repository(
    committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    with work_tree("main", committed) as tree:
        assert (tree.folder / "shop" / "app.py").read_text() == "slow"
    monkeypatch.undo()


def test_work_trees_of_others_that_are_out_of_reach_are_not_forgotten(
    committed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("others") / "tree"
    git(committed, "worktree", "add", "--detach", str(other))
    other.rename(other.with_name("moved"))  # as on a disk that is not mounted
    with work_tree("main~1", committed):
        pass
    assert str(other) in git(committed, "worktree", "list")
    git(committed, "worktree", "prune")
