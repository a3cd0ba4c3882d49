"""What may be claimed of a flame graph of ten samples, what may not, and what nobody can say."""
