"""What the learner does not get: the city, with one slow ride in it."""
