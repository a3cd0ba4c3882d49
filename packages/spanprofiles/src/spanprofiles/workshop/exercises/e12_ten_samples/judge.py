"""Judges what a learner says of claims about ten samples: that they hold, that they do not, or that nobody can say."""

from __future__ import annotations

import re
from random import Random

from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS
from spanprofiles.report import flame_lines, top_table
from spanprofiles.workshop.exercises.e12_ten_samples.claims import NO, OPEN, YES, Claim, claims_about
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.workbench import Workbench

SAMPLES = 10
"""How many the request has."""

_WIDTH = 72
_WORDS = {YES: YES, NO: NO, OPEN: OPEN, "true": YES, "false": NO, "?": OPEN}


def drawn(bench: Workbench) -> str:
    """Return what the samples say of each claim, in the order of this learner's claims."""
    return " ".join(claim.verdict for claim in _claims(bench))


def judge(bench: Workbench) -> Judgement:
    """Judge the answer; without one, show the flame graph and the claims."""
    claims = _claims(bench)
    numbered = [f"{number}. {claim.text}" for number, claim in enumerate(claims, 1)]
    words = [word for word in re.split(r"[\s,;:.]+", bench.answer.lower()) if word and not word.isdigit()]
    usage = f"{len(claims)} words, one for each claim: {YES}, {NO}, or {OPEN} where these samples cannot tell"
    if not words:
        graph = _graph(bench)
        pictures = [*flame_lines(graph, _WIDTH), *top_table(graph)]
        seen = [f"one request, with {SAMPLES} samples:", *(f"  {line}" for line in pictures), *numbered]
        return Judgement.fails(seen, f"your answer: {usage}", hint=1)
    unknown = [word for word in words if word not in _WORDS]
    if unknown or len(words) != len(claims):
        what = f"{', '.join(map(repr, unknown))}: no such word" if unknown else f"{len(words)} words"
        return Judgement.fails([what, *numbered], usage, hint=1)
    answers = [_WORDS[word] for word in words]
    wrong = [n for n, claim in enumerate(claims) if answers[n] != claim.verdict]
    if not wrong:
        return Judgement.passes(
            [f"{line}: {claim.verdict}, for {claim.reason}" for line, claim in zip(numbered, claims, strict=True)]
        )
    first = wrong[0]
    known = f"{len(claims) - len(wrong)} of {len(claims)} are right"
    return Judgement.fails(
        [known, f"{numbered[first]}: you say {answers[first]}, and {claims[first].reason}"],
        f"another word for claim {first + 1}: does it hold everywhere in that range, nowhere, or only somewhere?",
        hint=2 if claims[first].verdict == OPEN else 3,
    )


def _claims(bench: Workbench) -> list[Claim]:
    claims = claims_about(_graph(bench))
    Random(f"{bench.seed}/claims").shuffle(claims)  # noqa: S311  # not a secret
    return claims


def _graph(bench: Workbench) -> FlameGraph:
    """Return a flame graph of ten samples, which differ a little between learners."""
    random = Random(f"{bench.seed}/samples")  # noqa: S311  # not a secret
    search, render = random.randint(5, 7), random.randint(1, 2)
    own = {"search": search, "sort": SAMPLES - search - render, "render": render}
    stacks: dict[tuple[str, ...], int] = {
        ("serve", "answer", name): count * SAMPLE_PERIOD_NS for name, count in own.items()
    }
    return FlameGraph(stacks, CPU)
