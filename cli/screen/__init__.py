"""A session on a terminal, live: who is there, what each says and does, the shared state, what just happened."""
