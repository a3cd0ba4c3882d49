"""The limits of profiles and of questions about them; each is named once, here.

Those that Pyroscope 2.2.1 has too have its values, and their names there.
"""

from __future__ import annotations

from enum import Enum

from spanprofiles.embedded.refusals import Reason

MEBIBYTE = 2**20

# Of one profile, as Pyroscope has them.
SIZE_LIMIT = 4 * MEBIBYTE
"""``max_profile_size_bytes``: bytes of one profile, decompressed."""
SAMPLES_LIMIT = 16_000
"""``max_profile_stacktrace_samples``."""
SAMPLE_LABELS_LIMIT = 100
"""``max_profile_stacktrace_sample_labels``: labels of one sample."""
DEPTH_LIMIT = 1_000
"""``max_profile_stacktrace_depth``: frames of one stack, inlined ones among them; of more the outermost are kept."""
SYMBOL_LENGTH_LIMIT = 65_535
"""``max_profile_symbol_value_length``: characters of a name; of a longer one the end is kept."""

# Of one profile, which Pyroscope bounds by the size alone.
LINES_LIMIT = 1_000
"""Lines of one location: a function and those that were inlined in it."""
SAMPLE_TYPES_LIMIT = 64
TABLE_LIMIT = 2**17
"""Locations, functions, mappings and comments, each."""
STRINGS_LIMIT = 2**18
MESSAGES_LIMIT = 2**18
"""Lines of all locations; labels of all samples."""

JFR_EVENTS_LIMIT = 2**20
"""Events of one JFR file, those that say nothing of a profile among them."""
JFR_EXPANSION = 16
"""About how many times as large as a JFR file its types, constants and samples are in memory."""

PROFILES_LIMIT = 2**12
"""Profiles of one push; series of one push."""
PUSH_LABELS_LIMIT = 2**15
"""Labels of all series of one push."""
JSON_VALUES_LIMIT = 2**18
"""Values in a push as JSON."""
QUERY_BYTES_LIMIT = 2 * MEBIBYTE
"""The largest body of a question."""
SELECTOR_LENGTH_LIMIT = 16 * 1024
"""Characters of a label selector."""
MATCHERS_LIMIT = 100
"""Comparisons in a selector, or in all of one question."""
IDS_LIMIT = 10_000
"""Spans, traces or profiles that one selection may name."""
GROUP_LIMIT = 100
"""Labels by which one question may group series."""
FORM_PARTS_LIMIT = 1_000
FORM_HEADER_BYTES = 16 * 1024
"""The largest header of one part of a form."""
CONFIGURATION_BYTES_LIMIT = 64 * 1024
"""The largest ``sample_type_config`` of a form."""


class Quantity(Enum):
    """What one upload has so much of at most, all its profiles together: (in words, limit, reason)."""

    BYTES = ("bytes of decompressed profiles", 16 * MEBIBYTE, Reason.PROFILE_SIZE)
    FRAMES = ("frames in its different stacks", 2**20, Reason.FRAMES)
    NAMES = ("bytes of function and file names in its different frames", 8 * MEBIBYTE, Reason.FRAMES)
    VALUES = ("values above zero", 2**18, Reason.SAMPLES)
    SERIES = ("series, one for each sample type and set of labels", 5_000, Reason.SERIES)
    LABELS = ("bytes of labels in its series", 4 * MEBIBYTE, Reason.SERIES)

    # By what it is, as it is compared: that of enumerations hashes the name each time, in Python.
    __hash__ = object.__hash__

    def __init__(self, words: str, limit: int, reason: Reason) -> None:
        self.words = words
        self.limit = limit
        self.reason = reason


NAMES_FREE_BYTES = MEBIBYTE
NAMES_EXPANSION = 16
"""How many times as large as the profiles themselves the names of their frames may be, beyond NAMES_FREE_BYTES. A name
comes once in a profile, and is kept with each of its function's lines."""

# Of one question.
MERGED_STACKS_LIMIT = 2**17
"""Stacks that a merge tells apart; twice as many while it is under way. The smallest are merged into ``other``."""
MERGED_NODES_LIMIT = 100_000
"""Nodes of one call tree that are told apart, and never twice as many; what is smallest is merged into ``other``."""
MERGED_FRAMES_LIMIT = 2**20
"""Frames in the stacks of one merged pprof; the smallest stacks are merged into ``other``."""
NODES_DEFAULT, NODES_LIMIT = 8_192, 2**20
"""``max_flamegraph_nodes_default`` and ``max_flamegraph_nodes_max``: what ``maxNodes`` is, and may be."""
POINTS_LIMIT = 100_000
"""Points of all series over time in one answer."""
CELLS_LIMIT = 250_000
"""Spans, or profiles, of which one heatmap is made."""
TIMELINES_LIMIT = 2**20
"""Steps of all timelines in one answer of the older API."""
