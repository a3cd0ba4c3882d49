"""The agent starts in a process that then forks the one that works."""
