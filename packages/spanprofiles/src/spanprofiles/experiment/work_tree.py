"""A git work tree of another revision, made for an experiment and removed after it, however the experiment ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spanprofiles.backends.interruptions import deferred, ignored
from spanprofiles.experiment.errors import ExperimentError

_GIT_S = 600.0  # a large repository's files are written within that
_LAST_MOMENT_S = 5.0
# What git sets for its hooks: it would lead to another repository, or to another index, than the folder does.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")


@dataclass(frozen=True)
class WorkTree:
    """The files of one revision.

    Attributes:
        folder: its root.
        directory: the folder in it that corresponds to the one that the experiment was started in.
        commit: the revision's full hash.
        repository: the root of the folder's own work tree.
    """

    folder: Path
    directory: Path
    commit: str
    repository: Path


@contextmanager
def work_tree(revision: str, directory: Path) -> Iterator[WorkTree]:
    """Check a revision out into a temporary folder, and remove the folder at the end, also on an interruption.

    Nothing else of the repository changes: neither its branches nor its files. Its hooks do not run.

    Args:
        revision: any name that git knows for a commit.
        directory: a folder in the repository.

    Raises:
        ExperimentError: there is no git, no repository, no such commit, or no such folder in that commit.
    """
    git = _Git(directory)
    root = Path(git.run("rev-parse", "--show-toplevel"))
    prefix = git.run("rev-parse", "--show-prefix")
    commit = _commit(git, revision, root)
    outer: Path | None = None
    try:
        with deferred():
            outer = Path(tempfile.mkdtemp(prefix="spanprofiles-work-tree-"))
        folder = outer / "tree"
        git.run("-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--quiet", "--detach", str(folder), commit)
        inner = folder / prefix
        if not inner.is_dir():
            raise ExperimentError(f"the commit {revision!r} of {root} has no folder {prefix}: start from another one")
        yield WorkTree(folder, inner, commit, root)
    finally:
        with ignored():
            if outer is not None:
                _remove(git, outer, outer / "tree")


def _commit(git: _Git, revision: str, root: Path) -> str:
    missing = f"the repository {root} has no commit {revision!r}: is it fetched? A CI often has only the newest commit"
    if not revision or revision.startswith("-"):  # to git, that is an option
        raise ExperimentError(missing)
    try:
        return git.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except ExperimentError as error:
        raise ExperimentError(missing) from error


def _remove(git: _Git, outer: Path, folder: Path) -> None:
    """Remove the files, and what the repository remembers of them. A prune would forget work trees of others, too."""
    with suppress(ExperimentError):
        git.run("worktree", "remove", "--force", "--force", str(folder))
    shutil.rmtree(outer, ignore_errors=True)


class _Git:
    """Runs git in a folder. The terminal's Ctrl-C does not reach it: it ends in order, and leaves nothing half done."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
        self._environment["GIT_TERMINAL_PROMPT"] = "0"

    def run(self, *arguments: str) -> str:
        """Return what git prints, without its last line break.

        Raises:
            ExperimentError: it fails, or there is no git.
        """
        process: subprocess.Popen[str] | None = None
        try:
            with deferred():  # in between, there would be a process that nobody knows of
                process = self._start(arguments)
            out, err = process.communicate(timeout=_GIT_S)
        except subprocess.TimeoutExpired as error:
            raise ExperimentError(f"git {arguments[0]} was not done after {_GIT_S:g} s") from error
        finally:
            if process is not None:
                _end(process)
        if process.returncode:
            raise ExperimentError(
                f"git {_command(arguments)} failed in {self._directory}: {err.strip() or out.strip()}"
            )
        return out.removesuffix("\n")

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                ["git", *arguments],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ExperimentError(f"git cannot be started in {self._directory}: {error.strerror}") from error


def _end(process: subprocess.Popen[str]) -> None:
    """End git where it still runs: it removes what it has half done itself."""
    with ignored():
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_MOMENT_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _command(arguments: Sequence[str]) -> str:
    """Return which of git's commands it is, without the settings before it."""
    return next(word for word in arguments if word != "-c" and "=" not in word)
