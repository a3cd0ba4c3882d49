"""The workshop: exercises, what is kept of a learner, and how programs are judged."""
