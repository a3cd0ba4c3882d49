"""Three patients with faults drawn for the learner, who may ask each of them three questions."""
