"""The workshop: small broken programs to mend, and a judge that knows whether they are mended.

An exercise is a folder of :mod:`spanprofiles.workshop.exercises`; adding a folder is all that a new one takes. What is
in it, :mod:`.exercise` says. Its judge starts the learner's program, sends it requests, and looks at what arrives in
Tempo and Pyroscope; it never reads the program's text. :mod:`.workbench` is what a judge works with.
"""

from __future__ import annotations

from spanprofiles.workshop.errors import NotHereError, WorkshopError
from spanprofiles.workshop.exercise import Exercise, all_exercises
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError, FinishedProgram, LearnersProgram
from spanprofiles.workshop.workbench import Workbench

__all__ = [
    "AttemptError",
    "Exercise",
    "FinishedProgram",
    "Judgement",
    "LearnersProgram",
    "NotHereError",
    "Workbench",
    "WorkshopError",
    "all_exercises",
]
