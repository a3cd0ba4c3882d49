"""What is mended in the names of Go's functions, and how a profile is known to be Go's.

Source: Pyroscope's ``pprof.FixGoProfile`` and ``GetLanguage``.
"""

from __future__ import annotations

from collections.abc import Sequence

GO = "go"
SPIES = {
    "dotnetspy": "dotnet",
    "gospy": GO,
    "phpspy": "php",
    "pyspy": "python",
    "rbspy": "ruby",
    "nodespy": "nodejs",
    "javaspy": "java",
    "grafana-agent.java": "java",
    "pyroscope-rs": "rust",
}
# How texts of a profile begin or end, by language; the first text that is known decides.
MARKS = (
    (GO, (".go", "/usr/local/go/")),
    ("java", ("java/", "sun/")),
    ("ruby", (".rb", "gems/")),
    ("nodejs", ("./node_modules/", ".js")),
    ("dotnet", ("System.", "Microsoft.")),
    ("python", (".py",)),
    ("rust", ("main.rs", "core.rs")),
)
SHAPE = "[go.shape."


def language_of(spy: str, texts: Sequence[str]) -> str:
    """Tell the language of a profile.

    Args:
        spy: what the agent calls itself; empty where that is not known.
        texts: of the profile.

    Returns:
        Its name; an empty text where nothing tells.
    """
    if spy in SPIES:
        return SPIES[spy]
    for text in texts:
        for language, marks in MARKS:
            if text.startswith(marks) or text.endswith(marks):
                return language
    return ""


def without_shapes(spy: str, texts: Sequence[str]) -> Sequence[str]:
    """Return the texts of a profile; of Go's without the shapes of types, which Go writes at random into names."""
    if any(SHAPE in text for text in texts) and language_of(spy, texts) == GO:
        return [_without_shape(text) if SHAPE in text else text for text in texts]
    return texts


def _without_shape(text: str) -> str:
    kept = []
    position = 0
    while (start := text.find(SHAPE, position)) >= 0:
        end = _closing(text, start)
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + 1
    return "".join([*kept, text[position:]])


def _closing(text: str, start: int) -> int:
    """Find the bracket that closes the one at a position; -1 where there is none."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "[") - (text[position] == "]")
        if depth == 0:
            return position
    return -1
