"""What the older API mends in the profiles of some agents.

Source: Pyroscope's ``og/convert/pprof``.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import SIZE_LIMIT
from spanprofiles.embedded.refusals import Reason

SCRIPTING = frozenset({"pyspy", "rbspy", "scripting"})
DOTNET, UNKNOWN = "dotnetspy", "unknown"
DOTNETS_TYPE = "inuse-space"


def mend(profile: Profile, spy: str, configured: frozenset[str]) -> None:
    """Mend a profile in place.

    Args:
        profile: the profile, whose tables may be wrong.
        spy: what the agent calls itself.
        configured: the sample types that came with a configuration of their own.

    Raises:
        ConnectError: the names become far too long by it.
    """
    if spy in SCRIPTING:
        _put_files_before_functions(profile, keep_absolute=spy == "pyspy")
    if spy == DOTNET or (spy == UNKNOWN and DOTNETS_TYPE in configured):
        _number_functions(profile)
        _replace_dashes(profile)


def _put_files_before_functions(profile: Profile, *, keep_absolute: bool) -> None:
    """Make ``app.py show`` of ``show`` in ``app.py``; of a function without a file, `` show``.

    A line of a function that is not in the profile becomes one of the first function, as there.
    """
    functions = {function.id: function for function in profile.function}
    lines = [line for location in profile.location for line in location.line]
    if lines and not functions:
        raise ConnectError("a line has a function, and the profile has none", "unknown", Reason.MALFORMED_PROFILE)
    texts = {text: number for number, text in reversed(list(enumerate(profile.string_table)))}
    room = SIZE_LIMIT
    named: set[int] = set()
    for line in lines:
        function = functions.get(line.function_id, profile.function[0])
        if function.id in named:
            line.function_id = function.id
            continue
        file, name = (_text(profile, number) for number in (function.filename, function.name))
        if keep_absolute and PurePosixPath(file).is_absolute():
            continue
        whole = f"{file} {name}"
        if whole not in texts:
            room -= len(whole)
            if room < 0:
                raise ConnectError(
                    f"the names of functions with their files before them have more than {SIZE_LIMIT} characters",
                    reason=Reason.FRAMES,
                )
            texts[whole] = len(profile.string_table)
            profile.string_table.append(whole)
        function.name = texts[whole]
        named.add(function.id)
        line.function_id = function.id


def _text(profile: Profile, number: int) -> str:
    if not 0 <= number < len(profile.string_table):
        raise ConnectError("function string index out of range", "unknown", Reason.MALFORMED_PROFILE)
    return profile.string_table[number]


def _number_functions(profile: Profile) -> None:
    """Give functions the numbers of their locations where none has any."""
    if len(profile.function) != len(profile.location) or any(function.id for function in profile.function):
        return
    for function, location in zip(profile.function, profile.location, strict=True):
        function.id = location.id


def _replace_dashes(profile: Profile) -> None:
    for kind in profile.sample_type:
        if 0 <= kind.type < len(profile.string_table):
            profile.string_table[kind.type] = profile.string_table[kind.type].replace("-", "_")
