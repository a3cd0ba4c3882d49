"""An app of the learner's own: instrumented, linked, and proven by a test that notices when the link is cut."""
