"""The real stack's files, read without an engine. The functions that real files pass find what is broken in a copy."""
