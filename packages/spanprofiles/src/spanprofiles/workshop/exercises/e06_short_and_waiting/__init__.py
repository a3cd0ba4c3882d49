"""Two claims that cannot hold: of a request too short for samples, and of one that waits."""
