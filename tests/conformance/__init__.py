"""The embedded pair, held to what real servers were recorded to answer."""
