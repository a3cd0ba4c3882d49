"""A test that tells the broken cinema from the mended one, and from what else may happen to a cinema."""
