"""The span processors, row by row, each case in a process of its own with the real agent and a stub push server."""
