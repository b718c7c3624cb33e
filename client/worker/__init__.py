"""A worker: one agent that serves every session of a kind."""
