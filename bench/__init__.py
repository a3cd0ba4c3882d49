"""The figures the README quotes, as commands."""
