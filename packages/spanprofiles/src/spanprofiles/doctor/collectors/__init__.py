"""The doctor's questions to the servers: each collector asks, and returns the facts with the answers added."""
