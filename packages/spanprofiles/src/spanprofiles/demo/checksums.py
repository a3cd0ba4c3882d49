"""Holds the files that a build has fetched to a list of their checksums, in the form of ``sha256sum``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>\S.*)")


class ChecksumError(Exception):
    """Files are not those of the list; the message has a line for each."""


def check(listed: Path, folder: Path, parts: Collection[str], own: Collection[str] = ()) -> None:
    """Compare the files of a folder with a list: each must be in it, with its content, and none may be missing.

    Args:
        listed: the list, each line a SHA-256 and a path that begins at the folder.
        folder: where the files are.
        parts: the folders in it whose files are compared.
        own: paths of files that the build itself makes; the list has none of these.

    Raises:
        ChecksumError: a file differs, or is in one of both alone, or the list cannot be read.
    """
    wanted = _read(listed)
    files = (path for part in parts for path in (folder / part).rglob("*") if not path.is_dir())
    found = {path.relative_to(folder).as_posix(): path for path in files}
    faults = [f"{path}: {listed.name} does not list it" for path in sorted(found.keys() - wanted.keys() - set(own))]
    for path, digest in sorted(wanted.items()):
        if path not in found:
            faults.append(f"{path}: {listed.name} lists it, and it is not there")
            continue
        actual = _digest(found[path])
        if actual != digest:
            faults.append(f"{path}: its SHA-256 is {actual}, and {listed.name} lists {digest}")
    if faults:
        raise ChecksumError("\n".join(faults))


def _read(listed: Path) -> dict[str, str]:
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChecksumError(f"{listed} cannot be read: {error}") from error
    matches = [_LINE.fullmatch(line) for line in lines]
    if not lines or None in matches:
        raise ChecksumError(f"{listed}: each line must be a SHA-256, two spaces, and a path")
    return {match["path"]: match["digest"] for match in matches if match}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ChecksumError(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()
