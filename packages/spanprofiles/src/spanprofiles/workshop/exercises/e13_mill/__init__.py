"""A service in Go: whose spans, and whose goroutines?"""
