"""Recordings of five commits, of which one made a request slower: name it, and what is equal."""
