"""The parts of the embedded pair."""
