"""The figures the documentation quotes, as commands."""
