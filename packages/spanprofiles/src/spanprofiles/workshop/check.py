"""Judges one exercise in a learner's folder, whatever goes wrong in the learner's program."""

from __future__ import annotations

from dataclasses import replace

from spanprofiles.clients import ClientError
from spanprofiles.linking import LinkError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError
from spanprofiles.workshop.workbench import Workbench


def judged(bench: Workbench) -> Judgement:
    """Return what the exercise's judge says, and stop what it has started; see :func:`judgement_on`."""
    with bench:
        return judgement_on(bench)


def judgement_on(bench: Workbench) -> Judgement:
    """Return what the exercise's judge says. What it has started runs until the bench is closed.

    A judge need not catch what keeps a program from being judged: programs that do not run, and requests that are not
    linked, become judgements that say what was seen. Where the learner has neither changed nor answered anything, the
    judgement is a look at what there is to do.

    Raises:
        NotHereError: the exercise cannot be done on this machine.
        ClientError: a server failed; that is not the learner's fault.
        BackendError: likewise.
    """
    bench.read_attempt()
    try:
        judgement = bench.exercise.judge(bench)
    except AttemptError as error:
        judgement = error.judgement
    except LinkError as error:
        judgement = _not_linked(error, bench)
    is_look = not judgement.passed and bench.is_untouched
    return replace(judgement.showing(*bench.shown), is_look=is_look)


def _not_linked(error: LinkError, bench: Workbench) -> Judgement:
    """Return the judgement of a request that should be linked, with the doctor's word where there is one."""
    seen, missing = [str(error)], "a request that leads to its own flame graph"
    if error.evidence is not None:
        try:
            broken = bench.examine(error.evidence).broken
        except ClientError:
            broken = None
        if broken is not None:
            seen += [f"the doctor says that the hop {broken.hop!r} is broken", *broken.evidence]
            missing = broken.advice or missing
    return Judgement.fails(seen, missing)
