"""Where the pair keeps what it took: one SQLite file, one writer, a reader connection for each thread."""
