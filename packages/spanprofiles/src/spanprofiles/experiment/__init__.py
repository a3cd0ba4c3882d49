"""Two builds of an app side by side on one machine: the same requests for both, interleaved and in random order."""
